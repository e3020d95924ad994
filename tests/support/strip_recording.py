"""Recording of pictures that carry their time, from a scripted source: in tests, and in processes they kill.

As a program (``python -m tests.support.strip_recording record|remove DIRECTORY STEP WHEN``) it records the
packets pickled there, or makes room in the ring, and ends itself by SIGKILL at that step. Each fragment that
was handed to the system is told on standard output before anything else happens.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capture import eviction
from capture.eviction import EvictionRules, Evictor
from capture.packets import Delivery, PacketSource, TrackStarted
from capture.ring_disk import RingDisk, open_ring
from capture.segment_writer import SegmentWriter
from capture.worker import Duties, record
from catalog.catalogue import Catalogue
from catalog.footage import Footage
from catalog.removal import Removal
from kernel.clock import SECOND_US, FakeClock
from kernel.model.footage import Packet
from kernel.segments.segment_file import SegmentFile
from kernel.settings import CaptureSettings, CutSettings, RingSettings, Settings, SourceSpec
from tests.support.catalogue import open_catalogue

START_US = 1_772_420_400 * SECOND_US
FRAME_US = 40_000
SEGMENT_SECONDS = 2.0
PICKLED = "packets.pickle"
SOURCE = SourceSpec(id="cam", content_kind="room", uri="rtsp://127.0.0.1:9/cam", label_zh="cam")
STEPS = ("write", "fsync", "rename", "directory", "row")
"""Of a fragment, and of sealing (invariant 1)."""
REMOVAL_STEPS = ("mark", "unlink", "directory", "tombstone")
"""Of making room (invariant 4)."""
DYING_SEAL = 2  # the second segment's: one is whole before

Step = Sequence[Delivery] | Callable[[], None]


@dataclass(frozen=True)
class StripVideo:
    """A track and its packets, 25 a second; picture and packet carry the same capture time."""

    started: TrackStarted
    packets: list[Packet]

    def between(self, first: float, last: float) -> list[Step]:
        """A connection that delivers these seconds."""
        chosen = self.packets[round(first * 25) : round(last * 25)]
        return [[self.started], *(chosen[at : at + 5] for at in range(0, len(chosen), 5))]


class ScriptedSource:
    """Each connection follows the next list of steps; when all are over it is silent."""

    def __init__(self, clock: FakeClock, *connections: Sequence[Step]) -> None:
        self._clock = clock
        self._connections = list(connections)
        self.done = asyncio.Event()

    async def open(self, *_: object) -> PacketSource:
        if not self._connections:
            await self._silence()
        return _Connection(self, list(self._connections.pop(0)))

    async def _silence(self) -> None:
        self.done.set()
        await asyncio.sleep(3600)

    async def next_of(self, steps: list[Step]) -> Sequence[Delivery]:
        await asyncio.sleep(0)
        if not steps:
            await self._silence()
        step = steps.pop(0)
        if callable(step):
            step()
            return []
        for one in step:
            if isinstance(one, Packet):
                self._clock.advance(max(one.arrival_us - self._clock.now_us(), 0) / SECOND_US)
        return step


class _Connection:
    def __init__(self, script: ScriptedSource, steps: list[Step]) -> None:
        self._script = script
        self._steps = steps

    async def read(self) -> Sequence[Delivery]:
        return await self._script.next_of(self._steps)

    async def close(self) -> None:
        pass


async def record_all(
    directory: Path,
    catalogue: Catalogue,
    clock: FakeClock,
    *connections: Sequence[Step],
    disk: RingDisk | None = None,
) -> None:
    """Record what these connections deliver, then stop in order."""
    script, stop = ScriptedSource(clock, *connections), asyncio.Event()
    settings = Settings(
        data_dir=directory,
        ring=RingSettings(segment_seconds=SEGMENT_SECONDS, fragment_seconds=0.4, reserve_bytes=0),
        capture=CaptureSettings(retry_seconds=0.01, retry_max_seconds=0.02),
    )
    work = asyncio.create_task(
        record(
            [SOURCE],
            settings,
            catalogue.footage,
            clock,
            stop,
            open_source=script.open,
            duties=Duties(disk=disk),
        )
    )
    async with asyncio.timeout(30):
        await asyncio.wait(
            (work, asyncio.create_task(script.done.wait())), return_when=asyncio.FIRST_COMPLETED
        )
        stop.set()
        await work


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_around(owner: Any, name: str, when: str, nth: int = 1) -> None:
    """End this process before or after the n-th call."""
    call, count = getattr(owner, name), 0

    def wrapped(*args: Any, **more: Any) -> Any:
        nonlocal count
        count += 1
        if count == nth and when == "before":
            _die()
        result = call(*args, **more)
        if count == nth:
            _die()
        return result

    setattr(owner, name, wrapped)


def _die_in_a_write(when: str) -> None:
    """Half of a piece is on the disk, or all of it."""
    call, count = SegmentFile.append, 0

    def append(file: SegmentFile, piece: bytes) -> None:
        nonlocal count
        count += 1
        if count == 9:
            file._file.write(piece[: len(piece) // 2] if when == "before" else piece)
            _die()
        call(file, piece)

    SegmentFile.append = append  # type: ignore[method-assign]


def _die_in_sealing(step: str, when: str) -> None:
    call, count = SegmentFile.seal, 0

    def seal(file: SegmentFile) -> None:
        nonlocal count
        count += 1
        if count == DYING_SEAL:
            _arm(step, when)
        call(file)

    SegmentFile.seal = seal  # type: ignore[method-assign]


def _arm(step: str, when: str) -> None:
    if step == "fsync":
        die_around(os, "fsync", when)
    elif step == "rename":
        die_around(Path, "rename", when)
    elif step == "directory":
        die_around(os, "fsync", when, nth=2)
    else:
        die_around(Footage, "add_segment", when)


def _tell_what_is_written() -> None:
    call = SegmentWriter.write

    def write(writer: SegmentWriter, fragment: Any) -> None:
        call(writer, fragment)
        os.write(1, f"{fragment.wall.start_us} {fragment.wall.end_us}\n".encode())

    SegmentWriter.write = write  # type: ignore[method-assign]


def evictor(directory: Path, catalogue: Catalogue) -> Evictor:
    """One whose disk is always full: it removes all that nothing needs."""
    return Evictor(
        root=directory / "ring",
        disk=open_ring(directory / "ring", catalogue.ring_disks, FakeClock(), "tester"),
        rows=catalogue.removal,
        rules=EvictionRules.of(RingSettings(), CutSettings()),
        clock=FakeClock(),
        principal="tester",
        free=lambda _: 0,
    )


def die_removing(directory: Path, step: str, when: str) -> None:
    """Make room, and die."""
    owner, name = {
        "mark": (Removal, "release"),
        "unlink": (Path, "unlink"),
        "directory": (eviction, "fsync_directory"),
        "tombstone": (Removal, "finish"),
    }[step]
    making = evictor(directory, open_catalogue(directory))
    die_around(owner, name, when)
    making.run_once()


def die_recording(directory: Path, step: str, when: str) -> None:
    """Record, and die."""
    connection = pickle.loads((directory / PICKLED).read_bytes())
    _tell_what_is_written()
    if step == "write":
        _die_in_a_write(when)
    else:
        _die_in_sealing(step, when)
    asyncio.run(record_all(directory, open_catalogue(directory), FakeClock(START_US), connection))


if __name__ == "__main__":
    {"record": die_recording, "remove": die_removing}[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
