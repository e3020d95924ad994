"""Footage that was fetched afterwards counts where its gap says so, and is told (invariant 5)."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.model.cut import Clip
from kernel.model.footage import Backfill, ClockBasis, EndReason, Gap, GapCause, Segment
from kernel.model.timeline import ExpectedPart, SessionTimeline
from kernel.timerange import TimeRange, merge
from segmenter.cut import cut

MOMENTS = st.integers(min_value=-40, max_value=140)


def segment(name: str, start: int, end: int, basis: ClockBasis = ClockBasis.SENDER_REPORT) -> Segment:
    return Segment(
        id=name,
        run_id="run",
        source_id="cam",
        sequence=0,
        wall=TimeRange(start_us=start, end_us=end),
        media_start=0,
        media_duration=end - start,
        timescale=90_000,
        clock_basis=basis,
        clock_offset_us=0,
        path=f"{name}.mp4",
        size_bytes=1,
        sha256="0" * 64,
        chain="0" * 64,
        end_reason=EndReason.LENGTH,
    )


def fetched(name: str, start: int, end: int) -> Segment:
    return segment(name, start, end, ClockBasis.REPLAY)


def gap(start: int, end: int, backfill: Backfill = Backfill.NONE, name: str = "gap") -> Gap:
    return Gap(
        id=name,
        source_id="cam",
        start_us=start,
        end_us=end,
        cause=GapCause.NETWORK,
        detail="cut",
        backfill=backfill,
    )


def clip_of(segments: list[Segment], gaps: list[Gap]) -> Clip:
    wall = TimeRange(start_us=0, end_us=100)
    expected = (ExpectedPart(source_id="cam", part=1, wall=wall),)
    timeline = SessionTimeline(session_id="S", wall=wall, expected=expected)
    (clip,) = cut(timeline, {"cam": segments}, {"cam": gaps}).clips
    return clip


def slices(clip: Clip) -> list[tuple[str, int, int]]:
    return [(one.segment_id, one.wall.start_us, one.wall.end_us) for one in clip.slices]


LIVE = [segment("before", 0, 40), segment("after", 60, 100)]


def test_a_gap_that_was_fetched_is_filled_and_still_told() -> None:
    clip = clip_of([*LIVE, fetched("f", 35, 62)], [gap(40, 60, Backfill.WHOLE)])
    assert slices(clip) == [("before", 0, 40), ("f", 40, 60), ("after", 60, 100)]
    assert clip.gaps == ()
    [told] = clip.backfilled
    assert (told.wall, told.cause, told.detail) == (
        TimeRange(start_us=40, end_us=60),
        GapCause.NETWORK,
        "cut",
    )


def test_what_was_recorded_live_is_never_replaced() -> None:
    clip = clip_of([segment("live", 0, 100), fetched("f", 0, 100)], [])
    assert slices(clip) == [("live", 0, 100)]
    assert clip.backfilled == ()


def test_a_gap_that_is_not_marked_yet_stays_one() -> None:
    """The fetch may have broken off in the middle of a group of pictures."""
    clip = clip_of([*LIVE, fetched("f", 35, 62)], [gap(40, 60)])
    assert [one.wall for one in clip.gaps] == [TimeRange(start_us=40, end_us=60)]
    assert clip.backfilled == ()


def test_the_rest_of_a_gap_that_was_fetched_in_part_is_missing() -> None:
    clip = clip_of([*LIVE, fetched("f", 38, 50)], [gap(40, 60, Backfill.PART)])
    assert [one.wall for one in clip.gaps] == [TimeRange(start_us=50, end_us=60)]
    assert [one.wall for one in clip.backfilled] == [TimeRange(start_us=40, end_us=50)]


def test_time_inside_a_fetch_that_the_device_has_no_picture_of_is_missing() -> None:
    inside = replace(gap(45, 50, Backfill.NOTHING, "inside"), cause=GapCause.CAMERA_LOST)
    clip = clip_of([*LIVE, fetched("f", 35, 62)], [gap(40, 60, Backfill.PART), inside])
    assert [one.wall for one in clip.gaps] == [TimeRange(start_us=45, end_us=50)]
    assert [one.wall.start_us for one in clip.backfilled] == [40, 50]


def test_live_footage_that_spans_a_marked_gap_does_not_fill_it() -> None:
    """Packets were lost inside a run: its own segment has nothing there."""
    clip = clip_of([segment("live", 0, 100), fetched("f", 38, 44)], [gap(40, 42, Backfill.WHOLE)])
    assert slices(clip) == [("live", 0, 40), ("f", 40, 42), ("live", 42, 100)]


@st.composite
def footage(draw: st.DrawFn) -> list[Segment]:
    made = []
    for number, (one, two) in enumerate(draw(st.lists(st.tuples(MOMENTS, MOMENTS), max_size=8))):
        basis = draw(st.sampled_from([ClockBasis.SENDER_REPORT, ClockBasis.REPLAY]))
        made.append(segment(f"s{number}", min(one, two), max(one, two), basis))
    return made


@st.composite
def declared(draw: st.DrawFn) -> list[Gap]:
    made = []
    for number, (one, two) in enumerate(draw(st.lists(st.tuples(MOMENTS, MOMENTS), max_size=5))):
        mark = draw(st.sampled_from(list(Backfill)))
        made.append(gap(min(one, two), max(one, two), mark, f"g{number}"))
    return made


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(footage(), declared())
def test_slices_and_gaps_fill_the_clip_exactly_whatever_was_fetched(
    segments: list[Segment], gaps: list[Gap]
) -> None:
    clip = clip_of(segments, gaps)
    parts = sorted([one.wall for one in clip.slices] + [one.wall for one in clip.gaps])
    assert merge(parts) == [clip.wall]
    assert sum(one.duration_us for one in parts) == clip.wall.duration_us
    by_id = {one.id: one for one in segments}
    shown = [one.wall for one in clip.slices if by_id[one.segment_id].clock_basis is ClockBasis.REPLAY]
    assert merge(one.wall for one in clip.backfilled) == merge(shown)
