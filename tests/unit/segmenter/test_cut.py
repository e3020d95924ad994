"""Cutting: slices and gaps fill the expected time exactly, whatever comes in (invariant 5)."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.model.cut import Clip, ClipGap
from kernel.model.footage import ClockBasis, EndReason, Gap, GapCause, Segment
from kernel.model.timeline import ExpectedPart, SessionTimeline
from kernel.timerange import TimeRange
from segmenter.cut import cut

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Machines are shared: no example is judged by the time it takes."""

DECLARABLE = [cause for cause in GapCause if cause is not GapCause.NOT_RECORDING]


def wall(start: int, end: int) -> TimeRange:
    return TimeRange(start_us=start, end_us=end)


def timeline(start: int = 0, end: int = 100, *sources: str) -> SessionTimeline:
    return in_parts((start, end), *(((source, 1), (start, end)) for source in sources or ("cam",)))


def in_parts(session: tuple[int, int], *parts: tuple[tuple[str, int], tuple[int, int]]) -> SessionTimeline:
    """A session and what is expected, as ((source, part), (start, end))."""
    expected = tuple(
        ExpectedPart(source_id=source, part=part, wall=wall(*moments)) for (source, part), moments in parts
    )
    return SessionTimeline(session_id="S", wall=wall(*session), expected=expected)


def segment(name: str, start: int, end: int, *, source: str = "cam", sequence: int = 0) -> Segment:
    return Segment(
        id=name,
        run_id="run",
        source_id=source,
        sequence=sequence,
        wall=wall(start, end),
        media_start=0,
        media_duration=end - start,
        timescale=90_000,
        clock_basis=ClockBasis.SENDER_REPORT,
        clock_offset_us=0,
        path=f"{name}.mp4",
        size_bytes=1,
        sha256="0" * 64,
        chain="0" * 64,
        end_reason=EndReason.LENGTH,
    )


def gap(
    start: int, end: int | None, cause: GapCause = GapCause.CAMERA_LOST, detail: str = "", name: str = "gap"
) -> Gap:
    return Gap(id=name, source_id="cam", start_us=start, end_us=end, cause=cause, detail=detail)


def clip_of(segments: list[Segment], gaps: list[Gap]) -> Clip:
    (clip,) = cut(timeline(), {"cam": segments}, {"cam": gaps}).clips
    return clip


MOMENTS = st.integers(min_value=-40, max_value=140)


@st.composite
def arbitrary_segments(draw: st.DrawFn) -> list[Segment]:
    """Overlapping, out of order, empty, far away."""
    pairs = draw(st.lists(st.tuples(MOMENTS, MOMENTS), max_size=8))
    return [segment(f"s{n}", min(pair), max(pair), sequence=n % 3) for n, pair in enumerate(pairs)]


@st.composite
def arbitrary_gaps(draw: st.DrawFn) -> list[Gap]:
    """Open, closed, overlapping, empty and inverted."""
    rows = draw(
        st.lists(st.tuples(MOMENTS, st.none() | MOMENTS, st.sampled_from(DECLARABLE)), max_size=6),
    )
    return [gap(start, end, cause, name=f"g{n}") for n, (start, end, cause) in enumerate(rows)]


@st.composite
def arbitrary_parts(draw: st.DrawFn) -> list[TimeRange]:
    """Parts of one source, in order and disjoint, with breaks between them."""
    moments = draw(st.lists(MOMENTS, min_size=2, max_size=8, unique=True))
    ordered = sorted(moments)
    return [wall(*pair) for pair in zip(ordered[::2], ordered[1::2], strict=False)]


@UNTIMED
@given(arbitrary_segments(), arbitrary_gaps(), arbitrary_parts())
def test_slices_and_gaps_are_disjoint_and_fill_the_expected_time_exactly(
    segments: list[Segment], gaps: list[Gap], parts: list[TimeRange]
) -> None:
    expected = [(("cam", n), (one.start_us, one.end_us)) for n, one in enumerate(parts, 1)]
    clips = cut(in_parts((0, 100), *expected), {"cam": segments}, {"cam": gaps}).clips
    assert [(clip.part, clip.wall) for clip in clips] == list(enumerate(parts, 1))
    for clip in clips:
        pieces = sorted([*(one.wall for one in clip.slices), *(one.wall for one in clip.gaps)])
        assert not any(piece.empty for piece in pieces)
        cursor = clip.wall.start_us
        for piece in pieces:
            assert piece.start_us == cursor
            cursor = piece.end_us
        assert cursor == clip.wall.end_us


@UNTIMED
@given(arbitrary_segments(), arbitrary_gaps())
def test_a_slice_lies_within_its_segment_and_outside_every_closed_gap(
    segments: list[Segment], gaps: list[Gap]
) -> None:
    clip = clip_of(segments, gaps)
    by_id = {one.id: one for one in segments}
    closed = [wall(g.start_us, g.end_us) for g in gaps if g.end_us is not None and g.end_us > g.start_us]
    for used in clip.slices:
        assert used.wall.intersect(by_id[used.segment_id].wall) == used.wall
        assert not any(used.wall.intersect(declared) for declared in closed)
    assert list(clip.slices) == sorted(clip.slices, key=lambda used: used.wall)
    assert list(clip.gaps) == sorted(clip.gaps, key=lambda missing: missing.wall)


