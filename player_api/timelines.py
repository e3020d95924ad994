"""A project's timeline as it is, with every correction; and correcting it by hand, with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path
from pydantic import AfterValidator, BaseModel, Field, JsonValue

from catalog.catalogue import Catalogue
from kernel.clock import Clock
from kernel.errors import EndsBeforeStart, EventReplaced, InFuture, TimelineError
from kernel.event_notices import Notice
from kernel.events import EventKind, effect_of, event_kinds
from kernel.ids import new_id
from kernel.model.footage import BookingStatus, GapCause
from kernel.model.report import Details, storable
from kernel.model.source import ContentKind, Seat
from kernel.model.timeline import (
    Effect,
    Phase,
    Project,
    Session,
    SessionState,
    SessionTimeline,
    TimelineEvent,
    VenueRole,
)
from kernel.timerange import EVER_US, TimeRange
from player_api.gate import Gate, Subject
from player_api.reporters import ReporterPublic, Reporters
from player_api.seatings import SeatingByHand, SeatingPublic, Words, seating_public
from player_api.tags import TagPublic, tags_public

TimelineOf = Callable[[Session], SessionTimeline]
"""The timeline of a session that has ended; ``segmenter.worker.Segmenter.timeline_of`` is one."""


class SpanPublic(BaseModel):
    """A stretch of wall time."""

    start_us: int
    end_us: int


class SectionSpanPublic(SpanPublic):
    """When a section was dealt with."""

    number: int


class SeatPublic(BaseModel):
    """A seat of a session's rooms."""

    id: str
    ordinal: int


class SeatSpanPublic(SpanPublic):
    """Who sat on a seat and when: a member by ordinal."""

    seat_id: str
    seat_ordinal: int | None
    member: str
    seating_id: str


class TimelineGapPublic(SpanPublic):
    """Expected time of a source that is missing from its clip."""

    cause: GapCause
    detail: str
    backfilled: bool
    """Filled afterwards from the device's own memory or a file: no longer missing, still told."""


class TimelineClipPublic(SpanPublic):
    """What one source is expected to have recorded of one session part."""

    id: str
    source_id: str
    label_zh: str
    label_en: str
    content_kind: ContentKind
    seat_id: str | None
    part: int
    revision: int
    gaps: list[TimelineGapPublic]


class TimelineEventPublic(BaseModel):
    """An event, in force or put right since."""

    id: str
    at_us: int
    type: str
    effect: Effect
    reason: str
    principal: str
    reporter: ReporterPublic
    recorded_us: int
    details: dict[str, JsonValue]
    replaces: str | None
    replaced_by: str | None
    withdrawn: bool


class EventEntered(TimelineEventPublic):
    """An event as it was taken in by hand."""

    notices: list[Notice]
    """What is odd about it, or about others since it was taken in; it is kept all the same."""


class TimelineSessionPublic(BaseModel):
    """A session on the timeline of its project."""

    id: str
    phase: Phase
    state: SessionState
    room_id: str
    room_name_zh: str
    room_name_en: str
    site_name_zh: str
    site_name_en: str
    venue_role: VenueRole
    start_us: int | None
    end_us: int | None
    """Empty while it runs."""
    pauses: list[SpanPublic]
    nights: list[SpanPublic]
    sections: list[SectionSpanPublic]
    seats: list[SeatSpanPublic]
    seatings: list[SeatingPublic]
    """All that was ever said of its seats, in the order in which it was said."""
    places: list[SeatPublic]
    """The seats that somebody can have sat on: those of its rooms."""
    events: list[TimelineEventPublic]
    clips: list[TimelineClipPublic]


class SectionPublic(BaseModel):
    """标段."""

    number: int
    section_code: str
    name_zh: str
    unified_deal_code: str


class TimelineBookingPublic(SpanPublic):
    """A booking of the project; one that was moved or released stays visible."""

    id: str
    room_id: str
    room_name_zh: str
    room_name_en: str
    status: BookingStatus


class ProjectNamePublic(BaseModel):
    """A project by name."""

    id: str
    name_zh: str
    name_en: str


