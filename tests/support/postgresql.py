"""A real PostgreSQL server for tests: Debian's ``postgresql``, with its files in a directory of its own.

One server for a run of pytest (under xdist: for each worker), started by the first test that asks for it.
Each test gets a database to itself, copied from one that is migrated or wiped after another test. Only a
Unix socket is listened on: no port can be taken. The product's role is an ordinary one: what it may do here,
it may do anywhere.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from catalog.catalogue import Catalogue
from tests.support.peers import missing

ROLE = "jianzheng"  # owns all databases and may nothing else
GUARDED = "guarded"  # a role that is asked for its password
PASSWORD = "a-password-of-tests"
_HBA = f"local all {GUARDED} scram-sha-256\nlocal all all trust\n"
_QUICK = {
    "listen_addresses": "",
    "max_connections": "100",
    # Nothing here outlives the run: what costs time for the sake of a power cut is left out.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
}
# Ends when its standard input does, however the tests end, and leaves nothing behind.
_KEEPER = """
out=$1; shift
"$@" &
while read -r word; do
  case $word in
    down) kill -INT $!; wait $! ;;
    up) "$@" & ;;
  esac
done
kill -QUIT $!; wait $!; rm -rf "$out"
"""


def programs() -> Path:
    """Directory of PostgreSQL's programs, or a skip that says what to install."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda one: int(one.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        missing("PostgreSQL's server", "on Debian, apt install postgresql")
    return Path(on_path).parent


def _as_whom() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: Debian's package makes a user for it."""
    if os.getuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


