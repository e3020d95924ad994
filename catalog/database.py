"""Opening the catalogue: engine, migrations, transactions.

SQLite in WAL mode by default, PostgreSQL by URL. On both one transaction writes at a time, from its first
statement to its end, and nobody waits to read. SQLite works so by itself (``BEGIN IMMEDIATE``); on PostgreSQL
each writer takes one lock first. What a writer has read therefore still holds when it writes: two clean-ups,
two signatures, two numbers of a chain cannot pass each other unseen, whatever the tables are, and no two
writers can block each other. The price, that writers queue, is small: they take milliseconds.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool
from sqlmodel import Session

from catalog.database_errors import translated
from kernel.errors import CatalogError

MIGRATIONS = Path(__file__).parent / "migrations"
_URL_HINT = "Write sqlite:////PATH/FILE or postgresql://ROLE:PASSWORD@HOST/DATABASE."
_BUSY_MS = 30_000  # how long a writer waits for those before it
_ANSWER_MS = 600_000  # the longest that one statement may take
_IDLE_MS = 300_000  # a program that stands still in a transaction holds up others no longer than this
_WRITERS = 0x6A7A_0001  # any number that nobody else takes in this database
_SQLITE = ("sqlite", "sqlite+pysqlite")
_POSTGRES = ("postgres", "postgresql", "postgresql+psycopg")
_CONNECTING = {
    # A server that vanishes, cable and all, is noticed in about a minute instead of hours.
    # https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "fallback_application_name": "jianzheng",
    "client_encoding": "utf8",
    "options": (
        f"-c lock_timeout={_BUSY_MS} -c statement_timeout={_ANSWER_MS}"
        f" -c idle_in_transaction_session_timeout={_IDLE_MS}"
        # Compiling the statement that lets segments go took seconds, running it milliseconds.
        " -c jit=off"
    ),
}


def open_engine(url: str) -> Engine:
    """An engine for that database, migrated to this version's schema.

    Raises:
        CatalogError: the database cannot be opened or migrated.
    """
    engine = make_engine(url)
    with ExitStack() as undo:
        undo.callback(engine.dispose)
        _make_place(engine)
        with translated(f"{shown(engine.url)} cannot be opened", engine.url):
            _check_encoding(engine)
            migrate(engine)
        undo.pop_all()
    return engine


def make_engine(url: str) -> Engine:
    """An engine for that database as it is; nothing is connected to yet.

    Raises:
        CatalogError: the URL names no database that can be used.
    """
    try:
        parsed = make_url(url)
        if parsed.drivername in _POSTGRES:
            return _postgresql_engine(parsed.set(drivername="postgresql+psycopg"))
        if parsed.drivername in _SQLITE:
            engine = create_engine(parsed)
            _tune_sqlite(engine)
            return engine
    except ArgumentError:
        raise CatalogError("The setting database_url is no URL of a database.", hint=_URL_HINT) from None
    raise CatalogError(f"Jianzheng keeps no catalogue in {parsed.drivername}.", hint=_URL_HINT)


def shown(url: URL) -> str:
    """A database as messages name it: without its password, and without options, which may hold one."""
    kept = {name: value for name, value in url.query.items() if name in ("host", "port")}
    return url.set(query=kept).render_as_string(hide_password=True)


def _make_place(engine: Engine) -> None:
    """The directory of a catalogue in a file."""
    if engine.dialect.name != "sqlite":
        return
    try:
        Path(engine.url.database or "").parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CatalogError(f"The catalogue {shown(engine.url)} cannot be opened: {error}.") from None


def _tune_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions are begun by the listener below, not by the driver
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_MS}"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        read_only = connection.get_execution_options().get("read_only", False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def _postgresql_engine(url: URL) -> Engine:
    """Its connections are looked at before each use: a server may have been started anew meanwhile."""
    try:
        return create_engine(
            url,
            connect_args={name: value for name, value in _CONNECTING.items() if name not in url.query},
            pool_pre_ping=True,
            # Whoever waited for its turn to write must see what those before it wrote.
            isolation_level="READ COMMITTED",
        )
    except ModuleNotFoundError:
        hint = "Install it: pip install 'jianzheng[postgresql]'."
        raise CatalogError("PostgreSQL needs psycopg, which is not installed.", hint=hint) from None


def _check_encoding(engine: Engine) -> None:
    if engine.dialect.name != "postgresql":
        return
    with engine.connect() as connection:
        encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise CatalogError(
            f"The database {shown(engine.url)} is encoded in {encoding}: it cannot hold every letter.",
            hint="Make one with ENCODING 'UTF8': docs/guide/postgresql.md.",
        )


def alembic_config(engine: Engine | None = None) -> Config:
    """The configuration that migrations run with; ``alembic`` on the command line uses the same."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["engine"] = engine
    return config


