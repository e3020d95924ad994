"""Encoding keeps wall time to the millisecond and leaves gaps as gaps."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import av
import pytest

from archiver.archive_file import join
from archiver.decode import archived_frames
from archiver.encode import AudioStep, VideoEncoder, VideoStep, encode_audio, encode_video
from archiver.profile import PROFILES
from archiver.stretches import Stretch, chunks, stretches
from kernel.errors import EncodeError
from kernel.isobmff.reader import read_fragments, read_index, read_init
from kernel.isobmff.sample_entry import codec_string
from kernel.model.cut import Clip, ClipGap, SegmentSlice
from kernel.model.footage import GapCause
from kernel.model.source import ContentKind
from kernel.settings import ArchiveCodec
from kernel.timerange import TimeRange
from simulator import timestrip
from tests.support.segments import HEIGHT, WIDTH, Recipe, make_segment, picture

START = 1_772_420_400_000_000


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
    profile = PROFILES[codec]
    options = profile.options(ContentKind.ROOM, 40)
    files: list[list[Path]] = []
    for piece in pieces:
        files.append([])
        for chunk in chunks(piece, 1_000_000):
            step = VideoStep(
                stretch=chunk,
                clip_start_us=wall.start_us,
                encoder=profile.encoder,
                options=options,
                target=tmp_path / f"v{chunk.wall.start_us}.mp4",
            )
            files[-1].append(encode_video(step).path)
    audio = encode_audio(
        AudioStep(stretches=tuple(pieces), clip_start_us=wall.start_us, target=tmp_path / "a.mp4")
    )
    archived = tmp_path / "clip.mp4"
    join(archived, files, audio.path, wall.start_us)
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
    assert codec_string(init.tracks[1].sample_entry) == "mp4a.40.2"


def test_ffmpeg_reads_an_archived_file_with_its_sound_in_place(tmp_path: Path) -> None:
    _, archived = build(tmp_path / "ring", tmp_path, ArchiveCodec.AV1, sound=True)
    with av.open(str(archived)) as container:
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
    size = (WIDTH, HEIGHT)
    step = VideoStep(
        stretch=Stretch(wall=TimeRange(start_us=START, end_us=START + 1), slices=()),
        clip_start_us=START,
        encoder="libsvtav1",
        options=PROFILES[ArchiveCodec.AV1].options(ContentKind.ROOM, 40),
        target=target,
    )
    encoder = VideoEncoder(step, size)
    for number in range(30):
        encoder.encode(START + number * 40_000, picture(START + number * 40_000))
    tasks = Path("/proc/self/task").iterdir()
    policies = {os.sched_getscheduler(int(task.name)) for task in tasks}
    encoder.drain()
    assert policies == {os.SCHED_OTHER}


def test_a_chunk_without_a_decodable_picture_is_an_error_not_an_empty_file(tmp_path: Path) -> None:
    segment = make_segment(tmp_path / "ring", Recipe())
    path = tmp_path / "ring" / segment.path
    with path.open("rb") as file:
        refs = [ref for one in read_fragments(file) for ref in one.runs[1]]
    data = bytearray(path.read_bytes())
    for ref in refs:
        data[ref.offset : ref.offset + ref.size] = bytes(ref.size)
    path.write_bytes(data)
    clip = Clip(
        id="c",
        session_id="S",
        source_id="cam",
        part=1,
        wall=segment.wall,
        slices=(SegmentSlice(segment_id=segment.id, wall=segment.wall),),
        gaps=(),
    )
    (piece,) = stretches(clip, {segment.id: segment}, str(tmp_path / "ring"))
    step = VideoStep(
        stretch=piece,
        clip_start_us=segment.wall.start_us,
        encoder="libx264",
        options={"preset": "medium", "crf": "30"},
        target=tmp_path / "out.mp4",
    )
    with pytest.raises(EncodeError, match="can be decoded"):
        encode_video(step)
    assert not (tmp_path / "out.mp4").exists()
