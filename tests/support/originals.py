"""Footage whose pictures carry their time, taken into a ring, and what players show of files made of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from capture.intake import Handed, take_in
from capture.libav.recording import ToldBy
from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US, FakeClock
from kernel.model.cut import Clip, ClipGap, SegmentSlice
from kernel.model.footage import Segment
from kernel.settings import RingSettings, Settings
from kernel.timerange import TimeRange
from simulator import timestrip
from tests.support.peers import missing
from tests.support.segments import HEIGHT, WIDTH, picture

START_US = 1_772_420_400 * SECOND_US
FRAME_US = 40_000


def write_strips(
    path: Path,
    *,
    codec: str = "libx264",
    sound: str = "",
    seconds: int = 8,
    start_us: int = START_US,
    options: dict[str, str] | None = None,
) -> Path:
    """25 pictures a second, each with the strip of its capture time; a key frame every two seconds."""
    with av.open(path, "w") as container:
        video: Any = container.add_stream(codec, rate=25, options=options or {})
        video.width, video.height, video.pix_fmt, video.gop_size = WIDTH, HEIGHT, "yuv420p", 50
        heard: Any = None
        if sound:
            heard = container.add_stream(sound, rate=8000 if sound == "pcm_alaw" else 48_000, layout="mono")
        for number in range(seconds * 25):
            frame = picture(start_us + number * FRAME_US)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(video.encode(frame))
            if heard is not None:
                container.mux(heard.encode(_tone(number, heard.rate)))
        container.mux(video.encode(None))
        if heard is not None:
            container.mux(heard.encode(None))
    return path


def _tone(number: int, rate: int) -> Any:
    count = rate // 25
    time = (np.arange(count) + number * count) / rate
    wave = (np.sin(2 * np.pi * (440 + 30 * time) * time) * 12_000).astype(np.int16)  # no two frames alike
    block = av.AudioFrame.from_ndarray(wave.reshape(1, -1), "s16", "mono")
    block.sample_rate, block.pts, block.time_base = rate, number * count, Fraction(1, rate)
    return block


def taken_in(path: Path, catalogue: Catalogue, directory: Path, start_us: int = START_US) -> list[Segment]:
    """The segments that a recording becomes, two seconds or a little more each."""
    settings = Settings(data_dir=directory, ring=RingSettings(segment_seconds=2, reserve_bytes=0))
    handed = Handed(
        path=path,
        source_id="cam",
        start_us=start_us,
        told_by=ToldBy.PRINCIPAL,
        offset_us=0,
        sha256="",
        principal="clerk",
    )
    clock = FakeClock(start_us + 3600 * SECOND_US)
    receipt = take_in(handed, settings, catalogue.footage, clock, lambda step, done: None)
    mine = [one for one in catalogue.footage.all_segments() if one.run_id == receipt.run_id]
    return sorted(mine, key=lambda one: one.sequence)


def clip_of(segments: Sequence[Segment], wall: TimeRange, gaps: Sequence[ClipGap] = ()) -> Clip:
    """What segments cover of a time, and the gaps that are told."""
    slices = [
        SegmentSlice(segment_id=one.id, wall=part)
        for one in segments
        if (part := one.wall.intersect(wall)) is not None
    ]
    return Clip(
        id="P-O.cam.1",
        session_id="P-O",
        source_id="cam",
        part=1,
        wall=wall,
        slices=tuple(slices),
        gaps=tuple(gaps),
    )


@dataclass(frozen=True)
class Shown:
    """A picture as FFmpeg presents it."""

    at_us: int  # since the start of the file
    strip_ms: int | None


def shown(path: Path) -> list[Shown]:
    """All pictures of a file. FFmpeg fails at the first thing that it cannot decode."""
    need("ffmpeg", "ffprobe")
    told = probed(path, "-select_streams", "v", "-show_entries", "frame=pts_time")["frames"]
    decode = ["ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-map", "0:v", "-fps_mode", "passthrough"]
    out = subprocess.run(
        [*decode, "-f", "rawvideo", "-pix_fmt", "gray", "-"], capture_output=True, check=True
    )
    assert not complaints(out.stderr.decode())
    grays = np.frombuffer(out.stdout, np.uint8).reshape(-1, HEIGHT, WIDTH)
    return [
        Shown(at_us=round(float(one["pts_time"]) * SECOND_US), strip_ms=timestrip.read(gray))
        for one, gray in zip(told, grays, strict=True)
    ]


def probed(path: Path | str, *options: str) -> dict[str, Any]:
    """What ffprobe says of a file."""
    need("ffprobe")
    command = ["ffprobe", "-v", "error", *options, "-of", "json", str(path)]
    told = subprocess.run(command, capture_output=True, check=True, text=True)
    assert not complaints(told.stderr)
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def complaints(stderr: str) -> list[str]:
    """What FFmpeg had to say, but for one thing.

    Where decoding begins at a recovery point of H.264, which is no IDR picture, the stream orders pictures to
    be forgotten that were never there. Nothing is missing for it.
    """
    harmless = re.compile(r"mmco: unref short failure$|^ *Last message repeated \d+ times$")
    return [line for line in stderr.splitlines() if not harmless.search(line)]


def need(*programs: str) -> None:
    for name in programs:
        if shutil.which(name) is None:
            missing(name, "on Debian, apt install ffmpeg")
