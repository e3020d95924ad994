"""Encodes the sound of a clip: one step for one processor, from named inputs to a named file, which appears
when it is complete.

Every packet lies where the sound that it decodes to belongs. Encoders answer late, by their priming (AAC
1,024 samples, Opus 6.5 ms). So much silence goes before the sound that the priming fills whole packets, and
those are left out: what is left begins with the stretch, to the sample. ``dOps`` then says a pre-skip of 0,
because nothing is left to skip. In MP4 it only informs, but Chromium heeds it: it plays sound earlier by it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.error import FFmpegError

from archiver.archive_file import AUDIO_TRACK, to_micros, to_ticks
from archiver.decode import DecodeTally, audio_frames
from archiver.encode import sample_entry
from archiver.output import whole_file
from archiver.rules import SoundCodecRule
from archiver.stretches import Stretch
from kernel.errors import EncodeError
from kernel.isobmff.boxes import children
from kernel.isobmff.tracks import Sample, Track, TrackRun
from kernel.isobmff.writer import compact_fragment, init_segment
from kernel.timerange import TimeRange, merge

Samples: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

_AUDIO_FIELDS = 28  # bytes of an AudioSampleEntry before its boxes
_JITTER_US = 50_000  # sound within this of its place follows on without a break
_FORMATS = {"libopus": "flt", "aac": "fltp"}  # the same numbers, one channel


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioStep:
    """The sound of a whole clip: an encoder's overlap makes seams where chunks of sound meet."""

    stretches: tuple[Stretch, ...]
    clip_start_us: int
    encoding: SoundCodecRule
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
    heard: tuple[TimeRange, ...] = ()  # wall time of which there was sound
    mute: bool = False  # all of it was digital silence, as of a microphone that is not there


@dataclass(kw_only=True, slots=True)
class _Made:
    """What the stretches of a clip gave so far."""

    runs: list[TrackRun] = field(default_factory=list)
    entry: bytes = b""
    padded_us: int = 0
    trimmed_us: int = 0
    heard: list[TimeRange] = field(default_factory=list)
    mute: bool = True


def encode_audio(step: AudioStep) -> AudioResult:
    """Encode the sound of a clip in mono, each stretch on its own, in its true place.

    Within a stretch, sound that is missing becomes silence of the same length, which is counted: a player
    that waits for sound must not hold the picture (invariant 7).
    """
    tally, made = DecodeTally(), _Made()
    for stretch in step.stretches:
        try:
            _encode_stretch(step, stretch, tally, made)
        except FFmpegError as error:
            raise EncodeError(f"the sound cannot be encoded: {error}.") from None
    mute = made.mute and bool(made.runs)
    path, size = _write_audio(step, made) if made.runs else (None, 0)
    return AudioResult(
        path=path,
        size_bytes=size,
        padded_us=made.padded_us,
        trimmed_us=made.trimmed_us,
        undecodable_units=tally.undecodable_units,
        decoders=tuple(sorted(tally.decoders)),
        heard=() if mute else tuple(merge(made.heard)),
        mute=mute,
    )


def _encode_stretch(step: AudioStep, stretch: Stretch, tally: DecodeTally, made: _Made) -> None:
    encoder = AudioEncoder(stretch, step.clip_start_us, step.encoding)
    for wall_us, frame in audio_frames(stretch, tally):
        encoder.add(wall_us, frame)
    if encoder.heard:
        made.runs.append(encoder.finish())
        made.padded_us += to_micros(encoder.padded_samples, step.encoding.rate_hz)
        made.trimmed_us += to_micros(encoder.trimmed_samples, step.encoding.rate_hz)
        made.heard += encoder.heard
        made.mute = made.mute and encoder.mute
        made.entry = encoder.entry()


