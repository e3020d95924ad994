"""What the command ``archive`` puts together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
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


class ArchivingLoop:
    """Cuts and archives what is due, again and again."""

    def __init__(self, tools: Tools, settings: Settings, stop: threading.Event) -> None:
        self._segmenter = Segmenter(tools.catalogue, settings.cut, tools.clock)
        self._archiver = Archiver(tools)
        self._stop = stop
        self.failed = False  # something could not be cut or archived

    def run(self, follow: bool) -> None:
        """Until nothing is due, or until told to stop; what fails is told and does not hold up the rest."""
        while not self._stop.is_set():
            worked = False
            try:
                worked = self.run_once()
            except Stopped:
                return
            except Exception as error:  # noqa: BLE001 - one session's fault must not end all archiving
                self.failed = True
                ours = isinstance(error, JianzhengError)
                _log.error(str(error), action="archive.failed", exc_info=None if ours else error)
            if not worked and not self._archiver.due():
                if not follow:
                    return
                self._stop.wait(IDLE_SECONDS)

    def run_once(self) -> bool:
        """Cut what is due and archive one session; whether there was anything to do."""
        cut = bool(self._segmenter.run_once())
        return self._archiver.run_once() is not None or cut
