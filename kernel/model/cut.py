"""Clips, slices and gaps: what cutting makes, and the rules that it follows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kernel.model.footage import GapCause
from kernel.model.source import ContentKind, RoomKind
from kernel.timerange import TimeRange


class PauseRule(StrEnum):
    """What becomes of a pause."""

    KEEP = "keep"
    """It stays inside the clip, as a mark."""
    OMIT = "omit"
    """It is cut out: a session part ends where it begins and another begins where it ends."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CutRules:
    """How sessions become clips. All of it is settings."""

    pre_roll_us: int
    post_roll_us: int
    pauses: PauseRule = PauseRule.KEEP
    night_stops: frozenset[ContentKind] = frozenset({ContentKind.SEAT_FACE, ContentKind.SEAT_DESKTOP})
    """Sources that stop while a room is sealed for the night; all others record through it."""
    shared_rooms: frozenset[RoomKind] = frozenset({RoomKind.SCATTERED_HALL})
    """Rooms that several projects share: sources that look at no seat belong to the hall's own record."""
    no_rolls: frozenset[RoomKind] = frozenset({RoomKind.EXTERNAL_VENUE})
    """Rooms whose footage is handed over from start to end, without pre-roll and post-roll."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentSlice:
    """The used part of a segment."""

    segment_id: str
    wall: TimeRange


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipGap:
    """A part of a clip's expected time that was not recorded when it happened."""

    wall: TimeRange
    cause: GapCause
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """What one source saw of one session part. Slices and gaps fill ``wall`` exactly."""

    id: str
    session_id: str
    source_id: str
    part: int  # session part, from 1
    wall: TimeRange
    slices: tuple[SegmentSlice, ...]
    gaps: tuple[ClipGap, ...]  # what is missing
    backfilled: tuple[ClipGap, ...] = ()  # was missing; slices cover it from the device's own memory
    revision: int = 1  # counts up each time that a changed timeline changes this clip
    footage_of: str = ""
    """As archived, where ``archive_source`` names another source: that one, if the footage is its own; the
    clip's own source, if the other did not have all of it. Else empty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CutList:
    """All clips of one session."""

    session_id: str
    clips: tuple[Clip, ...]
    change_number: int = 0  # of the session's timeline that they were cut by; another one makes them obsolete
