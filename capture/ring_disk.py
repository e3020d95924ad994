"""Which disk the ring is on: a marker file with an id at its root, known to the catalogue.

A mount that is missing leaves an empty directory in its place. Nothing is ever written through it: before
each file the marker is looked at, and where it is gone or another one recording stops (``DiskLost``) until it
is back.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from capture.disk import free_bytes
from kernel.clock import Clock
from kernel.durable import fsync_directory, storage_error
from kernel.errors import DiskLost
from kernel.ids import new_id
from kernel.log import logger

MARKER = ".jianzheng-ring"
_MOST_BYTES = 200  # of a marker file

_log = logger("capture")


class DiskRows(Protocol):
    """What the catalogue knows of the ring's disk; ``catalog.ring_disks.RingDisks`` is one."""

    def current(self) -> str | None:
        """Id of the disk that is the ring."""

    def add(self, disk_id: str, made_us: int, principal: str) -> None:
        """From now on this one is the ring."""

    def newest_path(self) -> str | None:
        """Path, below the ring, of the segment with the latest footage that is kept."""


class RingDisk:
    """Tells whether the ring's disk is there. Cheap: one ``stat`` while all is well."""

    def __init__(self, root: Path, expected: Callable[[], str | None]) -> None:
        self._root = root
        self._marker = root / MARKER
        self._expected = expected
        self._seen: tuple[int, int] | None = None  # device and inode of the marker that was read last

    def check(self) -> None:
        """Raises: DiskLost: the marker is gone, cannot be read, or is another one."""
        try:
            found = self._marker.stat()
            if (found.st_dev, found.st_ino) == self._seen:
                return
            self._seen = None
            disk_id = read_marker(self._root)
        except OSError as error:
            self._seen = None
            reason = error.strerror or type(error).__name__
            raise DiskLost(f"the ring's disk is not in {self._root} ({MARKER}: {reason}).") from None
        if disk_id != self._expected():
            raise DiskLost(f"another disk than the ring's is in {self._root}.")
        self._seen = (found.st_dev, found.st_ino)

    def free_bytes(self, directory: Path) -> int:
        """Room that is left on it: what ``Ring.free`` asks before each fragment.

        Raises:
            DiskLost: it is not there.
        """
        self.check()
        return free_bytes(directory)


def open_ring(root: Path, rows: DiskRows, clock: Clock, principal: str) -> RingDisk:
    """The ring's disk, there or not: ``check`` tells.

    At the first start the directory becomes the ring. A marker that the catalogue does not know, because the
    catalogue is new, is taken over: ``recover`` reads what lies there. Footage in the catalogue and a
    directory that lacks it are a mount that is missing: nothing is made there.

    Raises:
        StorageError: the marker cannot be written.
        CatalogError: the catalogue cannot be asked.
    """
    if rows.current() is None:
        try:
            _make(root, rows, clock, principal)
        except OSError as error:
            raise storage_error(error) from error
    return RingDisk(root, rows.current)


def _make(root: Path, rows: DiskRows, clock: Clock, principal: str) -> None:
    root.mkdir(parents=True, exist_ok=True)
    there = (root / MARKER).exists()
    newest = rows.newest_path()
    if not there and newest is not None and not (root / newest).exists():
        return
    disk_id = read_marker(root) if there else _write_marker(root)
    rows.add(disk_id, clock.now_us(), principal)
    _log.info("this directory is the ring", action="ring.made", ring=str(root), disk=disk_id, known=there)


def adopt(root: Path, rows: DiskRows, clock: Clock, principal: str) -> str:
    """Make what is mounted there the ring from now on, on purpose; its new id.

    Raises:
        StorageError: there is no such directory, or the marker cannot be written.
    """
    try:
        disk_id = _write_marker(root)
    except OSError as error:
        raise storage_error(error) from error
    rows.add(disk_id, clock.now_us(), principal)
    return disk_id


def read_marker(root: Path) -> str:
    """Raises: OSError: there is none, or the disk does not give it."""
    with (root / MARKER).open("rb") as file:
        return file.read(_MOST_BYTES).decode("utf-8", "replace").strip()


def _write_marker(root: Path) -> str:
    disk_id = new_id("disk")
    new = root / f"{MARKER}.new"
    with new.open("wb") as file:
        file.write(f"{disk_id}\n".encode())
        file.flush()
        os.fsync(file.fileno())
    new.replace(root / MARKER)
    fsync_directory(root)
    return disk_id
