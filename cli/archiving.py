"""What the command ``archive`` puts together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from archiver.session_archive import Tools
from archiver.steps import StepRunner
from catalog.catalogue import Catalogue
from catalog.objects import open_store
from kernel.clock import Clock
from kernel.settings import Settings


@contextmanager
def archiving_tools(
    settings: Settings, catalogue: Catalogue, clock: Clock, principal: str
) -> Iterator[Tools]:
    """All that archiving works with; its processes end with it."""
    runner = StepRunner(settings.archive.workers)
    try:
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
    finally:
        runner.close()
