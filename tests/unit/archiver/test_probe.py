"""Trying and measuring stretches of footage, and a clip with the rules that it is encoded by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from archiver import probe as probing
from archiver.chunk_encoder import curves
from archiver.clip_work import ClipWork, shrunk
from archiver.decode import DecodeTally, video_frames
from archiver.encode import encode_frames, encode_video
from archiver.legibility import Picture
from archiver.measure import MeasureStep, measure
from archiver.probe import ProbeResult, Tried, measured, picture_at, probe
from archiver.ring_reader import PictureFormat, busiest_moments, picture_format
from archiver.rules import archive_rules
from archiver.stretches import Stretch, narrow, stretches
from archiver.thinning import Pace
from kernel.clock import SECOND_US
from kernel.model.cut import Clip, SegmentSlice
from kernel.model.source import ContentKind, Source
from kernel.settings import ArchiveCodec
from kernel.timerange import TimeRange
from tests.support.segments import Recipe, make_segment

RULES = archive_rules()


def work(
    directory: Path,
    kind: ContentKind = ContentKind.ROOM,
    frames: int = 50,
    tagged: tuple[TimeRange, ...] = (),
    frame_us: int = 40_000,
) -> ClipWork:
    segment = make_segment(directory / "ring", Recipe(frames=frames, frame_us=frame_us))
    clip = Clip(
        id="c",
        session_id="S",
        source_id="cam",
        part=1,
        wall=segment.wall,
        slices=(SegmentSlice(segment_id=segment.id, wall=segment.wall),),
        gaps=(),
    )
    return ClipWork(
        clip=clip,
        source=Source(id="cam", room_id="R", seat_id=None, content_kind=kind, label_zh="", label_en=""),
        pieces=tuple(stretches(clip, {segment.id: segment}, str(directory / "ring"))),
        picture=picture_format([directory / "ring" / segment.path]),
        directory=directory / "work",
        rules=RULES,
        codec=ArchiveCodec.AV1,
        tagged=tagged,
    )


def test_a_worse_setting_weighs_less_and_shows_less(tmp_path: Path) -> None:
    [step] = work(tmp_path).probe_steps()
    found = probe(step)
    at_full_height = found.tried[:3]
    assert all(one.key_bytes <= one.size_bytes and one.scores for one in found.tried)
    sizes = [one.size_bytes for one in at_full_height]
    means = [sum(one.scores) / len(one.scores) for one in at_full_height]
    assert sizes == sorted(sizes, reverse=True)
    assert means == sorted(means, reverse=True)
    assert means[0] > means[-1] + 5


def test_a_stretch_without_a_picture_gives_nothing_and_no_error(tmp_path: Path) -> None:
    one = work(tmp_path)
    [step] = one.probe_steps()
    wall = one.clip.wall
    nothing = Stretch(wall=TimeRange(start_us=wall.end_us, end_us=wall.end_us + SECOND_US), slices=())
    empty = replace(step, tries=tuple(replace(each, stretch=nothing) for each in step.tries))
    assert probe(empty) == ProbeResult(tried=())


def test_pictures_that_were_left_out_are_held_as_a_player_shows_them(tmp_path: Path) -> None:
    """Measured at the source's rate: what thinning leaves out of a moving picture costs points."""
    one = work(tmp_path)
    frames = list(video_frames(one.pieces[0], DecodeTally()))
    whole = measured(frames, frames, one.picture, 1)
    fifth = measured(frames, frames[::5], one.picture, 1)
    assert len(whole) == len(fifth) == len(frames)
    assert min(whole) > 95
    assert min(fifth) < 90
    assert fifth[::5] == pytest.approx(whole[::5], abs=3)


def test_the_picture_of_a_moment_is_the_last_one_before_it(tmp_path: Path) -> None:
    frames = list(video_frames(work(tmp_path).pieces[0], DecodeTally()))
    at_us = frames[7][0]
    assert picture_at(frames, at_us) is frames[7][1]
    assert picture_at(frames, at_us - 1_000) is frames[6][1]
    assert picture_at(frames, at_us - 90) is frames[7][1]  # rounded to ticks
    assert picture_at(frames, 0) is frames[0][1]


