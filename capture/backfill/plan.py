"""Which time is to be fetched, and what has come of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from capture.run_clock import BELIEVED_US
from kernel.clock import SECOND_US
from kernel.model.footage import Backfill, ClockBasis, Gap, GapCause, Segment
from kernel.timerange import TimeRange, merge, subtract

FETCHED_CAUSES = frozenset(
    {
        GapCause.CAMERA_LOST,
        GapCause.NETWORK,
        GapCause.CRASH,
        GapCause.NOT_RECORDING,
        GapCause.GARBAGE,
        GapCause.DISCONTINUITY,
    }
)
"""Gaps in which the device may have gone on recording. Not a stop: somebody decided that nothing be recorded;
not a full or lost disk: there is nowhere to put it."""
_LEAST_US = SECOND_US // 2  # shorter ones are single lost pictures; a replay session is too much for them
_FRAME_US = SECOND_US // 4  # less than this missing at an edge is one picture's place


def worth_fetching(gap: Gap) -> bool:
    """Whether a device could help with this gap."""
    if gap.end_us is None or gap.cause not in FETCHED_CAUSES:
        return False
    return gap.end_us - gap.start_us >= _LEAST_US


def fetched(segments: Sequence[Segment]) -> list[TimeRange]:
    """The time that was fetched already."""
    return merge(one.wall for one in segments if one.clock_basis is ClockBasis.REPLAY)


def still_missing(gap: Gap, segments: Sequence[Segment]) -> list[TimeRange]:
    """What of a gap is to be fetched: all of it but what a fetch before this one brought."""
    if gap.end_us is None:
        return []
    whole = TimeRange(start_us=gap.start_us, end_us=gap.end_us)
    left = subtract(whole, fetched(segments))
    return [one for one in left if one.duration_us >= _FRAME_US]


def in_pieces(stretches: Sequence[TimeRange], longest_us: int) -> list[TimeRange]:
    """The same time in pieces of at most that length."""
    return [
        TimeRange(start_us=start_us, end_us=min(start_us + longest_us, one.end_us))
        for one in stretches
        for start_us in range(one.start_us, one.end_us, longest_us)
    ]


def outcome(gap: Gap, segments: Sequence[Segment], holes: Sequence[TimeRange]) -> Backfill:
    """How a gap is marked.

    Args:
        segments: of its source, as far as they touch it.
        holes: stretches inside what was fetched of which the device has no pictures either.
    """
    if gap.end_us is None:
        return Backfill.NONE
    whole = TimeRange(start_us=gap.start_us, end_us=gap.end_us)
    covered = [part for one in fetched(segments) for part in subtract(one, holes)]
    if not any(one.intersect(whole) for one in covered):
        return Backfill.NOTHING
    left = [one for one in subtract(whole, covered) if one.duration_us >= _FRAME_US]
    return Backfill.PART if left else Backfill.WHOLE


def nearest_live(gap: Gap, segments: Sequence[Segment]) -> Segment | None:
    """The segment nearest to a gap that was recorded live, if there is one."""
    live = [one for one in segments if one.clock_basis in (ClockBasis.SENDER_REPORT, ClockBasis.ARRIVAL)]
    return min(live, key=lambda one: _distance_us(gap, one), default=None)


def _distance_us(gap: Gap, segment: Segment) -> int:
    end_us = gap.start_us if gap.end_us is None else gap.end_us
    return min(abs(segment.wall.end_us - gap.start_us), abs(segment.wall.start_us - end_us))


def correction_us(offset_us: int, basis: ClockBasis | None) -> int:
    """What is added to a device's time to have the wall time of the ring.

    Fetched footage stands on the same clock as the live footage beside it (``docs/design/time.md``): where
    the device's clock was believed, its times are taken as they are; where it was only measured, the offset
    is taken off, so that the fetched footage lies where the gap is.

    Args:
        offset_us: device clock minus recorder clock.
        basis: of the live footage beside the gap; None where there is none.
    """
    if basis is ClockBasis.SENDER_REPORT:
        return 0
    if basis is None and abs(offset_us) <= BELIEVED_US:
        return 0
    return -offset_us


def shifted(wall: TimeRange, by_us: int) -> TimeRange:
    return TimeRange(start_us=wall.start_us + by_us, end_us=wall.end_us + by_us)
