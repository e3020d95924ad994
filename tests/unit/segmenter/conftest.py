"""A small centre, as the segmenter finds it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.centre import Centre


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    opened = Centre(tmp_path)
    yield opened
    opened.close()
