"""A second stream stands in for a clip's own footage only where it has all of it."""

from __future__ import annotations

import pytest

from archiver.stand_ins import with_stand_ins
from kernel.model.cut import Clip, ClipGap, SegmentSlice
from kernel.model.footage import GapCause
from kernel.timerange import TimeRange, subtract

SECOND = 1_000_000
NAMED = {"main": "second"}


def clip(source: str, *recorded: tuple[int, int], part: int = 1, end: int = 100) -> Clip:
    wall = TimeRange(start_us=0, end_us=end * SECOND)
    walls = [TimeRange(start_us=a * SECOND, end_us=b * SECOND) for a, b in recorded]
    return Clip(
        id=f"S.{source}.{part}",
        session_id="S",
        source_id=source,
        part=part,
        wall=wall,
        slices=tuple(SegmentSlice(segment_id=f"{source}-{one.start_us}", wall=one) for one in walls),
        gaps=tuple(
            ClipGap(wall=one, cause=GapCause.CAMERA_LOST, detail=source) for one in subtract(wall, walls)
        ),
    )


def test_the_second_streams_footage_is_archived_as_the_main_sources_clip() -> None:
    second = clip("second", (0, 60), (60, 100))
    (found,) = with_stand_ins([clip("main", (0, 100)), second], NAMED)
    assert (found.id, found.source_id, found.footage_of) == ("S.main.1", "main", "second")
    assert (found.slices, found.gaps) == (second.slices, second.gaps)


def test_where_the_second_stream_has_more_less_is_missing() -> None:
    (found,) = with_stand_ins([clip("main", (0, 40), (50, 100)), clip("second", (0, 100))], NAMED)
    assert found.gaps == ()


@pytest.mark.parametrize(
    "second",
    [
        clip("second", (0, 99)),
        clip("second", (0, 50), (51, 100)),
        clip("second"),
        clip("second", (0, 100), part=2),
        clip("second", (0, 101), end=101),
    ],
)
def test_a_second_stream_that_lacks_a_moment_costs_nothing_and_both_are_archived(second: Clip) -> None:
    main = clip("main", (0, 100))
    first, other = with_stand_ins([main, second], NAMED)
    assert (first.footage_of, first.slices, first.gaps) == ("main", main.slices, main.gaps)
    assert other == second


def test_parts_are_judged_one_by_one() -> None:
    clips = [
        clip("main", (0, 100)),
        clip("second", (0, 90)),
        clip("main", (0, 100), part=2),
        clip("second", (0, 100), part=2),
    ]
    found = with_stand_ins(clips, NAMED)
    told = [(one.source_id, one.part, one.footage_of) for one in found]
    assert told == [("main", 1, "main"), ("second", 1, ""), ("main", 2, "second")]


def test_clips_without_a_second_stream_are_as_they_were() -> None:
    clips = [clip("main", (0, 100)), clip("second", (0, 100))]
    assert with_stand_ins(clips, {}) == clips
