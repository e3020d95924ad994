"""Encodes a piece of a clip: pictures of a chunk, or the sound of a clip. Each function is one step for one
processor, from named inputs to a named file, which appears when it is complete."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.error import FFmpegError
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange

from archiver.archive_file import AUDIO_TRACK, VIDEO_TIMESCALE, VIDEO_TRACK, to_micros, to_ticks
from archiver.decode import DecodeTally, audio_frames, video_frames
from archiver.output import whole_file
from archiver.profile import AUDIO_KBPS, AUDIO_RATE_HZ, KEY_INTERVAL_SECONDS, Options
from archiver.ring_reader import PictureFormat
from archiver.samples import SAMPLE_OF
from archiver.stretches import Stretch
from kernel.errors import EncodeError
from kernel.isobmff.boxes import find
from kernel.isobmff.tracks import ProducerTime, Sample, Track, TrackRun
from kernel.isobmff.writer import fragment, init_segment, producer_time
from kernel.timerange import TimeRange

_AAC_FRAME = 1024  # samples
_JITTER_SAMPLES = AUDIO_RATE_HZ // 20  # 50 ms: sound within this of its place follows on without a break


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoStep:
    """The pictures of one chunk."""

    stretch: Stretch
    clip_start_us: int
    picture: PictureFormat  # of the whole clip
    encoder: str
    options: Options
    target: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoResult:
    """What a video step made."""

    path: Path | None  # None where not one picture could be had
    wall: TimeRange
    size_bytes: int
    frames: int
    undecodable_units: int
    decoders: tuple[str, ...]


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
    encoder = VideoEncoder(step)
    units: list[EncodedUnit] = []
    try:
        for wall_us, frame in video_frames(step.stretch, tally):
            units += encoder.encode(wall_us, frame)
        units += encoder.drain()
    except FFmpegError as error:
        raise EncodeError(f"{step.encoder} failed: {error}.") from None
    if len(units) != tally.frames:
        raise EncodeError(f"{step.encoder} gave {len(units)} pictures for {tally.frames}.")
    size_bytes = _write_video(step, encoder.track(), units) if units else 0
    return VideoResult(
        path=step.target if units else None,
        wall=step.stretch.wall,
        size_bytes=size_bytes,
        frames=tally.frames,
        undecodable_units=tally.undecodable_units,
        decoders=tuple(sorted(tally.decoders)),
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
        stream.codec_context.gop_size = max(1, round(rate * KEY_INTERVAL_SECONDS))
        stream.codec_context.thread_count = 1
        self._stream = stream
        self._sample_of = SAMPLE_OF[step.encoder]
        self._key_due = 0  # ticks of the next key frame
        self._first = True
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
            self._first, self._key_due = False, plain.pts + KEY_INTERVAL_SECONDS * VIDEO_TIMESCALE
            plain.pict_type = PictureType.I
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
        return frame.reformat(width=width, height=height, format="yuv420p", dst_color_range=levels)
    scale = min(width / frame.width, height / frame.height)
    inner_width, inner_height = (max(2, int(side * scale) // 2 * 2) for side in (frame.width, frame.height))
    inner = frame.reformat(
        width=inner_width, height=inner_height, format="yuv420p", dst_color_range=levels
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
    trimmed_us: int  # sound left out because it ran ahead of its place
    undecodable_units: int
    decoders: tuple[str, ...]


def encode_audio(step: AudioStep) -> AudioResult:
    """Encode the sound of a clip as mono AAC-LC, each stretch on its own, in its true place.

    Within a stretch, sound that is missing becomes silence of the same length, which is counted: a player
    that waits for sound must not hold the picture (invariant 7).
    """
    tally = DecodeTally()
    runs: list[TrackRun] = []
    padded = trimmed = 0
    entry = b""
    for stretch in step.stretches:
        try:
            encoder = AudioEncoder(stretch, step.clip_start_us)
            for wall_us, frame in audio_frames(stretch, tally):
                encoder.add(wall_us, frame)
            if encoder.heard:
                runs.append(encoder.finish())
                padded += encoder.padded_samples
                trimmed += encoder.trimmed_samples
                entry = encoder.entry()
        except FFmpegError as error:
            raise EncodeError(f"the sound cannot be encoded: {error}.") from None
    decoders = tuple(sorted(tally.decoders))
    path, size = (_write_audio(step.target, entry, runs)) if runs else (None, 0)
    return AudioResult(
        path=path,
        size_bytes=size,
        padded_us=to_micros(padded, AUDIO_RATE_HZ),
        trimmed_us=to_micros(trimmed, AUDIO_RATE_HZ),
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
        self.trimmed_samples = 0

    def add(self, wall_us: int, frame: Any) -> None:
        """Place a frame by its wall time; small differences are jitter of time stamps, not silence."""
        place = to_ticks(wall_us - self._wall.start_us, AUDIO_RATE_HZ)
        early = self._cursor - place
        if not self.heard or -early > _JITTER_SAMPLES:
            self._pad(-early)
        self.heard = True
        for block in self._resample(frame):
            samples = block.to_ndarray().reshape(-1)
            if early > _JITTER_SAMPLES:
                # A microphone's clock that is too fast, or two runs that overlap: lips and words must meet.
                extra = min(early, len(samples))
                early -= extra
                self.trimmed_samples += extra
                samples = samples[extra:]
            self._place(samples)

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
    with whole_file(target) as file:
        file.write(init_segment([track]))
        for sequence, run in enumerate(runs, start=1):
            file.write(fragment(sequence, [run]))
        return target, file.tell()


def libraries() -> dict[str, str]:
    """Versions of this product and of everything that encodes, for receipts."""
    parts = {name: ".".join(map(str, number)) for name, number in av.library_versions.items()}
    return {"jianzheng": version("jianzheng"), "av": av.__version__, **parts}