@UNTIMED
@given(arbitrary_segments(), arbitrary_gaps())
def test_no_moment_that_a_segment_holds_is_called_unrecorded_unless_a_gap_was_declared(
    segments: list[Segment], gaps: list[Gap]
) -> None:
    clip = clip_of(segments, gaps)
    for missing in clip.gaps:
        if missing.cause is GapCause.NOT_RECORDING:
            assert not any(missing.wall.intersect(one.wall) for one in segments)
            assert not any(
                g.start_us < missing.wall.end_us and (g.end_us is None or g.end_us > missing.wall.start_us)
                for g in gaps
                if g.end_us is None or g.end_us > g.start_us
            )


@UNTIMED
@given(arbitrary_segments(), st.randoms(use_true_random=False))
def test_the_order_in_which_segments_come_changes_nothing(segments: list[Segment], random: object) -> None:
    shuffled = list(segments)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert clip_of(segments, []) == clip_of(shuffled, [])


def test_the_same_session_gets_the_same_clip_ids_every_time() -> None:
    session = timeline(0, 100, "cam", "screen")
    first = cut(session, {}, {})
    again = cut(session, {"cam": [segment("s", 0, 50)]}, {})
    assert [clip.id for clip in first.clips] == [clip.id for clip in again.clips] == ["S.cam.1", "S.screen.1"]


def test_each_source_gets_a_clip_of_its_own_footage_only() -> None:
    found = cut(
        timeline(0, 100, "cam", "screen"),
        {"cam": [segment("c", 0, 100)], "screen": [segment("s", 0, 100)], "other": [segment("o", 0, 100)]},
        {},
    )
    assert [(clip.source_id, [one.segment_id for one in clip.slices]) for clip in found.clips] == [
        ("cam", ["c"]),
        ("screen", ["s"]),
    ]


def test_the_time_around_a_session_is_kept_and_expected_too() -> None:
    session = in_parts((100, 200), (("cam", 1), (95, 207)))
    (clip,) = cut(session, {"cam": [segment("s", 90, 206)]}, {}).clips
    assert clip.wall == wall(95, 207)
    assert [one.wall for one in clip.slices] == [wall(95, 206)]
    assert clip.gaps == (ClipGap(wall=wall(206, 207), cause=GapCause.NOT_RECORDING, detail=""),)


def test_a_source_that_never_recorded_is_one_gap_not_a_missing_clip() -> None:
    clip = clip_of([], [])
    assert clip.slices == ()
    assert clip.gaps == (ClipGap(wall=wall(0, 100), cause=GapCause.NOT_RECORDING, detail=""),)


def test_a_hole_has_the_cause_that_was_declared() -> None:
    clip = clip_of(
        [segment("a", 0, 40), segment("b", 60, 100)],
        [gap(40, 60, GapCause.DISK_FULL, "磁盘已满")],
    )
    assert clip.gaps == (ClipGap(wall=wall(40, 60), cause=GapCause.DISK_FULL, detail="磁盘已满"),)


def test_a_hole_is_split_where_the_declared_cause_changes() -> None:
    clip = clip_of(
        [segment("a", 0, 20)],
        [gap(30, 50, GapCause.CAMERA_LOST), gap(50, 70, GapCause.STOPPED, "by admin")],
    )
    assert [(missing.wall, missing.cause) for missing in clip.gaps] == [
        (wall(20, 30), GapCause.NOT_RECORDING),
        (wall(30, 50), GapCause.CAMERA_LOST),
        (wall(50, 70), GapCause.STOPPED),
        (wall(70, 100), GapCause.NOT_RECORDING),
    ]


def test_where_two_declared_gaps_overlap_the_one_that_began_first_names_the_cause() -> None:
    clip = clip_of([], [gap(40, 100, GapCause.STOPPED), gap(0, 60, GapCause.CRASH)])
    assert [(missing.wall, missing.cause) for missing in clip.gaps] == [
        (wall(0, 60), GapCause.CRASH),
        (wall(60, 100), GapCause.STOPPED),
    ]


def test_a_declared_gap_beats_a_segment_that_spans_it() -> None:
    """A file may well span lost packets: what lies in the gap is no footage."""
    clip = clip_of([segment("a", 0, 100)], [gap(30, 40, GapCause.DISCONTINUITY)])
    assert [(one.segment_id, one.wall) for one in clip.slices] == [("a", wall(0, 30)), ("a", wall(40, 100))]
    assert [(one.wall, one.cause) for one in clip.gaps] == [(wall(30, 40), GapCause.DISCONTINUITY)]


def test_an_open_gap_explains_what_is_missing_but_takes_no_footage_away() -> None:
    clip = clip_of([segment("a", 0, 60)], [gap(50, None, GapCause.CRASH)])
    assert [one.wall for one in clip.slices] == [wall(0, 60)]
    assert [(one.wall, one.cause) for one in clip.gaps] == [(wall(60, 100), GapCause.CRASH)]


def test_of_two_segments_that_overlap_the_earlier_one_is_used() -> None:
    clip = clip_of([segment("late", 40, 100), segment("early", 0, 60)], [])
    assert [(one.segment_id, one.wall) for one in clip.slices] == [
        ("early", wall(0, 60)),
        ("late", wall(60, 100)),
    ]


def test_a_single_missing_microsecond_is_a_gap() -> None:
    clip = clip_of([segment("a", 0, 50), segment("b", 51, 100)], [])
    assert [one.wall for one in clip.gaps] == [wall(50, 51)]
