"""Originals as FFmpeg shows them: pictures with time strips, and footage of real cameras."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from kernel.clock import SECOND_US
from kernel.isobmff.sample_table import read_sample_tables
from kernel.model.footage import Segment
from kernel.timerange import TimeRange
from segmenter.original_files import write
from segmenter.original_tracks import lay_out
from segmenter.originals import Mark, Original, original, pieces
from tests.support.catalogue import open_catalogue
from tests.support.originals import (
    FRAME_US,
    START_US,
    clip_of,
    complaints,
    need,
    probed,
    shown,
    taken_in,
    write_strips,
)
from tests.support.peers import REPOSITORY, missing

WITH_B_FRAMES = {"preset": "veryfast", "bf": "2", "sc_threshold": "0", "b_strategy": "0"}
OPEN_GROUPS = {"preset": "veryfast", "x264-params": "open-gop=1:bframes=2:b-adapt=0:scenecut=0"}
H265 = {"preset": "ultrafast", "x265-params": "log-level=none:bframes=3:open-gop=1:scenecut=0:keyint=50"}
KINDS = {
    "h264-plain": ("libx264", "", "a.mp4", {"preset": "ultrafast", "tune": "zerolatency"}),
    "h264-b-aac": ("libx264", "aac", "a.mp4", WITH_B_FRAMES),
    "h264-open-g711": ("libx264", "pcm_alaw", "a.mov", OPEN_GROUPS),
    "h265-open-aac": ("libx265", "aac", "a.mp4", H265),
    "h265-opus": ("libx265", "libopus", "a.mkv", H265),
}
KEY_FRAMES_US = [START_US + second * SECOND_US for second in (0, 2, 4, 6)]
CUTS = [(1.31, 5.2), (0, 8), (2, 4), (3.99, 4.3), (6.52, 7.999)]


@dataclass(frozen=True)
class Recorded:
    """Eight seconds in a ring."""

    ring: Path
    segments: list[Segment]

    def original(self, start: float, end: float, marks: Sequence[Mark] = ()) -> Original:
        """Seconds from the start of the footage."""
        wall = TimeRange(
            start_us=START_US + round(start * SECOND_US), end_us=START_US + round(end * SECOND_US)
        )
        clip = clip_of(self.segments, wall)
        (piece,) = pieces(clip, {one.id: one for one in self.segments}, self.ring)
        found = original(clip, piece, self.ring, marks)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Recorded]:
    """Footage by kind, made once."""

    @cache
    def make(kind: str) -> Recorded:
        codec, sound, name, options = KINDS[kind]
        directory = tmp_path_factory.mktemp(kind)
        recording = write_strips(directory / name, codec=codec, sound=sound, options=options)
        with closing(open_catalogue(directory)) as catalogue:
            return Recorded(ring=directory / "ring", segments=taken_in(recording, catalogue, directory))

    return make


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_first_and_last_picture_are_those_of_the_cut_to_the_frame(
    recorded: Callable[[str], Recorded], tmp_path: Path, kind: str, cut: tuple[float, float]
) -> None:
    found = recorded(kind).original(*cut)
    write(found, tmp_path)
    wall = found.piece.wall
    every = (START_US + number * FRAME_US for number in range(8 * 25))
    wanted = [moment for moment in every if wall.contains(moment)]
    seen = shown(tmp_path / found.name)
    assert [one.strip_ms for one in seen] == [moment // 1000 for moment in wanted]
    for one, moment in zip(seen, wanted, strict=True):
        assert abs(one.at_us - (moment - wall.start_us)) <= 12


@pytest.mark.parametrize("kind", ["h264-open-g711", "h265-open-aac"])
def test_pictures_that_lean_on_what_is_not_there_are_not_shown(
    recorded: Callable[[str], Recorded], tmp_path: Path, kind: str
) -> None:
    """The cut begins with a segment, whose first key frame is led by pictures of the group before it."""
    segment = recorded(kind).segments[1]
    start_us = segment.wall.start_us
    one = recorded(kind).original((start_us - START_US) / SECOND_US, 6)
    write(one, tmp_path)
    seen = shown(tmp_path / one.name)
    key_us = next(moment for moment in KEY_FRAMES_US if moment > start_us)
    assert seen[0].strip_ms == key_us // 1000
    assert abs(seen[0].at_us - (key_us - start_us)) <= 1
    assert len(seen) == (START_US + 6 * SECOND_US - key_us) // FRAME_US


@pytest.mark.parametrize("kind", KINDS)
def test_no_picture_is_shown_before_it_is_decoded(recorded: Callable[[str], Recorded], kind: str) -> None:
    """Segments say so of pictures that were reordered; in a plain MP4, not every player understands it."""
    source = recorded(kind)
    tables = read_sample_tables([source.ring / one.path for one in source.segments])
    layout = lay_out(tables, [0], TimeRange(start_us=START_US, end_us=START_US + 7 * SECOND_US))
    assert layout is not None
    for track in layout.tracks:
        assert track.shifts.min() >= 0
        assert track.durations.min() > 0


@pytest.mark.parametrize("kind", [name for name, (_, sound, *_) in KINDS.items() if sound])
def test_sound_lies_where_it_was_heard(
    recorded: Callable[[str], Recorded], tmp_path: Path, kind: str
) -> None:
    """The frames of sound are those of the footage, at the same distance from the pictures."""
    source = recorded(kind)
    whole, part = source.original(0, 8), source.original(2.5, 6.25)
    for one, name in ((whole, "whole"), (part, "part")):
        write(one, tmp_path)
        (tmp_path / one.name).rename(tmp_path / f"{name}.mp4")
    before, after = (sound_packets(tmp_path / f"{name}.mp4") for name in ("whole", "part"))
    assert after
    assert [one for _, one in after] == [one for _, one in before if one in {digest for _, digest in after}]
    times = {digest: at for at, digest in before}
    assert all(abs(times[digest] - at - 2.5) < 0.0002 for at, digest in after)
    first, last = after[0], after[-1]
    assert first[0] <= 0
    assert last[0] < 3.75 <= last[0] + 0.065


def sound_packets(path: Path) -> list[tuple[float, str]]:
    """When each frame of sound is heard, seconds, and the hash of its bytes."""
    told = probed(
        path, "-select_streams", "a", "-show_entries", "packet=pts_time,data_hash", "-show_data_hash", "md5"
    )
    return [(float(one["pts_time"]), one["data_hash"]) for one in told["packets"]]


def test_events_are_chapters_as_ffprobe_reads_them(
    recorded: Callable[[str], Recorded], tmp_path: Path
) -> None:
    marks = [
        Mark(at_us=START_US + 3 * SECOND_US, title="评标暂停:午餐"),
        Mark(at_us=START_US + 5 * SECOND_US, title="评标恢复"),
    ]
    one = recorded("h264-b-aac").original(1.31, 6, marks)
    write(one, tmp_path)
    told = probed(tmp_path / one.name, "-show_chapters")["chapters"]
    assert [(float(chapter["start_time"]), chapter["tags"]["title"]) for chapter in told] == [
        (1.69, "评标暂停:午餐"),
        (3.69, "评标恢复"),
    ]


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_the_presentation_is_as_long_as_the_cut(
    recorded: Callable[[str], Recorded], tmp_path: Path, cut: tuple[float, float]
) -> None:
    one = recorded("h264-b-aac").original(*cut)
    write(one, tmp_path)
    told = probed(tmp_path / one.name, "-show_entries", "format=duration")["format"]
    assert float(told["duration"]) == pytest.approx(cut[1] - cut[0], abs=0.0001)


FOOTAGE = REPOSITORY.parent / "shared" / "footage"


@pytest.mark.parametrize(
    "name",
    [
        "room-panorama-h264-aac.mp4",
        "seat-face-h264-g711a.mkv",
        "seat-face-h264.mp4",
        "seat-face-h265.mp4",
        "small/cam-h264b-aac.mp4",
        "small/cam-h264-pcmu.mkv",
        "small/cam-h265-aac.mp4",
    ],
)
def test_of_real_footage_the_same_pictures_are_decoded_as_from_the_recording_itself(
    tmp_path: Path, name: str
) -> None:
    if not (FOOTAGE / name).is_file():
        missing(f"footage {name}", "put recordings of cameras into ../shared/footage")
    with closing(open_catalogue(tmp_path)) as catalogue:
        segments = taken_in(FOOTAGE / name, catalogue, tmp_path)
    source = Recorded(ring=tmp_path / "ring", segments=segments)
    one = source.original(1.7, 4.9)
    write(one, tmp_path)
    expected = [digest for at, digest in pictures(FOOTAGE / name) if 1.7 <= at < 4.9]
    found = pictures(tmp_path / one.name)
    assert [digest for _, digest in found] == expected
    assert 0 <= found[0][0] <= 0.04
    assert len(expected) > 30


def pictures(path: Path) -> list[tuple[float, str]]:
    """When each picture is shown, seconds, and the hash of what is decoded."""
    need("ffmpeg")
    command = ["ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-map", "0:v", "-t", "6"]
    told = subprocess.run(
        [*command, "-fps_mode", "passthrough", "-copyts", "-enc_time_base", "1:90000", "-f", "framemd5", "-"],
        capture_output=True,
        check=True,
        text=True,
    )
    assert not complaints(told.stderr)
    rows = [line.split(",") for line in told.stdout.splitlines() if not line.startswith("#")]
    return [(int(row[2]) / 90_000, row[5].strip()) for row in rows]
