"""What a device plays from its own memory (ONVIF Streaming Specification, 6; RFC 2326, 3.7)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kernel.clock import from_datetime, to_datetime
from simulator import rtp
from simulator.broadcast import Broadcast, Listener
from simulator.feed import Feed
from simulator.media import MediaUnit
from simulator.timeline import Timeline

_CLOCK = re.compile(r"clock=(\d{8})T(\d{6})(?:\.(\d{1,6}))?Z-(?:(\d{8})T(\d{6})(?:\.(\d{1,6}))?Z)?")
_NAP_S = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplayRange:
    """What is asked for, UTC microseconds."""

    start_us: int
    end_us: int

    def text(self) -> str:
        """As a Range header has it."""
        return f"clock={_stamp(self.start_us)}-{_stamp(self.end_us)}"


def parse_range(value: str, now_us: int) -> ReplayRange | None:
    """The range of a PLAY request, up to now where it is open; None where it is none or lies ahead."""
    found = _CLOCK.match(value.replace(" ", ""))
    if found is None:
        return None
    groups = found.groups()
    start_us = _moment(*groups[:3])
    end_us = _moment(*groups[3:]) if groups[3] else now_us
    if start_us is None or end_us is None or not start_us < min(end_us, now_us):
        return None
    return ReplayRange(start_us=start_us, end_us=min(end_us, now_us))


def _moment(day: str, time: str, fraction: str | None) -> int | None:
    try:
        at = datetime.strptime(day + time, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return from_datetime(at + timedelta(microseconds=int((fraction or "").ljust(6, "0"))))


def _stamp(us: int) -> str:
    return to_datetime(us).strftime("%Y%m%dT%H%M%S.%fZ")


class Replay:
    """Plays a range to one listener, as fast as it is taken unless it is to be paced."""

    def __init__(
        self, broadcast: Broadcast, listener: Listener, wanted: ReplayRange, *, paced: bool, play: int
    ) -> None:
        self._broadcast = broadcast
        self._listener = listener
        self._wanted = wanted
        self._paced = paced
        self._play = play  # CSeq of the PLAY request
        self._sent = False

    async def run(self, timeline: Timeline, drain: Callable[[], Awaitable[None]]) -> None:
        """Send everything, then say goodbye."""
        recall = self._broadcast.recall
        if recall is None:
            return
        loop = asyncio.get_running_loop()
        feeds = await loop.run_in_executor(None, recall, self._wanted.start_us)
        begun_us = timeline.now_us()
        unit = await loop.run_in_executor(None, self._next, feeds)
        while unit is not None:
            following = await loop.run_in_executor(None, self._next, feeds)
            if self._paced:
                await self._wait_for(unit.at_us - self._wanted.start_us + begun_us, timeline)
            self._send(unit, last=following is None)
            await drain()
            unit = following
        self._listener.say_goodbye()

    async def _wait_for(self, at_us: int, timeline: Timeline) -> None:
        while (left_us := at_us - timeline.now_us()) > 0:
            await timeline.wait(min(left_us / rtp.SECOND_US, _NAP_S))

    def _next(self, feeds: Sequence[Feed]) -> MediaUnit | None:
        """The next unit of those tracks that were set up; None behind the end of the range."""
        while True:
            feed = min(feeds, key=lambda one: one.due_us)
            unit = feed.make(feed.due_us)
            if unit is None:
                continue
            if unit.at_us >= self._wanted.end_us:
                return None
            if self._broadcast.index(video=unit.video) in self._listener.senders:
                return unit

    def _send(self, unit: MediaUnit, *, last: bool) -> None:
        index = self._broadcast.index(video=unit.video)
        extension = b""
        if not self._broadcast.faults.bare_replay:
            extension = rtp.replay_extension(
                at_us=unit.at_us, clean=unit.key, end=last, discontinuous=not self._sent, play=self._play
            )
        self._sent = True
        timestamp = self._broadcast.timestamp(index, unit.ticks)
        self._listener.senders[index].send(timestamp, self._broadcast.payloads(index, unit), extension)
