"""Encoding keeps wall time to the millisecond and leaves gaps as gaps."""

from __future__ import annotations

import os
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest

from archiver.archive_file import JoinStep, join
from archiver.decode import DecodeTally, archived_frames, video_frames
from archiver.encode import VideoEncoder, VideoStep, encode_frames, encode_video, fit
from archiver.encode_sound import AudioStep, encode_audio
from archiver.fingerprint import distance
from archiver.ring_reader import PictureFormat, picture_format
from archiver.rules import archive_rules
from archiver.stretches import Stretch, chunks, narrow, stretches
from kernel.errors import EncodeError
from kernel.isobmff.reader import read_fragments, read_index, read_init
from kernel.isobmff.sample_entry import codec_string
from kernel.model.cut import Clip, ClipGap, SegmentSlice
from kernel.model.footage import ClockBasis, GapCause, Segment
from kernel.model.source import ContentKind
from kernel.settings import ArchiveCodec
from kernel.timerange import TimeRange
from simulator import timestrip
from tests.support.segments import HEIGHT, WIDTH, Recipe, make_segment, picture

START = 1_772_420_400_000_000
RULES = archive_rules()


def options(codec: ArchiveCodec, crf: int, kind: ContentKind = ContentKind.ROOM) -> dict[str, str]:
    return RULES.codecs[codec].options(RULES.kinds[kind], crf)


def build(ring: Path, tmp_path: Path, codec: ArchiveCodec, sound: bool) -> tuple[Clip, Path]:
    """A clip over two segments with two seconds between them, archived."""
    first = make_segment(ring, Recipe(sound=sound))
    second = make_segment(ring, Recipe(sound=sound, run_id="run-2", wall_start_us=START + 4_000_000))
    wall = TimeRange(start_us=START + 300_000, end_us=START + 5_500_000)
    used = [
        SegmentSlice(segment_id=first.id, wall=TimeRange(start_us=wall.start_us, end_us=first.wall.end_us)),
        SegmentSlice(segment_id=second.id, wall=TimeRange(start_us=second.wall.start_us, end_us=wall.end_us)),
    ]
    hole = TimeRange(start_us=first.wall.end_us, end_us=second.wall.start_us)
    clip = Clip(
        id="S.cam.1",
        session_id="S",
        source_id="cam",
        part=1,
        wall=wall,
        slices=tuple(used),
        gaps=(ClipGap(wall=hole, cause=GapCause.CAMERA_LOST, detail=""),),
    )
    pieces = stretches(clip, {first.id: first, second.id: second}, str(ring))
    picture = picture_format([Path(used.path) for piece in pieces for used in piece.slices])
    files: list[tuple[Path, ...]] = []
    for piece in pieces:
        made = []
        for chunk in chunks(piece, 1_000_000):
            step = VideoStep(
                stretch=chunk,
                clip_start_us=wall.start_us,
                picture=picture,
                encoder=RULES.codecs[codec].encoder,
                options=options(codec, 40),
                key_seconds=5,
                target=tmp_path / f"v{chunk.wall.start_us}.mp4",
            )
            made.append(encode_video(step).path or Path())
        files.append(tuple(made))
    audio = encode_audio(
        AudioStep(
            stretches=tuple(pieces),
            clip_start_us=wall.start_us,
            encoding=RULES.sound.codecs[codec],
            target=tmp_path / "a.mp4",
        )
    )
    archived = tmp_path / "clip.mp4"
    join(JoinStep(stretches=tuple(files), audio=audio.path, clip_start_us=wall.start_us, target=archived))
    return clip, archived


