"""What is done on PostgreSQL only, as far as it can be seen without a server: none is installed here."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Connection, create_mock_engine, inspect
from sqlalchemy.dialects.postgresql.base import PGDialect

from catalog import database, places
from catalog.catalogue import Catalogue
from catalog.database import _reading_options, take_turns


@pytest.mark.parametrize(("dialect", "locks"), [("postgresql", 1), ("sqlite", 0)])
def test_programs_that_start_together_take_turns(dialect: str, locks: int) -> None:
    """SQLite's BEGIN IMMEDIATE is such a lock already."""
    asked: list[str] = []

    def execute(statement: Any, _parameters: Any = None) -> None:
        asked.append(str(statement))

    mock = create_mock_engine(f"{dialect}://", execute)
    take_turns(cast(Connection, mock.connect()))
    assert asked == ["SELECT pg_advisory_xact_lock(:number)"] * locks


def test_the_turn_is_awaited_in_the_transaction_and_before_anything_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks first and waits then migrates what another program has migrated meanwhile."""
    seen: list[tuple[bool, int]] = []

    def waiting(connection: Connection) -> None:
        seen.append((connection.in_transaction(), len(inspect(connection).get_table_names())))

    monkeypatch.setattr(database, "take_turns", waiting)
    monkeypatch.setattr(places, "take_turns", waiting)
    catalogue = Catalogue.open(f"sqlite:///{tmp_path / 'catalogue.sqlite'}")
    tables = len(inspect(catalogue._engine).get_table_names())
    catalogue.close()
    assert seen == [(True, 0), (True, tables)]


def test_a_reader_asks_postgresql_for_one_picture() -> None:
    options = _reading_options("postgresql")
    assert options["isolation_level"] in PGDialect().get_isolation_level_values(cast(Any, None))
    assert options == {"read_only": True, "isolation_level": "REPEATABLE READ"}
    assert _reading_options("sqlite") == {"read_only": True}
