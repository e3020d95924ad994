"""Clips, slices and gaps: what cutting makes."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.model.footage import GapCause
from kernel.timerange import TimeRange


@dataclass(frozen=True, kw_only=True, slots=True)
class CutRules:
    """How much is kept around a session."""

    pre_roll_us: int
    post_roll_us: int


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


@dataclass(frozen=True, kw_only=True, slots=True)
class CutList:
    """All clips of one session."""

    session_id: str
    clips: tuple[Clip, ...]
