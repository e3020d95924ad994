"""The one thread that writes, and the room on the disk it writes to.

All files of the ring and all rows of the catalogue are written here, one after the other, so that a slow disk
never holds up the event loop and rows never overtake files.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from kernel.durable import storage_error
from kernel.errors import DiskFull

P = ParamSpec("P")
T = TypeVar("T")


class WriterThread:
    """Runs calls in the order in which they are submitted."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ring-writer")

    def submit(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """A future of the running loop; cancelling it does not undo the call."""
        return asyncio.wrap_future(self._executor.submit(call, *args, **kwargs))

    async def call(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run it and wait; it runs to its end even if the waiting task is cancelled."""
        return await asyncio.shield(self.submit(call, *args, **kwargs))

    def close(self) -> None:
        """Wait for all that was submitted."""
        self._executor.shutdown(wait=True)


def free_bytes(directory: Path) -> int:
    """Room that is left for us on the disk of a directory."""
    told = os.statvfs(directory)
    return told.f_bavail * told.f_frsize


def need_room(directory: Path, reserve_bytes: int, free: Callable[[Path], int] = free_bytes) -> None:
    """Raises: DiskFull: less than the reserve is left. StorageError: the disk cannot even be asked."""
    try:
        left = free(directory)
    except OSError as error:
        raise storage_error(error) from error
    if left < reserve_bytes:
        # Without the figure that changes: the same fault in the same words is told once.
        raise DiskFull(f"the disk of {directory} is full: of its bytes {reserve_bytes} are to stay free.")
