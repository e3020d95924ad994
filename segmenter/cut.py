"""Cutting: timeline + segments + rules -> clips. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kernel.model.cut import Clip, ClipGap, CutList, CutRules, SegmentSlice
from kernel.model.footage import Gap, GapCause, Segment
from kernel.model.timeline import SessionTimeline
from kernel.timerange import TimeRange, subtract


def expected_range(timeline: SessionTimeline, rules: CutRules) -> TimeRange:
    """The time of which every source of a session is expected to have footage: pauses stay in."""
    return TimeRange(
        start_us=timeline.wall.start_us - rules.pre_roll_us,
        end_us=timeline.wall.end_us + rules.post_roll_us,
    )


def cut(
    timeline: SessionTimeline,
    segments: Mapping[str, Sequence[Segment]],
    gaps: Mapping[str, Sequence[Gap]],
    rules: CutRules,
) -> CutList:
    """The clips of a session.

    Args:
        timeline: the session, ended.
        segments: sealed segments by source id; those outside the session do not matter.
        gaps: declared gaps by source id; they name the causes of what is missing.
        rules: how much is kept around the session.

    Slices and gaps of a clip never overlap and fill its wall time exactly, whatever comes in (invariant 5).
    The same input gives the same clips with the same ids.
    """
    wall = expected_range(timeline, rules)
    clips = (
        _clip(timeline.session_id, source, wall, segments.get(source, ()), gaps.get(source, ()))
        for source in timeline.source_ids
    )
    return CutList(session_id=timeline.session_id, clips=tuple(clips))


def _clip(
    session_id: str, source_id: str, wall: TimeRange, segments: Sequence[Segment], gaps: Sequence[Gap]
) -> Clip:
    part = 1
    slices = _slices(wall, segments, gaps)
    missing = subtract(wall, (used.wall for used in slices))
    return Clip(
        id=f"{session_id}.{source_id}.{part}",
        session_id=session_id,
        source_id=source_id,
        part=part,
        wall=wall,
        slices=tuple(slices),
        gaps=tuple(named for hole in missing for named in _name_causes(hole, gaps)),
    )


def _slices(wall: TimeRange, segments: Sequence[Segment], gaps: Sequence[Gap]) -> list[SegmentSlice]:
    """What the segments cover, earlier ones first; a declared gap beats the segment that spans it."""
    taken = [
        TimeRange(start_us=gap.start_us, end_us=gap.end_us)
        for gap in gaps
        if gap.end_us is not None and gap.end_us > gap.start_us
    ]
    slices: list[SegmentSlice] = []
    for segment in sorted(segments, key=lambda segment: (segment.wall, segment.sequence, segment.id)):
        inside = segment.wall.intersect(wall)
        if inside is None:
            continue
        for part in subtract(inside, taken):
            slices.append(SegmentSlice(segment_id=segment.id, wall=part))
            taken.append(part)
    return sorted(slices, key=lambda used: used.wall)


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