class PostgresServer:
    """A running server."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        """Start one; ``settings`` are of ``postgresql.conf``, beside those that make tests quick."""
        self.programs = programs()
        self.directory = Path(tempfile.mkdtemp(prefix="jianzheng-pg-", dir="/tmp"))
        if os.getuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.directory, account.pw_uid, account.pw_gid)
        self.directory.chmod(0o755)  # sockets in it are for everybody, the data for the server alone
        self._numbers = count(1)
        self._tables: list[str] = []  # of a migrated database
        self._filled: list[str] = []  # those of them that have rows from the start
        self._free: list[str] = []  # migrated databases that nobody uses
        self._one_at_a_time = threading.Lock()
        self._settings = {**_QUICK, **(settings or {}), "unix_socket_directories": str(self.directory)}
        self._initialise()
        self._keeper = self._start()
        self.execute(f"CREATE ROLE {ROLE} LOGIN", f"CREATE ROLE {GUARDED} LOGIN PASSWORD '{PASSWORD}'")

    def _run(self, *command: object, **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [str(one) for one in command], cwd="/", stdout=subprocess.DEVNULL, **_as_whom(), **options
        )

    def _initialise(self) -> None:
        arguments = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        made = self._run(self.programs / "initdb", "-D", self.directory / "data", *arguments)
        if made.wait() != 0:
            raise RuntimeError("initdb failed")
        (self.directory / "data" / "pg_hba.conf").write_text(_HBA, encoding="utf-8")

    def _start(self) -> subprocess.Popen[bytes]:
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        server = (self.programs / "postgres", "-D", self.directory / "data", *options)
        with (self.directory / "log").open("ab") as log:
            keeper = self._run(
                "/bin/sh", "-c", _KEEPER, "keeper", self.directory, *server,
                stdin=subprocess.PIPE, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._wait_until("up")
        return keeper

    def _wait_until(self, state: str) -> None:
        """Until the server answers, or until it has gone."""
        word = {"up": "until", "down": "while"}[state]
        asking = f'{word} "$0" -q -h "$1" -d postgres; do sleep 0.02; done'
        waiting = self._run("/bin/sh", "-c", asking, self.programs / "pg_isready", self.directory)
        try:
            waiting.wait(timeout=60)
        except subprocess.TimeoutExpired:
            waiting.kill()
            log = (self.directory / "log").read_text()
            raise RuntimeError(f"the server is not {state}:\n{log}") from None

    def _tell(self, state: str) -> None:
        assert self._keeper.stdin is not None
        self._keeper.stdin.write(f"{state}\n".encode())
        self._keeper.stdin.flush()
        self._wait_until(state)

    @contextmanager
    def down(self) -> Iterator[None]:
        """Without the server, for a while."""
        self._tell("down")
        try:
            yield
        finally:
            self._tell("up")

    def stop(self) -> None:
        """End the server and remove its files."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait(timeout=60)

    def execute(self, *statements: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements as the server's administrator; rows of the last one."""
        import psycopg  # an extra of the product: a run without it has no tests of PostgreSQL

        rows: list[tuple[Any, ...]] = []
        place = f"host={self.directory} dbname={database} user=postgres"
        with psycopg.connect(place, autocommit=True) as own:
            for statement in statements:
                cursor = own.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def url(self, database: str, user: str = ROLE, password: str = "") -> str:
        """A setting ``database_url``, as an operator would write it."""
        return f"postgresql://{user}{password and ':' + password}@/{database}?host={self.directory}"

    def new(self) -> str:
        """URL of a migrated database with its code tables and nothing else."""
        with self._one_at_a_time:
            if self._free:
                return self._free.pop()
        return self.new_own()

    def new_own(self) -> str:
        """The same for a test that alters tables: ``drop`` it."""
        with self._one_at_a_time:
            if not self._tables:
                self._make_template()
        return self._create("migrated")

    def new_empty(self) -> str:
        """URL of a database without any table."""
        return self._create("template0")

    def _create(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} OWNER {ROLE} TEMPLATE {template}")
        return self.url(name)

    def give_back(self, url: str) -> None:
        """Make a migrated database as ``new`` gave it: quicker than copying one."""
        name = name_in(url)
        gone = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        # Neither references nor the guards of tables that are never changed stand in the way of this role.
        wipe = ["SET session_replication_role = replica", *(f"DELETE FROM {one}" for one in self._tables)]
        fill = [f"INSERT INTO {one} SELECT * FROM pristine.{one}" for one in self._filled]
        self.execute(gone)
        self.execute(";".join([*wipe, *fill]), database=name)
        self._free.append(url)

    def drop(self, url: str) -> None:
        """Remove a database, whoever still uses it."""
        self.execute(f"DROP DATABASE IF EXISTS {name_in(url)} WITH (FORCE)")

    def _make_template(self) -> None:
        self.execute(f"CREATE DATABASE migrated OWNER {ROLE} TEMPLATE template0")
        Catalogue.open(self.url("migrated")).close()
        ours = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"
        tables = [str(one) for [one] in self.execute(ours, database="migrated")]
        self._tables = [one for one in tables if one != "alembic_version"]
        filled = "SELECT EXISTS (SELECT FROM {})"
        self._filled = [
            one for one in self._tables if self.execute(filled.format(one), database="migrated")[0][0]
        ]
        copies = (f"CREATE TABLE pristine.{one} AS TABLE {one}" for one in self._filled)
        self.execute("CREATE SCHEMA pristine", *copies, database="migrated")


def name_in(url: str) -> str:
    """The database that a URL of ``PostgresServer`` names."""
    return url.partition("?")[0].rpartition("/")[2]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    """The server of this run."""
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture
def postgresql_url(postgresql: PostgresServer) -> Iterator[str]:
    """A migrated database of its own."""
    url = postgresql.new()
    yield url
    postgresql.give_back(url)


@pytest.fixture
def own_postgresql_url(postgresql: PostgresServer) -> Iterator[str]:
    """The same for a test that alters its tables."""
    url = postgresql.new_own()
    yield url
    postgresql.drop(url)


@pytest.fixture
def empty_postgresql_url(postgresql: PostgresServer) -> Iterator[str]:
    """A database without any table."""
    url = postgresql.new_empty()
    yield url
    postgresql.drop(url)
