"""Copies of the catalogue: whole, made while it is used, and put back without losing what was there."""

from __future__ import annotations

import sqlite3
import subprocess
import threading
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import text

from catalog.backup import back_up, examine, restore
from catalog.catalogue import Catalogue
from catalog.database import alembic_config, make_engine, migrate, open_engine, writing
from catalog.database_facts import facts_of
from kernel.errors import CatalogError, StorageError
from tests.support.catalogue import migrated_file, open_catalogue
from tests.support.postgresql import PostgresServer, name_in
from tests.unit.catalog.test_footage import gap
from tests.unit.catalog.test_migrations import contents, fill

AT = 1_772_413_200_000_000  # 2026-03-02, 01:00 UTC
NAME = "catalogue-20260302T010000Z.sqlite"


@pytest.fixture
def site(tmp_path: Path) -> str:
    """URL of a site's catalogue that knows its cameras."""
    open_catalogue(tmp_path / "data").close()
    return migrated_file(tmp_path / "data" / "catalogue.sqlite")


def gaps(url: str) -> list[str]:
    with closing(Catalogue.open(url)) as catalogue:
        return sorted(one.id for one in catalogue.footage.open_gaps())


def lose(url: str, name: str) -> None:
    with closing(Catalogue.open(url)) as catalogue:
        catalogue.footage.open_gap(gap(name, 1, None))


def test_a_copy_is_the_catalogue_of_one_moment_whatever_is_written_meanwhile(
    site: str, tmp_path: Path
) -> None:
    """Each transaction writes one number into two tables."""
    begun, stop, engine = threading.Event(), threading.Event(), open_engine(site)

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            with writing(engine) as session:
                for table in ("region", "industry"):
                    session.connection().execute(text(f"UPDATE {table} SET name_en = '{number}'"))
            begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert begun.wait(30)
    copies = [back_up(site, tmp_path / "copies", at_us=AT + second * 1_000_000) for second in range(3)]
    stop.set()
    writer.join(30)
    engine.dispose()
    for copy in copies:
        assert examine(copy.path).sha256 == copy.sha256
        with closing(sqlite3.connect(copy.path)) as connection:
            named = "SELECT name_en FROM region UNION SELECT name_en FROM industry"
            assert len(connection.execute(named).fetchall()) == 1


def test_a_copy_is_one_file_with_the_date_in_its_name(site: str, tmp_path: Path) -> None:
    with closing(Catalogue.open(site)):
        made = back_up(site, tmp_path / "copies", at_us=AT)
    assert [one.name for one in (tmp_path / "copies").iterdir()] == [NAME]
    assert (made.path.name, made.size_bytes) == (NAME, made.path.stat().st_size)
    assert made.schema == facts_of(site).newest


def test_a_copy_overwrites_none(site: str, tmp_path: Path) -> None:
    first = back_up(site, tmp_path, at_us=AT)
    lose(site, "later")
    with pytest.raises(CatalogError, match="exists"):
        back_up(site, tmp_path, at_us=AT)
    assert examine(first.path).sha256 == first.sha256


def test_a_damaged_catalogue_gives_no_copy(site: str, tmp_path: Path) -> None:
    path = Path(site.removeprefix("sqlite:///"))
    data = bytearray(path.read_bytes())
    for at in range(40 * 4096, 60 * 4096, 512):
        data[at : at + 64] = bytes(64)
    path.write_bytes(data)
    with pytest.raises(CatalogError, match=r"damaged|malformed"):
        back_up(site, tmp_path / "copies", at_us=AT)
    assert list((tmp_path / "copies").glob("*.sqlite")) == []


def test_what_is_restored_is_the_copy_and_what_was_there_stays_beside_it(site: str, tmp_path: Path) -> None:
    lose(site, "before")
    copy = back_up(site, tmp_path / "copies", at_us=AT)
    lose(site, "after")
    engine = open_engine(site)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM gap"))
    engine.dispose()
    aside = restore(copy.path, site, at_us=AT + 5_000_000)
    assert gaps(site) == ["before"]
    assert aside is not None
    assert aside.name == "catalogue.sqlite.before-20260302T010005Z"
    assert gaps(f"sqlite:///{aside}") == []
    assert examine(copy.path).sha256 == copy.sha256


