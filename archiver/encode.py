"""Encodes the pictures of a chunk: one step for one processor, from named inputs to a named file, which
appears when it is complete."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, Interpolation

from archiver.archive_file import VIDEO_TIMESCALE, VIDEO_TRACK, to_micros, to_ticks
from archiver.decode import DecodeTally, video_frames
from archiver.fingerprint import Fingerprint, fingerprint, key_frames
from archiver.output import whole_file
from archiver.ring_reader import PictureFormat
from archiver.samples import SAMPLE_OF
from archiver.stretches import Stretch
from archiver.thinning import ALL_PICTURES, Pace, thinned
from kernel.errors import EncodeError
from kernel.isobmff.boxes import find
from kernel.isobmff.tracks import ProducerTime, Sample, Track, TrackRun
from kernel.isobmff.writer import compact_fragment, init_segment, producer_time
from kernel.timerange import TimeRange

_SCALING = Interpolation.BICUBIC


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoStep:
    """The pictures of one chunk."""

    stretch: Stretch
    clip_start_us: int
    picture: PictureFormat  # of the whole clip, as it is archived
    encoder: str
    options: Mapping[str, str]  # FFmpeg's
    key_seconds: float  # a key frame at least so often: what a seek may cost
    target: Path
    pace: Pace = ALL_PICTURES


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoResult:
    """What a video step made."""

    path: Path | None  # None where not one picture could be had
    wall: TimeRange
    size_bytes: int
    frames: int  # that are in the file
    key_bytes: int  # of its first picture
    frames_seen: int  # of the footage; more than are in the file where a still screen was thinned out
    undecodable_units: int
    decoders: tuple[str, ...]
    fingerprints: tuple[Fingerprint, ...] = ()  # of the first picture of each group


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedUnit:
    """What an encoder gave."""

    data: bytes
    pts: int
    key: bool


def encode_video(step: VideoStep) -> VideoResult:
    """Encode the pictures of a chunk; media time is wall time minus the clip's start, time stamps stay true.

    Raises:
        EncodeError: the encoder fails, or gives another number of pictures than it was given.
    """
    tally = DecodeTally()
    made = encode_frames(step, video_frames(step.stretch, tally))
    return replace(
        made,
        frames_seen=tally.frames,
        undecodable_units=tally.undecodable_units,
        decoders=tuple(sorted(tally.decoders)),
    )


def encode_frames(step: VideoStep, frames: Iterable[tuple[int, VideoFrame]]) -> VideoResult:
    """Encode pictures that are decoded already; what decoding met is for the caller to add.

    Raises:
        EncodeError: the encoder fails, or gives another number of pictures than it was given.
    """
    encoder = VideoEncoder(step)
    units: list[EncodedUnit] = []
    given = 0
    try:
        for wall_us, frame in thinned(frames, step.pace):
            units += encoder.encode(wall_us, frame)
            given += 1
        units += encoder.drain()
    except FFmpegError as error:
        raise EncodeError(f"{step.encoder} failed: {error}.") from None
    if len(units) != given:
        raise EncodeError(f"{step.encoder} gave {len(units)} pictures for {given}.")
    size_bytes = _write_video(step, encoder.track(), units) if units else 0
    return VideoResult(
        path=step.target if units else None,
        wall=step.stretch.wall,
        size_bytes=size_bytes,
        frames=given,
        key_bytes=len(units[0].data) if units else 0,
        frames_seen=given,
        undecodable_units=0,
        decoders=(),
        fingerprints=_fingerprints(step, encoder.key_pictures) if units else (),
    )


def _fingerprints(step: VideoStep, sources: Mapping[int, str]) -> tuple[Fingerprint, ...]:
    """Both sides of each group's first picture; the file is decoded again, so it is known to be readable."""
    return tuple(
        Fingerprint(
            wall_us=step.clip_start_us + to_micros(ticks, VIDEO_TIMESCALE),
            source=sources[ticks],
            archived=fingerprint(frame),
        )
        for ticks, frame in key_frames(step.target)
        if ticks in sources
    )


class VideoEncoder:
    """An encoder inside a container that is never written: the muxer makes the sample entry for us."""

    def __init__(self, step: VideoStep) -> None:
        self._start_us = step.clip_start_us
        self._picture = step.picture
        self._header = io.BytesIO()
        movflags = {"movflags": "empty_moov+default_base_moof"}
        self._container = av.open(self._header, "w", format="mp4", options=movflags)
        rate = step.picture.rate
        stream: Any = self._container.add_stream(step.encoder, rate=rate, options=dict(step.options))
        stream.width, stream.height = step.picture.width, step.picture.height
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, VIDEO_TIMESCALE)
        stream.codec_context.framerate = rate
        stream.codec_context.gop_size = max(1, round(rate * Fraction(step.key_seconds)))
        stream.codec_context.thread_count = 1
        self._stream = stream
        self._sample_of = SAMPLE_OF[step.encoder]
        self._key_ticks = round(step.key_seconds * VIDEO_TIMESCALE)
        self._key_due = 0  # ticks of the next key frame
        self._first = True
        self.key_pictures: dict[int, str] = {}  # fingerprints of the pictures asked for as key frames, by pts
        self._container.start_encoding()
        leave_real_time()

    def encode(self, wall_us: int, frame: VideoFrame) -> list[EncodedUnit]:
        """Give the encoder a frame; it answers when it likes.

        Key frames come by time, not by count: a screen that is sent once a second would else have one in a
        minute.
        """
        plain = fit(frame, self._picture.width, self._picture.height)
        plain.pts = to_ticks(wall_us - self._start_us, VIDEO_TIMESCALE)
        plain.time_base = Fraction(1, VIDEO_TIMESCALE)
        plain.pict_type = PictureType.NONE
        if self._first or plain.pts >= self._key_due:
            self._first, self._key_due = False, plain.pts + self._key_ticks
            plain.pict_type = PictureType.I
            self.key_pictures[plain.pts] = fingerprint(plain)
        return self._units(self._stream.encode(plain))

    def drain(self) -> list[EncodedUnit]:
        """What the encoder still holds."""
        return self._units(self._stream.encode(None))

    def _units(self, packets: list[Any]) -> list[EncodedUnit]:
        return [
            EncodedUnit(
                data=self._sample_of(bytes(packet)), pts=int(packet.pts), key=bool(packet.is_keyframe)
            )
            for packet in packets
        ]

    def track(self) -> Track:
        """The video track, with the sample entry that the muxer wrote."""
        return Track(
            id=VIDEO_TRACK,
            timescale=VIDEO_TIMESCALE,
            sample_entry=sample_entry(self._header.getvalue()),
            width=self._picture.width,
            height=self._picture.height,
        )


