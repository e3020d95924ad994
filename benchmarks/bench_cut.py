"""What an original costs: a quarter out of the middle of a long ring as one MP4 file, nothing encoded anew.

Against ``ffmpeg -ss -to -c copy`` on the same footage in one MP4 file, and against ``cp`` of the bytes that we
write. Segments are a minute of H.264 at 4 Mbit/s with AAC, in the ring's own layout. Everything that is read is
in memory (a first, uncounted take of each sees to it), outputs go to the same disk, and nobody waits for it:
neither FFmpeg nor ``cp`` calls fsync, so for the comparison we do not either, and we hash nothing, as they do
not. What writing costs with every segment proven by its hash, and with fsync, is told beside it. Ours is
measured as a call in a running process; theirs are processes, which start in some milliseconds.

The first byte is that of a range request by HTTP to a server that has not seen the clip before: it reads the
rows, the headers of all fragments of the clip, makes the head and sends.

Pictures carry the time strip where the clip begins and ends: the first and the last picture that FFmpeg decodes
of our file must be the first and the last that were captured in the cut's time. All other segments repeat one
minute of the same kind under their own times. Prints a table; the last line is one JSON object.

40 minutes by default; 8 hours where ``JIANZHENG_BENCH_LONG=1`` says so (needs 40 GB of disk, 16 GB of memory).
"""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
import uvicorn
from rich.console import Console
from rich.table import Table

from archiver.encode import sample_entry
from archiver.samples import h264_sample
from catalog.catalogue import Catalogue
from catalog.objects import DirectoryStore
from cli.originals import RingOriginals
from kernel.chain import GENESIS_CHAIN
from kernel.clock import SystemClock
from kernel.isobmff.boxes import find
from kernel.isobmff.tracks import ProducerTime, Sample, Track, TrackRun
from kernel.isobmff.writer import fragment_parts, init_segment, producer_time
from kernel.model.cut import Clip, CutList, SegmentSlice
from kernel.model.footage import ClockBasis, EndReason, Run, Segment
from kernel.model.timeline import Phase, Project, Session, SessionState, TimelineEvent
from kernel.settings import CamerasFile
from kernel.timerange import TimeRange
from player_api.app import create_app
from segmenter.original_files import write
from segmenter.originals import Original, original, pieces
from simulator import timestrip

MINUTES = 480 if os.environ.get("JIANZHENG_BENCH_LONG") == "1" else 40
TAKES = 7
FIRST_BYTES = 9
MINUTE_US = 60_000_000
START_US = 1_772_420_400_000_000
WIDTH, HEIGHT, FPS = 960, 540, 25
PICTURE_TICKS, FRAME_US = 3600, 40_000
SOUND_RATE, SOUND_FRAME = 48_000, 1024


@dataclass(frozen=True, kw_only=True)
class Minute:
    """A minute of footage, encoded."""

    tracks: list[Track]
    pictures: list[Sample]
    sound: list[Sample]