@pytest.mark.parametrize("codec", list(ArchiveCodec))
def test_every_archived_frame_has_the_wall_time_of_its_strip(tmp_path: Path, codec: ArchiveCodec) -> None:
    clip, archived = build(tmp_path / "ring", tmp_path, codec, sound=False)
    seen = [
        (wall, timestrip.read(frame.to_ndarray(format="gray"))) for wall, frame in archived_frames(archived)
    ]
    read = [(wall, strip) for wall, strip in seen if strip is not None]
    assert len(read) >= 0.98 * len(seen)
    assert max(abs(wall // 1000 - strip) for wall, strip in read) <= 1
    inside = [used.wall for used in clip.slices]
    assert all(any(part.contains(wall + 100) for part in inside) for wall, _ in seen)
    # 0.3 s to 2 s of the first segment and 4 s to 5.5 s of the second, at 25 frames a second
    expected = {START + n * 40_000 for n in range(50) if n * 40_000 >= 300_000}
    expected |= {START + 4_000_000 + n * 40_000 for n in range(50) if n * 40_000 < 1_500_000}
    assert len(seen) == len(expected)


def test_a_gap_is_absent_media_and_the_index_says_where_to_start(tmp_path: Path) -> None:
    _, archived = build(tmp_path / "ring", tmp_path, ArchiveCodec.AV1, sound=True)
    with archived.open("rb") as file:
        init = read_init(file)
        index = read_index(file)
        found = list(read_fragments(file))
    assert index is not None
    assert [part.offset for part in index.subsegments] == [one.offset for one in found]
    assert [part.size for part in index.subsegments] == [one.size for one in found]
    ends = [one.runs[1][-1].dts + one.runs[1][-1].duration for one in found]
    starts = [one.runs[1][0].dts for one in found]
    jumps = [start - end for end, start in zip(ends, starts[1:], strict=False) if start != end]
    assert jumps == [2 * 90_000]
    assert codec_string(init.tracks[0].sample_entry).startswith("av01.0.")
    assert codec_string(init.tracks[1].sample_entry) == "opus"


def test_ffmpeg_reads_an_archived_file_with_its_sound_in_place(tmp_path: Path) -> None:
    _, archived = build(tmp_path / "ring", tmp_path, ArchiveCodec.AV1, sound=True)
    with av.open(str(archived)) as container:
        assert container.duration is not None
        assert container.duration / 1e6 == pytest.approx(5.2, abs=0.1)  # of the whole clip, gap included
        video = [frame.time for frame in container.decode(video=0)]
    with av.open(str(archived)) as container:
        sound = [frame.time for frame in container.decode(audio=0)]
    assert len(video) == 80
    assert video[0] == pytest.approx(0.02, abs=0.001)  # the clip starts 0.02 s before a frame
    assert max(b - a for a, b in pairwise(video)) == pytest.approx(2.04, abs=0.03)
    assert sound[0] == pytest.approx(0, abs=0.001)
    assert max(b - a for a, b in pairwise(sound)) == pytest.approx(2.06, abs=0.07)


def test_encoding_never_runs_at_real_time_priority(tmp_path: Path) -> None:
    """As root SVT-AV1 would: its threads would then take the processor away from the recorder."""
    target = tmp_path / "out.mp4"
    step = VideoStep(
        stretch=Stretch(wall=TimeRange(start_us=START, end_us=START + 1), slices=()),
        clip_start_us=START,
        picture=PictureFormat(width=WIDTH, height=HEIGHT, rate=Fraction(25)),
        encoder="libsvtav1",
        options=options(ArchiveCodec.AV1, 40),
        key_seconds=5,
        target=target,
    )
    encoder = VideoEncoder(step)
    for number in range(30):
        encoder.encode(START + number * 40_000, picture(START + number * 40_000))
    tasks = Path("/proc/self/task").iterdir()
    policies = {os.sched_getscheduler(int(task.name)) for task in tasks}
    encoder.drain()
    assert policies == {os.SCHED_OTHER}


def whole_clip(ring: Path, *segments: Segment) -> tuple[Stretch, ...]:
    """Stretches of a clip that uses these segments whole."""
    wall = TimeRange(start_us=segments[0].wall.start_us, end_us=segments[-1].wall.end_us)
    slices = tuple(SegmentSlice(segment_id=one.id, wall=one.wall) for one in segments)
    clip = Clip(id="c", session_id="S", source_id="cam", part=1, wall=wall, slices=slices, gaps=())
    return tuple(stretches(clip, {one.id: one for one in segments}, str(ring)))


def video_step(piece: Stretch, target: Path, encoder: str = "libx264") -> VideoStep:
    codec = ArchiveCodec.H264 if encoder == "libx264" else ArchiveCodec.AV1
    return VideoStep(
        stretch=piece,
        clip_start_us=piece.wall.start_us,
        picture=picture_format([Path(used.path) for used in piece.slices]),
        encoder=encoder,
        options=options(codec, 36),
        key_seconds=5,
        target=target,
    )


def test_a_chunk_without_a_decodable_picture_makes_no_file_and_no_error(tmp_path: Path) -> None:
    """It is told in the receipt: one broken minute must not keep a whole session from being archived."""
    segment = make_segment(tmp_path / "ring", Recipe())
    path = tmp_path / "ring" / segment.path
    with path.open("rb") as file:
        refs = [ref for one in read_fragments(file) for ref in one.runs[1]]
    data = bytearray(path.read_bytes())
    for ref in refs:
        data[ref.offset : ref.offset + ref.size] = bytes(ref.size)
    path.write_bytes(data)
    (piece,) = whole_clip(tmp_path / "ring", segment)
    result = encode_video(video_step(piece, tmp_path / "out.mp4"))
    assert (result.path, result.frames) == (None, 0)
    assert result.undecodable_units > 0
    assert not (tmp_path / "out.mp4").exists()


def test_where_runs_overlap_each_moment_is_shown_once_and_time_never_runs_backward(tmp_path: Path) -> None:
    ring = tmp_path / "ring"
    first = make_segment(ring, Recipe(frames=100))
    second = make_segment(ring, Recipe(frames=100, run_id="run-2", wall_start_us=START + 2_500_000))
    wall = TimeRange(start_us=START, end_us=second.wall.end_us)
    used = (
        SegmentSlice(segment_id=first.id, wall=first.wall),
        SegmentSlice(
            segment_id=second.id, wall=TimeRange(start_us=first.wall.end_us, end_us=second.wall.end_us)
        ),
    )
    clip = Clip(id="c", session_id="S", source_id="cam", part=1, wall=wall, slices=used, gaps=())
    (piece,) = stretches(clip, {first.id: first, second.id: second}, str(ring))
    walls = [wall_us for wall_us, _ in video_frames(piece, DecodeTally())]
    assert walls == sorted(set(walls))
    assert len(walls) == 100 + 62  # of the second run only what lies behind the first


def test_a_smaller_picture_in_mid_clip_is_shown_whole_in_the_clips_format(tmp_path: Path) -> None:
    small = picture(START).reformat(width=160, height=120, format="yuv420p")
    fitted = fit(small, WIDTH, HEIGHT)
    assert (fitted.width, fitted.height) == (WIDTH, HEIGHT)
    gray = fitted.to_ndarray(format="gray")
    assert gray[:, :20].max() < 20  # black beside it: 4:3 in 5:3
    assert gray[:, 60:-60].max() > 100


def test_chunks_that_need_different_decoders_are_not_joined(tmp_path: Path) -> None:
    ring = tmp_path / "ring"
    first = make_segment(ring, Recipe())
    (piece,) = whole_clip(ring, first)
    one = encode_video(video_step(piece, tmp_path / "one.mp4"))
    other = replace(
        video_step(piece, tmp_path / "other.mp4"),
        picture=PictureFormat(width=160, height=96, rate=Fraction(25)),
    )
    two = encode_video(other)
    assert one.path is not None
    assert two.path is not None
    with pytest.raises(EncodeError, match="otherwise"):
        join(
            JoinStep(
                stretches=((one.path, two.path),),
                audio=None,
                clip_start_us=START,
                target=tmp_path / "joined.mp4",
            )
        )


@pytest.mark.parametrize("encoder", ["libx264", "libsvtav1"])
def test_key_frames_come_by_time_however_slow_the_pictures(tmp_path: Path, encoder: str) -> None:
    segment = make_segment(tmp_path / "ring", Recipe(frames=30, frame_us=1_000_000))
    (piece,) = whole_clip(tmp_path / "ring", segment)
    fast = replace(
        video_step(piece, tmp_path / "out.mp4", encoder),
        picture=PictureFormat(width=WIDTH, height=HEIGHT, rate=Fraction(25)),
    )
    encode_video(fast)
    with (tmp_path / "out.mp4").open("rb") as file:
        starts = [one.runs[1][0].dts / 90_000 for one in read_fragments(file)]
    assert max(after - before for before, after in pairwise([*starts, 30.0])) <= 5.1


def test_time_estimated_from_arrival_is_not_told_as_captured(tmp_path: Path) -> None:
    segment = replace(make_segment(tmp_path / "ring", Recipe()), clock_basis=ClockBasis.ARRIVAL)
    (piece,) = whole_clip(tmp_path / "ring", segment)
    made = encode_video(video_step(piece, tmp_path / "chunk.mp4"))
    assert made.path is not None
    archived = tmp_path / "clip.mp4"
    join(JoinStep(stretches=((made.path,),), audio=None, clip_start_us=START, target=archived))
    with archived.open("rb") as file:
        times = [one.producer_time for one in read_fragments(file)]
    assert times
    assert all(time is not None and not time.captured for time in times)


def test_sound_that_runs_ahead_is_left_out_so_that_lips_and_words_meet(tmp_path: Path) -> None:
    """Two runs overlap by 1.5 s: the second one's sound must not be late to the end of the stretch."""
    ring = tmp_path / "ring"
    first = make_segment(ring, Recipe(frames=100, sound=True))
    second = make_segment(
        ring, Recipe(frames=100, sound=True, run_id="run-2", wall_start_us=START + 2_500_000)
    )
    merged = TimeRange(start_us=START, end_us=second.wall.end_us)
    parts = tuple(part for one in (first, second) for piece in whole_clip(ring, one) for part in piece.slices)
    result = encode_audio(
        AudioStep(
            stretches=(Stretch(wall=merged, slices=parts),),
            clip_start_us=START,
            encoding=RULES.sound.codecs[ArchiveCodec.H264],
            target=tmp_path / "sound.mp4",
        )
    )
    assert result.trimmed_us == pytest.approx(1_500_000, abs=60_000)
    assert result.padded_us < 100_000


def test_pictures_that_lean_on_the_segment_before_are_decoded_from_it(tmp_path: Path) -> None:
    """A chunk that begins with a segment is led in by the segment before, of which nothing is shown."""
    ring = tmp_path / "ring"
    first = make_segment(ring, Recipe())
    second = make_segment(ring, Recipe(sequence=1, wall_start_us=first.wall.end_us))
    (piece,) = whole_clip(ring, first, second)
    later = narrow(piece, second.wall)
    assert later.lead_in is not None
    assert later.lead_in.segment_id == first.id
    assert all(second.wall.contains(wall_us) for wall_us, _ in video_frames(later, DecodeTally()))


@pytest.mark.parametrize("codec", list(ArchiveCodec))
def test_the_first_picture_of_every_group_has_a_fingerprint_of_both_sides(
    tmp_path: Path, codec: ArchiveCodec
) -> None:
    """Invariant 11: the receipt says which picture became which, across a cut of scene too."""
    segment = make_segment(tmp_path / "ring", Recipe(frames=120))
    (piece,) = whole_clip(tmp_path / "ring", segment)
    step = replace(
        video_step(piece, tmp_path / "out.mp4", RULES.codecs[codec].encoder),
        options=options(codec, 36, ContentKind.SEAT_DESKTOP),
        key_seconds=2,
    )
    frames = list(video_frames(piece, DecodeTally()))
    dark = [(at, frame if n < 90 else negative(frame)) for n, (at, frame) in enumerate(frames)]
    made = encode_frames(step, dark)
    assert made.path is not None
    with made.path.open("rb") as file:
        starts = [one.producer_time.wall_us for one in read_fragments(file) if one.producer_time]
    assert [mark.wall_us for mark in made.fingerprints] == pytest.approx(starts, abs=20)
    assert len(starts) == 3
    assert all(distance(mark.source, mark.archived) <= 6 for mark in made.fingerprints)


def negative(frame: av.VideoFrame) -> av.VideoFrame:
    """The same picture with light and dark exchanged: another scene."""
    other = av.VideoFrame.from_ndarray(255 - frame.to_ndarray(format="yuv420p"), format="yuv420p")
    other.pts, other.time_base = frame.pts, frame.time_base
    return other
