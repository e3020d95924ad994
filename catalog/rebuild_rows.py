"""Rows as records of the store tell them: written by table, read with suspicion, put where they are lacking.

A record is canonical JSON, signed as certificates are (``catalog.certificate``); its format is described in
``docs/design/rebuild.md``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    RowMapping,
    String,
    Table,
    TypeDecorator,
    and_,
    insert,
    select,
    tuple_,
    update,
)

from catalog.certificate import checked, signed
from catalog.tables import METADATA
from kernel.errors import FixityError
from kernel.signing_key import SigningKey, key_id

Rows = dict[str, list[dict[str, Any]]]
"""Rows by table, each a mapping of all its columns."""

FORMAT = "jianzheng.rows/1"
_AT_ONCE = 500  # rows in a statement
_MOST = 1 << 63


def record_of(kind: str, subject: str, rows: Rows, *, at_us: int, key: SigningKey) -> bytes:
    """A signed record of rows; columns are named once for each table."""
    tables = {
        name: {"columns": list(found[0]), "rows": [list(one.values()) for one in found]}
        for name, found in rows.items()
        if found
    }
    return signed({"format": FORMAT, "kind": kind, "subject": subject, "at_us": at_us, "tables": tables}, key)


def read_record(content: bytes, kind: str, subject: str, tables: Collection[str]) -> tuple[Rows, str]:
    """The rows of a record that a store gave back, and the id of the key that it is signed with.

    Args:
        tables: that a record of its kind may have; all of them are in what is returned.

    Raises:
        FixityError: it is not what was signed, of another format, of something else, or makes no sense.
    """
    told = checked(content)
    if told.get("format") != FORMAT:
        raise FixityError(f"it is of format {told.get('format')!r}, which this version does not know")
    if (told.get("kind"), told.get("subject")) != (kind, subject):
        raise FixityError(f"it is a record of {told.get('kind')} {told.get('subject')}")
    found: Rows = {name: [] for name in tables}
    by_table = told.get("tables")
    if not isinstance(by_table, dict):
        raise FixityError("it has no tables")
    for name, one in by_table.items():
        if name not in found:
            raise FixityError(f"it has rows of {name!r}, which do not belong there")
        found[name] = [checked_row(METADATA.tables[name], row) for row in _unpacked(name, one)]
    return found, key_id(bytes.fromhex(json.loads(content)["signature"]["public_key"]))


def _unpacked(name: str, told: Any) -> Iterable[dict[str, Any]]:
    columns, rows = (told.get("columns"), told.get("rows")) if isinstance(told, dict) else (None, None)
    if not isinstance(columns, list) or not isinstance(rows, list):
        raise FixityError(f"its rows of {name} are none")
    for row in rows:
        if not isinstance(row, list) or len(row) != len(columns):
            raise FixityError(f"a row of {name} has other columns than those before it")
        yield dict(zip(map(str, columns), row, strict=True))


def checked_row(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose every value fits its column; what a record of an earlier version lacks is its default.

    Raises:
        FixityError: a column is unknown or lacking, or a value is of another kind.
    """
    if unknown := row.keys() - table.columns.keys():
        raise FixityError(f"{table.name} has no column {min(unknown)}")
    found = {}
    for column in table.columns:
        if column.name in row:
            found[column.name] = row[column.name]
            if not _fits(column, row[column.name]):
                raise FixityError(f"{table.name}.{column.name} cannot be {str(row[column.name])[:40]!r}")
        elif not column.nullable and column.server_default is None:
            raise FixityError(f"{table.name}.{column.name} is lacking")
    return found


def _fits(column: Column[Any], value: Any) -> bool:
    if value is None:
        return bool(column.nullable)
    kind = column.type.impl if isinstance(column.type, TypeDecorator) else column.type
    if isinstance(kind, JSON):
        return isinstance(value, (dict, list))
    if isinstance(kind, Boolean):
        return isinstance(value, bool)
    if isinstance(kind, Integer):
        return type(value) is int and -_MOST <= value < _MOST
    if isinstance(kind, Float):
        return type(value) in (int, float)
    return isinstance(kind, String) and isinstance(value, str) and "\0" not in value


def put_absent(connection: Connection, rows: Rows) -> Counter[str]:
    """Insert the rows whose primary key is not there yet, each table after those that it refers to.

    Returns how many, by table. What is there stays as it is: who puts the newest first, lets it win.
    """
    put: Counter[str] = Counter()
    for table in METADATA.sorted_tables:
        lacking = _absent(connection, table, rows.get(table.name, []))
        for group in _alike(_parents_first(table, lacking)):
            connection.execute(insert(table), group)
        put[table.name] += len(lacking)
    return put


def put_changed(connection: Connection, rows: Rows) -> Counter[str]:
    """Make rows that are there what these say; returns how many were otherwise, by table."""
    changed: Counter[str] = Counter()
    for name, told in rows.items():
        table = METADATA.tables[name]
        there = {tuple(row[one] for one in table.primary_key): row for row in _mappings(connection, table)}
        for row in told:
            key = tuple(row[one.name] for one in table.primary_key)
            known = there.get(key)
            if known is None or all(known[table.c[one]] == row[one] for one in row):
                continue
            its = and_(*(one == row[one.name] for one in table.primary_key))
            connection.execute(update(table).where(its).values(row))
            changed[name] += 1
    return changed


def _mappings(connection: Connection, table: Table) -> Iterable[RowMapping]:
    return connection.execute(select(table)).mappings()


def _absent(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of new keys; of several with one key the first."""
    keys = [column.name for column in table.primary_key]
    found = {tuple(row[name] for name in keys): row for row in reversed(rows)}
    wanted = [key for key in (tuple(row[name] for name in keys) for row in rows) if key in found]
    columns = [table.columns[name] for name in keys]
    for start in range(0, len(wanted), _AT_ONCE):
        there = select(*columns).where(tuple_(*columns).in_(wanted[start : start + _AT_ONCE]))
        for key in connection.execute(there):
            found.pop(tuple(key), None)
    return [found.pop(key) for key in wanted if key in found]


def _parents_first(table: Table, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a table that refers to itself, such that none comes before the one that it refers to."""
    own = [key for key in table.foreign_keys if key.column.table is table]
    if not own:
        return rows
    (refers, target) = (own[0].parent.name, own[0].column.name)
    waiting = {row[target]: row for row in rows}
    ordered: list[dict[str, Any]] = []
    for row in rows:
        way = []
        while row[target] in waiting:
            way.append(waiting.pop(row[target]))
            row = waiting.get(row.get(refers), row)
        ordered += reversed(way)
    return ordered


def _alike(rows: list[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    """Rows in order, in groups that a single statement can insert."""
    group: list[dict[str, Any]] = []
    for row in rows:
        if group and (len(group) == _AT_ONCE or group[0].keys() != row.keys()):
            yield group
            group = []
        group.append(row)
    if group:
        yield group
