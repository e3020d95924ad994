"""Today: the sessions of a day in the scope of whoever asks, and how each stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel

from catalog.catalogue import Catalogue
from catalog.projects import ProjectFilter
from catalog.readiness import Readiness, Shortfall, Standing, Watch, readiness
from kernel.clock import Clock
from kernel.course import course_of
from kernel.model.alert import Alert, AlertRule
from kernel.model.footage import Booking, Fault
from kernel.model.source import Seat, Source
from kernel.model.timeline import Phase, Project, Session, SessionState, VenueRole
from kernel.retention import beijing_day, beijing_days
from kernel.tags import section_at
from kernel.timerange import TimeRange
from player_api.gate import Gate, Subject

_LAST_YEAR = 9998


class VenueState(StrEnum):
    """Whether a session's venue is recorded."""

    RECORDING = "recording"
    """All of it."""
    PARTLY = "partly"
    NOTHING = "nothing"
    """It should be, and nothing is."""
    NOT_YET = "not_yet"
    """Nothing is to be recorded yet."""


class LostSourcePublic(BaseModel):
    """A source that should be recorded and is not."""

    source_id: str
    label_zh: str
    label_en: str
    seat_ordinal: int | None
    shortfall: Shortfall
    fault: Fault | None


class VenuePublic(BaseModel):
    """How a session's venue stands now."""

    state: VenueState
    source_count: int
    recording_count: int
    lost: list[LostSourcePublic]


class TodaySeatPublic(BaseModel):
    """Who sits where: a member by ordinal."""

    seat_id: str
    ordinal: int | None
    member: str


class WitnessStatePublic(BaseModel):
    """How far the witness record of a session is."""

    item_count: int
    ticked_count: int
    missing_count: int
    closed: bool


class AlertBrief(BaseModel):
    """Something that is or was the matter."""

    id: str
    rule: AlertRule
    session_id: str | None
    source_id: str | None
    since_us: int
    over_us: int | None
    acknowledged_us: int | None
    details: dict[str, Any]


class TodaySessionPublic(BaseModel):
    """A session of the day."""

    id: str
    project_id: str
    phase: Phase
    state: SessionState
    venue_role: VenueRole
    site_id: str
    site_name_zh: str
    site_name_en: str
    room_id: str
    room_name_zh: str
    room_name_en: str
    booked_start_us: int | None
    """Of the booking of its room that day; empty where there is none."""
    booked_end_us: int | None
    start_us: int | None
    end_us: int | None
    """Empty while it runs."""
    part: int
    section_number: int | None
    """That which it deals with now, or dealt with last."""
    paused_since_us: int | None
    pause_reason: str
    sealed_since_us: int | None
    seats: list[TodaySeatPublic]
    venue: VenuePublic | None
    """Empty where it is over, or not of today: what is recorded now says nothing of it."""
    gap_count: int
    """In its clips, once it is over."""
    has_footage: bool
    """It has clips: there is something to replay."""
    witness: WitnessStatePublic


class TodayProjectPublic(BaseModel):
    """A project that something of the day belongs to."""

    id: str
    project_code: str
    name_zh: str
    name_en: str
    region_code: str
    industry_code: str
    section_count: int
    sessions: list[TodaySessionPublic]
    alerts: list[AlertBrief]
    """That began that day, the newest first."""


class TodayPublic(BaseModel):
    """A Beijing day as it stands now."""

    day: date
    at_us: int
    is_today: bool
    projects: list[TodayProjectPublic]


