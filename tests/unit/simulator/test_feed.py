"""Feeds keep their time to the millisecond."""

from __future__ import annotations

import itertools

import av
import numpy as np
import pytest

from kernel.clock import SECOND_US
from kernel.model.footage import Codec
from kernel.model.source import ContentKind
from simulator import rtp, timestrip
from simulator.feed import SceneFeed, SpeechFeed
from simulator.media import MediaUnit
from simulator.source import SimulatedSource
from simulator.speech import speech

START_US = 1_772_420_400_123_456


def _feed(codec: Codec = Codec.H264, fps: int = 15) -> SceneFeed:
    source = SimulatedSource(
        id="cam",
        content_kind=ContentKind.SEAT_FACE,
        label_zh="席位",
        codec=codec,
        fps=fps,
        width=320,
        height=180,
    )
    feed = SceneFeed(source)
    feed.start(START_US)
    return feed


def _units(feed: SceneFeed | SpeechFeed, count: int) -> list[MediaUnit]:
    units = [feed.make(feed.due_us) for _ in range(count)]
    return [unit for unit in units if unit is not None]


@pytest.mark.parametrize("codec", [Codec.H264, Codec.H265])
def test_strip_time_stamp_and_capture_time_are_the_same_instant(codec: Codec) -> None:
    units = _units(_feed(codec), 20)
    decoder = av.CodecContext.create("h264" if codec is Codec.H264 else "hevc", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    frames = []
    for unit in units:
        data = b"".join(b"\0\0\0\1" + nal for nal in unit.parts)
        frames += decoder.decode(av.Packet(data))
    frames += decoder.decode(None)
    read = [timestrip.read(frame.to_ndarray(format="gray")) for frame in frames]
    assert read == [unit.at_us // 1000 for unit in units]
    origin_us = units[0].at_us
    assert all(unit.ticks * 100 == (unit.at_us - origin_us) * 9 for unit in units)


def test_a_key_frame_comes_every_second() -> None:
    units = _units(_feed(fps=10), 31)
    assert [index for index, unit in enumerate(units) if unit.key] == [0, 10, 20, 30]


def test_capture_instants_lie_on_the_grid_of_the_frame_rate() -> None:
    units = _units(_feed(fps=15), 46)
    assert units[45].at_us - units[0].at_us == 3 * SECOND_US
    steps = {later.at_us - earlier.at_us for earlier, later in itertools.pairwise(units)}
    assert steps == {66_000, 67_000}


def test_a_camera_that_is_too_late_leaves_pictures_out() -> None:
    feed = _feed(fps=10)
    first = _units(feed, 1)[0]
    now_us = first.at_us + 5 * SECOND_US
    assert feed.make(now_us) is None
    assert 0 < feed.due_us - now_us <= SECOND_US // 10
    assert (feed.due_us - first.at_us) % (SECOND_US // 10) == 0


@pytest.mark.parametrize(
    ("codec", "frame_us"),
    [
        (Codec.AAC, 64_000),
        (Codec.G711A, 20_000),
        (Codec.G711U, 20_000),
        (Codec.G726, 20_000),
        (Codec.OPUS, 20_000),
    ],
)
def test_sound_is_due_when_it_has_been_heard(codec: Codec, frame_us: int) -> None:
    feed = SpeechFeed(codec, seed=1)
    feed.start(START_US)
    due_us = feed.due_us
    units = _units(feed, 3)
    assert due_us == units[0].at_us + frame_us
    assert [unit.at_us - units[0].at_us for unit in units] == [0, frame_us, 2 * frame_us]
    assert units[0].at_us % frame_us == 0
    assert units[0].at_us >= START_US


def test_jpeg_pictures_carry_their_strip_and_travel_without_their_headers() -> None:
    units = _units(_feed(Codec.MJPEG), 3)
    assert all(unit.key for unit in units)
    decoder = av.CodecContext.create("mjpeg", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    frames = [frame for unit in units for frame in decoder.decode(av.Packet(unit.parts[0]))]
    read = [timestrip.read(frame.to_ndarray(format="gray")) for frame in frames]
    assert read == [unit.at_us // 1000 for unit in units]
    payloads = rtp.payloads(Codec.MJPEG, units[0])
    assert all(len(one) <= rtp.MAX_PAYLOAD_BYTES for one in payloads)
    assert len(payloads[0]) - 4 - 64 == len(payloads[1])  # the first one has the table, too
    assert payloads[0][6:8] == bytes((40, 23))


def test_sound_loops_without_a_missing_frame() -> None:
    feed = SpeechFeed(Codec.G711A, seed=1)
    feed.start(START_US)
    units = _units(feed, 1700)
    assert units[0].parts == units[1600].parts
    assert all(len(unit.parts[0]) == 160 for unit in units)


def test_the_aac_loop_sounds_when_it_says_also_across_its_seam() -> None:
    feed = SpeechFeed(Codec.AAC, seed=1)
    feed.start(32 * SECOND_US * 1000 - 3 * 64_000)  # the loop begins anew two frames later
    decoder = av.CodecContext.create("aac", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.extradata = feed.tracks[0].config
    packets = [av.Packet(unit.parts[0]) for unit in _units(feed, 100)]
    heard = np.concatenate([frame.to_ndarray()[0] for one in packets for frame in decoder.decode(one)])
    loop = speech(16_000, 1) / 32768
    spoken = np.concatenate((loop[-2048:], loop))[: len(heard)]
    match = {shift: float(np.dot(np.roll(spoken, shift), heard)) for shift in range(-1280, 1281, 16)}
    assert max(match, key=lambda shift: match[shift]) == 0
