"""Streams with a fault of their own: footage filtered and encoded again, and sound made by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.filter import Graph

from capture.libav.recording import open_recording
from capture.packets import TrackStarted
from kernel.clock import FakeClock
from kernel.codec import aac, g711
from kernel.model.footage import Codec, Packet, TrackInfo

_RATE = 25


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A track and its packets."""

    info: TrackInfo
    packets: list[Packet]


def read(path: Path, *, seconds: float = 1e9) -> tuple[Stream, Stream | None]:
    """The pictures and the sound of a file."""
    infos: dict[bool, TrackInfo] = {}
    packets: dict[bool, list[Packet]] = {True: [], False: []}
    with open_recording(path, FakeClock()) as recording:
        for made in recording.demuxer.deliveries():
            for one in made:
                if isinstance(one, TrackStarted):
                    infos[one.info.codec.is_video] = one.info
                elif isinstance(one, Packet):
                    scale = infos[one.codec.is_video].timescale
                    if one.pts < seconds * scale:
                        packets[one.codec.is_video].append(one)
    sound = Stream(info=infos[False], packets=packets[False]) if False in infos else None
    return Stream(info=infos[True], packets=packets[True]), sound


def spoil(path: Path, target: Path, filters: str, *, start: float = 2, frames: int = 60) -> Path:
    """Some seconds of a file behind FFmpeg's filters, as H.264 of 2 Mbit/s, a key frame every two seconds."""
    with av.open(target, "w") as container:
        stream: Any = container.add_stream("libx264", rate=_RATE)
        stream.bit_rate, stream.gop_size, stream.pix_fmt = 2_000_000, 50, "yuv420p"
        stream.options = {"preset": "superfast", "maxrate": "2M", "bufsize": "2M"}
        for number, frame in enumerate(_filtered(path, filters, start, frames)):
            if number == 0:
                stream.width, stream.height = frame.width, frame.height
            frame.pts, frame.time_base = number, Fraction(1, _RATE)
            frame.pict_type = 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target


def _filtered(path: Path, filters: str, start: float, count: int) -> Iterator[Any]:
    frames = (frame for frame in _decoded(path) if frame.time >= start)
    graph, source, sink = None, None, None
    for number, frame in enumerate(frames):
        if number == count:
            return
        if source is None or sink is None:
            graph, source, sink = _graph(frame, filters)
        frame.pts, frame.time_base = number, Fraction(1, _RATE)
        source.push(frame)
        yield sink.pull()
    del graph


def _decoded(path: Path) -> Iterator[Any]:
    with av.open(path) as container:
        yield from container.decode(video=0)


def _graph(frame: Any, filters: str) -> tuple[Graph, Any, Any]:
    graph = Graph()
    size, pixels = f"{frame.width}x{frame.height}", frame.format.name
    source = graph.add("buffer", video_size=size, pix_fmt=pixels, time_base="1/25", pixel_aspect="1/1")
    last = source
    for one in filters.split(",") if filters else []:
        name, _, arguments = one.partition("=")
        following = graph.add(name, arguments) if arguments else graph.add(name)
        last.link_to(following)
        last = following
    pixels_out, sink = graph.add("format", "yuv420p"), graph.add("buffersink")
    last.link_to(pixels_out)
    pixels_out.link_to(sink)
    graph.configure()
    return graph, source, sink


def repeat(path: Path, target: Path, *, start: float = 2, clock: bool = False) -> Path:
    """One picture over and over, as of a camera whose sensor hangs; with a clock that it draws in."""
    still = next(frame for frame in _decoded(path) if frame.time >= start).to_ndarray(format="rgb24")
    with av.open(target, "w") as container:
        stream: Any = container.add_stream("libx264", rate=_RATE)
        stream.bit_rate, stream.gop_size, stream.pix_fmt = 2_000_000, 50, "yuv420p"
        stream.width, stream.height = still.shape[1], still.shape[0]
        stream.options = {"preset": "superfast", "maxrate": "2M", "bufsize": "2M"}
        for number in range(175):
            picture = still.copy()
            if clock:
                left = 20 + number % 50
                picture[12:30, left : left + 12] = 255
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target


def sound(wave: Callable[[Any], Any], codec: Codec = Codec.AAC, seconds: float = 6) -> Stream:
    """Sound of a function of time in seconds, -1 to 1, mono: AAC of 16 kHz or G.711 of 8 kHz."""
    rate = 16_000 if codec is Codec.AAC else 8000
    name = {Codec.AAC: "aac", Codec.G711A: "pcm_alaw", Codec.G711U: "pcm_mulaw"}[codec]
    context: Any = av.CodecContext.create(name, "w")
    context.sample_rate, context.layout, context.time_base = rate, "mono", Fraction(1, rate)
    context.format = "fltp" if codec is Codec.AAC else "s16"
    context.open()
    values = np.clip(wave(np.arange(round(seconds * rate)) / rate), -1, 1)
    samples = (values * 32767).astype(np.int16)
    step = 1024 if codec is Codec.AAC else 160
    resample = av.AudioResampler(context.format, "mono", rate)
    encoded = []
    for start in range(0, len(samples) - step, step):
        block = av.AudioFrame.from_ndarray(samples[start : start + step].reshape(1, -1), "s16", "mono")
        block.sample_rate, block.pts, block.time_base = rate, start, Fraction(1, rate)
        for ready in resample.resample(block):
            encoded += context.encode(ready)
    entry = aac.mp4a(bytes(context.extradata)) if codec is Codec.AAC else g711.g711_entry(codec, rate, 1)
    info = TrackInfo(codec=codec, timescale=rate, sample_entry=entry, sample_rate=rate, channels=1)
    packets = [
        Packet(codec=codec, pts=one.pts, data=bytes(one), key=True, arrival_us=0, wall_us=None)
        for one in encoded
    ]
    return Stream(info=info, packets=packets)


def from_zero(stream: Stream) -> Stream:
    """The same, its time stamps counted from the first key frame."""
    first = next(index for index, one in enumerate(stream.packets) if one.key)
    origin = stream.packets[first].pts
    return Stream(
        info=stream.info,
        packets=[one._replace(pts=one.pts - origin) for one in stream.packets[first:]],
    )
