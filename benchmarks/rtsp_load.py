"""Many cameras from one file: our simulator's RTSP server with everything prepared beforehand.

A program of its own beside the recorders that are measured: ``python benchmarks/rtsp_load.py FILE COUNT``. It
writes ``ready PORT``, serves ``s00``, ``s01``, … until standard input ends, and then writes one JSON line:
how late it was at most. Sources start one after the other within two seconds, so that their key frames do.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kernel.clock import SECOND_US, SystemClock
from simulator import rtp
from simulator.broadcast import Broadcast
from simulator.footage import FootageFeed
from simulator.media import MediaUnit, Track
from simulator.rtsp_server import RtspServer
from simulator.timeline import Timeline

LENGTH_US = 10 * SECOND_US  # of the footage
_GROUP_US = 2 * SECOND_US  # the footage has a key frame every two seconds
_REPORT_US = 5 * SECOND_US


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A unit of the file, its packets' payloads ready."""

    due_us: int  # since the beginning of the file
    unit: MediaUnit
    payloads: list[bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reel:
    """One pass over the file, to be played again and again."""

    tracks: Sequence[Track]
    pieces: Sequence[Piece]


def prepare(path: Path) -> Reel:
    """Read one pass over the file."""
    feed = FootageFeed(path)
    feed.start(0)
    codecs = {track.codec.is_video: track.codec for track in feed.tracks}
    pieces: list[Piece] = []
    while (due_us := feed.due_us) < LENGTH_US:
        unit = feed.make(due_us)
        if unit is not None:
            payloads = rtp.payloads(codecs[unit.video], unit)
            pieces.append(Piece(due_us=due_us, unit=unit, payloads=payloads))
    return Reel(tracks=feed.tracks, pieces=pieces)


class Camera(Broadcast):
    """A source that plays the reel from a moment of its own."""

    def __init__(self, name: str, reel: Reel, timeline: Timeline, start_us: int) -> None:
        super().__init__(name, title=name, tracks=reel.tracks, timeline=timeline, report_every_us=_REPORT_US)
        self._reel = reel
        self._start_us = start_us
        self._next = 0
        self._ready: list[bytes] = []  # payloads of the unit that is being sent

    @property
    def due_us(self) -> int:
        passes, index = divmod(self._next, len(self._reel.pieces))
        return self._start_us + passes * LENGTH_US + self._reel.pieces[index].due_us

    def payloads(self, index: int, unit: MediaUnit) -> list[bytes]:
        return self._ready

    def play(self) -> None:
        """Send the unit that is due."""
        passes, place = divmod(self._next, len(self._reel.pieces))
        self._next += 1
        piece = self._reel.pieces[place]
        rate = self.tracks[self.index(video=piece.unit.video)].clock_rate
        shift_us = passes * LENGTH_US
        self._ready = piece.payloads
        self.publish(
            replace(
                piece.unit,
                at_us=self._start_us + shift_us + piece.unit.at_us,
                ticks=piece.unit.ticks + shift_us * rate // SECOND_US,
            )
        )


async def play(cameras: Sequence[Camera], timeline: Timeline) -> int:
    """All of them, in real time, until cancelled; returns how late a unit was at most, microseconds."""
    latest_us = 0
    order = [(camera.due_us, number) for number, camera in enumerate(cameras)]
    heapq.heapify(order)
    try:
        while True:
            due_us, number = order[0]
            now_us = timeline.now_us()
            if due_us > now_us:
                await asyncio.sleep((due_us - now_us) / SECOND_US)
                continue
            latest_us = max(latest_us, now_us - due_us)
            cameras[number].play()
            heapq.heapreplace(order, (cameras[number].due_us, number))
    except asyncio.CancelledError:
        return latest_us


async def serve(path: Path, count: int) -> None:
    reel = prepare(path)
    timeline = Timeline(SystemClock())
    start_us = timeline.now_us() // 1000 * 1000
    cameras = {
        f"s{number:02d}": Camera(f"s{number:02d}", reel, timeline, start_us + number * _GROUP_US // count)
        for number in range(count)
    }
    server = RtspServer(cameras, timeline=timeline, username="", password="")
    await server.start("127.0.0.1", 0)
    sys.stdout.write(f"ready {server.port}\n")
    sys.stdout.flush()
    playing = asyncio.create_task(play(list(cameras.values()), timeline))
    await asyncio.to_thread(sys.stdin.read)
    playing.cancel()
    sys.stdout.write(json.dumps({"late_ms": (await playing) / 1000}) + "\n")
    await server.stop()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
