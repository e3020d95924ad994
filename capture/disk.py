"""The one thread that writes, and the room on the disk it writes to.

All files of the ring and all rows of the catalogue are written here, one after the other, so that a slow disk
never holds up the event loop and rows never overtake files.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

from kernel.durable import storage_error
from kernel.errors import DiskFull

P = ParamSpec("P")
T = TypeVar("T")


class _Call(NamedTuple):
    """What is to be run, and who is told what came of it."""

    future: Future[Any]
    call: Callable[[], Any]


def _run(calls: Sequence[_Call]) -> None:
    """On the writer thread; what a call raises is told to whoever waits for it."""
    for future, call in calls:
        if future.set_running_or_notify_cancel():
            try:
                result = call()
            except Exception as error:  # noqa: BLE001 - it is not lost: the future has it
                future.set_exception(error)
            else:
                future.set_result(result)


class WriterThread:
    """Runs calls in the order in which they are submitted."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ring-writer")
        self._handed: list[_Call] = []

    def submit(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """A future of the running loop; cancelling it does not undo the call."""
        return asyncio.wrap_future(self.start(call, *args, **kwargs))

    def start(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """A future that wakes the loop only if somebody waits for it.

        What the sources bring at one beat is handed over together: the thread is woken once for all of it.
        """
        if not self._handed:
            asyncio.get_running_loop().call_soon(self._hand_over)
        future: Future[T] = Future()
        self._handed.append(_Call(future, partial(call, *args, **kwargs)))
        return future

    def _hand_over(self) -> None:
        handed, self._handed = self._handed, []
        if handed:
            self._executor.submit(_run, handed)

    async def call(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run it and wait; it runs to its end even if the waiting task is cancelled."""
        return await asyncio.shield(self.submit(call, *args, **kwargs))

    def close(self) -> None:
        """Wait for all that was submitted."""
        self._hand_over()
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