class Reader:
    """Stands for OCR: agreements in the order that they are asked for."""

    def __init__(self, answers: Sequence[float | None]) -> None:
        self._answers = list(answers)
        self.asked = 0

    def agreement(self, original: Picture, encoded: Picture) -> float | None:
        self.asked += 1
        return self._answers.pop(0)


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([0.98], [0.98, 0.98, 0.98]),  # the cheapest is legible: so are the others
        ([0.90, 0.98], [0.98, 0.98, 0.90]),
        ([0.5, 0.6, 0.7], [0.7, 0.6, 0.5]),
        ([None], [None, None, None]),  # no text on the screen
    ],
)
def test_text_is_read_in_the_cheapest_try_first_and_only_until_it_is_legible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: list[float | None], told: list[float | None]
) -> None:
    reader = Reader(answers)
    monkeypatch.setattr(probing, "text_reader", lambda: reader)
    shipped = work(tmp_path, ContentKind.SEAT_DESKTOP)
    [given] = shipped.probe_steps()
    stretch = given.tries[0].stretch
    step = replace(given, tries=tuple(shipped.video_step(stretch, crf, 1) for crf in (30, 40, 50)))
    assert [one.text for one in probe(step).tried] == told
    assert reader.asked == len(answers)


def test_without_the_reader_nothing_is_said_of_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "text_reader", lambda: None)
    [step] = work(tmp_path, ContentKind.SEAT_DESKTOP).probe_steps()
    assert all(one.text is None for one in probe(step).tried)


def test_a_key_frame_counts_as_often_as_there_are_going_to_be(tmp_path: Path) -> None:
    """Three seconds begin with a key frame; forty have one in ten seconds."""
    one = work(tmp_path)
    tried = tuple(Tried(size_bytes=40_000, key_bytes=10_000, scores=(80.0,)) for _ in one.settings())
    [curve, _] = curves(one, [(3.0, ProbeResult(tried=tried))])
    assert curve.points[0].bits_per_second == pytest.approx(8 * (10_000 / 10 + 30_000 / 3))


def test_windows_without_a_picture_do_not_count(tmp_path: Path) -> None:
    one = work(tmp_path)
    tried = tuple(Tried(size_bytes=40_000, key_bytes=0, scores=(80.0,)) for _ in one.settings())
    with_empty = [(3.0, ProbeResult(tried=tried)), (3.0, ProbeResult(tried=()))]
    assert curves(one, with_empty) == curves(one, with_empty[:1])
    nothing = curves(one, with_empty[1:])
    assert all(curve.mean(40) == 100 and curve.bits_per_second(40) == 1 for curve in nothing)


def test_the_finished_file_is_compared_with_its_own_footage(tmp_path: Path) -> None:
    one = work(tmp_path, frames=100)
    [chunk] = one.chunks
    step = one.video_step(chunk.stretch, 38, 1)
    step.target.parent.mkdir(parents=True)
    made = encode_video(step)
    assert made.path is not None
    window = narrow(
        one.pieces[0],
        TimeRange(start_us=one.clip.wall.start_us + SECOND_US, end_us=one.clip.wall.start_us + 2 * SECOND_US),
    )
    right = measure(_measure(one, window, made.path, tmp_path))
    backward = list(video_frames(one.pieces[0], DecodeTally()))
    walls = [wall_us for wall_us, _ in backward]
    wrong_step = replace(step, target=tmp_path / "wrong.mp4")
    encode_frames(wrong_step, zip(walls, [frame for _, frame in backward[::-1]], strict=True))
    wrong = measure(_measure(one, window, wrong_step.target, tmp_path))
    assert right.wall == window.wall
    assert len(right.scores) == len(wrong.scores) == 5
    assert min(right.scores) > max(wrong.scores) + 10


def _measure(one: ClipWork, window: Stretch, path: Path, directory: Path) -> MeasureStep:
    return MeasureStep(
        stretch=window,
        source=one.picture,
        chunks=(path,),
        every=5,
        read_text=False,
        target=directory / "note.mp4",
    )


