"""Somebody with the database in hand changes what is recorded: each way shows, and names the record (I19)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from catalog.audit import append
from catalog.catalogue import Catalogue
from catalog.database import alembic_config, open_engine, writing
from kernel.audit_chain import NO_RECORD, record_hash
from kernel.model.audit import Act, Action, AuditEpoch, AuditHead, AuditRecord

COUNT = 9
COLUMNS = {
    "at_us": "at_us + 1",
    "principal": "'sys-1'",
    "action": "'hold.released'",
    "subject": "'P02'",
    "origin": "'10.0.0.99'",
    "result": "'refused'",
    "details": "'{\"n\": 4711}'",
    "previous": f"'{NO_RECORD}'",
    "hash": f"'{NO_RECORD}'",
}
GUARDS = {
    "sqlite": (
        "DROP TRIGGER audit_follows",
        "DROP TRIGGER audit_never_changes",
        "DROP TRIGGER audit_never_goes",
        "DROP TRIGGER audit_epoch_follows",
        "DROP TRIGGER audit_epoch_never_changes",
        "DROP TRIGGER audit_epoch_never_goes",
    ),
    "postgresql": ("ALTER TABLE audit DISABLE TRIGGER USER", "ALTER TABLE audit_epoch DISABLE TRIGGER USER"),
}

Alter = Callable[..., None]


@pytest.fixture
def chain(catalogue: Catalogue) -> Catalogue:
    """One with ``COUNT`` records."""
    acts = [
        Act(at_us=number, principal="wit-1", action=Action.HOLD_MADE, subject="P01", details={"n": number})
        for number in range(COUNT - 1)
    ]
    with writing(catalogue._engine) as session:
        append(session, *acts)  # behind the cameras
    assert named(catalogue) == []
    return catalogue


def alter(catalogue: Catalogue, *statements: str, **given: Any) -> None:
    """As its owner would with the database's own tools."""
    with catalogue._engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement), given)


@pytest.fixture
def tamper(chain: Catalogue) -> Iterator[Alter]:
    """Changes rows, the guards being taken away."""
    alter(chain, *GUARDS[chain._engine.dialect.name])

    def change(*statements: str, **given: Any) -> None:
        alter(chain, *statements, **given)

    yield change
    if chain._engine.dialect.name == "postgresql":  # other tests get this database
        alter(chain, *(one.replace("DISABLE", "ENABLE") for one in GUARDS["postgresql"]))


def named(catalogue: Catalogue, *heads: AuditHead) -> list[int]:
    return [fault.number for fault in catalogue.audit.faults(heads)]


def head(catalogue: Catalogue) -> AuditHead:
    found = catalogue.audit.head(0)
    assert found is not None
    return found


def records(catalogue: Catalogue) -> list[AuditRecord]:
    return list(catalogue.audit.walk())


def write(connection: Connection, record: AuditRecord) -> None:
    """Over the row of that number."""
    given = {name: getattr(record, name) for name in (*COLUMNS, "number") if name != "details"}
    values = ", ".join(f"{name} = :{name}" for name in given if name != "number")
    connection.execute(text(f"UPDATE audit SET {values} WHERE number = :number"), given)


# The guards.


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET principal = 'sys-1' WHERE number = 3",
        "UPDATE audit SET number = 99 WHERE number = 3",
        "DELETE FROM audit WHERE number = 3",
        "DELETE FROM audit",
        "INSERT INTO audit SELECT 42, at_us, principal, action, subject, origin, result, details, previous, "
        "'x' FROM audit WHERE number = 3",
        "INSERT INTO audit SELECT 0, at_us, principal, action, subject, origin, result, details, previous, "
        "'x' FROM audit WHERE number = 3",
    ],
)
def test_the_database_itself_lets_nobody_change_a_record(chain: Catalogue, statement: str) -> None:
    before = records(chain)
    with pytest.raises(DBAPIError, match=r"audit|epoch"):
        alter(chain, statement)
    assert records(chain) == before