class AudioEncoder:
    """Places decoded sound on the sample grid of its stretch and encodes it."""

    def __init__(self, stretch: Stretch, clip_start_us: int, encoding: SoundCodecRule) -> None:
        self._wall = stretch.wall
        self._rate = encoding.rate_hz
        self._base = to_ticks(stretch.wall.start_us - clip_start_us, self._rate)
        self._length = to_ticks(stretch.wall.duration_us, self._rate)
        self._jitter = to_ticks(_JITTER_US, self._rate)
        self._header = io.BytesIO()
        movflags = {"movflags": "empty_moov+default_base_moof"}
        self._container = av.open(self._header, "w", format="mp4", options=movflags)
        stream: Any = self._container.add_stream(
            encoding.encoder, rate=self._rate, layout="mono", options=dict(encoding.options)
        )
        stream.bit_rate = round(encoding.kbps * 1000)
        stream.codec_context.format = _FORMATS[encoding.encoder]
        self._stream = stream
        self._container.start_encoding()
        self._frame: int = stream.codec_context.frame_size  # samples
        self._format = _FORMATS[encoding.encoder]
        self._resampler: AudioResampler | None = None
        self._kind: tuple[str, str, int] | None = None
        self._cursor = 0  # samples of the stretch that are placed
        self._samples: list[Sample] = []
        self.heard: list[TimeRange] = []
        self.mute = True
        self.padded_samples = 0
        self.trimmed_samples = 0
        self._encode(np.zeros(self._lead(), dtype=np.float32), -self._lead())

    def _lead(self) -> int:
        """Samples of silence that fill up the last packet of the encoder's priming."""
        return -pre_skip(self.entry()) % self._frame

    def add(self, wall_us: int, frame: AudioFrame) -> None:
        """Place a frame by its wall time; small differences are jitter of time stamps, not silence."""
        place = to_ticks(wall_us - self._wall.start_us, self._rate)
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind or place - self._cursor > self._jitter:
            self._drain()
        self._kind = kind
        early = self._cursor - place
        if not self.heard or -early > self._jitter:
            self._pad(-early)
        self.mute = self.mute and _is_flat(frame)
        start = self._cursor
        for block in self._resample(frame):
            samples = _samples(block)
            if early > self._jitter:
                # A microphone's clock that is too fast, or two runs that overlap: lips and words must meet.
                extra = min(early, len(samples))
                early -= extra
                self.trimmed_samples += extra
                samples = samples[extra:]
            self._place(samples)
        self._hear(start)

    def _hear(self, start: int) -> None:
        """Note that there was sound from a sample on up to the one that comes next."""
        first_us, end_us = (self._wall.start_us + to_micros(at, self._rate) for at in (start, self._cursor))
        if self.heard and self.heard[-1].end_us >= first_us:
            first_us = self.heard.pop().start_us
        self.heard.append(TimeRange(start_us=first_us, end_us=end_us))

    def _resample(self, frame: AudioFrame) -> list[AudioFrame]:
        if self._resampler is None:
            self._resampler = AudioResampler(format="fltp", layout="mono", rate=self._rate)
        frame.pts = None
        return list(self._resampler.resample(frame))

    def _drain(self) -> None:
        """Place what the resampler holds: it belongs before the hole, and would push what comes after."""
        if self._resampler is not None:
            for block in self._resampler.resample(None):
                self._place(_samples(block))
            self._resampler = None

    def _pad(self, count: int) -> None:
        if count > 0:
            self.padded_samples += count
            self._place(np.zeros(count, dtype=np.float32))

    def _place(self, samples: Samples) -> None:
        samples = samples[: max(0, self._length - self._cursor)]
        self._encode(samples, self._cursor)
        self._cursor += len(samples)

    def _encode(self, samples: Samples, place: int) -> None:
        for start in range(0, len(samples), self._frame):
            part = samples[start : start + self._frame]
            block = AudioFrame.from_ndarray(part.reshape(1, -1), format=self._format, layout="mono")
            block.sample_rate, block.pts, block.time_base = (
                self._rate,
                place + start,
                Fraction(1, self._rate),
            )
            self._take(self._stream.encode(block))

    def _take(self, packets: Sequence[Any]) -> None:
        """Keep what lies within the stretch: the encoder's priming is before its start."""
        for packet in packets:
            if 0 <= packet.pts < self._length:
                self._samples.append(Sample(data=bytes(packet), duration=self._frame))

    def finish(self) -> TrackRun:
        """The encoded sound of the whole stretch, silence up to its end."""
        self._drain()
        self._pad(self._length - self._cursor)
        self._take(self._stream.encode(None))
        return TrackRun(track_id=AUDIO_TRACK, base_dts=self._base, samples=tuple(self._samples))

    def entry(self) -> bytes:
        """The sample entry that the muxer wrote."""
        return sample_entry(self._header.getvalue())


def _samples(block: AudioFrame) -> Samples:
    return block.to_ndarray().reshape(-1).astype(np.float32, copy=False)


def _is_flat(frame: AudioFrame) -> bool:
    """Whether all of it is one number: no microphone that hears anything sends that."""
    return all(bool(np.ptp(channel) == 0) for channel in frame.to_ndarray())


def pre_skip(entry: bytes) -> int:
    """Samples that ``dOps`` says to skip; 0 for other sound."""
    place = _pre_skip_place(entry)
    return 0 if place is None else int(struct.unpack_from(">H", entry, place)[0])


def _without_pre_skip(entry: bytes) -> bytes:
    place = _pre_skip_place(entry)
    return entry if place is None else entry[:place] + bytes(2) + entry[place + 2 :]


def _pre_skip_place(entry: bytes) -> int | None:
    """Where PreSkip stands ("Opus in ISOBMFF", 4.3.2): behind version and channel count."""
    boxes = children(entry, 8 + _AUDIO_FIELDS)
    return next((found.payload + 2 for found in boxes if found.type == "dOps"), None)


def _write_audio(step: AudioStep, made: _Made) -> tuple[Path, int]:
    entry = _without_pre_skip(made.entry)
    track = Track(id=AUDIO_TRACK, timescale=step.encoding.rate_hz, sample_entry=entry)
    with whole_file(step.target) as file:
        file.write(init_segment([track]))
        for sequence, run in enumerate(made.runs, start=1):
            file.write(compact_fragment(sequence, [run]))
        return step.target, file.tell()
