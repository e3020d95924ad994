"""A session's archive whose objects really are in a store, and what damages them."""

from __future__ import annotations

import hashlib
import io
import threading
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from catalog.catalogue import Catalogue
from catalog.copies import Shelf
from catalog.fixity import Reader, Sweep
from catalog.objects import MemoryStore
from catalog.preservation import Promise
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import StoreUnreachable
from kernel.model.archive import Archive, ArchiveObject
from kernel.model.cut import Clip, CutList
from kernel.model.preservation import MAIN
from kernel.model.timeline import SessionState
from kernel.timerange import TimeRange
from tests.support.catalogue import PROJECT, add_session

DAY_US = 24 * 3600 * SECOND_US
KEYS = ("P-O/v1/data/a.mp4", "P-O/v1/data/b.mp4", "P-O/v1/manifest-sha256.txt")


def promise(*copies: str, sweep_days: int = 90) -> Promise:
    return Promise(copies=copies, sweep_us=sweep_days * DAY_US, again_us=DAY_US, drill_us=30 * DAY_US)


class BrokenStore(MemoryStore):
    """Can lose, change and withhold what it holds, and be away as a whole."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.asked: list[str] = []  # keys that were opened, in order

    def change(self, key: str, data: bytes) -> None:
        self._objects[key] = data

    def lose(self, key: str) -> None:
        del self._objects[key]

    def size(self, key: str) -> int:
        if self.away:
            raise StoreUnreachable
        return super().size(key)

    def open(self, key: str) -> BinaryIO:
        if self.away:
            raise StoreUnreachable
        self.asked.append(key)
        return super().open(key)


@dataclass(kw_only=True)
class Kept:
    """A catalogue with one archive of three objects, and the store that they are in."""

    catalogue: Catalogue
    store: BrokenStore = field(default_factory=BrokenStore)
    clock: FakeClock = field(default_factory=FakeClock)
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        start_us = self.clock.now_us() - 3600 * SECOND_US
        add_session(self.catalogue, start_us, start_us + 60 * SECOND_US)
        self.archive("P-O", start_us)

    def archive(self, session_id: str, start_us: int) -> Archive:
        """Cut and archive an ended session: three objects of different lengths."""
        session = self.catalogue.sessions.get(session_id)
        assert session is not None
        whole = TimeRange(start_us=start_us, end_us=start_us + 60 * SECOND_US)
        clip = Clip(
            id=f"{session_id}.cam.1",
            session_id=session_id,
            source_id="cam",
            part=1,
            wall=whole,
            slices=(),
            gaps=(),
        )
        cuts = CutList(session_id=session_id, clips=(clip,), change_number=session.change_number)
        self.catalogue.clips.record(cuts)
        objects = [self._stored(key.replace("P-O", session_id)) for key in KEYS]
        archived = self.catalogue.sessions.get(session_id)
        assert archived is not None
        made = Archive(
            id=f"archive-{session_id}",
            session_id=session_id,
            version=1,
            key_prefix=f"{session_id}/v1",
            budget_bytes=1,
            size_bytes=sum(one.size_bytes for one in objects),
            raw_bytes=1,
            verified_us=self.clock.now_us(),
            principal="test",
            overrun_reason="",
            objects=tuple(objects),
            cut_number=archived.cut_number,
        )
        self.catalogue.archives.record(made, [])
        return made

    def _stored(self, key: str) -> ArchiveObject:
        data = key.encode() * 100
        self.store.put(key, io.BytesIO(data))
        return ArchiveObject(key=key, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())

    def reader(self, bytes_per_second: int = 1 << 30) -> Reader:
        return Reader(self.clock, bytes_per_second, self.stop)

    def sweep(self, *, rate: int = 1 << 30, **copies: Shelf) -> Sweep:
        """A sweep over the store and copies by name."""
        shelves: dict[str, Shelf] = {MAIN: self.store, **copies}
        return Sweep(self.catalogue.preservation, shelves, promise(*copies), self.reader(rate), "test")


def another(kept: Kept, session_id: str) -> None:
    """Archive a session of another project: ``P-2`` of ``P2``."""
    first = kept.catalogue.sessions.get("P-O")
    assert first is not None
    assert first.start_us is not None
    other = replace(PROJECT, id=session_id.replace("-", ""), project_code=session_id)
    planned = replace(
        first, id=session_id, project_id=other.id, state=SessionState.PLANNED, start_us=None, end_us=None
    )
    kept.catalogue.projects.add_project(other, [planned])
    for event in kept.catalogue.sessions.events_of("P-O"):
        told = replace(event, id=f"{session_id} {event.id}", session_id=session_id)
        kept.catalogue.sessions.record_event(told)
    kept.archive(session_id, first.start_us)
