"""Encodes a piece of a clip: pictures of a chunk, or the sound of a clip. Each function is one step for one
processor, from named inputs to a named file, which appears when it is complete."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.error import FFmpegError
from av.video.frame import VideoFrame

from archiver.archive_file import AUDIO_TRACK, VIDEO_TIMESCALE, VIDEO_TRACK, to_micros, to_ticks
from archiver.decode import DecodeTally, audio_frames, video_frames
from archiver.profile import AUDIO_KBPS, AUDIO_RATE_HZ, KEY_INTERVAL_SECONDS, Options
from archiver.samples import SAMPLE_OF
from archiver.stretches import Stretch
from kernel.errors import EncodeError
from kernel.isobmff.boxes import find
from kernel.isobmff.tracks import ProducerTime, Sample, Track, TrackRun
from kernel.isobmff.writer import fragment, init_segment, producer_time

_AAC_FRAME = 1024  # samples
_FRAMES_FOR_RATE = 11  # a single interval would take the jitter of one frame for the camera's rate
_JITTER_SAMPLES = AUDIO_RATE_HZ // 20  # 50 ms: sound within this of its place follows on without a break


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoStep:
    """The pictures of one chunk."""

    stretch: Stretch
    clip_start_us: int
    encoder: str
    options: Options
    target: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoResult:
    """What a video step made."""

    path: Path
    size_bytes: int
    frames: int
    undecodable_units: int
    decoders: tuple[str, ...]
    width: int
    height: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedUnit:
    """What an encoder gave."""

    data: bytes
    pts: int
    key: bool


def encode_video(step: VideoStep) -> VideoResult:
    """Encode the pictures of a chunk; media time is wall time minus the clip's start, time stamps stay true.

    Raises:
        EncodeError: the chunk has no decodable picture, or the encoder fails.
    """
    tally = DecodeTally()
    frames = video_frames(step.stretch, tally)
    first = next(frames, None)
    if first is None:
        raise EncodeError(f"no picture of {step.stretch.wall} can be decoded.")
    size = (first[1].width - first[1].width % 2, first[1].height - first[1].height % 2)
    try:
        encoder = VideoEncoder(step, size)
        units = [unit for wall_us, frame in _chain(first, frames) for unit in encoder.encode(wall_us, frame)]
        units += encoder.drain()
    except FFmpegError as error:
        raise EncodeError(f"{step.encoder} failed: {error}.") from None
    end = to_ticks(step.stretch.wall.end_us - step.clip_start_us, VIDEO_TIMESCALE)
    size_bytes = _write_video(step, encoder.track(size), units, end)
    return VideoResult(
        path=step.target,
        size_bytes=size_bytes,
        frames=tally.frames,
        undecodable_units=tally.undecodable_units,
        decoders=tuple(sorted(tally.decoders)),
        width=size[0],
        height=size[1],
    )


def _chain(
    first: tuple[int, VideoFrame], rest: Iterator[tuple[int, VideoFrame]]
) -> Iterator[tuple[int, VideoFrame]]:
    yield first
    yield from rest


class VideoEncoder:
    """An encoder inside a container that is never written: the muxer makes the sample entry for us."""

    def __init__(self, step: VideoStep, size: tuple[int, int]) -> None:
        self._start_us = step.clip_start_us
        self._header = io.BytesIO()
        movflags = {"movflags": "empty_moov+default_base_moof"}
        self._container = av.open(self._header, "w", format="mp4", options=movflags)
        stream: Any = self._container.add_stream(step.encoder, rate=25, options=dict(step.options))
        self._stream = stream
        self._sample_of = SAMPLE_OF[step.encoder]
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, VIDEO_TIMESCALE)
        self._stream.codec_context.thread_count = 1
        self._key_ticks = KEY_INTERVAL_SECONDS * VIDEO_TIMESCALE
        self._size = size
        self._started = False
        self._pending: list[tuple[int, VideoFrame]] = []

    def encode(self, wall_us: int, frame: VideoFrame) -> list[EncodedUnit]:
        """Give the encoder a frame; it answers when it likes."""
        if not self._started:
            self._pending.append((wall_us, frame))
            if len(self._pending) < _FRAMES_FOR_RATE:
                return []
            return self._start()
        return self._give(wall_us, frame)

    def _start(self) -> list[EncodedUnit]:
        """Tell the encoder the frame rate, once it is known, then give it what came so far."""
        rate = _frame_rate([wall_us for wall_us, _ in self._pending])
        context = self._stream.codec_context
        context.framerate = rate
        context.gop_size = max(1, round(rate * KEY_INTERVAL_SECONDS))
        self._container.start_encoding()
        leave_real_time()
        self._started = True
        pending, self._pending = self._pending, []
        return [unit for wall_us, frame in pending for unit in self._give(wall_us, frame)]

    def _give(self, wall_us: int, frame: VideoFrame) -> list[EncodedUnit]:
        plain = frame.reformat(width=self._size[0], height=self._size[1], format="yuv420p")
        plain.pts = to_ticks(wall_us - self._start_us, VIDEO_TIMESCALE)
        plain.time_base = Fraction(1, VIDEO_TIMESCALE)
        plain.pict_type = av.video.frame.PictureType.NONE
        return self._units(self._stream.encode(plain))

    def drain(self) -> list[EncodedUnit]:
        """What the encoder still holds."""
        units = [] if self._started else self._start()
        return units + self._units(self._stream.encode(None))

    def _units(self, packets: list[Any]) -> list[EncodedUnit]:
        return [
            EncodedUnit(
                data=self._sample_of(bytes(packet)), pts=int(packet.pts), key=bool(packet.is_keyframe)
            )
            for packet in packets
        ]

    def track(self, size: tuple[int, int]) -> Track:
        """The video track, with the sample entry that the muxer wrote."""
        entry = sample_entry(self._header.getvalue())
        return Track(
            id=VIDEO_TRACK, timescale=VIDEO_TIMESCALE, sample_entry=entry, width=size[0], height=size[1]
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


def _frame_rate(walls: list[int]) -> Fraction:
    """Frames a second from the first capture times; one frame alone counts as one a second."""
    if len(walls) < 2 or walls[-1] <= walls[0]:
        return Fraction(1)
    return Fraction((len(walls) - 1) * 1_000_000, walls[-1] - walls[0]).limit_denominator(100)


def sample_entry(header: bytes) -> bytes:
    """The sample entry of the only track of a header that a muxer wrote."""
    stsd = find(header, "moov", "trak", "mdia", "minf", "stbl", "stsd")
    if stsd is None:
        raise EncodeError("the encoder gave no description of its stream.")
    return header[stsd.payload + 8 : stsd.end]


def _write_video(step: VideoStep, track: Track, units: list[EncodedUnit], end: int) -> int:
    """Write the units as groups of pictures; decode times are the presentation times, sorted."""
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
    partial = step.target.with_suffix(".part")
    with partial.open("wb") as file:
        file.write(init_segment([track]))
        for sequence in range(len(borders) - 1):
            first, behind = borders[sequence], borders[sequence + 1]
            run = TrackRun(track_id=track.id, base_dts=order[first], samples=tuple(samples[first:behind]))
            file.write(_stamped(sequence + 1, run, step.clip_start_us, track))
        size = file.tell()
    partial.replace(step.target)
    return size


def _stamped(sequence: int, run: TrackRun, clip_start_us: int, track: Track) -> bytes:
    wall_us = clip_start_us + to_micros(run.base_dts, track.timescale)
    time = ProducerTime(track_id=track.id, wall_us=wall_us, media_time=run.base_dts, captured=True)
    return producer_time(time) + fragment(sequence, [run])


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioStep:
    """The sound of a whole clip: an encoder's overlap makes seams where chunks of sound meet."""

    stretches: tuple[Stretch, ...]
    clip_start_us: int
    target: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioResult:
    """What an audio step made."""

    path: Path | None  # None where the clip has no sound
    size_bytes: int
    padded_us: int  # silence put where a stretch has pictures but no sound
    undecodable_units: int
    decoders: tuple[str, ...]


