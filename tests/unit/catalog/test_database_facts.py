"""What the doctor and backups are told of a database, and that looking changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import inspect

from catalog.database import alembic_config, make_engine, open_engine
from catalog.database_facts import facts_of
from kernel.errors import CatalogError, CatalogUnreachable
from tests.support.postgresql import GUARDED, PASSWORD, PostgresServer, name_in


def test_a_catalogue_that_is_not_there_yet_is_not_made_by_looking(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    facts = facts_of(f"sqlite:///{path}")
    assert (facts.schema, facts.known, facts.current, facts.faults) == (None, True, False, ())
    assert not path.exists()


def test_a_new_database_of_a_server_is_not_filled_by_looking(empty_postgresql_url: str) -> None:
    assert facts_of(empty_postgresql_url).schema is None
    engine = make_engine(empty_postgresql_url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_a_current_catalogue_says_what_it_is_on(url: str) -> None:
    facts = facts_of(url)
    assert facts.current
    assert facts.server.split()[0] == ("SQLite" if url.startswith("sqlite") else "PostgreSQL")


def test_an_old_schema_is_told_and_not_migrated(own_url: str) -> None:
    engine = open_engine(own_url)
    command.downgrade(alembic_config(engine), "0003")
    engine.dispose()
    facts = facts_of(own_url)
    assert (facts.schema, facts.known, facts.current) == ("0003", True, False)
    assert facts_of(own_url).schema == "0003"


def test_a_later_schema_is_told(own_url: str) -> None:
    engine = open_engine(own_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    facts = facts_of(own_url)
    assert (facts.schema, facts.known, facts.current) == ("9999", False, False)


def test_what_a_server_may_lose_in_a_power_cut_is_a_fault(postgresql_url: str) -> None:
    """Servers of tests trade this for speed."""
    facts = facts_of(postgresql_url)
    assert [one.split()[0] for one in facts.faults] == ["fsync", "synchronous_commit"]
    assert "collation C.UTF-8" in facts.details


def test_a_role_that_owns_nothing_is_told_so(postgresql: PostgresServer, own_postgresql_url: str) -> None:
    name = name_in(own_postgresql_url)
    postgresql.execute(f"GRANT SELECT ON alembic_version TO {GUARDED}", database=name)
    facts = facts_of(postgresql.url(name, GUARDED, PASSWORD))
    said = " ".join(facts.faults)
    assert "may make no tables" in said
    assert "belong to other roles" in said
    assert PASSWORD not in repr(facts), "invariant 16"


@pytest.mark.parametrize(
    ("wrong", "kind"), [("postgresql:///x?host=/nowhere", CatalogUnreachable), ("nonsense", CatalogError)]
)
def test_a_database_that_does_not_answer_is_an_error(wrong: str, kind: type[CatalogError]) -> None:
    with pytest.raises(kind):
        facts_of(wrong)