def today_router(catalogue: Catalogue, watch: Watch, clock: Clock, gate: Gate) -> APIRouter:
    """The route."""
    router = APIRouter(prefix="/api/today", tags=["today"])

    @router.get("", dependencies=[gate.inside("project.see")])
    def today(day: Annotated[date | None, Query()] = None) -> TodayPublic:
        """The projects of a day that whoever asks may see, each with the sessions that he may see."""
        now_us = clock.now_us()
        wanted = day or beijing_day(now_us)
        if wanted.year > _LAST_YEAR:
            raise HTTPException(422, "没有这一天。There is no such day.")
        wall = beijing_days(wanted, wanted)
        is_today = wall.start_us <= now_us < wall.end_us
        known = {one.id for one in _known(catalogue, gate)}
        ids = catalogue.days.session_ids(wall, now_us)
        found = catalogue.sessions.by_id([one for one in ids if gate.sees_session(one)])
        sessions = [found[one] for one in ids if one in found and found[one].project_id in known]
        publisher = _Publisher(
            catalogue=catalogue,
            gate=gate,
            wall=wall,
            now_us=now_us,
            standings=readiness(catalogue, watch, now_us) if is_today else None,
            bookings=catalogue.bookings.touching(wall),
            seats=catalogue.places.seats(),
        )
        projects = publisher.projects(sessions)
        return TodayPublic(day=wanted, at_us=now_us, is_today=is_today, projects=projects)

    return router


