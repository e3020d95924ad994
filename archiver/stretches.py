"""Stretches and chunks: how a clip is taken apart so that many processors can encode it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from kernel.clock import SECOND_US
from kernel.model.cut import Clip, SegmentSlice
from kernel.model.footage import ClockBasis, Segment
from kernel.timerange import TimeRange, merge

LEAD_IN_US = 2 * SECOND_US
CHUNK_US = 40 * SECOND_US
"""What is encoded as one step: at most about a minute of work."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SlicePart:
    """A used part of one segment file, with all that a worker process needs to read and prove it."""

    segment_id: str
    run_id: str  # media time goes on from one segment of a run to the next
    path: str  # of the file, absolute
    sha256: str
    captured: bool  # its wall time is the source's own, not estimated from arrival
    wall: TimeRange


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """An unbroken piece of a clip: nothing is missing between its slices."""

    wall: TimeRange
    slices: tuple[SlicePart, ...]
    lead_in: SlicePart | None = None  # decoded first and not shown: an open group of pictures leans on it

    @property
    def captured(self) -> bool:
        """Whether all of its wall time is the source's own."""
        return all(used.captured for used in self.slices)


def stretches(clip: Clip, segments: Mapping[str, Segment], ring: str) -> list[Stretch]:
    """The unbroken pieces of a clip, in order."""
    pieces = merge(used.wall for used in clip.slices)
    return [
        Stretch(
            wall=piece,
            slices=tuple(
                _part(used, segments[used.segment_id], ring)
                for used in clip.slices
                if used.wall.intersect(piece) is not None
            ),
        )
        for piece in pieces
    ]


def _part(used: SegmentSlice, segment: Segment, ring: str) -> SlicePart:
    return SlicePart(
        segment_id=segment.id,
        run_id=segment.run_id,
        path=f"{ring}/{segment.path}",
        sha256=segment.sha256,
        captured=segment.clock_basis is ClockBasis.SENDER_REPORT,
        wall=used.wall,
    )


def chunks(stretch: Stretch, longest_us: int = CHUNK_US) -> list[Stretch]:
    """A stretch in pieces, each an independent step.

    Borders are at round moments of wall time, not at shares of the stretch: those of a session that still
    runs stay where they are when it goes on.
    """
    first = stretch.wall.start_us // longest_us + 1
    rounds = range(first * longest_us, stretch.wall.end_us, longest_us)
    borders = [stretch.wall.start_us, *rounds, stretch.wall.end_us]
    pieces = (TimeRange(start_us=start, end_us=end) for start, end in pairwise(borders))
    return [narrow(stretch, piece) for piece in pieces if not piece.empty]


def narrow(stretch: Stretch, wall: TimeRange) -> Stretch:
    """The part of a stretch that lies in a range."""
    numbers = [n for n, used in enumerate(stretch.slices) if used.wall.intersect(wall) is not None]
    parts = []
    for number in numbers:
        used = stretch.slices[number]
        parts.append(replace(used, wall=used.wall.intersect(wall) or used.wall))
    first = numbers[0] if numbers else 0
    return Stretch(wall=wall, slices=tuple(parts), lead_in=_lead_in(stretch, first, wall))


def _lead_in(stretch: Stretch, first: int, wall: TimeRange) -> SlicePart | None:
    """The slice before, where a range begins so near the start of a segment that its pictures may need it."""
    if first == 0:
        return stretch.lead_in
    before, used = stretch.slices[first - 1], stretch.slices[first]
    near = wall.start_us - used.wall.start_us < LEAD_IN_US
    return before if near and before.run_id == used.run_id else None


def samples_for_probing(pieces: Sequence[Stretch], seconds: float, count: int) -> list[Stretch]:
    """Up to ``count`` windows of at most so long, spread evenly over the recorded time of a clip."""
    window_us = round(seconds * SECOND_US)
    total_us = sum(piece.wall.duration_us for piece in pieces)
    wanted = max(1, min(count, total_us // max(1, window_us)))
    return [
        _window(pieces, (2 * number + 1) * total_us // (2 * wanted), window_us) for number in range(wanted)
    ]


def windows_around(pieces: Sequence[Stretch], seconds: float, moments: Sequence[int]) -> list[Stretch]:
    """Windows of at most so long around moments that were recorded; none lies on another."""
    window_us = round(seconds * SECOND_US)
    found: list[Stretch] = []
    for moment in moments:
        piece = next((one for one in pieces if one.wall.contains(moment)), None)
        if piece is None:
            continue
        window = _window([piece], moment - piece.wall.start_us, window_us)
        if not any(window.wall.intersect(one.wall) for one in found):
            found.append(window)
    return found


def _window(pieces: Sequence[Stretch], middle_us: int, window_us: int) -> Stretch:
    """The window around the moment that lies ``middle_us`` of recorded time into the clip."""
    for piece in pieces:
        if middle_us < piece.wall.duration_us or piece is pieces[-1]:
            break
        middle_us -= piece.wall.duration_us
    length = min(window_us, piece.wall.duration_us)
    start = piece.wall.start_us + min(max(0, middle_us - length // 2), piece.wall.duration_us - length)
    return narrow(piece, TimeRange(start_us=start, end_us=start + length))