class ProjectTimeline(BaseModel):
    """Everything on a project's timeline. Times are wall time, UTC microseconds."""

    project: ProjectNamePublic
    now_us: int
    sections: list[SectionPublic]
    bookings: list[TimelineBookingPublic]
    sessions: list[TimelineSessionPublic]
    tags: list[TagPublic]
    halls: list[ProjectNamePublic]
    """Records of shared halls that show this project: their panoramas belong to no single project's file."""
    shown: list[ProjectNamePublic]
    """If this is the record of a shared hall: the projects that it shows."""


class EventKindPublic(BaseModel):
    """A kind of event that the timeline knows."""

    type: str
    effect: Effect
    zh: str
    en: str


class EventByHand(BaseModel):
    """An event, or the correction of one, entered by a person with a reason."""

    at_us: int = Field(gt=0, lt=EVER_US)
    type: str = Field(max_length=64, pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$")
    reason: Words = Field(max_length=500)
    principal: Words | None = Field(default=None, max_length=100)
    replaces: Annotated[str, AfterValidator(storable)] | None = Field(default=None, max_length=64)
    withdrawn: bool = False
    details: Details = Field(default_factory=dict, max_length=20)


class Refusal(StrEnum):
    """Why an event that was entered by hand was not taken; pages have words of their own for each."""

    IN_FUTURE = "in_future"
    EVENT_REPLACED = "event_replaced"
    ENDS_BEFORE_START = "ends_before_start"
    OTHER = "other"


class RefusalDetail(BaseModel):
    """A refusal, with what the catalogue says of it."""

    code: Refusal
    message: str
    hint: str


class RefusalPublic(BaseModel):
    """The answer to an event that was not taken."""

    detail: RefusalDetail


SessionId = Annotated[str, Path(max_length=64)]
_REFUSALS: dict[type[TimelineError], Refusal] = {
    InFuture: Refusal.IN_FUTURE,
    EventReplaced: Refusal.EVENT_REPLACED,
    EndsBeforeStart: Refusal.ENDS_BEFORE_START,
}


def timelines_router(
    catalogue: Catalogue, timeline_of: TimelineOf | None, clock: Clock, gate: Gate
) -> APIRouter:
    """The routes. Without ``timeline_of`` only the events of sessions are shown."""
    router = APIRouter(prefix="/api", tags=["timelines"])

    @router.get("/event-kinds", dependencies=[gate.signed_in()])
    def kinds() -> list[EventKindPublic]:
        """The kinds of events that do something or have a name."""
        return [_kind_public(kind) for kind in event_kinds().values()]

    @router.get("/projects/{project_id}/timeline", dependencies=[gate.needs("project.see", Subject.PROJECT)])
    def timeline(project_id: str) -> ProjectTimeline:
        """A project's sessions, pauses, nights, seats, sections, tags, gaps and bookings."""
        project = catalogue.projects.project(project_id)
        if project is None:
            raise HTTPException(404, "没有这个项目。No such project.")
        reporters = Reporters.of(catalogue)
        publisher = _Publisher(catalogue, timeline_of, clock.now_us(), reporters, gate.sees_session)
        return publisher.project(project)

    @router.post(
        "/sessions/{session_id}/events",
        status_code=201,
        dependencies=[gate.needs("timeline.correct", Subject.SESSION)],
        responses={409: {"model": RefusalPublic, "description": "It was not taken"}},
    )
    def enter(session_id: SessionId, told: EventByHand) -> EventEntered:
        """Enter an event by hand, or put one right; what was there before stays on record."""
        _check_known(catalogue, session_id)
        event = TimelineEvent(
            id=new_id("event"),
            session_id=session_id,
            recorded_us=clock.now_us(),
            **told.model_dump() | {"principal": gate.by(told.principal)},
        )
        return _entered(catalogue, event)

    @router.post(
        "/sessions/{session_id}/seatings",
        status_code=201,
        dependencies=[gate.needs("timeline.correct", Subject.SESSION)],
        responses={409: {"model": RefusalPublic, "description": "It was not taken"}},
    )
    def seat(session_id: SessionId, told: SeatingByHand) -> list[SeatingPublic]:
        """Say who sat where, or put it right; what was said before stays on record. All that is said now."""
        _check_known(catalogue, session_id)
        with _refusals_told():
            catalogue.sessions.correct_seating(
                session_id,
                told.occupation(),
                replaces=told.replaces,
                withdrawn=told.withdrawn,
                principal=gate.by(told.principal),
                reason=told.reason,
                at_us=clock.now_us(),
            )
        return _seatings(catalogue, session_id, Reporters.of(catalogue))

    return router


def _check_known(catalogue: Catalogue, session_id: str) -> None:
    """Raises: HTTPException: 404."""
    if catalogue.sessions.get(session_id) is None:
        raise HTTPException(404, "没有这个场次。No such session.")


def _entered(catalogue: Catalogue, event: TimelineEvent) -> EventEntered:
    with _refusals_told():
        catalogue.sessions.record_event(event)
    [notices] = catalogue.reports.notices([event])
    shown = _event_public(event, {}, Reporters.of(catalogue))
    return EventEntered(**shown.model_dump(), notices=list(notices))


def _seatings(catalogue: Catalogue, session_id: str, reporters: Reporters) -> list[SeatingPublic]:
    seats = catalogue.places.seats()
    return [seating_public(one, seats, reporters) for one in catalogue.sessions.seatings_of(session_id)]


@contextmanager
def _refusals_told() -> Iterator[None]:
    """What the catalogue refuses, as an answer that pages have words for."""
    try:
        yield
    except TimelineError as error:
        code = _REFUSALS.get(type(error), Refusal.OTHER)
        detail = RefusalDetail(code=code, message=error.message, hint=error.remedy)
        raise HTTPException(409, detail.model_dump()) from None


def _kind_public(kind: EventKind) -> EventKindPublic:
    return EventKindPublic(type=kind.type, effect=kind.effect, zh=kind.zh, en=kind.en)


def _event_public(
    event: TimelineEvent, replaced_by: Mapping[str, str], reporters: Reporters
) -> TimelineEventPublic:
    return TimelineEventPublic(
        id=event.id,
        at_us=event.at_us,
        type=event.type,
        effect=effect_of(event.type),
        reason=event.reason,
        principal=event.principal,
        reporter=reporters.of_event(event),
        recorded_us=event.recorded_us,
        details=dict(event.details),
        replaces=event.replaces,
        replaced_by=replaced_by.get(event.id),
        withdrawn=event.withdrawn,
    )


@dataclass(frozen=True, slots=True)
class _Publisher:
    """Turns a project's rows into what its page shows."""

    catalogue: Catalogue
    timeline_of: TimelineOf | None
    now_us: int
    reporters: Reporters
    sees: Callable[[str], bool]  # whether a session, by its id, may be known to whoever asks

    def project(self, project: Project) -> ProjectTimeline:
        catalogue = self.catalogue
        sessions = [one for one in catalogue.sessions.of_project(project.id) if self.sees(one.id)]
        shown = {one.id for one in sessions}
        return ProjectTimeline(
            project=_name(project),
            now_us=self.now_us,
            sections=[
                SectionPublic(
                    number=one.number,
                    section_code=one.section_code,
                    name_zh=one.name_zh,
                    unified_deal_code=one.unified_deal_code,
                )
                for one in catalogue.projects.sections_of(project.id)
            ],
            bookings=self._bookings(project.id),
            sessions=[self._session(one) for one in sessions],
            tags=tags_public(
                catalogue,
                [one for one in catalogue.tags.of_project(project.id) if one.session_id in {None, *shown}],
            ),
            halls=self._names(catalogue.projects.halls_of(project.id)),
            shown=self._names(catalogue.projects.seen_in_hall(project.id)),
        )

    def _bookings(self, project_id: str) -> list[TimelineBookingPublic]:
        rooms = self.catalogue.places.rooms()
        return [
            TimelineBookingPublic(
                id=one.id,
                room_id=one.room_id,
                room_name_zh=rooms[one.room_id].name_zh,
                room_name_en=rooms[one.room_id].name_en,
                status=one.status,
                **_span(one.wall).model_dump(),
            )
            for one in self.catalogue.bookings.of_project(project_id)
        ]

    def _names(self, project_ids: Sequence[str]) -> list[ProjectNamePublic]:
        found = (self.catalogue.projects.project(project_id) for project_id in project_ids)
        return [_name(one) for one in found if one is not None]

    def _session(self, session: Session) -> TimelineSessionPublic:
        room = self.catalogue.places.rooms()[session.room_id]
        site = self.catalogue.places.sites()[room.site_id]
        events = self.catalogue.sessions.events_of(session.id)
        replaced_by = {event.replaces: event.id for event in events if event.replaces is not None}
        timeline = self._timeline(session)
        wall = timeline.wall if timeline else None
        return TimelineSessionPublic(
            id=session.id,
            phase=session.phase,
            state=session.state,
            room_id=session.room_id,
            room_name_zh=room.name_zh,
            room_name_en=room.name_en,
            site_name_zh=site.name_zh,
            site_name_en=site.name_en,
            venue_role=session.venue_role,
            start_us=session.start_us,
            end_us=session.end_us,
            pauses=[_span(one) for one in timeline.pauses] if timeline else [],
            nights=[_span(one) for one in timeline.nights] if timeline else [],
            sections=[
                SectionSpanPublic(number=one.number, **_span(one.wall).model_dump())
                for one in (timeline.sections if timeline else ())
            ],
            seats=self._seats(session, wall) if wall else [],
            seatings=_seatings(self.catalogue, session.id, self.reporters),
            places=self._places(session),
            events=[_event_public(event, replaced_by, self.reporters) for event in events],
            clips=self._clips(session),
        )

    def _timeline(self, session: Session) -> SessionTimeline | None:
        """Of a session that still runs, as if it ended now."""
        if session.start_us is None or self.timeline_of is None:
            return None
        end_us = session.end_us if session.end_us is not None else max(session.start_us + 1, self.now_us)
        return self.timeline_of(replace(session, end_us=end_us))

    def _seats(self, session: Session, wall: TimeRange) -> list[SeatSpanPublic]:
        seats = self.catalogue.places.seats()
        told = self.catalogue.sessions.seatings_of(session.id)
        said = {one.occupation: one.id for one in told if one.replaced_us is None}
        return [
            SeatSpanPublic(
                seat_id=one.seat_id,
                seat_ordinal=seats[one.seat_id].ordinal if one.seat_id in seats else None,
                member=one.member,
                seating_id=said.get(one, ""),
                **_span(one.within(wall)).model_dump(),
            )
            for one in session.seats
        ]

    def _places(self, session: Session) -> list[SeatPublic]:
        rooms = (session.room_id, *session.extra_room_ids)
        seats = [one for one in self.catalogue.places.seats().values() if one.room_id in rooms]
        return [SeatPublic(id=one.id, ordinal=one.ordinal) for one in sorted(seats, key=_by_room)]

    def _clips(self, session: Session) -> list[TimelineClipPublic]:
        sources = self.catalogue.places.sources()
        return [
            TimelineClipPublic(
                id=clip.id,
                source_id=clip.source_id,
                label_zh=sources[clip.source_id].label_zh,
                label_en=sources[clip.source_id].label_en,
                content_kind=sources[clip.source_id].content_kind,
                seat_id=sources[clip.source_id].seat_id,
                part=clip.part,
                revision=clip.revision,
                gaps=[
                    TimelineGapPublic(
                        cause=gap.cause,
                        detail=gap.detail,
                        backfilled=gap in clip.backfilled,
                        **_span(gap.wall).model_dump(),
                    )
                    for gap in sorted((*clip.gaps, *clip.backfilled), key=lambda gap: gap.wall)
                ],
                **_span(clip.wall).model_dump(),
            )
            for clip in self.catalogue.clips.of_session(session.id)
        ]


def _name(project: Project) -> ProjectNamePublic:
    return ProjectNamePublic(id=project.id, name_zh=project.name_zh, name_en=project.name_en)


def _by_room(seat: Seat) -> tuple[str, int]:
    return (seat.room_id, seat.ordinal)


def _span(wall: TimeRange) -> SpanPublic:
    return SpanPublic(start_us=wall.start_us, end_us=wall.end_us)