def _known(catalogue: Catalogue, gate: Gate) -> list[Project]:
    """Projects in the scope of whoever asks."""
    return catalogue.projects.projects(ProjectFilter(scope=gate.scope("project.see")))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Publisher:
    """Turns the sessions of a day into what the page shows."""

    catalogue: Catalogue
    gate: Gate
    wall: TimeRange
    now_us: int
    standings: Readiness | None  # None: the day is not today
    bookings: Sequence[Booking]
    seats: Mapping[str, Seat]

    def projects(self, sessions: Sequence[Session]) -> list[TodayProjectPublic]:
        """In the order in which their first sessions begin."""
        of: dict[str, list[Session]] = {}
        for one in sorted(sessions, key=self._begins):
            of.setdefault(one.project_id, []).append(one)
        return [self._project(name, own) for name, own in of.items()]

    def _begins(self, session: Session) -> tuple[int, str]:
        """When it began, or is booked to; where its own room is not, with the first that is."""
        if session.start_us is not None:
            return (session.start_us, session.id)
        of_project = [one for one in self.bookings if one.project_id == session.project_id]
        booking = self._booking(session) or next(iter(of_project), None)
        return (booking.wall.start_us if booking else self.wall.end_us, session.id)

    def _project(self, name: str, sessions: list[Session]) -> TodayProjectPublic:
        project = self.catalogue.projects.project(name)
        assert project is not None  # a session's row refers to it
        numbers = [one.number for one in self.catalogue.projects.sections_of(name)]
        return TodayProjectPublic(
            id=name,
            project_code=project.project_code,
            name_zh=project.name_zh,
            name_en=project.name_en,
            region_code=project.region_code,
            industry_code=project.industry_code,
            section_count=len(numbers),
            sessions=[self._session(one, numbers) for one in sessions],
            alerts=[_alert(one) for one in self._alerts(name, sessions)],
        )

    def _alerts(self, name: str, sessions: list[Session]) -> list[Alert]:
        """Of the project as a whole and of these sessions, as far as whoever asks may see alerts."""
        if not self.gate.may("alert.see", self.gate.things(Subject.PROJECT, name)):
            return []
        shown = {None, *(one.id for one in sessions)}
        found = self.catalogue.alerts.all(project_id=name, since_us=self.wall.start_us)
        return [one for one in found if one.session_id in shown and one.since_us < self.wall.end_us]

    def _session(self, session: Session, numbers: Sequence[int]) -> TodaySessionPublic:
        places = self.catalogue.places
        room = places.rooms()[session.room_id]
        site = places.sites()[room.site_id]
        events = self.catalogue.sessions.events_of(session.id)
        course = course_of(events, self.now_us)
        clips = self.catalogue.clips.of_session(session.id)
        booking = self._booking(session)
        return TodaySessionPublic(
            id=session.id,
            project_id=session.project_id,
            phase=session.phase,
            state=session.state,
            venue_role=session.venue_role,
            site_id=site.id,
            site_name_zh=site.name_zh,
            site_name_en=site.name_en,
            room_id=room.id,
            room_name_zh=room.name_zh,
            room_name_en=room.name_en,
            booked_start_us=booking.wall.start_us if booking else None,
            booked_end_us=booking.wall.end_us if booking else None,
            start_us=session.start_us,
            end_us=session.end_us,
            part=course.part,
            section_number=section_at(session, numbers, events, self.now_us),
            paused_since_us=course.paused_since_us,
            pause_reason=course.pause_reason,
            sealed_since_us=course.sealed_since_us,
            seats=self._seated(session),
            venue=self._venue(session),
            gap_count=sum(len(one.gaps) for one in clips) if session.end_us is not None else 0,
            has_footage=bool(clips),
            witness=self._witness(session.id),
        )

    def _booking(self, session: Session) -> Booking | None:
        own = (session.project_id, session.room_id)
        return next((one for one in self.bookings if (one.project_id, one.room_id) == own), None)

    def _seated(self, session: Session) -> list[TodaySeatPublic]:
        """Those who sit there now, or sat there when the session ended."""
        moment_us = self.now_us if session.end_us is None else session.end_us - 1
        sitting = [
            one
            for one in session.seats
            if (one.from_us is None or one.from_us <= moment_us)
            and (one.to_us is None or one.to_us > moment_us)
        ]
        found = [
            TodaySeatPublic(
                seat_id=one.seat_id,
                ordinal=self.seats[one.seat_id].ordinal if one.seat_id in self.seats else None,
                member=one.member,
            )
            for one in sitting
        ]
        return sorted(found, key=lambda seat: (seat.ordinal or 0, seat.seat_id))

    def _venue(self, session: Session) -> VenuePublic | None:
        over = session.end_us is not None or session.state is SessionState.CANCELLED
        if self.standings is None or over:
            return None
        known = self.standings.standings
        sources = [one for one in self._sources(session) if one.id in known]
        wanted = [one for one in sources if known[one.id].want is not None or session.start_us is not None]
        lost = [one for one in wanted if known[one.id].shortfall is not None]
        return VenuePublic(
            state=_venue_state(len(wanted), len(lost)),
            source_count=len(sources),
            recording_count=sum(known[one.id].shortfall is None for one in sources),
            lost=[self._lost(one, known[one.id]) for one in lost],
        )

    def _sources(self, session: Session) -> list[Source]:
        """Those of its rooms, of seats only those of its own members where they are told."""
        taken = {one.seat_id for one in session.seats}
        rooms = {session.room_id, *session.extra_room_ids}
        return [
            one
            for one in self.catalogue.places.sources().values()
            if one.room_id in rooms and (one.seat_id is None or not taken or one.seat_id in taken)
        ]

    def _lost(self, source: Source, standing: Standing) -> LostSourcePublic:
        assert standing.shortfall is not None  # that is what made it lost
        seat = self.seats.get(source.seat_id or "")
        return LostSourcePublic(
            source_id=source.id,
            label_zh=source.label_zh,
            label_en=source.label_en,
            seat_ordinal=seat.ordinal if seat else None,
            shortfall=standing.shortfall,
            fault=standing.fault,
        )

    def _witness(self, session_id: str) -> WitnessStatePublic:
        record = self.catalogue.witness_records.of_session(session_id)
        assert record is not None  # the session was just read
        return WitnessStatePublic(
            item_count=len(record.items),
            ticked_count=len(record.ticks),
            missing_count=len(record.missing),
            closed=record.closed is not None,
        )


def _venue_state(wanted: int, lost: int) -> VenueState:
    if not wanted:
        return VenueState.NOT_YET
    if not lost:
        return VenueState.RECORDING
    return VenueState.NOTHING if lost == wanted else VenueState.PARTLY


def _alert(alert: Alert) -> AlertBrief:
    return AlertBrief(
        id=alert.id,
        rule=alert.rule,
        session_id=alert.session_id,
        source_id=alert.source_id,
        since_us=alert.since_us,
        over_us=alert.over_us,
        acknowledged_us=alert.acknowledged_us,
        details=dict(alert.details),
    )
