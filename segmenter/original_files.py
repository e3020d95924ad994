"""Writes originals: footage is copied as it is, and proven by its hash on the way."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from kernel.durable import fsync_directory
from kernel.errors import DiskFull, FixityError, FootageError, ObjectExists, StorageError
from segmenter.originals import FileRange, Original

_BLOCK_BYTES = 1 << 20
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)


class Hash(Protocol):
    """What ``hashlib`` gives."""

    def update(self, data: memoryview, /) -> None: ...


def write(one: Original, directory: Path, *, prove: bool = True, sync: bool = True) -> str | None:
    """Write an original as a new file, which appears under its name when it is whole.

    Args:
        prove: read every segment it uses whole and compare it with its row's hash before the file appears.
            Without it nothing is hashed, and writing takes as long as ``cp``.
        sync: force it to the disk first.

    Returns:
        The file's SHA-256, lower-case hex; None if it was not proven.

    Raises:
        FixityError: a segment is not what its row says; nothing was written.
        FootageError: a segment cannot be read.
        ObjectExists: a file of that name is there; it stays as it is.
        DiskFull, StorageError: the file cannot be written.
    """
    target = directory / one.name
    if target.exists():
        raise _taken(target)
    with _new_file(target, sync) as file:
        return _write(one, file, prove)


def _taken(target: Path) -> ObjectExists:
    return ObjectExists(
        f"{target} exists; originals are never overwritten.", hint="Remove it or name another directory."
    )


@contextmanager
def _new_file(target: Path, sync: bool) -> Iterator[BinaryIO]:
    """A file under a temporary name; it gets its own when the block ends well."""
    partial = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        with partial.open("xb", buffering=0) as file:
            yield file
            if sync:
                os.fsync(file.fileno())
        _give_name(partial, target)
        if sync:
            fsync_directory(target.parent)
    except FileExistsError:
        raise _taken(target) from None
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise DiskFull(
                f"there is no room for {target}.", hint="Name a directory on another disk."
            ) from None
        raise StorageError(f"{target} cannot be written ({error.strerror}).") from None
    finally:
        partial.unlink(missing_ok=True)


def _give_name(partial: Path, target: Path) -> None:
    """A hard link never overwrites. Disks that people carry (exFAT) know none: there, a look comes first."""
    try:
        os.link(partial, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        partial.rename(target)


def _write(one: Original, file: BinaryIO, prove: bool) -> str | None:
    """Head and footage; every block is hashed and written from the same memory."""
    whole = hashlib.sha256(one.head)
    _put(file, one.head)
    buffer = memoryview(bytearray(_BLOCK_BYTES))
    for used in one.ranges:
        if not prove:
            _copy(used, file, buffer)
        elif _copy_proven(used, file, buffer, whole) != used.segment.sha256:
            raise FixityError(f"segment {used.segment.path} is not what its row says.")
    return whole.hexdigest() if prove else None


def _copy(used: FileRange, file: BinaryIO, buffer: memoryview) -> None:
    left = used.size
    for block in _blocks(used, used.start, buffer):
        _put(file, block[:left])
        left -= min(left, len(block))
        if not left:
            return
    raise FixityError(f"segment {used.segment.path} is shorter than its row says.")


def _copy_proven(used: FileRange, file: BinaryIO, buffer: memoryview, whole: Hash) -> str:
    """Read the whole segment, write the part that is used; the segment's SHA-256."""
    segment, place = hashlib.sha256(), 0
    for block in _blocks(used, 0, buffer):
        segment.update(block)
        wanted = block[max(0, used.start - place) : max(0, used.end - place)]
        whole.update(wanted)
        _put(file, wanted)
        place += len(block)
    return segment.hexdigest()


def _blocks(used: FileRange, start: int, buffer: memoryview) -> Iterator[memoryview]:
    """Its segment's file from an offset on; each block is in the same memory as the one before.

    Blocks of a megabyte cost the processor two thirds of what copy_file_range(2) and sendfile(2) cost on ext4
    where pages of source and target do not lie alike (``docs/design/originals.md``).
    """
    try:
        with used.path.open("rb", buffering=0) as source:
            source.seek(start)
            while count := source.readinto(buffer):
                yield buffer[:count]
    except OSError as error:
        raise FootageError(f"segment {used.path.name} cannot be read: {error.strerror}.") from None


def _put(file: BinaryIO, data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) or 0 :]
