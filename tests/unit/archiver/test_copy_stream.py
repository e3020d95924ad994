"""What is small enough is kept bit by bit, from the cut on and not a picture earlier."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest

from archiver.archive_file import VIDEO_TRACK, JoinStep, join
from archiver.copy_stream import (
    CopyResult,
    CopyStep,
    WeighStep,
    copy_stream,
    parameter_sets,
    weigh,
    worth_copying,
)
from archiver.decode import archived_frames
from archiver.fingerprint import distance
from archiver.ring_reader import PictureFormat, picture_format
from archiver.stretches import Stretch, stretches
from kernel.isobmff.reader import read_fragments, read_init
from kernel.isobmff.sample_entry import codec_string, decoder_config
from kernel.isobmff.tracks import SampleRef
from kernel.model.cut import Clip, SegmentSlice
from kernel.model.footage import Segment
from kernel.timerange import TimeRange
from simulator import timestrip
from tests.support.segments import Recipe, make_segment

START = 1_772_420_400_000_000
SECOND = 1_000_000


def wall(first: float, end: float) -> TimeRange:
    return TimeRange(start_us=START + round(first * SECOND), end_us=START + round(end * SECOND))


def pieces_of(ring: Path, cut: TimeRange, *segments: Segment) -> tuple[Stretch, ...]:
    used = [(one, one.wall.intersect(cut)) for one in segments]
    slices = tuple(SegmentSlice(segment_id=one.id, wall=part) for one, part in used if part)
    clip = Clip(id="c", session_id="S", source_id="cam", part=1, wall=cut, slices=slices, gaps=())
    return tuple(stretches(clip, {one.id: one for one in segments}, str(ring)))


def copied(piece: Stretch, cut: TimeRange, target: Path) -> CopyResult:
    picture = picture_format([Path(used.path) for used in piece.slices])
    return copy_stream(
        CopyStep(
            piece=piece, clip_start_us=cut.start_us, picture=picture, fingerprint_seconds=10, target=target
        )
    )


def units(path: Path) -> list[tuple[SampleRef, bytes]]:
    data = path.read_bytes()
    with path.open("rb") as file:
        refs = [ref for found in read_fragments(file) for ref in found.runs[VIDEO_TRACK]]
    return [(ref, data[ref.offset : ref.offset + ref.size]) for ref in refs]


@pytest.fixture
def two(tmp_path: Path) -> tuple[Segment, Segment]:
    """Two seconds, two that nobody recorded, and two more; a key frame each second."""
    ring = tmp_path / "ring"
    return (
        make_segment(ring, Recipe()),
        make_segment(ring, Recipe(run_id="run-2", wall_start_us=START + 4 * SECOND)),
    )


def test_every_unit_behind_the_first_key_frame_is_the_sources_own(
    tmp_path: Path, two: tuple[Segment, Segment]
) -> None:
    cut = wall(0.3, 5.5)
    first, second = pieces_of(tmp_path / "ring", cut, *two)
    one, other = (copied(piece, cut, tmp_path / f"{n}.mp4") for n, piece in enumerate((first, second)))
    recorded = [[data for _, data in units(tmp_path / "ring" / segment.path)] for segment in two]
    assert one.path is not None
    assert other.path is not None
    assert [data for _, data in units(one.path)][-25:] == recorded[0][25:]
    assert [data for _, data in units(other.path)] == recorded[1][:38]
    assert (one.units, other.units) == (25, 38)
    assert one.units_sha256 == hashlib.sha256(b"".join(recorded[0][25:])).hexdigest()
    assert (one.encoded, other.encoded) == ((wall(0.32, 1.0),), ())


def test_no_picture_from_before_the_cut_is_in_the_file_and_all_others_have_their_time(
    tmp_path: Path, two: tuple[Segment, Segment]
) -> None:
    cut = wall(0.3, 5.5)
    pieces = pieces_of(tmp_path / "ring", cut, *two)
    made = [copied(piece, cut, tmp_path / f"{n}.mp4") for n, piece in enumerate(pieces)]
    target = tmp_path / "clip.mp4"
    files = tuple((one.path,) for one in made if one.path)
    count = join(JoinStep(stretches=files, audio=None, clip_start_us=cut.start_us, target=target))
    seen = list(archived_frames(target))
    grays: list[Any] = [frame.to_ndarray(format="gray") for _, frame in seen]
    strips = [timestrip.read(gray) for gray in grays]
    assert [at // 1000 for at, _ in seen] == [pytest.approx(strip, abs=1) for strip in strips]
    expected = [START + n * 40_000 for n in (*range(8, 50), *range(100, 138))]
    assert [at for at, _ in seen] == [pytest.approx(at, abs=12) for at in expected]
    assert count == len(expected) == sum(one.frames for one in made)


def test_ffmpeg_decodes_both_kinds_of_pictures_without_a_complaint(
    tmp_path: Path, two: tuple[Segment, Segment]
) -> None:
    cut = wall(0.3, 2.0)
    (piece,) = pieces_of(tmp_path / "ring", cut, two[0])
    result = copied(piece, cut, tmp_path / "out.mp4")
    assert result.path is not None
    with result.path.open("rb") as file:
        entry = read_init(file).video.sample_entry
    sps, pps = parameter_sets(decoder_config(entry).extradata)
    assert (len(sps), len(pps)) == (2, 2)
    assert codec_string(entry) == "avc1." + sps[0][1:4].hex().upper()
    with av.open(str(result.path)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 42
    assert not any(frame.is_corrupt for frame in frames)


def test_a_run_that_is_cut_into_is_encoded_up_to_its_next_key_frame(tmp_path: Path) -> None:
    """Where runs overlap, the second one is used from the middle of a group of pictures on."""
    ring = tmp_path / "ring"
    first = make_segment(ring, Recipe(frames=60))
    second = make_segment(ring, Recipe(frames=60, run_id="run-2", wall_start_us=START + 2 * SECOND))
    cut = wall(0, 4.4)
    slices = (
        SegmentSlice(segment_id=first.id, wall=first.wall),
        SegmentSlice(segment_id=second.id, wall=wall(2.4, 4.4)),
    )
    clip = Clip(id="c", session_id="S", source_id="cam", part=1, wall=cut, slices=slices, gaps=())
    (piece,) = stretches(clip, {first.id: first, second.id: second}, str(ring))
    result = copied(piece, cut, tmp_path / "out.mp4")
    assert result.encoded == (wall(2.4, 3.0),)
    assert (result.frames, result.units) == (110, 95)
    assert result.path is not None
    walls = [at for at, _ in archived_frames(result.path)]
    assert walls == sorted(set(walls))


def test_a_cut_without_a_key_frame_is_encoded_whole(tmp_path: Path, two: tuple[Segment, Segment]) -> None:
    cut = wall(0.3, 0.8)
    (piece,) = pieces_of(tmp_path / "ring", cut, two[0])
    result = copied(piece, cut, tmp_path / "out.mp4")
    assert (result.frames, result.units, result.encoded) == (12, 0, (wall(0.32, 0.8),))


def test_fingerprints_of_a_border_compare_the_source_with_what_was_encoded(
    tmp_path: Path, two: tuple[Segment, Segment]
) -> None:
    cut = wall(0.3, 2.0)
    (piece,) = pieces_of(tmp_path / "ring", cut, two[0])
    result = copied(piece, cut, tmp_path / "out.mp4")
    (mark,) = result.fingerprints
    assert mark.wall_us == pytest.approx(START + 320_000, abs=12)
    assert distance(mark.source, mark.archived) <= 3


def test_pictures_in_another_order_are_not_copied(tmp_path: Path, two: tuple[Segment, Segment]) -> None:
    """FFmpeg shows reordered pictures of fragments late."""
    ring = tmp_path / "ring"
    path = ring / two[0].path
    data = bytearray(path.read_bytes())
    place = data.index(b"trun") + 16  # the first sample's entry: its last field is the composition offset
    data[place + 12 : place + 16] = (3600).to_bytes(4, "big")
    path.write_bytes(data)
    cut = wall(0, 2)
    (piece,) = pieces_of(ring, cut, two[0])
    result = copied(piece, cut, tmp_path / "out.mp4")
    assert "another order" in result.refused
    assert not (tmp_path / "out.mp4").exists()


def test_key_frames_that_lean_on_others_are_not_copied(tmp_path: Path, two: tuple[Segment, Segment]) -> None:
    path = tmp_path / "ring" / two[0].path
    data = bytearray(path.read_bytes())
    ref = units(path)[0][0]
    place = ref.offset
    while place < ref.offset + ref.size:  # all slices of the picture
        if data[place + 4] & 31 == 5:
            data[place + 4] = data[place + 4] & 0xE0 | 1
        place += 4 + int.from_bytes(data[place : place + 4], "big")
    path.write_bytes(data)
    cut = wall(0, 2)
    (piece,) = pieces_of(tmp_path / "ring", cut, two[0])
    assert "do not stand alone" in copied(piece, cut, tmp_path / "out.mp4").refused


def weighed(ring: Path, tmp_path: Path, most: int, *segments: Segment, width: int = 320) -> tuple[int, str]:
    pieces = pieces_of(ring, TimeRange(start_us=START, end_us=segments[-1].wall.end_us), *segments)
    picture = picture_format([ring / one.path for one in segments])
    shown = PictureFormat(width=width, height=picture.height, rate=picture.rate)
    found = weigh(WeighStep(pieces=pieces, picture=shown, most_bytes=most, target=tmp_path / "w.mp4"))
    return found.size_bytes, found.refused


def test_only_what_was_captured_in_the_cut_is_weighed(tmp_path: Path, two: tuple[Segment, Segment]) -> None:
    ring = tmp_path / "ring"
    sizes = [sum(len(data) for _, data in units(ring / one.path)) for one in two]
    assert weighed(ring, tmp_path, 10**9, *two) == (sum(sizes), "")
    assert "too large" in weighed(ring, tmp_path, sizes[0] - 1, *two)[1]
    assert "format" in weighed(ring, tmp_path, 10**9, *two, width=640)[1]


def test_parameter_sets_that_change_cannot_share_a_file(tmp_path: Path, two: tuple[Segment, Segment]) -> None:
    ring = tmp_path / "ring"
    path = ring / two[1].path
    data = bytearray(path.read_bytes())
    place = data.index(b"avcC") + 4 + 3
    data[place] ^= 1  # another level
    path.write_bytes(data)
    assert "format" in weighed(ring, tmp_path, 10**9, *two)[1]


# --- which clips


def test_what_weighs_no_more_than_it_would_be_given_is_kept_and_its_rest_goes_to_others() -> None:
    def planned(kept: Collection[str]) -> Mapping[str, float]:
        """Ninety bytes, divided evenly over what is not kept."""
        rest = {"a", "b", "c"} - set(kept)
        left = 90 - sum({"a": 10, "b": 38, "c": 60}[name] for name in kept)
        return {name: left / len(rest) for name in rest}

    # a fits at once; then b may weigh 40; then c is given 42 and weighs 60
    assert worth_copying({"a": 10, "b": 38, "c": 60}, planned) == {"a", "b"}
    assert worth_copying({"b": 38}, planned) == frozenset()
    assert worth_copying({}, planned) == frozenset()


def test_times_estimated_from_arrival_are_not_told_as_captured(
    tmp_path: Path, two: tuple[Segment, Segment]
) -> None:
    cut = wall(0, 2)
    (piece,) = pieces_of(tmp_path / "ring", cut, two[0])
    guessed = replace(piece, slices=tuple(replace(one, captured=False) for one in piece.slices))
    result = copied(guessed, cut, tmp_path / "out.mp4")
    assert result.path is not None
    with result.path.open("rb") as file:
        times = [one.producer_time for one in read_fragments(file)]
    assert times
    assert all(time is not None and not time.captured for time in times)
