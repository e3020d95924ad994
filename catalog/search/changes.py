"""Which projects changed: marked by triggers, so that no way of writing is forgotten.

A program that searches holds in memory what it filters by (``catalog.search.columns``) and reads anew what
was marked since it last looked. A mark's number is greater than all before it: on both databases one
transaction writes at a time (``catalog.database``), so numbers come in the order of commits. One row for each
project and session, whatever happens to it; segments are not marked, so that recording pays nothing.

No trigger reads another table: SQLite makes a table anew to alter it, and checks then what names it.
"""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text

_MARKED = {
    "project": ("'project'", "id"),
    "session": ("'project'", "project_id"),
    "session_section": ("'session'", "session_id"),
    "section": ("'project'", "project_id"),
    "tag": ("'project'", "project_id"),
    "clip": ("'session'", "session_id"),
    "site": ("'places'", None),
    "room": ("'places'", None),
    "source": ("'places'", None),
    "region": ("'places'", None),
    "region_alias": ("'places'", None),
    "industry": ("'places'", None),
}
"""By table: what a change of its rows is a change of. Gaps of clips are written with their clips only."""
_MARK = (
    "INSERT INTO search_change (kind, id, number) "
    "VALUES ({kind}, {id}, (SELECT coalesce(max(number), 0) + 1 FROM search_change)) "
    "ON CONFLICT (kind, id) DO UPDATE SET number = excluded.number"
)
_ROWS = {"INSERT": "NEW", "UPDATE": "NEW", "DELETE": "OLD"}


def put_triggers(connection: Connection) -> None:
    """Make the triggers, whichever of them are there: after migrations, which may have made a table anew."""
    drop_triggers(connection)
    if not inspect(connection).has_table("search_change"):
        return
    for statement in _sqlite() if connection.dialect.name == "sqlite" else _postgresql():
        connection.execute(text(statement))


def drop_triggers(connection: Connection) -> None:
    """Remove the triggers that are there."""
    if connection.dialect.name == "postgresql":
        for table in _MARKED:
            connection.execute(text(f"DROP FUNCTION IF EXISTS search_mark_{table}() CASCADE"))
        return
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'search\\_mark\\_%' ESCAPE '\\'"
    )
    for name in connection.execute(text(query)).scalars().all():
        connection.execute(text(f"DROP TRIGGER {name}"))


def _mark(table: str, row: str) -> str:
    kind, column = _MARKED[table]
    return _MARK.format(kind=kind, id=f"{row}.{column}" if column else "''")


def _sqlite() -> list[str]:
    # An upsert within a trigger obeys the outer statement's conflict clause: ours have none.
    return [
        f"CREATE TRIGGER search_mark_{table}_{act.lower()} AFTER {act} ON {table} "
        f"BEGIN {_mark(table, row)}; END"
        for table in _MARKED
        for act, row in _ROWS.items()
    ]


def _postgresql() -> list[str]:
    made = []
    for table in _MARKED:
        made.append(
            f"CREATE FUNCTION search_mark_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF TG_OP = 'DELETE' THEN {_mark(table, 'OLD')}; ELSE {_mark(table, 'NEW')}; END IF; "
            "RETURN NULL; END $$"
        )
        made.append(
            f"CREATE TRIGGER search_mark_{table} AFTER INSERT OR UPDATE OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION search_mark_{table}()"
        )
    return made
