"""A catalogue in a file, as a site has it, and one on a PostgreSQL server, as a province may have it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog.catalogue import Catalogue
from tests.support.catalogue import migrated_file, open_catalogue
from tests.support.centre import Centre


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a catalogue is, or will be: whoever takes this runs on both databases."""
    if request.param == "sqlite":
        return migrated_file(tmp_path / "catalogue.sqlite")
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def own_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated catalogue of a test that alters its tables."""
    if request.param == "sqlite":
        return migrated_file(tmp_path / "catalogue.sqlite")
    return str(request.getfixturevalue("own_postgresql_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The same without any table in it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new.sqlite'}"
    return str(request.getfixturevalue("empty_postgresql_url"))


@pytest.fixture
def catalogue(tmp_path: Path, url: str) -> Iterator[Catalogue]:
    opened = open_catalogue(tmp_path, url)
    yield opened
    opened.close()


@pytest.fixture
def centre(tmp_path: Path, url: str) -> Iterator[Centre]:
    """A small centre with rooms, seats and a segmenter."""
    opened = Centre(tmp_path / "centre", url)
    yield opened
    opened.close()
