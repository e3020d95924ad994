"""The simulated centre seen by an ordinary RTSP client (FFmpeg's, through PyAV)."""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import av
import pytest

from kernel.clock import SystemClock
from kernel.model.footage import Codec
from kernel.model.source import ContentKind
from simulator import timestrip
from simulator.centre import SimulatedCentre, SimulatedSource

SOURCES = (
    SimulatedSource(
        id="cam-avc", content_kind=ContentKind.ROOM, label_zh="开标大厅", fps=15, audio=Codec.AAC, seed=1
    ),
    SimulatedSource(
        id="cam-hevc",
        content_kind=ContentKind.SEAT_FACE,
        label_zh="席位",
        codec=Codec.H265,
        audio=Codec.G711A,
    ),
)
OPTIONS = {"rtsp_transport": "tcp"}


@dataclass(kw_only=True)
class Watched:
    """What a client saw of a source."""

    codecs: list[str]
    drawn_ms: dict[int, int] = field(default_factory=dict)  # by presentation time stamp
    told_us: dict[int, int] = field(default_factory=dict)  # by presentation time stamp
    sound_told_us: list[int] = field(default_factory=list)
    sound_samples: int = 0


def _watch(url: str, pictures: int) -> Watched:
    """Watch until so many pictures are decoded."""
    with av.open(url, options=OPTIONS, timeout=(10, 5)) as container:
        seen = Watched(codecs=[stream.codec_context.name for stream in container.streams])
        for packet in container.demux():
            reference = packet.get_sidedata("prft") if packet.has_sidedata("prft") else None
            told_us = struct.unpack("<qi", bytes(reference)[:12])[0] if reference is not None else None
            if packet.stream.type == "audio":
                seen.sound_samples += sum(frame.samples for frame in packet.decode())
                seen.sound_told_us += [told_us] if told_us is not None else []
                continue
            if told_us is not None and packet.pts is not None:
                seen.told_us[packet.pts] = told_us
            for frame in packet.decode():
                drawn = timestrip.read(frame.to_ndarray(format="yuv420p")[: frame.height])
                if drawn is not None and frame.pts is not None:
                    seen.drawn_ms[frame.pts] = drawn
            if len(seen.drawn_ms) >= pictures:
                break
    return seen


def _can_open(url: str) -> bool:
    try:
        with av.open(url, options=OPTIONS, timeout=(3, 3)):
            return True
    except av.FFmpegError:
        return False


@pytest.fixture
async def centre() -> AsyncIterator[SimulatedCentre]:
    async with SimulatedCentre(SOURCES, clock=SystemClock(), username="viewer", password="s3cret") as running:
        yield running


@pytest.mark.parametrize(
    ("source_id", "codecs"), [("cam-avc", ["h264", "aac"]), ("cam-hevc", ["hevc", "pcm_alaw"])]
)
async def test_the_time_in_the_picture_is_the_time_that_the_camera_tells(
    centre: SimulatedCentre, source_id: str, codecs: list[str]
) -> None:
    began_us = SystemClock().now_us()
    seen = await asyncio.to_thread(_watch, centre.url(source_id), 25)
    assert seen.codecs == codecs
    both = sorted(seen.told_us.keys() & seen.drawn_ms.keys())[1:]  # the first value may be off
    assert len(both) >= 20
    assert max(abs(seen.told_us[pts] - seen.drawn_ms[pts] * 1000) for pts in both) <= 2000
    ended_us = SystemClock().now_us()
    assert all(began_us - 1_000_000 <= told <= ended_us for told in seen.sound_told_us[1:])
    assert seen.sound_samples > 0


async def test_several_clients_watch_one_source(centre: SimulatedCentre) -> None:
    url = centre.url("cam-avc")
    seen = await asyncio.gather(*(asyncio.to_thread(_watch, url, 12) for _ in range(3)))
    assert all(len(one.drawn_ms) >= 12 for one in seen)


async def test_a_wrong_password_is_refused(centre: SimulatedCentre) -> None:
    url = centre.url("cam-avc").replace("s3cret", "guess")
    with pytest.raises(av.error.HTTPUnauthorizedError):
        await asyncio.to_thread(av.open, url, options=OPTIONS, timeout=(5, 5))


async def test_an_unknown_path_is_not_found(centre: SimulatedCentre) -> None:
    url = centre.url("cam-avc").replace("cam-avc", "nothing")
    with pytest.raises(av.error.HTTPNotFoundError):
        await asyncio.to_thread(av.open, url, options=OPTIONS, timeout=(5, 5))


async def test_a_lost_camera_ends_its_streams_and_comes_back(centre: SimulatedCentre) -> None:
    watching = asyncio.create_task(asyncio.to_thread(_watch_to_the_end, centre.url("cam-avc")))
    assert await asyncio.to_thread(_watch, centre.url("cam-avc"), 3)
    centre.lose("cam-avc")
    assert await asyncio.wait_for(watching, 10) >= 1
    assert not await asyncio.to_thread(_can_open, centre.url("cam-avc"))
    assert await asyncio.to_thread(_can_open, centre.url("cam-hevc"))
    centre.restore("cam-avc")
    assert len((await asyncio.to_thread(_watch, centre.url("cam-avc"), 3)).drawn_ms) >= 3


def _watch_to_the_end(url: str) -> int:
    """Packets received until the stream ends or breaks."""
    packets = 0
    try:
        with av.open(url, options=OPTIONS, timeout=(10, 5)) as container:
            for _ in container.demux():
                packets += 1
    except av.FFmpegError:
        pass
    return packets


async def test_the_pictures_go_on_evenly_while_a_camera_is_lost(centre: SimulatedCentre) -> None:
    centre.lose("cam-hevc")
    seen = await asyncio.to_thread(_watch, centre.url("cam-avc"), 20)
    drawn = sorted(seen.drawn_ms.values())
    assert {later - earlier for earlier, later in itertools.pairwise(drawn)} <= {66, 67}
