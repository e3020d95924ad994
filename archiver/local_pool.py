"""Steps on this machine: processes that stay behind recording, on the cores that it can spare."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from typing import TypeVar

_NICENESS = 19  # recording always comes first
_Item = TypeVar("_Item")
_Out = TypeVar("_Out")


def spared(available: Sequence[int], wanted: int) -> tuple[int, ...]:
    """The cores that archiving may use, of those that it could.

    Args:
        available: numbers of the cores that this process may run on.
        wanted: how many; 0 leaves one to recording where there are more than two.
    """
    count = wanted or (len(available) - 1 if len(available) > 2 else len(available))
    return tuple(available[-count:])


def available_cores() -> list[int]:
    """Numbers of the cores that the system lets this process use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


class LocalPool:
    """Processes of this machine."""

    lost: tuple[type[BaseException], ...] = (BrokenProcessPool,)

    def __init__(self, workers: int = 0, cores: int = 0) -> None:
        """A pool that is not opened yet.

        Args:
            workers: processes; 0 means one for each core.
            cores: that they share; 0 leaves one to recording where there are more than two.
        """
        self._cores = spared(available_cores(), cores)
        self.slots = workers or len(self._cores)

    def open(self) -> Executor:
        return ProcessPoolExecutor(
            max_workers=self.slots,
            mp_context=get_context("spawn"),
            initializer=_begin,
            initargs=(self._cores,),
        )

    def wrapped(self, function: Callable[[_Item], _Out]) -> Callable[[_Item], _Out]:
        return function

    def close(self, executor: Executor) -> None:
        executor.shutdown(cancel_futures=True)


def step_aside() -> None:
    """Put this thread, and what it starts, behind everything else."""
    os.nice(_NICENESS)  # it ends at 19, however often it is said
    # SVT-AV1 talks on standard error by itself; only its errors are of interest.
    os.environ["SVT_LOG"] = "1"


def _begin(cores: Sequence[int]) -> None:
    """Begin a process of the pool: behind everything else, and never longer than the archiver itself."""
    step_aside()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    # Ctrl-C is for the archiver, which ends its processes in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()


def _end_with_parent() -> None:
    """An archiver that was killed must not leave processes behind that write beside its successor's."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
