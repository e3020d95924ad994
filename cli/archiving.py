"""What the command ``archive`` puts together."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from archiver.session_archive import Tools
from archiver.steps import StepRunner, Stopped
from archiver.worker import Archiver
from catalog.catalogue import Catalogue
from catalog.objects import open_store
from kernel.clock import Clock
from kernel.errors import JianzhengError
from kernel.lock import sole_user
from kernel.log import logger
from kernel.settings import Settings
from segmenter.worker import Segmenter

IDLE_SECONDS = 0.5
CUT_SECONDS = 0.3  # clips are there within a second of the end event
_log = logger("archiver")


@contextmanager
def archiving_tools(
    settings: Settings, catalogue: Catalogue, clock: Clock, principal: str, stop: threading.Event
) -> Iterator[Tools]:
    """All that archiving works with; its processes end with it.

    Raises:
        StorageError: another archiver works in the same data_dir.
    """
    runner = StepRunner(settings.archive.workers, stop)
    with sole_user(settings.work_dir, "archiver"), closing(runner):
        yield Tools(
            catalogue=catalogue,
            store=open_store(settings.store_url, settings.store_dir),
            runner=runner,
            settings=settings.archive,
            ring=settings.ring_dir.absolute(),
            work=settings.work_dir.absolute(),
            clock=clock,
            principal=principal,
        )


class Loop:
    """Does what is due, again and again; what fails is told and does not hold up the rest."""

    def __init__(self, work: Callable[[], bool], pause_seconds: float, stop: threading.Event) -> None:
        self._work = work  # whether there was anything to do
        self._pause_seconds = pause_seconds
        self._stop = stop
        self.failed = False

    def run(self, follow: bool) -> None:
        """Until nothing is left to do, or until told to stop."""
        while not self._stop.is_set():
            worked = False
            try:
                worked = self._work()
            except Stopped:
                return
            except Exception as error:  # noqa: BLE001 - one session's fault must not end all archiving
                self.failed = True
                ours = isinstance(error, JianzhengError)
                _log.error(str(error), action="archive.failed", exc_info=None if ours else error)
            if not worked:
                if not follow:
                    return
                self._stop.wait(self._pause_seconds)


class ArchivingLoop:
    """Cuts and archives what is due, again and again."""

    def __init__(self, tools: Tools, settings: Settings, stop: threading.Event) -> None:
        segmenter = Segmenter(tools.catalogue, settings.cut, tools.clock)
        self._archiver = Archiver(tools)
        self._cutting = Loop(lambda: bool(segmenter.run_once()), CUT_SECONDS, stop)
        self._archiving = Loop(lambda: self._archiver.run_once() is not None, IDLE_SECONDS, stop)
        self._stop = stop

    @property
    def failed(self) -> bool:
        """Whether something could not be cut or archived."""
        return self._cutting.failed or self._archiving.failed

    def run(self, follow: bool) -> None:
        """Until nothing is due, or until told to stop.

        Args:
            follow: go on for ever, and cut in a thread of its own: archiving a session takes minutes, and
                clips are wanted right after a session's end.
        """
        if follow:
            self._follow()
            return
        self._cutting.run(follow=False)
        while self._archiver.due() and not self._stop.is_set():
            self._archiving.run(follow=False)
            self._cutting.run(follow=False)

    def _follow(self) -> None:
        gc.freeze()  # what is loaded by now stays: looking through it for garbage costs as much as a cut
        cutting = threading.Thread(target=self._cutting.run, args=(True,), name="segmenter")
        cutting.start()
        try:
            self._archiving.run(follow=True)
        finally:
            self._stop.set()
            cutting.join()
