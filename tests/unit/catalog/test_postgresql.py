"""What only a server can do to a catalogue: be away, be full, be asked by too many, and end connections."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql.base import PGDialect

from catalog import database
from catalog.catalogue import Catalogue
from catalog.database import make_engine, open_engine, reading, shown, writing
from catalog.database_errors import translated
from kernel.errors import CatalogBusy, CatalogError, CatalogUnreachable, DiskFull
from tests.support.postgresql import GUARDED, PASSWORD, PostgresServer, name_in


@pytest.fixture
def catalogue(postgresql_url: str) -> Iterator[Catalogue]:
    opened = Catalogue.open(postgresql_url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """One that may be stopped."""
    server = PostgresServer({"max_connections": "9", "superuser_reserved_connections": "3"})
    yield server
    server.stop()


# --- the setting


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_usual_spelling_of_the_url_means_the_same(scheme: str) -> None:
    engine = make_engine(f"{scheme}://me:hunter2@db.example:5433/catalogue")
    assert engine.url.drivername == "postgresql+psycopg"
    assert shown(engine.url) == "postgresql+psycopg://me:***@db.example:5433/catalogue"


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    true_import = builtins.__import__

    def without(name: str, *more: Any, **kwargs: Any) -> Any:
        if name.startswith("psycopg"):
            raise ModuleNotFoundError(name=name)
        return true_import(name, *more, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CatalogError, match=r"jianzheng\[postgresql\]"):
        make_engine("postgresql://db/x")


def test_what_an_operator_sets_in_the_url_wins_over_ours(postgresql_url: str) -> None:
    engine = make_engine(f"{postgresql_url}&options=-c%20lock_timeout%3D77")
    with engine.connect() as connection:
        assert connection.execute(text("SHOW lock_timeout")).scalar_one() == "77ms"
    engine.dispose()


def test_a_database_that_cannot_hold_chinese_is_refused(postgresql: PostgresServer) -> None:
    postgresql.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(CatalogError, match=r"LATIN1.*UTF8"):
        open_engine(postgresql.url("latin"))
    postgresql.drop(postgresql.url("latin"))


def test_a_wrong_password_is_said_and_not_told(postgresql: PostgresServer, postgresql_url: str) -> None:
    """Invariant 16."""
    name = name_in(postgresql_url)
    with pytest.raises(CatalogError, match="password authentication failed") as caught:
        open_engine(postgresql.url(name, GUARDED, "hunter2"))
    assert "hunter2" not in str(caught.value)
    assert "user and password in database_url" in caught.value.remedy


def test_a_role_that_may_make_no_tables_is_told_what_it_lacks(postgresql: PostgresServer) -> None:
    url = postgresql.new_empty()
    with pytest.raises(CatalogError, match=r"permission denied.*own the tables"):
        open_engine(postgresql.url(name_in(url), GUARDED, PASSWORD))
    postgresql.drop(url)


def test_a_database_that_nobody_made_is_named(postgresql: PostgresServer) -> None:
    with pytest.raises(CatalogUnreachable, match=r'"nothing" does not exist.*Make role and database'):
        open_engine(postgresql.url("nothing"))


# --- errors


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("53100", DiskFull),
        ("53200", CatalogBusy),
        ("40001", CatalogBusy),
        ("40P01", CatalogBusy),
        ("57014", CatalogBusy),
        ("57P01", CatalogUnreachable),
        ("08006", CatalogUnreachable),
        ("25006", CatalogError),
        ("XX000", CatalogError),
    ],
)
def test_what_the_server_says_is_told_by_kind(catalogue: Catalogue, code: str, kind: type[Exception]) -> None:
    failing = f"DO $$ BEGIN RAISE EXCEPTION 'no more' USING ERRCODE = '{code}'; END $$"
    with pytest.raises(kind) as caught, writing(catalogue._engine) as session:
        session.connection().exec_driver_sql(failing)
    assert type(caught.value) is kind
    assert catalogue.places.regions(), "the catalogue goes on"


def test_a_reader_cannot_write(catalogue: Catalogue) -> None:
    with pytest.raises(CatalogError, match="read-only"), reading(catalogue._engine) as session:
        session.connection().exec_driver_sql("DELETE FROM region_alias")


def test_connections_that_ended_while_idle_fail_no_transaction(
    catalogue: Catalogue, postgresql: PostgresServer
) -> None:
    """The server was started anew, or a firewall forgot about a quiet line."""
    regions = catalogue.places.regions()
    ended = postgresql.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'jianzheng'"
    )
    assert ended
    assert catalogue.places.regions() == regions
    catalogue.places.load_code_tables()


def test_a_connection_that_ends_within_a_transaction_fails_that_one_alone(
    catalogue: Catalogue, postgresql: PostgresServer
) -> None:
    with pytest.raises(CatalogUnreachable), writing(catalogue._engine) as session:
        process = session.connection().exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        session.connection().exec_driver_sql("DELETE FROM region_alias")
        postgresql.execute(f"SELECT pg_terminate_backend({process})")
        session.connection().exec_driver_sql("SELECT 1")
    assert catalogue.places.former_codes(*(one.code for one in catalogue.places.regions()))


def test_a_writer_that_waits_too_long_for_others_is_told_so_and_may_try_again(
    catalogue: Catalogue, postgresql_url: str
) -> None:
    hurried = Catalogue(make_engine(f"{postgresql_url}&options=-c%20lock_timeout%3D1"))
    with writing(catalogue._engine), pytest.raises(CatalogBusy, match="lock timeout"):
        hurried.places.load_code_tables()
    hurried.places.load_code_tables()
    hurried.close()


def test_too_many_programs_are_told_what_to_raise(own_server: PostgresServer) -> None:
    engines = [make_engine(own_server.url("postgres")) for _ in range(7)]
    connections: list[Connection] = []
    with pytest.raises(CatalogUnreachable, match="max_connections"):
        for engine in engines:
            with translated("cannot be read", engine.url):
                connections.append(engine.connect())
    for connection, engine in zip(connections, engines, strict=False):
        connection.close()
        engine.dispose()


def test_a_server_that_is_gone_is_said_and_found_again(own_server: PostgresServer) -> None:
    catalogue = Catalogue.open(own_server.new())
    watcher = catalogue.watch()
    with own_server.down():
        for ask in (catalogue.places.regions, catalogue.places.load_code_tables, watcher.changed):
            with pytest.raises(CatalogUnreachable, match="connection"):
                ask()
    assert catalogue.places.regions()
    assert watcher.changed() in (True, False)
    watcher.close()
    catalogue.close()


# --- transactions


def test_a_reader_asks_for_one_picture() -> None:
    options = database._reading_options("postgresql")
    dialect: Any = PGDialect()  # type: ignore[no-untyped-call]
    assert options["isolation_level"] in dialect.get_isolation_level_values(None)


def test_writers_go_one_by_one_and_see_what_those_before_them_wrote(catalogue: Catalogue) -> None:
    """Two that read, add one and write: on most databases one of them would be lost."""
    at_once, seen = threading.Barrier(4), []

    def count_up() -> None:
        at_once.wait(10)
        for _ in range(10):
            with writing(catalogue._engine) as session:
                connection = session.connection()
                was = int(connection.exec_driver_sql("SELECT name_en FROM region LIMIT 1").scalar_one())
                seen.append(was)
                connection.execute(text("UPDATE region SET name_en = :now"), {"now": str(was + 1)})

    with writing(catalogue._engine) as session:
        session.connection().exec_driver_sql("UPDATE region SET name_en = '0'")
    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert sorted(seen) == list(range(40))