def leave_real_time() -> None:
    """Take all threads of this process out of real-time scheduling.

    SVT-AV1 gives its threads the highest real-time priority where it may, that is when it runs as root
    (``svt_create_thread``). They would starve the recorder: footage lost for the sake of other footage.
    """
    tasks = Path("/proc/self/task")
    if not (hasattr(os, "sched_setscheduler") and tasks.is_dir()):
        return
    for task in tasks.iterdir():
        with suppress(ProcessLookupError):  # a thread that ended meanwhile
            os.sched_setscheduler(int(task.name), os.SCHED_OTHER, os.sched_param(0))


def fit(frame: VideoFrame, width: int, height: int) -> VideoFrame:
    """A frame as large as asked for; one of another shape is scaled whole, with black beside it.

    JPEG uses all 256 levels for black to white, players take an archived file's for 16 to 235 as usual.
    """
    levels = ColorRange.MPEG if frame.color_range == ColorRange.JPEG else None
    if frame.width * height == frame.height * width:
        return frame.reformat(
            width=width, height=height, format="yuv420p", dst_color_range=levels, interpolation=_SCALING
        )
    scale = min(width / frame.width, height / frame.height)
    inner_width, inner_height = (max(2, int(side * scale) // 2 * 2) for side in (frame.width, frame.height))
    inner = frame.reformat(
        width=inner_width,
        height=inner_height,
        format="yuv420p",
        dst_color_range=levels,
        interpolation=_SCALING,
    ).to_ndarray()
    canvas = np.full((height * 3 // 2, width), 128, np.uint8)
    canvas[:height] = 16  # black, limited range
    left, top = (width - inner_width) // 4 * 2, (height - inner_height) // 4 * 2
    canvas[top : top + inner_height, left : left + inner_width] = inner[:inner_height]
    for plane in (0, 1):
        target = canvas[height:].reshape(2, height // 2, width // 2)[plane]
        source = inner[inner_height:].reshape(2, inner_height // 2, inner_width // 2)[plane]
        target[top // 2 : (top + inner_height) // 2, left // 2 : (left + inner_width) // 2] = source
    return VideoFrame.from_ndarray(canvas, format="yuv420p")


def sample_entry(header: bytes) -> bytes:
    """The sample entry of the only track of a header that a muxer wrote."""
    stsd = find(header, "moov", "trak", "mdia", "minf", "stbl", "stsd")
    if stsd is None:
        raise EncodeError("the encoder gave no description of its stream.")
    return header[stsd.payload + 8 : stsd.end]


def _write_video(step: VideoStep, track: Track, units: list[EncodedUnit]) -> int:
    """Write the units as groups of pictures; decode times are the presentation times, sorted."""
    end = to_ticks(step.stretch.wall.end_us - step.clip_start_us, VIDEO_TIMESCALE)
    order = [*sorted(unit.pts for unit in units), end]
    samples = [
        Sample(
            data=unit.data,
            duration=max(1, order[number + 1] - order[number]),
            key=unit.key,
            composition_offset=unit.pts - order[number],
        )
        for number, unit in enumerate(units)
    ]
    borders = [number for number, unit in enumerate(units) if unit.key] + [len(units)]
    if borders[0] != 0:
        raise EncodeError("the encoder did not begin with a key frame.")
    with whole_file(step.target) as file:
        file.write(init_segment([track]))
        for sequence, (first, behind) in enumerate(pairwise(borders), start=1):
            run = TrackRun(track_id=track.id, base_dts=order[first], samples=tuple(samples[first:behind]))
            file.write(_stamped(sequence, run, step))
        return file.tell()


def _stamped(sequence: int, run: TrackRun, step: VideoStep) -> bytes:
    time = ProducerTime(
        track_id=run.track_id,
        wall_us=step.clip_start_us + to_micros(run.base_dts, VIDEO_TIMESCALE),
        media_time=run.base_dts,
        captured=step.stretch.captured,
    )
    return producer_time(time) + compact_fragment(sequence, [run])


def libraries() -> dict[str, str]:
    """Versions of this product and of everything that encodes, for receipts."""
    parts = {name: ".".join(map(str, number)) for name, number in av.library_versions.items()}
    return {"jianzheng": version("jianzheng"), "av": av.__version__, **parts}