def test_what_asks_no_trigger_of_rows_is_refused_too(chain: Catalogue) -> None:
    statement = (
        "INSERT OR REPLACE INTO audit SELECT number, at_us, 'sys-1', action, subject, origin, result, "
        "details, previous, hash FROM audit WHERE number = 3"
        if chain._engine.dialect.name == "sqlite"
        else "TRUNCATE audit, audit_epoch"
    )
    with pytest.raises(DBAPIError, match=r"audit"):
        alter(chain, statement)
    assert [one.principal for one in records(chain)][2] == "wit-1"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_epoch SET last_number = 8",
        "DELETE FROM audit_epoch",
        "INSERT INTO audit_epoch SELECT last_number - 1, first_number, last_hash, sha256, closed_us, "
        "principal FROM audit_epoch",
    ],
)
def test_what_is_said_of_an_epoch_stays(chain: Catalogue, statement: str) -> None:
    close(chain, 4)
    before = chain.audit.epochs()
    with pytest.raises(DBAPIError, match=r"epoch"):
        alter(chain, statement)
    assert chain.audit.epochs() == before


def test_the_guards_come_back_with_their_tables(own_url: str) -> None:
    """A migration that makes the tables anew makes the guards, too."""
    engine = open_engine(own_url)
    names = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'audit%'",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'audit%'",
    }[engine.dialect.name]

    def guards() -> set[str]:
        with engine.connect() as connection:
            return set(connection.execute(text(names)).scalars())

    before = guards()
    command.downgrade(alembic_config(engine), "0004")
    assert (len(before), guards()) == (6, set())
    command.upgrade(alembic_config(engine), "head")
    assert guards() == before
    engine.dispose()


# Behind the guards.


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("number", [1, 5, COUNT])
def test_a_row_that_was_changed_is_named(chain: Catalogue, tamper: Alter, number: int, column: str) -> None:
    if (number, column) == (1, "previous"):
        return  # it says just that
    tamper(f"UPDATE audit SET {column} = {COLUMNS[column]} WHERE number = {number}")
    assert named(chain)[0] == number
    assert set(named(chain)) <= {number, number + 1}  # that does not follow on it any more


def test_details_that_are_no_json_any_more_are_a_change(chain: Catalogue, tamper: Alter) -> None:
    if chain._engine.dialect.name == "sqlite":  # PostgreSQL keeps nothing else in such a column
        tamper("UPDATE audit SET details = '{' WHERE number = 5")
        assert named(chain) == [5]
    tamper("UPDATE audit SET details = '[1]' WHERE number = 6")
    assert 6 in named(chain)


@pytest.mark.parametrize("number", [1, 5])
def test_a_row_that_was_deleted_is_named(chain: Catalogue, tamper: Alter, number: int) -> None:
    tamper(f"DELETE FROM audit WHERE number = {number}")
    assert named(chain) == [number]


def test_a_last_row_that_was_deleted_an_exported_head_names(chain: Catalogue, tamper: Alter) -> None:
    exported = head(chain)
    tamper(f"DELETE FROM audit WHERE number = {COUNT}")
    assert named(chain) == []
    assert named(chain, exported) == [COUNT]


def test_a_last_row_that_was_deleted_and_replaced_an_exported_head_names(
    chain: Catalogue, tamper: Alter
) -> None:
    exported = head(chain)
    tamper(f"DELETE FROM audit WHERE number = {COUNT}")
    chain.audit.append(Act(at_us=1, principal="sys-1", action=Action.HOLD_RELEASED, subject="P01"))
    assert named(chain) == []
    assert named(chain, exported) == [COUNT]


def test_a_chain_that_was_emptied_an_exported_head_shows(chain: Catalogue, tamper: Alter) -> None:
    exported = head(chain)
    tamper("DELETE FROM audit")
    assert named(chain, exported) == [COUNT]


def test_two_rows_that_were_exchanged_are_both_named(chain: Catalogue, tamper: Alter) -> None:
    tamper(
        "UPDATE audit SET number = -1 WHERE number = 4",
        "UPDATE audit SET number = 4 WHERE number = 6",
        "UPDATE audit SET number = 6 WHERE number = -1",
    )
    assert {4, 6} <= set(named(chain))


