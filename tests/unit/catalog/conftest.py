"""A catalogue in a file, as a site has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.catalogue import Catalogue
from tests.support.catalogue import open_catalogue


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = open_catalogue(tmp_path)
    yield opened
    opened.close()
