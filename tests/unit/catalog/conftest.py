"""A catalogue in a file, as a site has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.catalogue import Catalogue
from tests.support.catalogue import open_catalogue
from tests.support.centre import Centre


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = open_catalogue(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    """A small centre with rooms, seats and a segmenter."""
    opened = Centre(tmp_path / "centre")
    yield opened
    opened.close()
