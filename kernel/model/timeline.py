"""A project's timeline: sessions, their events and seats."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kernel.timerange import TimeRange


class Phase(StrEnum):
    """环节 of a project."""

    OPENING = "opening"
    EXTRACTION = "extraction"
    EVALUATION = "evaluation"


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


SESSION_TRANSITIONS: dict[SessionState, frozenset[SessionState]] = {
    SessionState.PLANNED: frozenset({SessionState.RUNNING}),
    SessionState.RUNNING: frozenset({SessionState.ENDED}),
    SessionState.ENDED: frozenset({SessionState.CUT}),
    SessionState.CUT: frozenset({SessionState.ARCHIVED}),
    SessionState.ARCHIVED: frozenset(),
}
"""Which state may follow which; drawn in ``docs/design/flow.md``."""


class EventType(StrEnum):
    """Timeline events that move a session or mark it. Marks of other names are kept as they come."""

    OPENING_START = "opening.start"
    OPENING_END = "opening.end"
    EXTRACTION_START = "extraction.start"
    EXTRACTION_END = "extraction.end"
    EVALUATION_START = "eval.start"
    EVALUATION_PAUSE = "eval.pause"
    EVALUATION_RESUME = "eval.resume"
    EVALUATION_END = "eval.end"


START_EVENTS = frozenset({EventType.OPENING_START, EventType.EXTRACTION_START, EventType.EVALUATION_START})
END_EVENTS = frozenset({EventType.OPENING_END, EventType.EXTRACTION_END, EventType.EVALUATION_END})


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """项目: one tender project."""

    id: str
    project_code: str
    name_zh: str
    name_en: str
    region_code: str  # the project's own region, GB/T 2260
    trade_place: str  # region where it is traded, GB/T 2260
    industry_code: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SeatOccupation:
    """Who sits where in a session: a member by ordinal, never by name."""

    seat_id: str
    member: str  # O1, E2, ...: owner's representative or expert by ordinal


@dataclass(frozen=True, kw_only=True, slots=True)
class TimelineEvent:
    """Something that happened in a session, by the clock of whoever reports it."""

    id: str
    session_id: str
    at_us: int
    type: str  # an ``EventType`` or another mark of the trading system
    reason: str
    principal: str  # who reported it
    recorded_us: int  # when we learnt of it


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


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionTimeline:
    """What the cutter needs to know of one session that has ended."""

    session_id: str
    wall: TimeRange  # from its start event to its end event
    source_ids: tuple[str, ...]  # whose footage belongs to it
    pauses: tuple[TimeRange, ...]
