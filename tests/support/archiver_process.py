"""An archiver in a process of its own that falls where it is told: archives the session of a directory once.

Started as ``python -c CODE DIRECTORY ORDER``, so that the processes of its pool need not import it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from archiver.local_pool import LocalPool
from archiver.steps import Pool, StepRunner
from archiver.worker import Archiver
from catalog.archives import Archives
from catalog.objects import DirectoryStore
from cli.archiving import archiving_tools, pool_of
from cli.wiring import open_catalogue
from kernel.clock import SystemClock
from kernel.model.archive import Archive, Rendition
from kernel.settings import ArchiveCodec, ArchiveSettings, Settings
from tests.support.falling import FallingPool, Falls, ThreadPool


class FallingStore(DirectoryStore):
    """A store at whose work the archiver falls."""

    def __init__(self, root: Path, falls: Falls) -> None:
        super().__init__(root)
        self._falls = falls

    def put(self, key: str, source: BinaryIO) -> str:
        self._falls.at("store:before")
        digest = super().put(key, source)
        self._falls.at("store:after")
        return digest

    def open(self, key: str) -> BinaryIO:
        self._falls.at("verify:before")
        return super().open(key)


def settings_of(directory: Path) -> Settings:
    return Settings(
        data_dir=directory,
        archive=ArchiveSettings(
            budget_kbps=400, codec=ArchiveCodec.H264, rules=directory / "archive.yaml", workers=2
        ),
    )


CODE = "from tests.support.archiver_process import main; main()"


def main() -> None:
    """Archive once. ORDER is JSON.

    ``victim``: archiver, or whoever is at the step; ``steps``: see ``tests.support.falling``; ``pool``:
    local, threads, or the address of a scheduler.
    """
    directory, order = Path(sys.argv[1]), json.loads(sys.argv[2])
    own = os.getpid() if order["victim"] == "archiver" else None
    falls = Falls(directory=directory / "falls", steps=tuple(order["steps"]), process=own)
    Archives.record = recording(Archives.record, falls)  # type: ignore[method-assign]
    settings = settings_of(directory)
    with (
        open_catalogue(settings) as catalogue,
        archiving_tools(settings, catalogue, SystemClock(), "test", threading.Event()) as tools,
        closing(StepRunner(pool=FallingPool(_pool(settings, order["pool"]), falls))) as runner,
    ):
        Archiver(replace(tools, runner=runner, store=FallingStore(settings.store_dir, falls))).run_once()


def recording(record: Callable[..., None], falls: Falls) -> Callable[..., None]:
    """The archiver falls before or after its last step."""

    def record_and_fall(
        archives: Archives, archive: Archive, renditions: list[Rendition], *beside: Any
    ) -> None:
        falls.at("record:before")
        record(archives, archive, renditions, *beside)
        falls.at("record:after")

    return record_and_fall


def _pool(settings: Settings, name: str) -> Pool:
    pools: dict[str, Pool] = {"threads": ThreadPool(), "local": LocalPool(2)}
    return pools.get(name) or pool_of(settings, name)
