"""What a trading system reports, by HTTP or in a file: projects, and what happened in their sessions.

Times are ISO 8601 with their zone; without one they are refused (invariant 17). Names of experts have no
place here: a member is an ordinal and an opaque key. Records of shared halls are made here, never reported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    model_validator,
)

from kernel.clock import from_datetime
from kernel.model.footage import Booking, BookingStatus
from kernel.model.timeline import (
    Phase,
    Project,
    SeatOccupation,
    Section,
    Session,
    SessionState,
    TimelineEvent,
    Venue,
    VenueRole,
)
from kernel.timerange import TimeRange

MOST_EVENTS = 1000
"""Events that one request may bring."""
MOST_DETAILS_BYTES = 4096
"""Details of one event, as JSON in UTF-8."""
HALL_IDS = "HALL-"
"""How the ids of halls' records begin."""


def storable(text: str) -> str:
    """Text as it is, if every database, page and archive can hold it.

    Raises:
        ValueError: it has a NUL or half a character.
    """
    if "\0" in text:
        raise ValueError("a NUL character cannot be kept")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("half a character (a lone surrogate) cannot be kept") from None
    return text


def _strings(value: JsonValue) -> Iterator[str]:
    """All strings in it, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from _strings(one)


def _storable_details(details: dict[str, JsonValue]) -> dict[str, JsonValue]:
    for text in _strings(details):
        storable(text)
    try:
        said = json.dumps(details, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise ValueError("a number that is not finite cannot be kept") from None
    if len(said.encode()) > MOST_DETAILS_BYTES:
        raise ValueError(f"they may have {MOST_DETAILS_BYTES} bytes as JSON")
    return details


def _no_hall(name: str) -> str:
    if name.startswith(HALL_IDS):
        raise ValueError(f"what begins with {HALL_IDS} belongs to records of halls, which nobody reports")
    return name


def _no_hall_phase(phase: Phase) -> Phase:
    if phase is Phase.HALL:
        raise ValueError("the record of a hall follows the sessions held there; nobody reports it")
    return phase


Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Text = Annotated[str, Field(max_length=500), AfterValidator(storable)]
Details = Annotated[dict[str, JsonValue], AfterValidator(_storable_details)]


class _Report(BaseModel):
    """A key that is not known is a mistake, and is said."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SectionReport(_Report):
    """标段(包)."""

    number: int = Field(ge=1, le=999, description="From 1")
    section_code: Text = Field(min_length=1, description="Code of the section, opaque")
    name_zh: Text = ""
    unified_deal_code: Text = Field(default="", description="统一交易标识码, opaque")


class VenueReport(_Report):
    """主场, 副场."""

    site: Id = Field(description="Site of cameras.yaml")
    role: VenueRole


class BookingReport(_Report):
    """预约. One that was moved or released is reported again with that status, under the same id."""

    id: Id
    room: Id = Field(description="Room of cameras.yaml")
    start: AwareDatetime
    end: AwareDatetime
    status: BookingStatus = BookingStatus.CONFIRMED
    title: Text = ""


class SeatReport(_Report):
    """Who sits where: a member by ordinal and opaque key."""

    seat: Id = Field(description="Seat of cameras.yaml")
    member: Annotated[str, Field(pattern=r"^[A-Z]{1,2}[0-9]{1,3}$")] = Field(description="O1, E2, ...")
    expert_key: Annotated[str, Field(max_length=128, pattern=r"^[A-Za-z0-9._-]*$")] = Field(
        default="", description="Made by the trading system with its own secret, the same in all projects"
    )
    since: AwareDatetime | None = Field(default=None, description="Empty: from the session's start")
    until: AwareDatetime | None = Field(default=None, description="Empty: to the session's end")

    def occupation(self) -> SeatOccupation:
        return SeatOccupation(
            seat_id=self.seat,
            member=self.member,
            expert_key=self.expert_key,
            from_us=None if self.since is None else from_datetime(self.since),
            to_us=None if self.until is None else from_datetime(self.until),
        )


