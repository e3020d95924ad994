"""Schema and migrations say the same, up and down, and every column says what it is for."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, Engine, MetaData, Table, event, inspect, select, text

from catalog.catalogue import Catalogue
from catalog.database import alembic_config, make_engine, migrate, open_engine
from catalog.places import Places
from catalog.tables import METADATA
from kernel.errors import CatalogError
from kernel.model.footage import BookingStatus
from kernel.model.timeline import SeatOccupation
from kernel.timerange import TimeRange

RELEASED = [one.revision for one in ScriptDirectory.from_config(alembic_config()).walk_revisions()][::-1]
MOVED = {"session_seat": "seating"}
"""Tables that a migration replaced, and where their rows are since."""


@pytest.fixture
def engine(own_url: str) -> Iterator[Engine]:
    opened = open_engine(own_url)
    yield opened
    opened.dispose()


@pytest.fixture
def empty(empty_url: str) -> Iterator[Engine]:
    """A database without tables."""
    made = make_engine(empty_url)
    yield made
    made.dispose()


def is_a_table_of_ours(name: str | None, kind: str, _: object) -> bool:
    """The index of words is made by ``catalog.search.words``, by each database's own means."""
    return kind != "table" or name is None or not name.startswith("search_text")


def differences(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "include_name": is_a_table_of_ours},
        )
        return list(compare_metadata(context, METADATA))


def test_a_migrated_catalogue_is_what_the_tables_say(engine: Engine) -> None:
    assert differences(engine) == []


def test_going_down_to_nothing_and_up_again_leaves_no_difference(engine: Engine) -> None:
    command.downgrade(alembic_config(engine), "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    command.upgrade(alembic_config(engine), "head")
    assert differences(engine) == []


OF_0002 = """
INSERT INTO site VALUES ('ZT', '530602', 'Z', 'Z');
INSERT INTO room VALUES ('ER', 'ZT', 'evaluation_room', 'R', 'R');
INSERT INTO seat VALUES ('s1', 'ER', 1), ('s2', 'ER', 2);
INSERT INTO source (id, room_id, seat_id, content_kind, label_zh, label_en)
    VALUES ('face', 'ER', 's1', 'seat_face', 'F', 'F');
INSERT INTO project (id, project_code, name_zh, name_en, region_code, trade_place, industry_code)
    VALUES ('P', 'code', 'N', 'N', '530602', '530602', 'A01');
INSERT INTO session (id, project_id, phase, room_id, state, start_us, end_us)
    VALUES ('S', 'P', 'evaluation', 'ER', 'archived', 100, 200),
           ('T', 'P', 'evaluation', 'ER', 'ended', 300, 400);
INSERT INTO session_seat VALUES ('S', 's1', 'E1'), ('S', 's2', 'E2'), ('T', 's1', 'O1');
INSERT INTO timeline_event (id, session_id, at_us, type, reason, principal, recorded_us)
    VALUES ('e1', 'S', 100, 'eval.start', '', 'x', 101), ('e2', 'S', 200, 'eval.end', 'r', 'x', 201);
INSERT INTO clip (id, session_id, source_id, part, wall_start_us, wall_end_us)
    VALUES ('S.face.1', 'S', 'face', 1, 90, 230);
INSERT INTO clip_gap VALUES ('S.face.1', 90, 230, 'network', '', FALSE);
INSERT INTO archive VALUES ('a1', 'S', 1, 'prefix', 10, 9, 90, 250, 'x', '');
INSERT INTO booking (id, room_id, wall_start_us, wall_end_us, title, principal)
    VALUES ('b1', 'ER', 90, 230, 'T', 'x');
"""


def test_what_version_0002_knew_is_kept_on_the_way_up_and_down(engine: Engine) -> None:
    """A site that is updated in service, and one that has to go back."""
    config = alembic_config(engine)
    Places(engine).load_code_tables()
    command.downgrade(config, "0002")
    with engine.begin() as connection:
        for statement in OF_0002.split(";\n")[:-1]:
            connection.execute(text(statement))
    before = rows_of(engine, OF_TABLES)
    command.upgrade(config, "head")
    assert differences(engine) == []
    catalogue = Catalogue(engine)
    first, second = catalogue.sessions.of_project("P")
    assert first.seats == tuple(SeatOccupation(seat_id=f"s{n}", member=f"E{n}") for n in (1, 2))
    assert second.seats == (SeatOccupation(seat_id="s1", member="O1"),)
    assert [one.id for one in catalogue.sessions.events_of("S")] == ["e1", "e2"]
    (clip,) = catalogue.clips.of_session("S")
    archive = catalogue.archives.newest("S")
    assert archive is not None
    assert (clip.revision, first.cut_number, second.cut_number, archive.cut_number) == (1, 1, 0, 1)
    (booking,) = catalogue.bookings.touching(TimeRange(start_us=0, end_us=999))
    assert (booking.id, booking.status) == ("b1", BookingStatus.CONFIRMED)
    command.downgrade(config, "0002")
    assert rows_of(engine, OF_TABLES) == before
    command.upgrade(config, "head")


OF_TABLES = ("session", "session_seat", "timeline_event", "clip", "clip_gap", "archive", "booking", "project")


def rows_of(engine: Engine, tables: tuple[str, ...]) -> dict[str, list[tuple[object, ...]]]:
    with engine.connect() as connection:
        return {
            table: sorted(tuple(row) for row in connection.execute(text(f"SELECT * FROM {table}")))
            for table in tables
        }


# --- every released schema, with rows in all its tables


def tables_in(connection: Connection) -> list[Table]:
    """Our tables as the database has them now, those that others refer to first."""
    ours = {*METADATA.tables, *MOVED}
    there = MetaData()
    there.reflect(connection, only=lambda name, _: name in ours, resolve_fks=False)
    return there.sorted_tables


def value(column: Column[Any], number: int) -> Any:
    """What a column has in the row of that number; one that refers to another has what that one has."""
    for reference in column.foreign_keys:
        other = reference.column
        return None if other.table is column.table else value(other, number)
    made = {bool: number % 2 == 0, int: number, float: number + 0.5, dict: {"number": number}}
    return made.get(column.type.python_type, f"{column.table.name}.{column.name}.{number}")


def fill(connection: Connection) -> None:
    """Two rows in every table that has none."""
    for table in tables_in(connection):
        if connection.execute(select(table).limit(1)).first() is None:
            rows = [{column.name: value(column, number) for column in table.columns} for number in (1, 2)]
            connection.execute(table.insert(), rows)


def contents(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """All rows of all our tables."""
    with engine.connect() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(table.select()).mappings()]
            for table in tables_in(connection)
        }