def encode(start_us: int, sound: bool = True) -> Minute:
    """Noise under a time strip, held at 4 Mbit/s, a key frame every two seconds; tones beside it."""
    random = np.random.default_rng(1)
    noise = random.integers(40, 200, (8, HEIGHT * 3 // 2, WIDTH), dtype=np.uint8)
    header = io.BytesIO()
    options = {"preset": "ultrafast", "bf": "0", "maxrate": "3870k", "bufsize": "1M", "tune": "zerolatency"}
    options["x264-params"] = "nal-hrd=cbr:scenecut=0:filler=1"
    with av.open(
        header, "w", format="mp4", options={"movflags": "empty_moov+default_base_moof"}
    ) as container:
        video: Any = container.add_stream("libx264", rate=FPS, options=options)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.bit_rate, video.gop_size = 3_870_000, 2 * FPS
        container.start_encoding()
        packets = []
        for number in range(60 * FPS):
            planes = noise[number % 8].copy()
            timestrip.draw(planes[:HEIGHT], (start_us + number * FRAME_US) // 1000)
            packets += video.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p"))
        packets += video.encode(None)
        entry = sample_entry(header.getvalue())
    pictures = [
        Sample(data=h264_sample(bytes(one)), duration=PICTURE_TICKS, key=one.is_keyframe) for one in packets
    ]
    heard = tones() if sound else ([], b"")
    picture_track = Track(id=1, timescale=90_000, sample_entry=entry, width=WIDTH, height=HEIGHT)
    sound_track = Track(id=2, timescale=SOUND_RATE, sample_entry=heard[1])
    return Minute(tracks=[picture_track, sound_track], pictures=pictures, sound=heard[0])


def tones() -> tuple[list[Sample], bytes]:
    """AAC, 128 kbit/s, and its sample entry."""
    random = np.random.default_rng(2)
    header = io.BytesIO()
    with av.open(
        header, "w", format="mp4", options={"movflags": "empty_moov+default_base_moof"}
    ) as container:
        stream: Any = container.add_stream("aac", rate=SOUND_RATE, layout="stereo")
        stream.bit_rate = 128_000
        container.start_encoding()
        packets = []
        for number in range(60 * SOUND_RATE // SOUND_FRAME):
            values = random.normal(0, 0.1, (2, SOUND_FRAME)).astype(np.float32)
            block = av.AudioFrame.from_ndarray(values, format="fltp", layout="stereo")
            block.sample_rate, block.pts = SOUND_RATE, number * SOUND_FRAME
            block.time_base = Fraction(1, SOUND_RATE)
            packets += stream.encode(block)
        entry = sample_entry(header.getvalue())
    return [Sample(data=bytes(one), duration=SOUND_FRAME) for one in packets], entry


def segment_bytes(minute: Minute, number: int) -> bytes:
    """A segment of a run: a fragment a second, its sound with it, times going on from the one before."""
    parts = [init_segment(minute.tracks)]
    for second in range(60):
        at = number * 60 + second
        told = ProducerTime(
            track_id=1, wall_us=START_US + at * 1_000_000, media_time=at * 90_000, captured=True
        )
        pictures = TrackRun(
            track_id=1,
            base_dts=at * 90_000,
            samples=tuple(minute.pictures[second * FPS : second * FPS + FPS]),
        )
        first, behind = (-(-one * SOUND_RATE // SOUND_FRAME) for one in (at, at + 1))
        heard = tuple(minute.sound[one % len(minute.sound)] for one in range(first, behind))
        sound = TrackRun(track_id=2, base_dts=first * SOUND_FRAME, samples=heard)
        parts += [producer_time(told), *fragment_parts(at + 1, [pictures, sound])]
    return b"".join(parts)


def make_ring(ring: Path, cut: TimeRange) -> list[Segment]:
    """The ring's segments; those in which the cut begins and ends have strips of their own time."""
    repeated = encode(START_US)
    borders = {(moment - START_US) // MINUTE_US for moment in (cut.start_us, cut.end_us)}
    (ring / "cam").mkdir(parents=True)
    segments = []
    for number in range(MINUTES):
        minute = repeated
        if number in borders:
            own = encode(START_US + number * MINUTE_US, sound=False)
            minute = Minute(tracks=repeated.tracks, pictures=own.pictures, sound=repeated.sound)
        data = segment_bytes(minute, number)
        path = f"cam/run-{number:06d}.mp4"
        (ring / path).write_bytes(data)
        segments.append(segment_row(number, path, data))
    return segments


def segment_row(number: int, path: str, data: bytes) -> Segment:
    start_us = START_US + number * MINUTE_US
    return Segment(
        id=f"seg-{number}",
        run_id="run",
        source_id="cam",
        sequence=number,
        wall=TimeRange(start_us=start_us, end_us=start_us + MINUTE_US),
        media_start=number * 60 * 90_000,
        media_duration=60 * 90_000,
        timescale=90_000,
        clock_basis=ClockBasis.SENDER_REPORT,
        clock_offset_us=0,
        path=path,
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        chain=GENESIS_CHAIN,
        end_reason=EndReason.LENGTH,
    )
