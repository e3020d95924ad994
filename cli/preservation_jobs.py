"""Keeps archives whole beside other work: sweeps and copies every ten minutes, a drill when one is due.

APScheduler only says when to look; what is due is in the catalogue, so nothing is lost with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from catalog.fixity import SweepStopped
from cli.drilling import drill, drill_due
from cli.preserving import Keeping, told

_SWEEP_SECONDS = 600
_DRILL_SECONDS = 3600


class _Rounds:
    """What is done at each look. What fails is told and tried again at the next."""

    def __init__(self, keeping: Keeping, busy: Callable[[], bool]) -> None:
        self._keeping = keeping
        self._busy = busy

    def run_sweep(self) -> None:
        """Copy and read back, as long as nothing more urgent waits."""
        self._run(lambda: self._keeping.run_once(self._busy))

    def run_drill(self) -> None:
        """Restore a project if it is time; other work goes first, and the next look is soon."""
        if not self._busy():
            self._run(lambda: drill_due(self._keeping) and drill(self._keeping))

    def _run(self, work: Callable[[], object]) -> None:
        if self._keeping.stop.is_set():
            return
        try:
            work()
        except SweepStopped:
            pass
        except Exception as error:  # noqa: BLE001 - one round's fault must not end all others
            told(error)


@contextmanager
def preserving(keeping: Keeping, busy: Callable[[], bool]) -> Iterator[None]:
    """Keep archives whole for as long as the block runs; its end waits for no more than a moment.

    Args:
        busy: whether there is more urgent work.
    """
    rounds = _Rounds(keeping, busy)
    # One thread: a drill and a sweep together would take the store's line from each other.
    scheduler = BackgroundScheduler(executors={"default": ThreadPoolExecutor(1)}, timezone="UTC")
    once = {"max_instances": 1, "coalesce": True, "misfire_grace_time": None}
    scheduler.add_job(rounds.run_sweep, "interval", seconds=_SWEEP_SECONDS, **once)
    scheduler.add_job(rounds.run_drill, "interval", seconds=_DRILL_SECONDS, **once)
    scheduler.start()
    try:
        yield
    finally:
        keeping.stop.set()
        scheduler.shutdown(wait=True)
