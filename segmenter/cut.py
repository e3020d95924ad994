"""Cutting: timeline + segments + rules -> clips. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

from kernel.clock import iso_utc
from kernel.model.cut import Clip, ClipGap, CutList, SegmentSlice
from kernel.model.footage import Backfill, ClockBasis, Gap, GapCause, Segment, SegmentSpan, Tombstone
from kernel.model.timeline import ExpectedPart, SessionTimeline
from kernel.timerange import EVER_US, TimeRange, merge, subtract

Span = Segment | SegmentSpan
_FETCHED = (Backfill.WHOLE, Backfill.PART)
_FETCHED_BASES = (ClockBasis.REPLAY, ClockBasis.DECLARED)


def cut(
    timeline: SessionTimeline, segments: Mapping[str, Sequence[Span]], gaps: Mapping[str, Sequence[Gap]]
) -> CutList:
    """The clips of a session.

    Args:
        timeline: the session, ended.
        segments: sealed segments by source id; those outside the session do not matter.
        gaps: declared gaps by source id; they name the causes of what is missing.

    Slices and gaps of a clip never overlap and fill its wall time exactly, whatever comes in (invariant 5).
    The same input gives the same clips with the same ids.
    """
    clips = (
        _clip(timeline.session_id, part, segments.get(part.source_id, ()), gaps.get(part.source_id, ()))
        for part in timeline.expected
    )
    return CutList(session_id=timeline.session_id, clips=tuple(clips), change_number=timeline.change_number)


def removed_gaps(tombstones: Sequence[Tombstone], segments: Sequence[Span], gaps: Sequence[Gap]) -> list[Gap]:
    """Time of a source that was recorded and then removed by rule, before this session was known.

    Where other segments cover it, or a gap was declared, it is as they say.
    """
    if not tombstones:
        return []
    known = [one.wall for one in segments]
    known += [
        TimeRange(start_us=gap.start_us, end_us=max(gap.start_us, gap.end_us or EVER_US)) for gap in gaps
    ]
    known = merge(known)
    found: list[Gap] = []
    for one in tombstones:
        said = f"Recorded, and removed at {iso_utc(one.removed_us)} by {one.principal}: {one.reason}"
        for part in subtract(one.segment.wall, known):
            found.append(
                Gap(
                    id=f"{one.segment.id}.{part.start_us}",
                    source_id=one.segment.source_id,
                    start_us=part.start_us,
                    end_us=part.end_us,
                    cause=GapCause.REMOVED,
                    detail=said,
                )
            )
        known = merge([*known, one.segment.wall])
    return found


def _clip(session_id: str, part: ExpectedPart, segments: Sequence[Span], gaps: Sequence[Gap]) -> Clip:
    slices = _slices(part.wall, segments, gaps)
    missing = subtract(part.wall, (used.wall for used in slices))
    return Clip(
        id=f"{session_id}.{part.source_id}.{part.part}",
        session_id=session_id,
        source_id=part.source_id,
        part=part.part,
        wall=part.wall,
        slices=tuple(slices),
        gaps=tuple(named for hole in missing for named in _name_causes(hole, gaps)),
        backfilled=tuple(_backfilled(slices, segments, gaps)),
    )


def _slices(wall: TimeRange, segments: Sequence[Span], gaps: Sequence[Gap]) -> list[SegmentSlice]:
    """What the segments cover; a declared gap beats the segment that spans it.

    What was recorded live comes first. What was fetched from the device's memory afterwards fills what is
    left, inside gaps too that are marked as fetched, and never inside others.
    """
    later = [one for one in segments if _fetched(one)]
    if not later:  # as nearly always
        return _covered(wall, segments, _closed(gaps))
    live = _covered(wall, [one for one in segments if not _fetched(one)], _closed(gaps))
    unmarked = _closed([gap for gap in gaps if gap.backfill not in _FETCHED])
    fetched = _covered(wall, later, [*unmarked, *(used.wall for used in live)])
    return sorted([*live, *fetched], key=lambda used: used.wall.start_us)


def _fetched(segment: Span) -> bool:
    """From the device's own memory, or a file that was taken in."""
    return segment.clock_basis in _FETCHED_BASES


def _closed(gaps: Sequence[Gap]) -> list[TimeRange]:
    return [
        TimeRange(start_us=gap.start_us, end_us=gap.end_us)
        for gap in gaps
        if gap.end_us is not None and gap.end_us > gap.start_us
    ]


def _covered(wall: TimeRange, segments: Sequence[Span], elsewhere: Sequence[TimeRange]) -> list[SegmentSlice]:
    """What these segments cover of what is left, earlier ones first.

    Each is looked at once, beside the few ranges around it: a day's session has thousands.
    """
    taken = merge(elsewhere)
    starts, ends = [one.start_us for one in taken], [one.end_us for one in taken]
    slices: list[SegmentSlice] = []
    covered_us = wall.start_us  # all up to here is used, or taken: earlier segments begin earlier
    for segment in sorted(segments, key=_order):
        start_us, end_us = max(segment.wall.start_us, covered_us), min(segment.wall.end_us, wall.end_us)
        if start_us >= end_us:
            continue
        whole = end_us - start_us == segment.wall.duration_us
        rest = segment.wall if whole else TimeRange(start_us=start_us, end_us=end_us)
        covered_us = end_us
        near = taken[bisect_right(ends, rest.start_us) : bisect_left(starts, rest.end_us)]
        parts = subtract(rest, near) if near else [rest]
        slices += [SegmentSlice(segment_id=segment.id, wall=part) for part in parts]
    return slices


def _order(segment: Span) -> tuple[int, int, int, str]:
    return (segment.wall.start_us, segment.wall.end_us, segment.sequence, segment.id)


def _backfilled(
    slices: Sequence[SegmentSlice], segments: Sequence[Span], gaps: Sequence[Gap]
) -> list[ClipGap]:
    """The gaps, or parts of them, that are filled afterwards: no longer missing, and still told."""
    fetched = {one.id for one in segments if _fetched(one)}
    filled = merge(used.wall for used in slices if used.segment_id in fetched)
    marked = [gap for gap in gaps if gap.backfill in _FETCHED]
    return [told for stretch in filled for told in _name_causes(stretch, marked)]


def _name_causes(hole: TimeRange, gaps: Sequence[Gap]) -> list[ClipGap]:
    """A hole as gaps, split where the declared cause changes; undeclared parts were not being recorded."""
    named: list[ClipGap] = []
    rest = [hole]
    for gap in sorted(gaps, key=lambda gap: gap.start_us):
        end_us = hole.end_us if gap.end_us is None else gap.end_us
        declared = TimeRange(start_us=gap.start_us, end_us=max(gap.start_us, end_us))
        for part in [declared.intersect(piece) for piece in rest]:
            if part is not None:
                named.append(ClipGap(wall=part, cause=gap.cause, detail=gap.detail))
        rest = [left for piece in rest for left in subtract(piece, [declared])]
    named += [ClipGap(wall=piece, cause=GapCause.NOT_RECORDING, detail="") for piece in rest]
    return sorted(named, key=lambda gap: gap.wall)
