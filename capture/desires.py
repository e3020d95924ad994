"""Asks every second what shall be recorded now; the answer itself is ``kernel.desired.wanted``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from capture.disk import WriterThread
from capture.footage_rows import FootageRows
from capture.gap_ledger import NO_RECORDER
from capture.roster import Entered, Roster
from kernel.clock import SECOND_US, Clock
from kernel.desired import ALWAYS, Around, RoomUse, Want, wanted, was_wanted
from kernel.errors import JianzhengError
from kernel.ids import new_id
from kernel.log import logger
from kernel.model.footage import Booking, Gap, GapCause
from kernel.model.source import RecordMode, Wish
from kernel.settings import SourceSpec
from kernel.timerange import TimeRange, subtract

_LOOK_BACK_US = 31 * 24 * 3600 * SECOND_US

_log = logger("capture")


class BookingRows(Protocol):
    """Bookings and uses of rooms; ``catalog.bookings.Bookings`` is one."""

    def touching(self, wall: TimeRange) -> list[Booking]:
        """Bookings that touch a range."""

    def uses_since(self, since_us: int) -> list[RoomUse]:
        """Sessions that run, and those that ended after that moment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Desire:
    """A source that shall be recorded now."""

    spec: SourceSpec
    want: Want


class EverySource:
    """All of them, always."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    async def __call__(self) -> Mapping[str, Desire]:
        return {source_id: _desire(one, ALWAYS) for source_id, one in self._roster.entered.items()}


def _desire(one: Entered, want: Want) -> Desire:
    """Before it was entered nothing was expected of it."""
    if one.since_us is not None:
        want = replace(want, since_us=max(want.since_us or 0, one.since_us))
    return Desire(spec=one.spec, want=want)


class BookedSources:
    """By bookings and sessions.

    While the catalogue cannot be asked, the last answer holds; of what it has not been asked yet everything
    is wanted: too much can be removed later, too little is lost.
    """

    def __init__(
        self, roster: Roster, rows: BookingRows, around: Around, clock: Clock, thread: WriterThread
    ) -> None:
        self._roster = roster
        self._rows = rows
        self._around = around
        self._clock = clock
        self._thread = thread
        self._asked: frozenset[Wish] = frozenset()  # those that the last answer is about
        self._last: Mapping[str, Want] = {}
        self._fails = False

    async def __call__(self) -> Mapping[str, Desire]:
        wishes = self._roster.wishes
        if any(wish.record is RecordMode.BOOKED for wish in wishes):
            await self._ask(wishes)
            idle = {wish.source_id for wish in self._asked.intersection(wishes)} - self._last.keys()
        else:
            self._asked, self._last, idle = frozenset(), {}, set()
        return {
            source_id: _desire(one, self._last.get(source_id, ALWAYS))
            for source_id, one in self._roster.entered.items()
            if source_id not in idle
        }

    async def _ask(self, wishes: Sequence[Wish]) -> None:
        now_us = self._clock.now_us()
        try:
            bookings, uses = await self._thread.call(self._read, now_us)
        except JianzhengError as error:
            if not self._fails:
                _log.error(str(error), action="bookings.unreadable")
            self._fails = True
            return
        self._fails = False
        self._asked = frozenset(wishes)
        self._last = wanted(wishes, bookings, uses, self._around, now_us)

    def _read(self, now_us: int) -> tuple[list[Booking], list[RoomUse]]:
        """On the writer thread."""
        margin_us = self._around.before_us + self._around.after_us + 3600 * SECOND_US
        near = TimeRange(start_us=now_us - margin_us, end_us=now_us + margin_us)
        return self._rows.touching(near), self._rows.uses_since(now_us - self._around.after_us)


def declare_missed(
    wishes: Sequence[Wish], bookings: BookingRows, rows: FootageRows, around: Around, now_us: int
) -> None:
    """Declare the booked times that are over and that no recorder saw. Once, before recording begins.

    Time of which footage was recorded later on, or that is declared already, is left as it is; further back
    than a month nothing is looked for.
    """
    past = TimeRange(start_us=now_us - _LOOK_BACK_US, end_us=now_us)
    booked, uses = bookings.touching(past), bookings.uses_since(past.start_us)
    for wish in wishes:
        for wall in was_wanted(wish, booked, uses, around, now_us):
            since_us = max(wall.start_us, rows.live_until(wish.source_id) or wall.start_us)
            left = TimeRange(start_us=min(since_us, wall.end_us), end_us=wall.end_us)
            known = [
                TimeRange(start_us=gap.start_us, end_us=max(gap.start_us, gap.end_us or left.end_us))
                for gap in rows.gaps_of(wish.source_id, left)
            ]
            for missing in subtract(left, known):
                rows.add_gap(_not_recorded(wish.source_id, missing))


def _not_recorded(source_id: str, wall: TimeRange) -> Gap:
    return Gap(
        id=new_id("gap"),
        source_id=source_id,
        start_us=wall.start_us,
        end_us=wall.end_us,
        cause=GapCause.NOT_RECORDING,
        detail=NO_RECORDER,
    )
