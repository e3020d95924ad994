"""What is made for browsers: the same pictures at the same times, and what is damaged costs only itself."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import pytest

from capture.libav import live_encode
from capture.libav.live_encode import HEADER_BYTES, PictureEncoder, Piece, SoundEncoder, encode_all, unpacked
from kernel.codec import opus
from kernel.isobmff.reader import read_fragments, read_init
from kernel.isobmff.sample_entry import codec_string
from kernel.isobmff.tracks import Sample, Track, TrackRun
from kernel.isobmff.writer import fragment, init_segment
from kernel.timerange import TimeRange
from tests.support.growing import FRAME_US, FRAMES, SOUND, START_US, GrowingRun
from tests.support.segments import Recipe, encoded


def piece(data: bytes, number: int, *, init: bool = False) -> Piece:
    start_us = number * FRAME_US
    wall = TimeRange(start_us=START_US + start_us, end_us=START_US + start_us + FRAME_US)
    return Piece(init=init, data=data, wall=wall, media_us=start_us)


def made(encoder: Any, pieces: list[Piece]) -> list[Piece]:
    """What the program writes for what it reads."""
    output = io.BytesIO()
    encode_all(io.BytesIO(b"".join(one.packed() for one in pieces)), output, encoder)
    output.seek(0)
    found = []
    while head := output.read(HEADER_BYTES):
        size, one = unpacked(head)
        found.append(
            Piece(init=one.init, data=output.read(size), key=one.key, wall=one.wall, media_us=one.media_us)
        )
    return found


@pytest.fixture
def pictures(tmp_path: Path) -> list[Piece]:
    run = GrowingRun(tmp_path)
    init = read_init(io.BytesIO(run.part.read_bytes()))
    start = piece(init_segment([init.video]), 0, init=True)
    return [start, *(piece(run.fragment(), number) for number in range(2 * FRAMES))]


def test_every_picture_keeps_its_time(pictures: list[Piece]) -> None:
    first, *rest = made(PictureEncoder(), pictures)
    assert first.init
    assert codec_string(read_init(io.BytesIO(first.data)).video.sample_entry).startswith("avc1.")
    assert [one.media_us for one in rest] == [number * FRAME_US for number in range(2 * FRAMES)]
    assert [one.wall for one in rest] == [one.wall for one in pictures[1:]]
    whole = first.data + b"".join(one.data for one in rest)
    with av.open(io.BytesIO(whole), "r") as container:
        shown = [round(frame.time * 1e6) for frame in container.decode(video=0) if frame.time is not None]
    assert shown == [number * FRAME_US for number in range(2 * FRAMES)]


def test_somebody_who_comes_later_finds_a_key_frame_a_second(pictures: list[Piece]) -> None:
    _, *rest = made(PictureEncoder(), pictures)
    assert [one.key for one in rest] == [number % FRAMES == 0 for number in range(2 * FRAMES)]


def test_a_damaged_picture_costs_only_itself_and_those_that_refer_to_it(pictures: list[Piece]) -> None:
    broken = pictures[4]
    data = broken.data[:-200] + bytes(200)
    pictures[4] = Piece(init=False, data=data, key=broken.key, wall=broken.wall, media_us=broken.media_us)
    _, *rest = made(PictureEncoder(), pictures)
    assert rest[-1].media_us == (2 * FRAMES - 1) * FRAME_US


def test_another_format_in_the_middle_begins_anew(pictures: list[Piece]) -> None:
    both = made(PictureEncoder(), pictures + pictures)
    assert [one.init for one in both].count(True) == 2


def test_a_large_picture_is_made_small_enough_to_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_encode, "_MOST_WIDTH", 160)
    entry, samples = encoded(Recipe(frames=2))
    track = Track(id=1, timescale=90_000, sample_entry=entry, width=320, height=192)
    run = TrackRun(track_id=1, base_dts=0, samples=tuple(samples))
    first, *_ = made(
        PictureEncoder(), [piece(init_segment([track]), 0, init=True), piece(fragment(1, [run]), 0)]
    )
    init = read_init(io.BytesIO(first.data))
    assert (init.video.width, init.video.height) == (160, 96)


def sounds(count: int, first: int = 0) -> list[Piece]:
    """A-law silence, a fifth of a second a piece."""
    frames = tuple(Sample(b"\xd5" * 160, 160) for _ in range(10))
    return [
        piece(
            fragment(1, [TrackRun(track_id=2, base_dts=number * 1600, samples=frames)]),
            number,
        )
        for number in range(first, first + count)
    ]


def test_telephone_sound_becomes_opus_at_the_same_time() -> None:
    start = piece(init_segment([SOUND]), 0, init=True)
    first, *rest = made(SoundEncoder(), [start, *sounds(20)])
    (track,) = read_init(io.BytesIO(first.data)).tracks
    assert codec_string(track.sample_entry) == "opus" and track.timescale == opus.RATE
    ticks = [
        sample.dts for one in rest for part in read_fragments(io.BytesIO(one.data)) for sample in part.runs[2]
    ]
    assert ticks == list(range(0, len(ticks) * 960, 960))
    assert len(ticks) >= 20 * 10 - 3  # all but what the encoder still holds


def test_sound_that_jumps_lies_where_it_belongs() -> None:
    start = piece(init_segment([SOUND]), 0, init=True)
    _, *rest = made(SoundEncoder(), [start, *sounds(5), *sounds(5, first=50)])
    later = [one for one in rest if one.media_us >= 50 * FRAME_US]
    assert later and later[0].media_us == 50 * FRAME_US
