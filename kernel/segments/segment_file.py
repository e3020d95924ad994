"""A file of the ring while it is written, and how it is sealed (invariant 1, ``docs/design/segments.md``)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from kernel.clock import SECOND_US, Clock, to_datetime
from kernel.durable import fsync_directory, make_directory, storage_error

PART_SUFFIX = ".part"


def segment_path(source_id: str, wall_start_us: int, run_id: str, sequence: int) -> str:
    """Path below the ring, with forward slashes. A label for people, never truth."""
    return f"{source_id}/{to_datetime(wall_start_us):%Y%m%d}/{run_id}-{sequence:06d}.mp4"


class RawFile(Protocol):
    """An unbuffered file; a test's may be out of room."""

    def write(self, data: bytes | memoryview, /) -> int | None: ...
    def truncate(self, size: int, /) -> int: ...
    def seek(self, offset: int, /) -> int: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...


Opener = Callable[[Path], RawFile]


def open_new(path: Path) -> RawFile:
    """A new file; one of that name must not exist (nothing is ever overwritten)."""
    return path.open("xb", buffering=0)


class SegmentFile:
    """Grows by whole pieces; what was not written whole is taken back: the file is always readable."""

    def __init__(
        self, path: Path, root: Path, *, fsync_seconds: float, clock: Clock, opener: Opener = open_new
    ) -> None:
        """Raises: StorageError: the file cannot be made."""
        self._path = path
        self._part = path.with_name(path.name + PART_SUFFIX)
        self._clock = clock
        self._fsync_us = round(fsync_seconds * SECOND_US)
        self._hash = hashlib.sha256()
        self._synced_us = clock.monotonic_us()
        self.size = 0
        try:
            make_directory(path.parent, root)
            self._file = opener(self._part)
            fsync_directory(path.parent)
        except OSError as error:
            raise storage_error(error) from error

    @property
    def sha256(self) -> bytes:
        return self._hash.digest()

    def append(self, piece: bytes) -> None:
        """Hand a whole piece to the system; force it to disk when that is due.

        Raises:
            StorageError: it could not be written; the file is as it was before.
        """
        try:
            self._write(piece)
        except OSError as error:
            self._take_back()
            raise storage_error(error) from error
        self._hash.update(piece)
        self.size += len(piece)
        if self._clock.monotonic_us() - self._synced_us >= self._fsync_us:
            self._sync()

    def _write(self, piece: bytes) -> None:
        rest = memoryview(piece)
        while rest:
            rest = rest[self._file.write(rest) or 0 :]

    def _take_back(self) -> None:
        """The beginning of a piece whose rest found no room: of no use to anybody."""
        self._file.truncate(self.size)
        self._file.seek(self.size)

    def give_up_empty(self) -> None:
        """Close and remove a file into which nothing could be written, not even its header."""
        self._file.close()
        if self.size == 0:
            with suppress(OSError):
                self._part.unlink()

    def _sync(self) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise storage_error(error) from error
        self._synced_us = self._clock.monotonic_us()

    def seal(self) -> None:
        """fsync, rename, fsync the directory. The row comes after.

        Raises:
            StorageError: it stays under its temporary name, for ``recover`` to settle.
        """
        try:
            try:
                self._sync()
            finally:
                self._file.close()
            self._part.rename(self._path)
            fsync_directory(self._path.parent)
        except OSError as error:
            raise storage_error(error) from error