def test_nothing_is_restored_under_a_program_that_runs(site: str, tmp_path: Path) -> None:
    copy = back_up(site, tmp_path, at_us=AT)
    lose(site, "after")
    with closing(Catalogue.open(site)) as running:
        assert running.footage.open_gaps()
        with pytest.raises(CatalogError, match=r"in use.*Stop all programs"):
            restore(copy.path, site, at_us=AT)
    assert gaps(site) == ["after"]


def test_a_catalogue_that_is_lost_or_unreadable_is_restored_too(site: str, tmp_path: Path) -> None:
    lose(site, "before")
    copy, path = back_up(site, tmp_path, at_us=AT), Path(site.removeprefix("sqlite:///"))
    path.unlink()
    assert restore(copy.path, site, at_us=AT) is None
    path.write_bytes(b"no database any more" * 500)
    aside = restore(copy.path, site, at_us=AT)
    assert gaps(site) == ["before"]
    assert aside is not None
    assert aside.read_bytes().startswith(b"no database")


@pytest.mark.parametrize("wrong", ["cut off", "changed", "no catalogue", "missing", "later"])
def test_a_copy_that_is_not_whole_replaces_nothing(site: str, tmp_path: Path, wrong: str) -> None:
    lose(site, "kept")
    copy = back_up(site, tmp_path, at_us=AT).path
    data = copy.read_bytes()
    if wrong == "cut off":
        copy.write_bytes(data[: len(data) // 2])
    elif wrong == "changed":
        copy.write_bytes(data[: 40 * 4096] + bytes(20 * 4096) + data[60 * 4096 :])
    elif wrong == "no catalogue":
        copy.write_bytes(b"evidence of something else")
    elif wrong == "missing":
        copy.unlink()
    else:
        with closing(sqlite3.connect(copy)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(CatalogError):
        restore(copy, site, at_us=AT)
    assert gaps(site) == ["kept"]


def test_a_directory_that_cannot_be_written_is_named(site: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="file"):
        back_up(site, tmp_path / "file" / "copies", at_us=AT)


def test_a_catalogue_on_a_server_is_left_to_the_servers_tools(tmp_path: Path) -> None:
    url = "postgresql://db/x"
    for act in (lambda: back_up(url, tmp_path, at_us=AT), lambda: restore(tmp_path / NAME, url, at_us=AT)):
        with pytest.raises(CatalogError, match="pg_dump"):
            act()


def test_a_copy_of_an_old_version_is_migrated_when_it_is_opened(site: str, tmp_path: Path) -> None:
    old = f"sqlite:///{tmp_path / 'old.sqlite'}"
    engine = make_engine(old)
    command.upgrade(alembic_config(engine), "0002")
    engine.dispose()
    copy = back_up(old, tmp_path, at_us=AT)
    assert copy.schema == "0002", "making a copy migrates nothing"
    restore(copy.path, site, at_us=AT)
    assert gaps(site) == []


def test_a_dump_of_postgresql_comes_back_row_by_row(
    postgresql: PostgresServer, empty_postgresql_url: str
) -> None:
    """The commands of docs/guide/postgresql.md, with the server's own tools."""
    engine = open_engine(empty_postgresql_url)
    with engine.begin() as connection:
        fill(connection)
    before = contents(engine)
    assert all(before.values())
    restored = postgresql.new_empty()
    host = ("-h", str(postgresql.directory), "-U", "jianzheng")
    dumping = [str(postgresql.programs / "pg_dump"), *host, "-Fc", "-d", name_in(empty_postgresql_url)]
    dump = subprocess.run(dumping, check=True, capture_output=True)
    arguments = ("--no-owner", "--exit-on-error", "--single-transaction", "-d", name_in(restored))
    subprocess.run(
        [str(postgresql.programs / "pg_restore"), *host, *arguments], check=True, input=dump.stdout
    )
    other = make_engine(restored)
    assert contents(other) == before
    assert facts_of(restored).current
    migrate(other)
    for one in (engine, other):
        one.dispose()
    postgresql.drop(restored)
