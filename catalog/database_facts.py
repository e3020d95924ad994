"""What a database is and what it lets us do, looked up without changing anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from catalog.database import make_engine, migrations, schema_of, shown
from catalog.database_errors import translated

_FEW = 20  # connections; a program opens up to 15
_POSTGRES = text("""
    SELECT current_setting('server_version') AS version, current_setting('server_encoding') AS encoding,
        (SELECT datcollate FROM pg_database WHERE datname = current_database()) AS collation,
        current_setting('max_connections')::int AS most,
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
        coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
        (SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()
            AND NOT pg_has_role(tableowner, 'USAGE')) AS of_others,
        current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit,
        pg_is_in_recovery() AS standby
""")


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseFacts:
    """What was seen."""

    server: str  # which database, and its version
    place: str  # without credentials
    schema: str | None  # revision of the catalogue in it; None: there is none yet
    newest: str  # revision that this version of the program works with
    known: bool  # whether this version has a migration from that schema
    details: str = ""  # what else there is to say, for people
    faults: tuple[str, ...] = ()  # what must not stay so, in sentences

    @property
    def current(self) -> bool:
        """Whether programs may use it without migrating it."""
        return self.schema == self.newest


def facts_of(url: str) -> DatabaseFacts:
    """Look at a database; nothing is made and nothing is migrated.

    Raises:
        CatalogError: it does not answer, or is none that can be used.
    """
    engine = make_engine(url)
    newest = migrations().get_current_head() or ""
    try:
        path = file_of(engine)
        if path is not None and not path.exists():
            return DatabaseFacts(server="SQLite", place=str(path), schema=None, newest=newest, known=True)
        reader = engine.execution_options(read_only=True)
        with translated(f"{shown(engine.url)} cannot be opened", engine.url), reader.connect() as connection:
            schema = schema_of(connection)
            server, details, faults = _server(connection)
    finally:
        engine.dispose()
    return DatabaseFacts(
        server=server,
        place=str(path or shown(engine.url)),
        schema=schema,
        newest=newest,
        known=schema is None or is_known(schema),
        details=details,
        faults=tuple(faults),
    )


def is_known(schema: str) -> bool:
    """Whether this version has migrations from that schema on."""
    return schema in {one.revision for one in migrations().walk_revisions()}


def file_of(engine: Engine) -> Path | None:
    """The file of a catalogue on SQLite; None: it is on a server."""
    return Path(engine.url.database or "") if engine.dialect.name == "sqlite" else None


def _server(connection: Connection) -> tuple[str, str, list[str]]:
    if connection.dialect.name == "sqlite":
        version = connection.execute(text("SELECT sqlite_version()")).scalar_one()
        return f"SQLite {version}", "", []
    seen = connection.execute(_POSTGRES).one()
    wrong = {
        f"It is encoded in {seen.encoding}, not UTF8.": seen.encoding != "UTF8",
        "This role may make no tables in it.": not seen.may_create,
        f"{seen.of_others} tables in it belong to other roles.": seen.of_others > 0,
        f"Only {seen.most - seen.used} connections are left.": seen.most - seen.used < _FEW,
        "fsync is off: a power cut may destroy it.": seen.fsync == "off",
        "synchronous_commit is off: a power cut may take back what was recorded.": seen.commit == "off",
        "It is a standby, which nobody can write to.": seen.standby,
    }
    details = f"collation {seen.collation}, {seen.used} of {seen.most} connections in use"
    return f"PostgreSQL {seen.version}", details, [said for said, is_so in wrong.items() if is_so]
