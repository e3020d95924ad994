"""Opening the catalogue: engine, pragmas, migrations.

SQLite in WAL mode by default, PostgreSQL by URL. Several processes of a site share one catalogue file:
every write transaction starts with ``BEGIN IMMEDIATE``, so two writers wait for each other, never deadlock.
What is said here of PostgreSQL follows its manual; no server has proven it yet.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool
from sqlmodel import Session

from kernel.errors import CatalogError, DiskFull

MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_MS = 30_000
_START_LOCK = 0x6A7A_0001  # any number that nobody else takes in this database


def open_engine(url: str) -> Engine:
    """An engine for that database, migrated to this version's schema.

    Raises:
        CatalogError: the database cannot be opened or migrated.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed)
        if parsed.get_backend_name() == "sqlite":
            _tune_sqlite(engine)
        migrate(engine)
    except (ArgumentError, NoSuchModuleError) as error:
        raise CatalogError(f"The database URL cannot be used: {error}.") from None
    except CommandError as error:
        hint = "It was made by a later version of Jianzheng; use that one."
        raise CatalogError(f"The catalogue's schema is unknown here: {error}.", hint=hint) from None
    except (DBAPIError, OSError) as error:
        place = make_url(url).render_as_string(hide_password=True)
        raise CatalogError(f"The catalogue {place} cannot be opened: {error.__cause__ or error}.") from None
    return engine


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


def alembic_config(engine: Engine | None = None) -> Config:
    """The configuration that migrations run with; ``alembic`` on the command line uses the same."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["engine"] = engine
    return config


def migrate(engine: Engine) -> None:
    """Bring the schema up to this version's; does nothing where it is."""
    command.upgrade(alembic_config(engine), "head")


def take_turns(connection: Connection) -> None:
    """Wait within a transaction until no other program that starts up is at work on schema and code tables.

    SQLite's write transactions take turns by themselves. PostgreSQL holds this lock to the transaction's end.
    https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADVISORY-LOCKS
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _START_LOCK})


def _reading_options(dialect: str) -> dict[str, Any]:
    """How a connection only reads; in WAL mode SQLite shows one picture from the first read on by itself.

    PostgreSQL shows each statement another picture unless told otherwise.
    https://www.postgresql.org/docs/current/transaction-iso.html
    """
    isolation = {"isolation_level": "REPEATABLE READ"} if dialect == "postgresql" else {}
    return {"read_only": True, **isolation}


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A transaction that only reads: one consistent picture, and no writer waits for it.

    Raises:
        CatalogError: the database fails.
        DiskFull: its disk has no room.
    """
    reader = engine.execution_options(**_reading_options(engine.dialect.name))
    with _translated("read"), Session(reader) as session:
        yield session


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A transaction that is kept whole or not at all.

    Raises:
        CatalogError: the database fails.
        DiskFull: its disk has no room.
    """
    with _translated("written"), Session(engine) as session, session.begin():
        yield session


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Errors of the database as ours: no caller knows SQLAlchemy."""
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.OperationalError) and "full" in str(error.orig):
            raise DiskFull("The disk of the catalogue is full.") from error
        raise CatalogError(f"The catalogue cannot be {what}: {error.orig}.") from error


class ChangeWatcher:
    """Tells whether anybody changed the catalogue since it was last asked.

    SQLite counts commits of *other* connections on each connection, so the watcher keeps one of its own;
    PostgreSQL's write-ahead log position moves with every commit.
    """

    def __init__(self, engine: Engine) -> None:
        # Outside the pool: every open page holds a watcher, and the pool is for everybody else.
        self._engine = create_engine(engine.url, poolclass=NullPool)
        if engine.dialect.name == "sqlite":
            _tune_sqlite(self._engine)
        self._connection = self._engine.execution_options(read_only=True).connect()
        self._one_at_a_time = threading.Lock()
        sqlite = engine.dialect.name == "sqlite"
        self._query = text("PRAGMA data_version" if sqlite else "SELECT pg_current_wal_lsn()::text")
        self._seen = self._read()

    def _read(self) -> str:
        with self._one_at_a_time, self._connection.begin():
            return str(self._connection.execute(self._query).scalar_one())

    def changed(self) -> bool:
        """Whether something was committed since the last call (or since the watcher was made)."""
        seen, self._seen = self._seen, self._read()
        return seen != self._seen

    def close(self) -> None:
        """Let go of the connection; waits for a look that another thread is taking."""
        with self._one_at_a_time:
            self._connection.close()