def encode_audio(step: AudioStep) -> AudioResult:
    """Encode the sound of a clip as mono AAC-LC, each stretch on its own, in its true place.

    Within a stretch, sound that is missing becomes silence of the same length, which is counted: a player
    that waits for sound must not hold the picture (invariant 7).
    """
    tally = DecodeTally()
    runs: list[TrackRun] = []
    padded = 0
    entry = b""
    for stretch in step.stretches:
        try:
            encoder = AudioEncoder(stretch, step.clip_start_us)
            for wall_us, frame in audio_frames(stretch, tally):
                encoder.add(wall_us, frame)
            if encoder.heard:
                runs.append(encoder.finish())
                padded += encoder.padded_samples
                entry = encoder.entry()
        except FFmpegError as error:
            raise EncodeError(f"the sound cannot be encoded: {error}.") from None
    decoders = tuple(sorted(tally.decoders))
    path, size = (_write_audio(step.target, entry, runs)) if runs else (None, 0)
    return AudioResult(
        path=path,
        size_bytes=size,
        padded_us=padded * 1_000_000 // AUDIO_RATE_HZ,
        undecodable_units=tally.undecodable_units,
        decoders=decoders,
    )


class AudioEncoder:
    """Places decoded sound on the sample grid of its stretch and encodes it."""

    def __init__(self, stretch: Stretch, clip_start_us: int) -> None:
        self._wall = stretch.wall
        self._base = to_ticks(stretch.wall.start_us - clip_start_us, AUDIO_RATE_HZ)
        self._length = to_ticks(stretch.wall.duration_us, AUDIO_RATE_HZ)
        self._header = io.BytesIO()
        movflags = {"movflags": "empty_moov+default_base_moof"}
        self._container = av.open(self._header, "w", format="mp4", options=movflags)
        self._stream: Any = self._container.add_stream("aac", rate=AUDIO_RATE_HZ, layout="mono")
        self._stream.bit_rate = AUDIO_KBPS * 1000
        self._container.start_encoding()
        self._resampler: AudioResampler | None = None
        self._format: tuple[str, str, int] | None = None
        self._cursor = 0  # samples of the stretch that are placed
        self._samples: list[Sample] = []
        self.heard = False
        self.padded_samples = 0

    def add(self, wall_us: int, frame: Any) -> None:
        """Place a frame by its wall time; small differences are jitter of time stamps, not silence."""
        place = to_ticks(wall_us - self._wall.start_us, AUDIO_RATE_HZ)
        if not self.heard or abs(place - self._cursor) > _JITTER_SAMPLES:
            self._pad(place - self._cursor)
        self.heard = True
        for block in self._resample(frame):
            self._place(block.to_ndarray().reshape(-1))

    def _resample(self, frame: Any) -> list[Any]:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or kind != self._format:
            self._resampler = AudioResampler(format="fltp", layout="mono", rate=AUDIO_RATE_HZ)
            self._format = kind
        frame.pts = None
        return list(self._resampler.resample(frame))

    def _pad(self, count: int) -> None:
        if count > 0:
            self.padded_samples += count
            self._place(np.zeros(count, dtype=np.float32))

    def _place(self, samples: np.ndarray[Any, np.dtype[np.float32]]) -> None:
        samples = samples[: max(0, self._length - self._cursor)]
        for start in range(0, len(samples), _AAC_FRAME):
            part = samples[start : start + _AAC_FRAME]
            block = av.AudioFrame.from_ndarray(part.reshape(1, -1), format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = (
                AUDIO_RATE_HZ,
                self._cursor,
                Fraction(1, AUDIO_RATE_HZ),
            )
            self._cursor += len(part)
            self._take(self._stream.encode(block))

    def _take(self, packets: list[Any]) -> None:
        """Keep what lies within the stretch: the encoder's first packet is priming, before its start."""
        for packet in packets:
            if 0 <= packet.pts < self._length:
                self._samples.append(Sample(data=bytes(packet), duration=_AAC_FRAME))

    def finish(self) -> TrackRun:
        """The encoded sound of the whole stretch, silence up to its end."""
        self._pad(self._length - self._cursor)
        self._take(self._stream.encode(None))
        return TrackRun(track_id=AUDIO_TRACK, base_dts=self._base, samples=tuple(self._samples))

    def entry(self) -> bytes:
        return sample_entry(self._header.getvalue())


def _write_audio(target: Path, entry: bytes, runs: list[TrackRun]) -> tuple[Path, int]:
    track = Track(id=AUDIO_TRACK, timescale=AUDIO_RATE_HZ, sample_entry=entry)
    partial = target.with_suffix(".part")
    with partial.open("wb") as file:
        file.write(init_segment([track]))
        for sequence, run in enumerate(runs, start=1):
            file.write(fragment(sequence, [run]))
        size = file.tell()
    partial.replace(target)
    return target, size


def libraries() -> dict[str, str]:
    """Versions of this product and of everything that encodes, for receipts."""
    parts = {name: ".".join(map(str, number)) for name, number in av.library_versions.items()}
    return {"jianzheng": version("jianzheng"), "av": av.__version__, **parts}