class SessionReport(_Report):
    """场次: one phase of the project in one room, as planned; events say when it takes place."""

    id: Annotated[Id, AfterValidator(_no_hall)]
    phase: Annotated[Phase, AfterValidator(_no_hall_phase)]
    room: Id = Field(description="Room of cameras.yaml")
    venue_role: VenueRole = VenueRole.MAIN
    sections: tuple[int, ...] = Field(default=(), description="Numbers of sections; empty: all")
    extra_rooms: tuple[Id, ...] = Field(default=(), description="Recorded with it: a corridor")
    seats: tuple[SeatReport, ...] = ()

    def session(self, project_id: str) -> Session:
        return Session(
            id=self.id,
            project_id=project_id,
            phase=self.phase,
            room_id=self.room,
            state=SessionState.PLANNED,
            start_us=None,
            end_us=None,
            seats=tuple(seat.occupation() for seat in self.seats),
            venue_role=self.venue_role,
            section_numbers=self.sections,
            extra_room_ids=self.extra_rooms,
        )


class ProjectReport(_Report):
    """项目 with sections, venues, bookings and planned sessions. Reported again, it is brought up to date."""

    id: Annotated[Id, AfterValidator(_no_hall)]
    project_code: Annotated[Text, AfterValidator(_no_hall)] = Field(min_length=1, description="Opaque")
    tender_project_code: Text = ""
    name_zh: Text = Field(min_length=1)
    name_en: Text = ""
    region: Text = Field(description="Division of the project, GB/T 2260")
    trade_place: Text = Field(description="Division where it is traded, GB/T 2260")
    industry: Text = Field(description="Code of the industry table")
    method: Text = ""
    evaluation_mode: Text = ""
    committee_size: int = Field(default=0, ge=0, le=99)
    agency: Text = ""
    supervising_account: Text = ""
    outcome: Text = Field(default="", description="Empty while it is open")
    result_published_at: AwareDatetime | None = None
    retention_class: Text = ""
    sections: tuple[SectionReport, ...] = ()
    venues: tuple[VenueReport, ...] = ()
    bookings: tuple[BookingReport, ...] = ()
    sessions: tuple[SessionReport, ...] = ()

    @model_validator(mode="after")
    def _refer_to_its_own_sections(self) -> ProjectReport:
        known = {section.number for section in self.sections}
        for session in self.sessions:
            for number in session.sections:
                if number not in known:
                    raise ValueError(f"session {session.id} names section {number}, which the project lacks")
        return self

    def project(self) -> Project:
        published = self.result_published_at
        return Project(
            id=self.id,
            project_code=self.project_code,
            name_zh=self.name_zh,
            name_en=self.name_en or self.name_zh,
            region_code=self.region,
            trade_place=self.trade_place,
            industry_code=self.industry,
            tender_project_code=self.tender_project_code,
            method=self.method,
            evaluation_mode=self.evaluation_mode,
            committee_size=self.committee_size,
            agency=self.agency,
            supervising_account=self.supervising_account,
            outcome=self.outcome,
            result_published_us=None if published is None else from_datetime(published),
            retention_class=self.retention_class,
        )

    def section_values(self) -> list[Section]:
        return [Section(project_id=self.id, **section.model_dump()) for section in self.sections]

    def venue_values(self) -> list[Venue]:
        return [Venue(project_id=self.id, site_id=one.site, role=one.role) for one in self.venues]

    def booking_values(self, principal: str) -> list[Booking]:
        """Raises: ValueError: one ends before it starts."""
        return [
            Booking(
                id=one.id,
                room_id=one.room,
                wall=TimeRange(start_us=from_datetime(one.start), end_us=from_datetime(one.end)),
                title=one.title or self.name_zh,
                principal=principal,
                status=one.status,
                project_id=self.id,
            )
            for one in self.bookings
        ]

    def session_values(self) -> list[Session]:
        return [one.session(self.id) for one in self.sessions]


class EventReport(_Report):
    """Something that happened in a session. Sent again with the same id, it changes nothing."""

    id: Id = Field(description="Given by whoever reports; a correction has one of its own")
    session: Id
    at: AwareDatetime = Field(description="When it happened, by the reporter's clock")
    type: Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$")] = Field(
        description="eval.start, eval.pause, ...; a type that is not known is kept as a mark"
    )
    reason: Text = ""
    details: Details = Field(
        default_factory=dict, description=f"section, seat, ...; at most {MOST_DETAILS_BYTES} bytes as JSON"
    )
    replaces: Id | None = Field(default=None, description="Event that this one puts right; both stay")
    withdrawn: bool = Field(default=False, description="Only takes back what it replaces")

    def event(self, principal: str, recorded_us: int) -> TimelineEvent:
        return TimelineEvent(
            id=self.id,
            session_id=self.session,
            at_us=from_datetime(self.at),
            type=self.type,
            reason=self.reason,
            principal=principal,
            recorded_us=recorded_us,
            details=self.details,
            replaces=self.replaces,
            withdrawn=self.withdrawn,
        )
