"""Makes segments of the ring for tests: pictures with the time strip, in files of the product's layout."""

from __future__ import annotations

import hashlib
import io
import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from archiver.encode import sample_entry
from archiver.samples import h264_sample
from kernel.isobmff.tracks import ProducerTime, Sample, Track, TrackRun
from kernel.isobmff.writer import fragment, init_segment, producer_time
from kernel.model.footage import ClockBasis, EndReason, Segment
from kernel.timerange import TimeRange
from simulator import timestrip

WIDTH, HEIGHT = 320, 192


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A segment to be made."""

    source_id: str = "cam"
    run_id: str = "run-1"
    sequence: int = 0
    wall_start_us: int = 1_772_420_400_000_000
    frames: int = 50
    frame_us: int = 40_000
    sound: bool = False
    moving: tuple[int, int] | None = None  # only these pictures differ from the one before; None: all do


def picture(wall_us: int) -> Any:
    """A moving scene with the strip of its capture time."""
    planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    luma = planes[:HEIGHT]
    luma[:] = 90 + (np.arange(WIDTH) % 64)[None, :]
    left = wall_us // 20_000 % (WIDTH - 60)
    luma[80:140, left : left + 60] = 200
    strip = np.ascontiguousarray(luma)
    timestrip.draw(strip, wall_us // 1000)
    planes[:HEIGHT] = strip
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")


def encoded(recipe: Recipe) -> tuple[bytes, list[Sample]]:
    """The sample entry and the samples of a recipe's pictures."""
    header = io.BytesIO()
    container = av.open(header, "w", format="mp4", options={"movflags": "empty_moov+default_base_moof"})
    options = {"preset": "ultrafast", "tune": "zerolatency", "bf": "0"}
    stream: Any = container.add_stream("libx264", rate=Fraction(1_000_000, recipe.frame_us), options=options)
    stream.width, stream.height, stream.pix_fmt, stream.gop_size = WIDTH, HEIGHT, "yuv420p", 25
    container.start_encoding()
    packets = []
    for number in range(recipe.frames):
        first, last = recipe.moving or (0, recipe.frames)
        shown = min(max(number, first), last)
        packets += stream.encode(picture(recipe.wall_start_us + shown * recipe.frame_us))
    packets += stream.encode(None)
    ticks = recipe.frame_us * 9 // 100
    samples = [
        Sample(data=h264_sample(bytes(packet)), duration=ticks, key=packet.is_keyframe) for packet in packets
    ]
    return sample_entry(header.getvalue()), samples


def _tone(recipe: Recipe) -> tuple[Track, list[Sample]]:
    """A-law sound of a 440 Hz tone, frames of 20 ms."""
    rate = 8000
    entry_fields = bytes(6) + struct.pack(">H", 1) + bytes(8) + struct.pack(">HHHHI", 1, 16, 0, 0, rate << 16)
    entry = struct.pack(">I", 8 + len(entry_fields)) + b"alaw" + entry_fields
    encoder: Any = av.CodecContext.create("pcm_alaw", "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "s16"
    encoder.time_base = Fraction(1, rate)
    count = recipe.frames * recipe.frame_us // 20_000
    time = np.arange(count * 160) / rate
    wave = (np.sin(2 * np.pi * 440 * time) * 12000).astype(np.int16)
    samples = []
    for number in range(count):
        block = av.AudioFrame.from_ndarray(
            wave[number * 160 : number * 160 + 160].reshape(1, -1), "s16", "mono"
        )
        block.sample_rate, block.pts = rate, number * 160
        samples += [Sample(data=bytes(packet), duration=160) for packet in encoder.encode(block)]
    return Track(id=2, timescale=rate, sample_entry=entry), samples


def make_segment(ring: Path, recipe: Recipe) -> Segment:
    """Write a segment file and give the row that describes it."""
    entry, video = encoded(recipe)
    tracks = [Track(id=1, timescale=90_000, sample_entry=entry, width=WIDTH, height=HEIGHT)]
    sound: list[Sample] = []
    if recipe.sound:
        track, sound = _tone(recipe)
        tracks.append(track)
    relative = f"{recipe.source_id}/{recipe.run_id}-{recipe.sequence:06d}.mp4"
    path = ring / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    data = init_segment(tracks)
    ticks = recipe.frame_us * 9 // 100
    per_fragment = 25
    for number, first in enumerate(range(0, len(video), per_fragment)):
        part = tuple(video[first : first + per_fragment])
        wall_us = recipe.wall_start_us + first * recipe.frame_us
        data += producer_time(
            ProducerTime(track_id=1, wall_us=wall_us, media_time=first * ticks, captured=True)
        )
        runs = [TrackRun(track_id=1, base_dts=first * ticks, samples=part)]
        if recipe.sound:
            a, b = (n * recipe.frame_us // 20_000 for n in (first, first + len(part)))
            runs.append(TrackRun(track_id=2, base_dts=a * 160, samples=tuple(sound[a:b])))
        data += fragment(number + 1, runs)
    path.write_bytes(data)
    return Segment(
        id=f"segment-{recipe.source_id}-{recipe.run_id}-{recipe.sequence}",
        run_id=recipe.run_id,
        source_id=recipe.source_id,
        sequence=recipe.sequence,
        wall=TimeRange(
            start_us=recipe.wall_start_us, end_us=recipe.wall_start_us + recipe.frames * recipe.frame_us
        ),
        media_start=0,
        media_duration=recipe.frames * ticks,
        timescale=90_000,
        clock_basis=ClockBasis.SENDER_REPORT,
        clock_offset_us=0,
        path=relative,
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        chain="0" * 64,
        end_reason=EndReason.LENGTH,
    )