def test_a_measured_stretch_begins_with_the_picture_that_stands_there(tmp_path: Path) -> None:
    """A thinned-out screen: the picture on the screen was sent before the stretch began."""
    one = work(tmp_path, ContentKind.SEAT_DESKTOP, frames=6, frame_us=1_000_000)
    [chunk] = one.chunks
    step = replace(one.video_step(chunk.stretch, 38, 1), pace=Pace(still_us=60 * SECOND_US))
    step.target.parent.mkdir(parents=True)
    made = encode_video(step)
    assert made.path is not None
    start = one.clip.wall.start_us + 2 * SECOND_US
    window = narrow(one.pieces[0], TimeRange(start_us=start, end_us=start + 2 * SECOND_US))
    found = measure(replace(_measure(one, window, made.path, tmp_path), every=1))
    assert len(found.scores) == 2


def test_tagged_moments_are_a_demand_of_their_own_with_more_weight(tmp_path: Path) -> None:
    start = 1_772_420_400 * SECOND_US
    moment = TimeRange(start_us=start + 60 * SECOND_US, end_us=start + 61 * SECOND_US)
    one = work(tmp_path, frames=120, frame_us=1_000_000, tagged=(moment,))
    assert [chunk.tagged for chunk in one.chunks] == [False, True, False]
    assert {chunk.demand_id for chunk in one.chunks} == {"c", "c, tagged"}
    assert one.limits(tagged=True).weight == RULES.tagged.weight * one.limits(tagged=False).weight


def test_all_heights_are_tried_at_all_settings_and_text_is_read_in_few_stretches(tmp_path: Path) -> None:
    one = work(tmp_path, ContentKind.SEAT_DESKTOP, frames=60, frame_us=1_000_000)
    steps = one.probe_steps()
    assert len(steps) == RULES.probing.least
    assert [step.text_floor is not None for step in steps].count(True) == RULES.probing.text_stretches
    tried = {(each.picture.height, int(each.options["crf"])) for each in steps[0].tries}
    assert tried == {(shrunk(one.picture, height).height, crf) for height, crf in one.settings()}


def test_chunks_of_other_settings_have_other_names(tmp_path: Path) -> None:
    one = work(tmp_path)
    [piece] = one.pieces
    names = {one.video_step(piece, crf, height).target for crf in (38, 39) for height in (1, 0.75)}
    assert len(names) == 4


@pytest.mark.parametrize("height", [1, 0.75, 0.5, 0.001])
def test_a_smaller_picture_has_even_sides_and_the_same_shape(height: float) -> None:
    made = shrunk(PictureFormat(width=1366, height=768, rate=Fraction(25)), height)
    assert made.width % 2 == made.height % 2 == 0
    assert abs(made.width - 1366 * height) <= 2
    assert abs(made.height - 768 * height) <= 2


def test_the_busiest_moment_is_where_the_sources_own_encoder_had_most_to_say(tmp_path: Path) -> None:
    """A picture that stands still but for one second."""
    still = make_segment(tmp_path, Recipe(frames=250, moving=(100, 125)))
    later = make_segment(
        tmp_path,
        Recipe(sequence=1, frames=250, moving=(25, 50), wall_start_us=still.wall.start_us + 10 * SECOND_US),
    )
    paths = [tmp_path / still.path, tmp_path / later.path]
    whole = TimeRange(start_us=still.wall.start_us, end_us=later.wall.end_us)
    found = {(moment - whole.start_us) / SECOND_US for moment in busiest_moments(paths, whole)}
    assert found == {4.5, 11.5}
    first = TimeRange(start_us=whole.start_us, end_us=still.wall.end_us)
    assert len(busiest_moments(paths, first)) == 1


@pytest.mark.parametrize(
    ("kind", "starts"), [(ContentKind.SEAT_DESKTOP, [8.5, 16.5]), (ContentKind.ROOM, [8.5])]
)
def test_of_a_screen_half_of_the_windows_lie_where_most_changes(
    tmp_path: Path, kind: ContentKind, starts: list[float]
) -> None:
    """Spread evenly, they would show a picture that stands still, which costs next to nothing."""
    clip = replace(work(tmp_path, kind, frames=500), busiest=(_START + 18 * SECOND_US, _START + SECOND_US))
    assert [(one.wall.start_us - _START) / SECOND_US for one in clip.windows()] == starts


_START = Recipe().wall_start_us
