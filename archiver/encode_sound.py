"""Encodes the sound of a clip: one step for one processor, from named inputs to a named file, which appears
when it is complete."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.error import FFmpegError

from archiver.archive_file import AUDIO_TRACK, to_micros, to_ticks
from archiver.decode import DecodeTally, audio_frames
from archiver.encode import sample_entry
from archiver.output import whole_file
from archiver.sound import AUDIO_KBPS, AUDIO_RATE_HZ
from archiver.stretches import Stretch
from kernel.errors import EncodeError
from kernel.isobmff.tracks import Sample, Track, TrackRun
from kernel.isobmff.writer import fragment, init_segment

_AAC_FRAME = 1024  # samples
_JITTER_SAMPLES = AUDIO_RATE_HZ // 20  # 50 ms: sound within this of its place follows on without a break


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
