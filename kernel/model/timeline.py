"""A project's timeline: its sections, venues and sessions, what happened in them, and who sat where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from kernel.timerange import TimeRange


class Phase(StrEnum):
    """环节 of a project."""

    OPENING = "opening"
    EXTRACTION = "extraction"
    EVALUATION = "evaluation"
    RE_EVALUATION = "re_evaluation"
    """复评: the committee meets again, days later, after an objection."""
    NEGOTIATION = "negotiation"
    """磋商, 谈判: an evaluation with rounds of quotes."""
    CLARIFICATION = "clarification"
    """澄清: bidders answer the committee in a room of their own."""
    AUCTION = "auction"
    """拍卖, 挂牌, 竞价."""
    SUPERVISION = "supervision"
    """监督行为: a supervisor's visit to the supervision room."""
    HALL = "hall"
    """A day of a shared hall: what belongs to no single project."""


class SessionState(StrEnum):
    """States of a session; ``SESSION_TRANSITIONS`` says which may follow which."""

    PLANNED = "planned"
    RUNNING = "running"
    ENDED = "ended"
    """Its end event arrived; footage may still be on its way to the ring."""
    CUT = "cut"
    """Its clips are fixed."""
    ARCHIVED = "archived"
    """Its package is stored, read back and recorded."""
    CANCELLED = "cancelled"
    """It was planned and will not take place."""


_UNBEGUN = (SessionState.PLANNED, SessionState.CANCELLED)

SESSION_TRANSITIONS: dict[SessionState, frozenset[SessionState]] = {
    SessionState.PLANNED: frozenset({SessionState.RUNNING, SessionState.ENDED, SessionState.CANCELLED}),
    SessionState.RUNNING: frozenset({SessionState.ENDED, *_UNBEGUN}),
    SessionState.ENDED: frozenset({SessionState.CUT, SessionState.RUNNING, *_UNBEGUN}),
    SessionState.CUT: frozenset({SessionState.ARCHIVED, SessionState.ENDED, SessionState.RUNNING, *_UNBEGUN}),
    SessionState.ARCHIVED: frozenset({SessionState.ENDED, SessionState.RUNNING, *_UNBEGUN}),
    SessionState.CANCELLED: frozenset({SessionState.PLANNED, SessionState.RUNNING, SessionState.ENDED}),
}
"""Which state may follow which; drawn in ``docs/design/flow.md``. The ways back are corrections: an event
that comes late or is put right opens a session again, and what was archived gets a new version. The events
alone say where a session stands until it is cut, in whichever order they came."""


class Effect(StrEnum):
    """What a kind of event does to a timeline; which kind does what is data (``kernel.events``)."""

    SESSION_START = "session_start"
    SESSION_END = "session_end"
    SESSION_CANCELLED = "session_cancelled"
    PAUSE = "pause"
    RESUME = "resume"
    NIGHT_START = "night_start"
    """封存: the room is sealed for the night."""
    NIGHT_END = "night_end"
    SEATS_ENTERED = "seats_entered"
    """From here on the seats show this session's members, not the ones before them."""
    SEATS_CLEARED = "seats_cleared"
    """From here on the seats may show somebody else's members."""
    SECTION = "section"
    """The section named in its details is dealt with from here on."""
    FAULT_START = "fault_start"
    FAULT_END = "fault_end"
    FILES_RECEIVED = "files_received"
    """An external venue has handed over its recordings."""
    MARK = "mark"
    """Something worth knowing that moves nothing."""


CUTTING_EFFECTS = frozenset(Effect) - {Effect.SECTION, Effect.FAULT_START, Effect.FAULT_END, Effect.MARK}
"""Effects after which a session that was cut must be looked at again."""


class ProjectKind(StrEnum):
    """Whose file a project's archive is."""

    TENDER = "tender"
    HALL = "hall"
    """A day of a shared hall: panoramas that show several projects belong to none of their files."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """项目: one tender project, or a day of a shared hall."""

    id: str
    project_code: str  # opaque
    name_zh: str
    name_en: str
    region_code: str  # the project's own region, GB/T 2260
    trade_place: str  # region where it is traded, GB/T 2260
    industry_code: str
    kind: ProjectKind = ProjectKind.TENDER
    tender_project_code: str = ""  # 招标项目编号, opaque
    method: str = ""  # 公开招标, 竞争性磋商, ...: as the trading system says
    evaluation_mode: str = ""  # local, remote, scattered or none
    committee_size: int = 0  # people
    agency: str = ""  # 代理机构, as the trading system says
    supervising_account: str = ""  # who is assigned to supervise it
    outcome: str = ""  # result, failed_bid, ...; empty while open
    result_published_us: int | None = None  # when the result was made public
    retention_class: str = ""  # code of the retention table


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """标段(包) of a project."""

    project_id: str
    number: int  # from 1
    section_code: str  # opaque
    name_zh: str
    unified_deal_code: str  # 统一交易标识码, opaque


class VenueRole(StrEnum):
    """What a site is to a project."""

    MAIN = "main"
    SECONDARY = "secondary"
    EXTERNAL = "external"
    """A secondary venue outside the system: its recordings come as files."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Venue:
    """主场, 副场: a site that a project is held at."""

    project_id: str
    site_id: str
    role: VenueRole


