"""Stretches, chunks and samples: a clip is taken apart without losing or doubling a microsecond."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.stretches import (
    SlicePart,
    Stretch,
    chunks,
    narrow,
    samples_for_probing,
    stretches,
    windows_around,
)
from kernel.clock import SECOND_US
from kernel.model.cut import Clip, SegmentSlice
from kernel.model.footage import ClockBasis, EndReason, Segment
from kernel.timerange import TimeRange

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Machines are shared: no example is judged by the time it takes."""


def wall(start: int, end: int) -> TimeRange:
    return TimeRange(start_us=start, end_us=end)


def segment(name: str, start: int, end: int) -> Segment:
    return Segment(
        id=name,
        run_id="run",
        source_id="cam",
        sequence=0,
        wall=wall(start, end),
        media_start=0,
        media_duration=1,
        timescale=90_000,
        clock_basis=ClockBasis.SENDER_REPORT,
        clock_offset_us=0,
        path=f"cam/{name}.mp4",
        size_bytes=1,
        sha256=f"sha of {name}",
        chain="0" * 64,
        end_reason=EndReason.LENGTH,
    )


def clip(*slices: tuple[str, int, int]) -> tuple[Clip, dict[str, Segment]]:
    made = Clip(
        id="S.cam.1",
        session_id="S",
        source_id="cam",
        part=1,
        wall=wall(0, 10**12),
        slices=tuple(SegmentSlice(segment_id=name, wall=wall(start, end)) for name, start, end in slices),
        gaps=(),
    )
    return made, {name: segment(name, start, end) for name, start, end in slices}


def pieces_of(*slices: tuple[str, int, int]) -> list[Stretch]:
    made, segments = clip(*slices)
    return stretches(made, segments, "/ring")


@st.composite
def recorded(draw: st.DrawFn) -> list[Stretch]:
    """Slices in order, some of which touch."""
    at = draw(st.integers(min_value=0, max_value=10**9))
    slices = []
    for number in range(draw(st.integers(min_value=1, max_value=8))):
        at += draw(st.sampled_from([0, 0, 1, 40_000, 5_000_000]))
        end = at + draw(st.integers(min_value=1, max_value=90_000_000))
        slices.append((f"s{number}", at, end))
        at = end
    return pieces_of(*slices)


LONGEST = st.integers(min_value=1_000_000, max_value=120_000_000)


def test_slices_that_touch_are_one_stretch_and_a_microsecond_between_them_makes_two() -> None:
    (one,) = pieces_of(("a", 0, 10), ("b", 10, 20))
    assert (one.wall, [part.segment_id for part in one.slices]) == (wall(0, 20), ["a", "b"])
    two = pieces_of(("a", 0, 10), ("b", 11, 20))
    assert [piece.wall for piece in two] == [wall(0, 10), wall(11, 20)]
    assert [[part.segment_id for part in piece.slices] for piece in two] == [["a"], ["b"]]


def test_a_part_says_where_its_file_is_and_what_proves_it() -> None:
    """Invariant 11: from slice to segment hash without a missing link."""
    ((part,),) = [piece.slices for piece in pieces_of(("a", 5, 10))]
    assert (part.path, part.sha256, part.run_id) == ("/ring/cam/a.mp4", "sha of a", "run")


def test_a_clip_that_recorded_nothing_has_no_stretch() -> None:
    assert pieces_of() == []


@UNTIMED
@given(recorded(), LONGEST)
def test_chunks_cover_a_stretch_exactly_and_none_is_longer_than_asked(
    pieces: list[Stretch], longest: int
) -> None:
    for piece in pieces:
        parts = chunks(piece, longest)
        assert (parts[0].wall.start_us, parts[-1].wall.end_us) == (piece.wall.start_us, piece.wall.end_us)
        assert all(left.wall.end_us == right.wall.start_us for left, right in pairwise(parts))
        assert all(0 < part.wall.duration_us <= longest for part in parts)


@UNTIMED
@given(recorded(), LONGEST)
def test_the_slices_of_chunks_are_the_slices_of_the_stretch_and_fill_each_chunk(
    pieces: list[Stretch], longest: int
) -> None:
    for piece in pieces:
        for part in chunks(piece, longest):
            cursor = part.wall.start_us
            for used in part.slices:
                assert used.wall.start_us == cursor
                cursor = used.wall.end_us
                whole = next(one for one in piece.slices if one.segment_id == used.segment_id)
                assert used.wall.intersect(whole.wall) == used.wall
                assert (used.path, used.sha256) == (whole.path, whole.sha256)
            assert cursor == part.wall.end_us


@UNTIMED
@given(recorded(), LONGEST)
def test_chunks_end_at_round_moments_of_wall_time(pieces: list[Stretch], longest: int) -> None:
    for piece in pieces:
        assert all(part.wall.end_us % longest == 0 for part in chunks(piece, longest)[:-1])


