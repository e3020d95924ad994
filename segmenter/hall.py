"""Shared halls: what shows several projects belongs to a record of the hall's day, not to their files.

The record is a project of its own (``ProjectKind.HALL``) with one session, from the first start to the last
end of that day's sessions in the hall; it names the projects that it shows and opens when all of them may be
seen (invariant 15).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from catalog.catalogue import Catalogue
from catalog.places import HALL_INDUSTRY
from kernel.clock import SECOND_US, Clock
from kernel.events import bounds, in_force
from kernel.ids import new_id
from kernel.model.cut import CutRules
from kernel.model.timeline import (
    Phase,
    Project,
    ProjectKind,
    Session,
    SessionState,
    TimelineEvent,
)
from kernel.timerange import TimeRange

_BEIJING = timezone(timedelta(hours=8))  # all of China keeps it
_PRINCIPAL = "segmenter"
_DAY_US = 24 * 3600 * SECOND_US


@dataclass(frozen=True, kw_only=True, slots=True)
class HallDay:
    """A day of a shared hall, over: when it was used, and by which projects."""

    wall: TimeRange
    project_ids: tuple[str, ...]


def hall_day(sessions: Sequence[Session], day: TimeRange) -> HallDay | None:
    """What the sessions of a hall make of a day; None while one of them runs, or where none began in it."""
    mine = [one for one in sessions if one.start_us is not None and day.contains(one.start_us)]
    if not mine or any(one.end_us is None for one in mine):
        return None
    return HallDay(
        wall=TimeRange(
            start_us=min(one.start_us or 0 for one in mine), end_us=max(one.end_us or 0 for one in mine)
        ),
        project_ids=tuple(sorted({one.project_id for one in mine})),
    )


def local_day(moment_us: int) -> TimeRange:
    """The day in Beijing time that a moment lies in."""
    local = datetime.fromtimestamp(moment_us // SECOND_US, tz=_BEIJING)
    start_us = int(local.replace(hour=0, minute=0, second=0).timestamp()) * SECOND_US
    return TimeRange(start_us=start_us, end_us=start_us + _DAY_US)


class HallRecords:
    """Keeps the records of shared halls in step with the sessions held there."""

    def __init__(self, catalogue: Catalogue, rules: CutRules, clock: Clock) -> None:
        self._catalogue = catalogue
        self._rules = rules
        self._clock = clock

    def follow(self, session: Session) -> None:
        """Make or correct the record of the day that a session, now ended, was held in a shared hall."""
        if session.phase is Phase.HALL or session.start_us is None:
            return
        room = self._catalogue.places.rooms().get(session.room_id)
        if room is None or room.kind not in self._rules.shared_rooms:
            return
        day = local_day(session.start_us)
        held = self._catalogue.sessions.in_room(session.room_id, day)
        found = hall_day([one for one in held if one.phase is not Phase.HALL], day)
        if found is not None:
            self._record(session.room_id, found)

    def _record(self, room_id: str, day: HallDay) -> None:
        stamp = datetime.fromtimestamp(day.wall.start_us // SECOND_US, tz=_BEIJING)
        hall_id = f"HALL-{room_id}-{stamp:%Y%m%d}"
        session_id = f"{hall_id}-H"
        if self._catalogue.projects.project(hall_id) is None:
            self._add(hall_id, session_id, room_id, stamp)
        self._catalogue.projects.show_in_hall(hall_id, day.project_ids)
        told = self._catalogue.sessions.events_of(session_id)
        known = bounds(told)
        for kind, at_us, before_us in (
            ("session.start", day.wall.start_us, known.start_us),
            ("session.end", day.wall.end_us, known.end_us),
        ):
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
