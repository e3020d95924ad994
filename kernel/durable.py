"""Names that a power cut does not take back, and what the errors of a disk mean."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

from kernel.errors import DiskFull, StorageError
from kernel.ids import new_id

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def fsync_directory(directory: Path) -> None:
    """Make names in a directory durable. Windows has no such call: its file system's journal keeps names."""
    if sys.platform == "win32":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_directory(directory: Path, root: Path) -> None:
    """Make a directory below a root and those between them, each durable in its own parent.

    Where something else has one of the names, nothing is made: whoever writes there is told by the system.
    """
    missing = []
    while directory != root and not directory.exists():
        missing.append(directory)
        directory = directory.parent
    for new in reversed(missing):
        new.mkdir(parents=True, exist_ok=True)
        fsync_directory(new.parent)


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file so that after a power cut the old content or the new is there, never a part.

    Raises:
        StorageError: it could not be written; what was there stays.
    """
    part = path.with_name(path.name + ".new")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        fsync_directory(path.parent)
    except OSError as error:
        raise storage_error(error) from error


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all, and never over another: who comes second takes what is there.

    Raises:
        OSError: it could not be written.
    """
    new = path.with_name(f".{new_id('new')}")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(new)
    finally:
        new.unlink()
    fsync_directory(path.parent)


def storage_error(error: OSError) -> StorageError:
    """What an error of the system means to us."""
    if error.errno in _NO_ROOM:
        return DiskFull("the ring's disk is full.")
    reason = error.strerror or type(error).__name__
    return StorageError(f"the ring's disk cannot be written ({reason}).", hint="Check the disk.")