def lost(before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]]) -> list[Any]:
    """Rows that are not there any more, or not as they were in the columns that are."""
    gone = []
    for table, rows in before.items():
        there = after[MOVED.get(table, table)]
        names = there[0].keys() if there else ()
        kept = [{name: row[name] for name in names} for row in there]
        for row in rows:
            wanted = {name: row[name] for name in row if name in names}
            if not any(wanted.items() <= one.items() for one in kept):
                gone.append((table, row))
    return gone


@pytest.mark.parametrize("revision", RELEASED)
def test_an_upgrade_from_any_release_keeps_every_row_and_so_does_the_way_back(
    empty: Engine, revision: str
) -> None:
    config = alembic_config(empty)
    command.upgrade(config, revision)
    with empty.begin() as connection:
        fill(connection)
    before = contents(empty)
    assert all(before.values())
    command.upgrade(config, "head")
    assert differences(empty) == []
    assert lost(before, contents(empty)) == []
    command.downgrade(config, revision)
    assert contents(empty) == before


class PulledThePlug(Exception):
    """Stands for whatever interrupts a migration."""


def stop_at(engine: Engine, statement: int, how: Any) -> None:
    """Let the statement of that number be the last."""
    done = 0

    def count(*_: Any) -> None:
        nonlocal done
        done += 1
        if done == statement:
            how()

    event.listen(engine, "after_cursor_execute", count)


def raise_it() -> None:
    raise PulledThePlug


def die_while_migrating(url: str, statement: int) -> None:
    """A program whose machine loses its power: nothing is closed, nothing is said."""
    engine = make_engine(url)
    stop_at(engine, statement, lambda: os._exit(9))
    migrate(engine)


