"""Copies of a catalogue on SQLite: made while programs use it, proven whole, and put back.

A server's catalogue is copied with the server's own tools, see ``docs/guide/postgresql.md``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from catalog.database import make_engine
from catalog.database_facts import file_of, is_known
from kernel.clock import to_datetime
from kernel.durable import fsync_directory
from kernel.errors import CatalogError, StorageError

_ANOTHER = "Take another copy."
_LATER = "Restore it with that version."
_BESIDE = ("-wal", "-shm")  # what SQLite keeps beside a catalogue in use


@dataclass(frozen=True, kw_only=True, slots=True)
class Backup:
    """A copy that was found whole."""

    path: Path
    size_bytes: int
    sha256: str  # of the file, lower-case hex
    schema: str  # revision of the catalogue in it


def back_up(url: str, directory: Path, *, at_us: int) -> Backup:
    """Copy a catalogue to a new file named for the time; whoever uses it goes on.

    The copy is as the catalogue was at one moment. https://www.sqlite.org/backup.html

    Raises:
        CatalogError: there is no catalogue, it is on a server, or the copy is not whole.
        StorageError: the copy cannot be written.
    """
    source = _catalogue_file(url)
    if not source.is_file():
        raise CatalogError(f"there is no catalogue {source}.", hint="Name the right data_dir.")
    final = directory / f"catalogue-{_stamp(at_us)}.sqlite"
    part = final.with_name(final.name + ".part")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        _copy(source, part)
        backup = examine(part)
        _make_durable(part)
        if final.exists():
            raise CatalogError(f"{final} exists.", hint="Nothing is overwritten; try again.")
        part.rename(final)
        fsync_directory(directory)
    except OSError as error:
        raise _unwritten(directory, error) from error
    except sqlite3.Error as error:
        raise CatalogError(f"The catalogue {source} cannot be copied: {error}.") from error
    return Backup(path=final, size_bytes=backup.size_bytes, sha256=backup.sha256, schema=backup.schema)


def restore(backup: Path, url: str, *, at_us: int) -> Path | None:
    """Put a copy in the place of the catalogue; that one is moved aside, never overwritten.

    Returns where it was moved to; None: there was none. What is restored is not yet migrated.

    Raises:
        CatalogError: the copy is not whole, is of a later version, or programs use the catalogue.
        StorageError: it cannot be put there; the catalogue is as it was.
    """
    target = _catalogue_file(url)
    found = examine(backup)
    if not is_known(found.schema):
        raise CatalogError(f"{backup} is of a later version of Jianzheng ({found.schema}).", hint=_LATER)
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(backup, part)
        _make_durable(part)
        aside = _move_aside(target, at_us) if target.exists() else None
        part.replace(target)
        fsync_directory(target.parent)
    except OSError as error:
        raise _unwritten(target.parent, error) from error
    return aside


def examine(path: Path) -> Backup:
    """Whether a file is a whole catalogue that nobody uses.

    Raises:
        CatalogError: it is not.
    """
    if not path.is_file():
        raise CatalogError(f"there is no file {path}.", hint="Name a file that 'catalog backup' made.")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            faults = [row[0] for row in connection.execute("PRAGMA integrity_check(3)") if row[0] != "ok"]
            broken = connection.execute("PRAGMA foreign_key_check").fetchmany(3)
            [schema] = connection.execute("SELECT version_num FROM alembic_version").fetchone() or [""]
    except sqlite3.Error as error:
        raise CatalogError(f"{path} is no catalogue: {error}.", hint=_ANOTHER) from error
    if faults or broken:
        said = "; ".join([*faults, *(f"a row of {row[0]} refers to nothing" for row in broken)])
        raise CatalogError(f"{path} is damaged: {said}.", hint=_ANOTHER)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Backup(path=path, size_bytes=path.stat().st_size, sha256=sha256, schema=schema)


def _catalogue_file(url: str) -> Path:
    path = file_of(make_engine(url))
    if path is None:
        raise CatalogError(
            "The catalogue is on a PostgreSQL server, whose own tools copy it.",
            hint="Use pg_dump and pg_restore: docs/guide/postgresql.md.",
        )
    return path


def _copy(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as origin,
        closing(sqlite3.connect(target)) as copy,
    ):
        origin.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # a single file, whatever the catalogue has beside it


def _move_aside(target: Path, at_us: int) -> Path:
    """Raises: CatalogError: a program uses it."""
    aside = target.with_name(f"{target.name}.before-{_stamp(at_us)}")
    try:
        with closing(sqlite3.connect(target, timeout=0, isolation_level=None)) as connection:
            # Takes what is beside the file into it, which only one who is alone with it may.
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        hint = "Stop all programs of Jianzheng on it first."
        raise CatalogError(f"The catalogue {target} is in use: {error}.", hint=hint) from error
    except sqlite3.DatabaseError:
        pass  # it is damaged, which may be why a copy is wanted; it stays as it is
    for beside in ("", *_BESIDE):
        old = target.with_name(target.name + beside)
        if old.exists():
            old.rename(aside.with_name(aside.name + beside))
    return aside


def _unwritten(directory: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{directory} cannot be written: {error.strerror}.", hint="Check disk, room and rights."
    )


def _make_durable(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _stamp(at_us: int) -> str:
    return to_datetime(at_us).strftime("%Y%m%dT%H%M%SZ")
