"""Errors of SQLite and PostgreSQL as ours: no caller knows either, and no message holds a password.

PostgreSQL names what happened by a code, https://www.postgresql.org/docs/current/errcodes-appendix.html. Only
a connection that does not come about has none, so there the server's words are searched; where it speaks
another language, the general hint remains.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft

from kernel.errors import CatalogBusy, CatalogError, CatalogUnreachable, DiskFull, JianzhengError

_GUIDE = "docs/guide/postgresql.md"
_OF_CONNECTING = {
    "password authentication failed": "Correct user and password in database_url.",
    "no pg_hba.conf entry": f"Let this machine and role in, in the server's pg_hba.conf: {_GUIDE}.",
    "too many clients": f"Raise max_connections of the server: {_GUIDE}.",
    "too many connections": f"Raise the connection limit of the role or database: {_GUIDE}.",
    "connection slots": f"Raise max_connections of the server: {_GUIDE}.",
    "does not exist": f"Make role and database first: {_GUIDE}.",
}
_UNREACHABLE = ("08", "57P", "25P03")
_BUSY = ("40001", "40P01", "55P03", "57014", "53300", "53200")
_HINTS = {
    "25006": "It is a standby or set to read only: name the primary in database_url.",
    "42501": f"Its role needs to own the tables and may create some: {_GUIDE}.",
}
_SQLITE_FULL, _SQLITE_BUSY = 13, (5, 6)  # https://www.sqlite.org/rescode.html


@contextmanager
def translated(failed: str, url: URL) -> Iterator[None]:
    """Raise the database's errors as ours; ``failed`` is the sentence's start, such as "cannot be read".

    Raises:
        CatalogUnreachable, CatalogBusy: trying again can help.
        DiskFull: the database's disk has no room.
        CatalogError: anything else.
    """
    try:
        yield
    except NoConnectionLeft as error:
        said = f"The catalogue {failed}: all connections of this program are in use."
        raise CatalogBusy(said) from error
    except DBAPIError as error:
        raise as_ours(error, failed, url) from error


def as_ours(error: DBAPIError, failed: str, url: URL) -> JianzhengError:
    """An error of the database in our words."""
    cause = error.orig
    said = f"The catalogue {failed}: {_in_one_line(cause or error, url)}."
    if isinstance(cause, sqlite3.Error):
        return _of_sqlite(cause, said)
    code = getattr(cause, "sqlstate", None) or ""
    if code == "53100":
        return DiskFull("The disk of the catalogue's server is full.")
    no_connection = not code and (isinstance(error, OperationalError) or error.connection_invalidated)
    if no_connection or code.startswith(_UNREACHABLE):
        return CatalogUnreachable(said, hint=next((h for m, h in _OF_CONNECTING.items() if m in said), None))
    if code in _BUSY:
        return CatalogBusy(said)
    return CatalogError(said, hint=_HINTS.get(code))


def _of_sqlite(cause: sqlite3.Error, said: str) -> JianzhengError:
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # without what an extended code adds
    if code == _SQLITE_FULL:
        return DiskFull("The disk of the catalogue is full.")
    return CatalogBusy(said) if code in _SQLITE_BUSY else CatalogError(said)


def _in_one_line(cause: BaseException, url: URL) -> str:
    """What the driver says, without the password wherever it may stand in it (invariant 16)."""
    words = " ".join(str(cause).split())
    for secret in (url.password, url.query.get("password"), url.query.get("sslpassword")):
        if isinstance(secret, str) and secret:
            words = words.replace(secret, "***")
    return words.rstrip(".")