@dataclass(frozen=True, kw_only=True, slots=True)
class SeatOccupation:
    """Who sits where in a session and when: a member by ordinal and opaque key, never by name."""

    seat_id: str
    member: str  # O1, E2, ...: owner's representative or expert by ordinal in this committee
    expert_key: str = ""  # made by the trading system with its own secret: the same expert has the same key
    from_us: int | None = None  # None: from the session's start
    to_us: int | None = None  # None: to the session's end

    def within(self, wall: TimeRange) -> TimeRange:
        """The time of this occupation in a session that lasted that long."""
        start_us = wall.start_us if self.from_us is None else max(wall.start_us, self.from_us)
        end_us = wall.end_us if self.to_us is None else min(wall.end_us, self.to_us)
        return TimeRange(start_us=start_us, end_us=max(start_us, end_us))


@dataclass(frozen=True, kw_only=True, slots=True)
class Seating:
    """What somebody said of a seat in a session; it stays on record when it is put right."""

    id: str
    occupation: SeatOccupation
    principal: str  # who said so
    reason: str  # why it was put right; empty for what was planned
    recorded_us: int  # when we learnt of it
    replaced_us: int | None  # when it was put right; None while it holds


@dataclass(frozen=True, kw_only=True, slots=True)
class TimelineEvent:
    """Something that happened in a session, by the clock of whoever reports it."""

    id: str
    session_id: str
    at_us: int
    type: str  # a kind of ``kernel.events`` or another mark of the trading system
    reason: str
    principal: str  # who reported it
    recorded_us: int  # when we learnt of it
    details: Mapping[str, Any] = field(default_factory=dict)  # what else the reporter said, as it came
    replaces: str | None = None  # the event that this one puts right; both stay
    withdrawn: bool = False  # only takes back what it replaces: nothing of the kind happened


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """场次: one phase of one project in one room."""

    id: str
    project_id: str
    phase: Phase
    room_id: str
    state: SessionState
    start_us: int | None
    end_us: int | None
    seats: tuple[SeatOccupation, ...]
    venue_role: VenueRole = VenueRole.MAIN
    section_numbers: tuple[int, ...] = ()  # sections dealt with; empty: all of the project
    extra_room_ids: tuple[str, ...] = ()  # recorded with it: a corridor, a dining room
    source_ids: tuple[str, ...] = ()  # only these: files that an external venue handed over
    cut_number: int = 0  # how often its clips were made or changed
    change_number: int = 0  # how often what it is cut by was changed: its events, seats, rooms or sources


def proceedings(sessions: Iterable[Session], now_us: int) -> list[TimeRange]:
    """When sessions went on, up to now; not of the supervision room and halls, which go on beside them."""
    return [
        TimeRange(start_us=one.start_us, end_us=now_us + 1 if one.end_us is None else one.end_us)
        for one in sessions
        if one.phase not in (Phase.SUPERVISION, Phase.HALL)
        and one.start_us is not None
        and (one.end_us is not None or one.start_us <= now_us)
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tag:
    """标签: a moment that somebody marked, at the frame that was on the screen. Edited only by adding."""

    id: str
    project_id: str
    at_us: int  # of the frame that was shown, not of the click
    kind: str  # one of ``kernel.tags``, or the kind of an event
    text: str
    principal: str
    recorded_us: int  # when it was entered
    session_id: str | None = None
    source_id: str | None = None
    severity: str = ""  # minor or major; empty for a note
    seat_id: str | None = None
    section_number: int | None = None
    replaces: str | None = None  # the tag that this one puts right; both stay
    withdrawn: bool = False  # only takes back what it replaces
    reason: str = ""  # why it was put right or taken back


@dataclass(frozen=True, kw_only=True, slots=True)
class SectionSpan:
    """When a section was dealt with in a session."""

    number: int
    wall: TimeRange


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpectedPart:
    """What one source is expected to have recorded of one session part."""

    source_id: str
    part: int  # session part, from 1
    wall: TimeRange  # with pre-roll and post-roll


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionTimeline:
    """What the cutter needs to know of one session that has ended, and what people see of it."""

    session_id: str
    wall: TimeRange  # from its start event to its end event
    expected: tuple[ExpectedPart, ...]  # one clip each, by source and part
    pauses: tuple[TimeRange, ...] = ()
    nights: tuple[TimeRange, ...] = ()  # sealed
    sections: tuple[SectionSpan, ...] = ()
    awaits_files: bool = False  # its footage comes by hand, days later, and has not come yet
    change_number: int = 0  # of the session as it was read

    @property
    def source_ids(self) -> tuple[str, ...]:
        """Whose footage belongs to it, in order."""
        return tuple(dict.fromkeys(part.source_id for part in self.expected))

    @property
    def needed(self) -> TimeRange:
        """From the first to the last moment that any of its sources is expected to have recorded."""
        return TimeRange(
            start_us=min((part.wall.start_us for part in self.expected), default=self.wall.start_us),
            end_us=max((part.wall.end_us for part in self.expected), default=self.wall.end_us),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class SeatTurn:
    """When the members of a session took their seats and had left them; None where nobody said."""

    entered_us: int | None = None
    cleared_us: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NeighbourUse:
    """Another project in the same room or on the same seat: what no pre-roll or post-roll may reach into."""

    seat_id: str | None  # None: the room as a whole
    walls: tuple[TimeRange, ...]  # when it was there, nights and pauses included
    turn: SeatTurn
    nights: tuple[TimeRange, ...] = ()
    pauses: tuple[TimeRange, ...] = ()