def as_0002(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """Make it a catalogue of an old release, in use; what it holds."""
    command.upgrade(alembic_config(engine), "0002")
    with engine.begin() as connection:
        fill(connection)
    return contents(engine)


@pytest.mark.parametrize("statement", [5, 30, 90])
def test_an_upgrade_that_fails_half_way_leaves_the_old_version_as_it_was(
    empty: Engine, statement: int
) -> None:
    before = as_0002(empty)
    broken = make_engine(empty.url.render_as_string(hide_password=False))
    stop_at(broken, statement, raise_it)
    with pytest.raises(PulledThePlug):
        migrate(broken)
    broken.dispose()
    assert contents(empty) == before
    migrate(empty)
    assert lost(before, contents(empty)) == []


def test_a_power_cut_in_the_middle_of_an_upgrade_leaves_the_old_version_as_it_was(empty: Engine) -> None:
    before = as_0002(empty)
    url = empty.url.render_as_string(hide_password=False)
    child = multiprocessing.get_context("spawn").Process(target=die_while_migrating, args=(url, 60))
    child.start()
    child.join(60)
    assert child.exitcode == 9
    assert contents(empty) == before
    with empty.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == ["0002"]
    migrate(empty)
    assert differences(empty) == []


def test_a_seat_of_two_members_goes_down_with_one_of_them(engine: Engine) -> None:
    """The old table has room for one; the seating that was replaced is not it."""
    Places(engine).load_code_tables()
    command.downgrade(alembic_config(engine), "0002")
    with engine.begin() as connection:
        for statement in OF_0002.split(";\n")[:-1]:
            connection.execute(text(statement))
    command.upgrade(alembic_config(engine), "head")
    seats = [
        SeatOccupation(seat_id="s1", member="E1", to_us=150),
        SeatOccupation(seat_id="s1", member="E6", from_us=160),
        SeatOccupation(seat_id="s2", member="E2"),
    ]
    Catalogue(engine).sessions.set_seats("S", seats, principal="x", reason="r", at_us=9)
    command.downgrade(alembic_config(engine), "0002")
    assert rows_of(engine, ("session_seat",))["session_seat"] == [
        ("S", "s1", "E6"),
        ("S", "s2", "E2"),
        ("T", "s1", "O1"),
    ]


def test_migrating_what_is_migrated_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    assert differences(engine) == []


def test_there_is_one_line_of_revisions_to_one_head() -> None:
    script = ScriptDirectory.from_config(alembic_config())
    assert len(script.get_heads()) == 1
    assert all(not revision.is_merge_point for revision in script.walk_revisions())


@pytest.mark.parametrize("table", list(METADATA.tables.values()), ids=list(METADATA.tables))
def test_every_table_and_column_says_what_it_is_for(table: object) -> None:
    assert table.comment  # type: ignore[attr-defined]
    silent = [column.name for column in table.columns if not column.comment]  # type: ignore[attr-defined]
    assert silent == []


def test_no_column_could_hold_the_address_or_credentials_of_a_source() -> None:
    """Invariant 16: they live in cameras.yaml alone. An account's own password is there as a hash."""
    tables = [table for name, table in METADATA.tables.items() if name != "account"]
    names = {column.name for table in tables for column in table.columns}
    assert not [name for name in names if any(word in name for word in ("uri", "url", "user", "password"))]


def test_times_of_every_table_have_their_unit_in_the_name() -> None:
    """Invariant 6: wall times are 64-bit integers of microseconds."""
    columns = [column for table in METADATA.tables.values() for column in table.columns]
    moments = [column for column in columns if column.name.endswith("_us")]
    assert moments
    assert {type(column.type).__name__ for column in moments} == {"BigInteger"}
    assert not [column for column in columns if type(column.type).__name__ in ("DateTime", "Date", "Time")]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("nonsense", "no URL of a database"),
        ("nosuchdatabase://x", "no catalogue in nosuchdatabase"),
        ("postgresql+asyncpg://x", "no catalogue in postgresql"),
        ("sqlite:////proc/none/catalogue.sqlite", "cannot be opened"),
    ],
)
def test_a_database_that_cannot_be_opened_is_an_error_with_a_hint(wrong: str, said: str) -> None:
    with pytest.raises(CatalogError, match=said) as caught:
        open_engine(wrong)
    assert caught.value.remedy


def test_the_directory_of_a_new_catalogue_is_made(tmp_path: Path) -> None:
    open_engine(f"sqlite:///{tmp_path / 'below' / 'catalogue.sqlite'}").dispose()
    assert (tmp_path / "below" / "catalogue.sqlite").is_file()


def test_a_file_that_is_no_catalogue_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.sqlite"
    path.write_bytes(b"evidence of something else" * 100)
    with pytest.raises(CatalogError, match="cannot be opened"):
        open_engine(f"sqlite:///{path}")
    assert path.read_bytes() == b"evidence of something else" * 100


def test_a_catalogue_of_a_later_version_is_refused_in_words(own_url: str) -> None:
    engine = open_engine(own_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(CatalogError, match="later version of Jianzheng"):
        open_engine(own_url)


def test_a_password_in_the_database_url_is_not_in_the_error() -> None:
    """Invariant 16."""
    for url in (
        "nosuchdatabase://me:hunter2@db/x",
        "sqlite://me:hunter2@db/x",
        "post gres://me:hunter2@db",
        "postgresql://me:hunter2@/x?host=/nowhere",
        "postgresql:///x?host=/nowhere&user=me&password=hunter2",
        "postgresql://me:hunter2@/x?host=/nowhere&nonsense=hunter2",
        "postgresql://me:hunter2@/x?host=/nowhere&sslmode=hunter2",
    ):
        with pytest.raises(CatalogError) as caught:
            open_engine(url)
        assert "hunter2" not in str(caught.value)


def test_opening_a_catalogue_again_keeps_what_a_deployment_changed(url: str) -> None:
    first = Catalogue.open(url)
    regions = first.places.regions()
    first.close()
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE region SET name_en = 'Renamed' WHERE code = '530602'"))
    engine.dispose()
    again = Catalogue.open(url)
    assert len(again.places.regions()) == len(regions)
    assert {one.name_en for one in again.places.regions() if one.code == "530602"} == {"Renamed"}
    again.close()