def migrate(engine: Engine) -> None:
    """Bring the schema up to this version's, whole or not at all; does nothing where it is.

    Raises:
        CatalogError: the schema is of a later version.
    """
    try:
        with engine.execution_options(read_only=True).connect() as connection:
            if schema_of(connection) == migrations().get_current_head():
                return
        command.upgrade(alembic_config(engine), "head")
    except CommandError as error:
        hint = "It was made by a later version of Jianzheng; use that one."
        raise CatalogError(f"The catalogue's schema is unknown here: {error}.", hint=hint) from None


@cache
def migrations() -> ScriptDirectory:
    """The migrations of this version."""
    return ScriptDirectory.from_config(alembic_config())


def schema_of(connection: Connection) -> str | None:
    """Revision of the catalogue in a database; None: there is none yet."""
    return MigrationContext.configure(connection).get_current_revision()


def take_turns(connection: Connection) -> None:
    """Wait within a transaction until no other one writes, here or in another program; held to its end.

    SQLite's write transactions take turns by themselves.
    https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADVISORY-LOCKS
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _WRITERS})


def _reading_options(dialect: str) -> dict[str, Any]:
    """How a connection only reads; in WAL mode SQLite shows one picture from the first read on by itself.

    PostgreSQL shows each statement another picture unless told otherwise.
    https://www.postgresql.org/docs/current/transaction-iso.html
    """
    more = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return {"read_only": True, **(more if dialect == "postgresql" else {})}


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A transaction that only reads: one consistent picture, and no writer waits for it.

    Raises:
        CatalogError: the database fails.
        DiskFull: its disk has no room.
    """
    reader = engine.execution_options(**_reading_options(engine.dialect.name))
    with translated("cannot be read", engine.url), Session(reader) as session:
        yield session


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A transaction that is kept whole or not at all; no other one writes meanwhile.

    Raises:
        CatalogError: the database fails.
        DiskFull: its disk has no room.
    """
    with translated("cannot be written", engine.url), Session(engine) as session, session.begin():
        take_turns(session.connection())
        yield session


class ChangeWatcher:
    """Tells whether anybody changed the catalogue since it was last asked.

    SQLite counts commits of *other* connections on each connection, so the watcher keeps one of its own.
    PostgreSQL tells which transactions of the server have ended: that of another database is taken for a
    change, too, and costs a page one look; so is one that was undone. Nothing is kept open for it.
    https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT
    """

    def __init__(self, engine: Engine) -> None:
        self._one_at_a_time = threading.Lock()
        self._own: Connection | None = None
        if engine.dialect.name == "sqlite":
            # Outside the pool: every open page holds a watcher, and the pool is for everybody else.
            alone = create_engine(engine.url, poolclass=NullPool)
            _tune_sqlite(alone)
            self._own = alone.execution_options(read_only=True).connect()
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._seen = self._read()

    def _read(self) -> str:
        with self._one_at_a_time, translated("cannot be watched", self._engine.url):
            if self._own is None:
                with self._engine.connect() as connection:
                    return str(connection.execute(text("SELECT pg_current_snapshot()::text")).scalar_one())
            with self._own.begin():
                return str(self._own.execute(text("PRAGMA data_version")).scalar_one())

    def changed(self) -> bool:
        """Whether something was committed since the last call (or since the watcher was made).

        Raises:
            CatalogError: the database does not answer.
        """
        seen, self._seen = self._seen, self._read()
        return seen != self._seen

    def close(self) -> None:
        """Let go of the connection; waits for a look that another thread is taking."""
        with self._one_at_a_time:
            if self._own is not None:
                self._own.close()
