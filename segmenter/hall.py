"""Shared halls: what shows several projects belongs to a record of the hall's day, not to their files.

The record is a project of its own (``ProjectKind.HALL``) with one session, from the first start to the last
end of that day's sessions in the hall; it names the projects that it shows and opens when all of them may be
seen (invariant 15). It is made once nothing runs there and nothing more is to come on that day: each time it
grew, it would be archived anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from catalog.catalogue import Catalogue
from catalog.places import HALL_INDUSTRY
from kernel.clock import BEIJING, SECOND_US, Clock
from kernel.events import bounds, in_force
from kernel.ids import new_id
from kernel.model.cut import CutRules
from kernel.model.footage import Booking, BookingStatus
from kernel.model.report import HALL_IDS
from kernel.model.timeline import (
    Phase,
    Project,
    ProjectKind,
    Session,
    SessionState,
    TimelineEvent,
)
from kernel.timerange import TimeRange

_PRINCIPAL = "segmenter"
_DAY_US = 24 * 3600 * SECOND_US
_EVERY_US = 30 * SECOND_US
_LOOK_BACK_US = 7 * _DAY_US
"""How long ago a day may lie whose record is still owed when the segmenter starts."""


def hall_day(sessions: Sequence[Session], day: TimeRange) -> TimeRange | None:
    """From the first start to the last end of the sessions of a hall that began on a day.

    None while one of them runs, or where none began.
    """
    mine = [one for one in sessions if one.start_us is not None and day.contains(one.start_us)]
    if not mine or any(one.end_us is None for one in mine):
        return None
    return TimeRange(
        start_us=min(one.start_us or 0 for one in mine), end_us=max(one.end_us or 0 for one in mine)
    )


def local_day(moment_us: int) -> TimeRange:
    """The day in Beijing time that a moment lies in."""
    local = datetime.fromtimestamp(moment_us // SECOND_US, tz=BEIJING)
    start_us = int(local.replace(hour=0, minute=0, second=0).timestamp()) * SECOND_US
    return TimeRange(start_us=start_us, end_us=start_us + _DAY_US)


def more_to_come(
    day: TimeRange,
    now_us: int,
    *,
    held: Iterable[Session],
    planned: Iterable[Session],
    bookings: Sequence[Booking],
) -> bool:
    """Whether another session may still begin in a hall on a day.

    Args:
        day: the day.
        now_us: the time now.
        held: sessions that began there on that day.
        planned: sessions planned there; a plan has no time but that of its project's bookings.
        bookings: those of the hall that stand, of whatever day.
    """
    if now_us >= day.end_us:
        return False
    for session in planned:
        booked = [one.wall for one in bookings if one.project_id == session.project_id]
        if not booked or any(day.intersect(wall) for wall in booked):
            return True
    begun = {session.project_id for session in held}
    rest = TimeRange(start_us=max(now_us, day.start_us), end_us=day.end_us)
    return any(rest.intersect(one.wall) for one in bookings if one.project_id not in begun)


class HallRecords:
    """Keeps the records of shared halls in step with the sessions held there."""

    def __init__(self, catalogue: Catalogue, rules: CutRules, clock: Clock) -> None:
        self._catalogue = catalogue
        self._rules = rules
        self._clock = clock
        self._open: set[tuple[str, TimeRange]] | None = None  # halls and days that wait; None: not looked yet
        self._next_us = 0  # monotonic

    def look(self) -> None:
        """Make the records of days on which nothing more is to come; nothing until it is time to look."""
        if self._clock.monotonic_us() < self._next_us:
            return
        self._next_us = self._clock.monotonic_us() + _EVERY_US
        if self._open is None:
            self._open = self._recent_days()
        for room_id, day in sorted(self._open):
            self._settle(room_id, day)

    def _recent_days(self) -> set[tuple[str, TimeRange]]:
        """Halls and days whose record this segmenter may have owed when it was stopped."""
        now_us = self._clock.now_us()
        recent = TimeRange(start_us=now_us - _LOOK_BACK_US, end_us=now_us)
        return {
            (room.id, local_day(one.start_us))
            for room in self._catalogue.places.rooms().values()
            if room.kind in self._rules.shared_rooms
            for one in self._catalogue.sessions.in_room(room.id, recent)
            if one.phase is not Phase.HALL and one.start_us is not None
        }

    def follow(self, session: Session) -> None:
        """Make or correct the record of the day that a session, now ended, was held in a shared hall."""
        if session.phase is Phase.HALL or session.start_us is None:
            return
        kind = self._catalogue.places.kinds_of([session.room_id])[session.room_id]
        if kind not in self._rules.shared_rooms:
            return
        for record in self._touching(session.room_id, session.start_us, session.end_us):
            if record.phase is Phase.HALL:  # of the day before, whose last session went on past midnight
                self._catalogue.projects.show_in_hall(
                    record.project_id, [session.project_id], principal=_PRINCIPAL, at_us=self._clock.now_us()
                )
        self._settle(session.room_id, local_day(session.start_us))

    def _settle(self, room_id: str, day: TimeRange) -> None:
        """Make or correct the record of a day, or remember the day until nothing more is to come."""
        held = [one for one in self._catalogue.sessions.in_room(room_id, day) if one.phase is not Phase.HALL]
        wall = hall_day(held, day)
        waits = wall is None or self._more_to_come(room_id, day, held)
        if wall is not None and not waits:
            self._record(room_id, wall)
        if self._open is not None:
            (self._open.add if waits and held else self._open.discard)((room_id, day))

    def _more_to_come(self, room_id: str, day: TimeRange, held: Sequence[Session]) -> bool:
        planned = [
            one
            for one in self._catalogue.sessions.in_state(SessionState.PLANNED)
            if one.room_id == room_id and one.phase is not Phase.HALL
        ]
        bookings = self._catalogue.bookings
        booked = bookings.touching(day)
        booked += [one for name in {one.project_id for one in planned} for one in bookings.of_project(name)]
        standing = [one for one in booked if one.status is BookingStatus.CONFIRMED]
        return more_to_come(
            day,
            self._clock.now_us(),
            held=[one for one in held if one.start_us is not None and day.contains(one.start_us)],
            planned=planned,
            bookings=[one for one in standing if one.room_id == room_id],
        )

    def _touching(self, room_id: str, start_us: int, end_us: int | None) -> list[Session]:
        """Sessions that a record of that time shows, and records that show a session of that time."""
        around_us = self._rules.pre_roll_us + self._rules.post_roll_us
        near = TimeRange(start_us=start_us - around_us, end_us=(end_us or start_us) + around_us)
        return self._catalogue.sessions.in_room(room_id, near)

    def _record(self, room_id: str, wall: TimeRange) -> None:
        stamp = datetime.fromtimestamp(wall.start_us // SECOND_US, tz=BEIJING)
        hall_id = f"{HALL_IDS}{room_id}-{stamp:%Y%m%d}"
        session_id = f"{hall_id}-H"
        if self._catalogue.projects.project(hall_id) is None:
            self._add(hall_id, session_id, room_id, stamp)
        shown = self._touching(room_id, wall.start_us, wall.end_us)
        self._catalogue.projects.show_in_hall(
            hall_id,
            sorted({one.project_id for one in shown if one.phase is not Phase.HALL}),
            principal=_PRINCIPAL,
            at_us=self._clock.now_us(),
        )
        told = self._catalogue.sessions.events_of(session_id)
        known = bounds(told)
        moved = [
            ("session.start", wall.start_us, known.start_us),
            ("session.end", wall.end_us, known.end_us),
        ]
        if known.end_us is not None and wall.start_us >= known.end_us:
            moved.reverse()  # else it would end before it starts, for a moment
        for kind, at_us, before_us in moved:
            if at_us != before_us:
                old = next((event.id for event in in_force(told) if event.type == kind), None)
                self._catalogue.sessions.record_event(self._event(session_id, kind, at_us, old))

    def _add(self, hall_id: str, session_id: str, room_id: str, day: datetime) -> None:
        room = self._catalogue.places.rooms()[room_id]
        site = self._catalogue.places.sites()[room.site_id]
        project = Project(
            id=hall_id,
            project_code=hall_id,
            name_zh=f"{room.name_zh} {day:%Y-%m-%d} 场地记录",
            name_en=f"{room.name_en} {day:%Y-%m-%d}, record of the hall",
            region_code=site.region_code,
            trade_place=site.region_code,
            industry_code=HALL_INDUSTRY,
            kind=ProjectKind.HALL,
        )
        session = Session(
            id=session_id,
            project_id=hall_id,
            phase=Phase.HALL,
            room_id=room_id,
            state=SessionState.PLANNED,
            start_us=None,
            end_us=None,
            seats=(),
        )
        self._catalogue.projects.add_project(
            project, [session], principal=_PRINCIPAL, at_us=self._clock.now_us()
        )

    def _event(self, session_id: str, kind: str, at_us: int, replaces: str | None) -> TimelineEvent:
        return TimelineEvent(
            id=new_id("event"),
            session_id=session_id,
            at_us=at_us,
            type=kind,
            reason="" if replaces is None else "Another session was held in the hall.",
            principal=_PRINCIPAL,
            recorded_us=self._clock.now_us(),
            replaces=replaces,
        )