@pytest.mark.parametrize("number", [0, -5])
def test_a_row_before_the_first_is_named(chain: Catalogue, tamper: Alter, number: int) -> None:
    tamper(
        f"INSERT INTO audit SELECT {number}, at_us, principal, action, subject, origin, result, details, "
        "previous, hash FROM audit WHERE number = 3"
    )
    assert named(chain) == [number]


def test_a_row_that_was_put_in_between_is_named(chain: Catalogue, tamper: Alter) -> None:
    """Those behind it move up by one; their hashes are over their numbers."""
    for number in range(COUNT, 4, -1):
        tamper(f"UPDATE audit SET number = {number + 1} WHERE number = {number}")
    forged = replace(records(chain)[3], number=5, principal="sys-1", previous=records(chain)[3].hash)
    forged = replace(forged, hash=record_hash(forged))
    tamper(
        "INSERT INTO audit SELECT 5, at_us, 'sys-1', action, subject, origin, result, details, "
        ":previous, :hash FROM audit WHERE number = 4",
        previous=forged.previous,
        hash=forged.hash,
    )
    assert {6, 7} <= set(named(chain))


def test_a_chain_that_was_rewritten_as_a_whole_an_exported_head_shows(
    chain: Catalogue, tamper: Alter
) -> None:
    """What no chain can show by itself: whoever owns it can make another one (``docs/design/audit.md``)."""
    exported = head(chain)
    previous = NO_RECORD
    with chain._engine.begin() as connection:
        for record in records(chain):
            forged = replace(record, previous=previous, principal="sys-1")
            forged = replace(forged, hash=record_hash(forged))
            write(connection, forged)
            previous = forged.hash
    assert named(chain) == []
    assert named(chain, exported) == [COUNT]


# Epochs.


def close(catalogue: Catalogue, last: int) -> AuditEpoch:
    gone = list(catalogue.audit.walk(until=last))
    epoch = AuditEpoch(
        first=gone[0].number,
        last=last,
        last_hash=gone[-1].hash,
        sha256="0" * 64,
        closed_us=9,
        principal="aud-1",
    )
    catalogue.audit.close_epoch(epoch)
    return epoch


def test_records_that_somebody_let_go_by_an_epoch_of_his_own_show(chain: Catalogue) -> None:
    """The guards let go what an epoch holds; that somebody closed one is a record itself."""
    alter(
        chain,
        "INSERT INTO audit_epoch SELECT 4, 1, hash, 'x', 9, 'sys-1' FROM audit WHERE number = 4",
        "DELETE FROM audit WHERE number <= 4",
    )
    assert named(chain) == [4]


def test_an_epoch_whose_row_is_not_what_its_record_says_shows(chain: Catalogue, tamper: Alter) -> None:
    close(chain, 4)
    tamper("UPDATE audit_epoch SET sha256 = 'f'")
    assert named(chain) == [4]


def test_an_epoch_that_is_missing_shows(chain: Catalogue, tamper: Alter) -> None:
    close(chain, 3)
    close(chain, 6)
    assert named(chain) == []
    tamper("DELETE FROM audit_epoch WHERE last_number = 3")
    assert named(chain) == [1]


def test_a_record_that_came_back_behind_its_epoch_shows(chain: Catalogue, tamper: Alter) -> None:
    close(chain, 4)
    tamper(
        "INSERT INTO audit SELECT 2, at_us, principal, action, subject, origin, result, details, previous, "
        "hash FROM audit WHERE number = 6"
    )
    assert named(chain) == [2]


def test_a_head_of_an_epochs_last_record_must_be_its_hash(chain: Catalogue) -> None:
    exported = AuditHead(number=4, hash=records(chain)[3].hash, at_us=0)
    close(chain, 4)
    assert named(chain, exported) == []
    assert named(chain, replace(exported, hash=NO_RECORD)) == [4]
