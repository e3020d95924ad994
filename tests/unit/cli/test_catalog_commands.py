"""``jianzheng catalog``, and what the doctor says of the catalogue's database."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from catalog.catalogue import Catalogue
from cli.database_doctor import diagnose_database
from cli.main import app
from kernel.errors import CatalogError
from kernel.settings import Settings
from tests.support.catalogue import migrated_file


@pytest.fixture
def url(tmp_path: Path) -> str:
    return migrated_file(tmp_path / "var" / "catalogue.sqlite")


def run(tmp_path: Path, *words: str) -> str:
    arguments = [*words, "--data-dir", str(tmp_path / "var"), "--as", "Li Na"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def acts(url: str) -> list[tuple[str, str]]:
    with closing(Catalogue.open(url)) as catalogue:
        return [(one.principal, one.action) for one in catalogue.audit.records()]


def test_a_copy_is_made_and_put_back_and_both_are_on_record(url: str, tmp_path: Path) -> None:
    """Invariant 14."""
    said = run(tmp_path, "catalog", "backup", str(tmp_path / "copies"))
    [copy] = (tmp_path / "copies").iterdir()
    assert str(copy) in said
    assert re.search(r"SHA-256 [0-9a-f]{64}", said)
    assert acts(url) == [("Li Na", "catalogue.backed_up")]
    said = run(tmp_path, "catalog", "restore", str(copy))
    assert "catalogue.sqlite.before-" in said
    assert acts(url) == [("Li Na", "catalogue.restored"), ("Li Na", "catalogue.backed_up")]


def test_a_mistyped_directory_is_no_empty_catalogue(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no catalogue"):
        run(tmp_path, "catalog", "backup", str(tmp_path / "copies"))
    assert not (tmp_path / "copies").exists()


def test_the_doctor_names_database_version_and_schema(url: str, tmp_path: Path) -> None:
    [found] = diagnose_database(Settings(data_dir=tmp_path / "var"))
    assert found.well
    assert re.match(r"SQLite [\d.]+, .*catalogue\.sqlite; schema \d{4}; 0 sources, 0 projects", found.found)


def test_the_doctor_makes_no_catalogue(tmp_path: Path) -> None:
    [found] = diagnose_database(Settings(data_dir=tmp_path / "new"))
    assert found.well
    assert "made when a program starts" in found.found
    assert not (tmp_path / "new").exists()


def test_the_doctor_says_what_to_do_about_a_server(tmp_path: Path, postgresql_url: str) -> None:
    """That of the tests writes no file durably."""
    [found] = diagnose_database(Settings(data_dir=tmp_path, database_url=postgresql_url))
    assert not found.well
    assert found.found.startswith("PostgreSQL ")
    assert "fsync is off" in found.found
    assert "postgresql.md" in found.remedy
    [gone] = diagnose_database(Settings(database_url="postgresql://me:hunter2@/x?host=/nowhere"))
    assert not gone.well
    assert "hunter2" not in f"{gone.found} {gone.remedy}", "invariant 16"
