"""Media made by hand, for tests of the recorder without camera, disk or clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import pytest

from capture.packets import TrackStarted
from kernel.clock import SECOND_US, FakeClock
from kernel.codec import h264
from kernel.model.footage import Codec, Packet, TrackInfo

START_US = 1_772_420_400 * SECOND_US


@dataclass
class EncodedVideo:
    """Real H.264 by x264: decodable, so that tests can count frames."""

    started: TrackStarted
    units: list[tuple[int, bytes, bool]] = field(default_factory=list)  # frame number of pts, data, key

    def packets(self, count: int | None = None, *, reported: bool = True) -> list[Packet]:
        """25 a second, arriving 20 ms after capture, by a source clock that is 100 ms ahead."""
        made = []
        for number, (pts, data, key) in enumerate(self.units[:count]):
            made.append(
                Packet(
                    codec=Codec.H264,
                    pts=pts * 3600,
                    data=data,
                    key=key,
                    arrival_us=START_US + number * 40_000 + 20_000,
                    wall_us=START_US + pts * 40_000 + 100_000 if reported else None,
                )
            )
        return made


def encode(frames: int, *, gop: int = 25, bframes: int = 0, size: tuple[int, int] = (64, 48)) -> EncodedVideo:
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height = size
    context.pix_fmt, context.framerate, context.time_base = "yuv420p", 25, Fraction(1, 25)
    context.options = {
        "preset": "ultrafast" if not bframes else "medium",
        "threads": "1",
        "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes={bframes}:b-adapt=0"
        ":annexb=1:repeat-headers=1",
    }
    units, sets = [], {}
    packets = []
    for number in range(frames):
        frame = av.VideoFrame(*size, "yuv420p")
        for index, plane in enumerate(frame.planes):
            plane.update(bytes([(number * 7 + index * 50) % 256]) * plane.buffer_size)
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    for packet in packets:
        nals = [nal for nal in split_annex_b(bytes(packet)) if nal]
        sets.update({h264.parameter_set_kind(nal): nal for nal in nals if h264.parameter_set_kind(nal)})
        kept = [nal for nal in nals if h264.parameter_set_kind(nal) is None]
        data = b"".join(len(nal).to_bytes(4, "big") + nal for nal in kept)
        units.append((packet.pts, data, packet.is_keyframe))
    told = h264.parse_sps(sets["sps"])
    info = TrackInfo(
        codec=Codec.H264,
        timescale=90_000,
        sample_entry=h264.avc1([sets["sps"]], [sets["pps"]]),
        width=told.width,
        height=told.height,
    )
    return EncodedVideo(started=TrackStarted(info=info, reorder=told.reorder), units=units)


def split_annex_b(data: bytes) -> list[bytes]:
    return [part.rstrip(b"\0") for part in data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")]


@pytest.fixture(scope="session")
def video() -> EncodedVideo:
    """Ten seconds, a key frame a second."""
    return encode(250)


@pytest.fixture(scope="session")
def bframe_video() -> EncodedVideo:
    """Four seconds with two B-frames between references."""
    return encode(100, bframes=2)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START_US)


@pytest.fixture
def count_frames() -> Callable[[Path], int]:
    """Frames that FFmpeg decodes from a file, every one of them without an error."""

    def count(path: Path) -> int:
        with av.open(path) as container:
            container.streams.video[0].codec_context.thread_type = "NONE"
            return sum(1 for _ in container.decode(video=0))

    return count


@pytest.fixture
def make_video() -> Callable[..., EncodedVideo]:
    return encode


@pytest.fixture(autouse=True)
def _no_left_over_tasks() -> Iterator[None]:
    yield