@UNTIMED
@given(recorded(), LONGEST, st.integers(min_value=1, max_value=300_000_000))
def test_chunks_of_a_session_that_goes_on_stay_as_they_are(
    pieces: list[Stretch], longest: int, more: int
) -> None:
    """They are encoded while it runs: only the last one may still grow."""
    piece = pieces[-1]
    longer = pieces_of(("all", piece.wall.start_us, piece.wall.end_us + more))[0]
    now, later = ([part.wall for part in chunks(one, longest)] for one in (piece, longer))
    finished = [part for part in now if part.end_us % longest == 0]
    assert len(finished) >= len(now) - 1
    assert later[: len(finished)] == finished


def test_a_border_makes_two_steps_and_a_microsecond_before_it_one() -> None:
    longest = 40 * SECOND_US
    assert len(chunks(pieces_of(("a", 1, longest))[0])) == 1
    assert len(chunks(pieces_of(("a", 1, longest + 1))[0])) == 2


@UNTIMED
@given(
    recorded(),
    st.floats(min_value=0.04, max_value=30),
    st.integers(min_value=1, max_value=6),
)
def test_samples_lie_inside_what_was_recorded_in_order_and_not_twice(
    pieces: list[Stretch], seconds: float, count: int
) -> None:
    windows = samples_for_probing(pieces, seconds, count)
    assert 1 <= len(windows) <= count
    for window in windows:
        assert 0 < window.wall.duration_us <= round(seconds * SECOND_US)
        assert any(window.wall.intersect(piece.wall) == window.wall for piece in pieces)
        assert sum(part.wall.duration_us for part in window.slices) == window.wall.duration_us
    assert all(left.wall.start_us < right.wall.start_us for left, right in pairwise(windows))


@UNTIMED
@given(recorded(), st.floats(min_value=0.04, max_value=30), st.integers(min_value=1, max_value=6))
def test_a_clip_no_shorter_than_its_samples_is_sampled_as_often_as_asked(
    pieces: list[Stretch], seconds: float, count: int
) -> None:
    total = sum(piece.wall.duration_us for piece in pieces)
    if total >= count * round(seconds * SECOND_US):
        assert len(samples_for_probing(pieces, seconds, count)) == count


def test_a_single_sample_is_taken_from_the_middle() -> None:
    (window,) = samples_for_probing(pieces_of(("a", 0, 100 * SECOND_US)), 10, 1)
    assert window.wall == wall(45 * SECOND_US, 55 * SECOND_US)


def test_samples_skip_the_gap_between_stretches() -> None:
    pieces = pieces_of(("a", 0, 10 * SECOND_US), ("b", 1000 * SECOND_US, 1010 * SECOND_US))
    windows = samples_for_probing(pieces, 2, 2)
    assert [window.wall.start_us // SECOND_US for window in windows] == [4, 1004]


def test_footage_shorter_than_a_sample_is_sampled_whole() -> None:
    pieces = pieces_of(("a", 0, SECOND_US))
    assert [window.wall for window in samples_for_probing(pieces, 5, 3)] == [wall(0, SECOND_US)]


@pytest.mark.parametrize(
    ("start", "end", "left"),
    [(0, 20, ["a", "b"]), (0, 10, ["a"]), (10, 20, ["b"]), (9, 11, ["a", "b"]), (30, 40, [])],
)
def test_narrowing_keeps_only_the_slices_that_lie_in_the_range(start: int, end: int, left: list[str]) -> None:
    stretch = Stretch(
        wall=wall(0, 20),
        slices=tuple(
            SlicePart(segment_id=name, run_id="run", path=name, sha256="", captured=True, wall=wall(*span))
            for name, span in (("a", (0, 10)), ("b", (10, 20)))
        ),
    )
    narrowed = narrow(stretch, wall(start, end))
    assert [part.segment_id for part in narrowed.slices] == left
    assert all(part.wall.intersect(narrowed.wall) == part.wall for part in narrowed.slices)


def test_windows_lie_around_the_moments_that_were_recorded_and_not_on_each_other() -> None:
    pieces = pieces_of(("a", 0, 10 * SECOND_US), ("b", 100 * SECOND_US, 110 * SECOND_US))
    moments = [round(one * SECOND_US) for one in (105.5, 50.0, 106.5, 0.2, 8.0)]
    windows = windows_around(pieces, 3, moments)
    assert [(one.wall.start_us, one.wall.end_us) for one in windows] == [
        (104 * SECOND_US, 107 * SECOND_US),  # 50.0 is in a gap, and 106.5 within this one
        (0, 3 * SECOND_US),
        (6_500_000, 9_500_000),
    ]
