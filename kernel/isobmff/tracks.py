"""What an init segment says of a track, shared by writer and reader."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """A track of a fragmented MP4 file."""

    id: int  # from 1
    timescale: int  # ticks per second
    sample_entry: bytes  # the whole sample entry box
    width: int = 0  # pixels; 0 for sound
    height: int = 0

    @property
    def is_video(self) -> bool:
        return self.width > 0


class Sample(NamedTuple):
    """An access unit to be written. A tuple: 7000 a second for 100 sources."""

    data: bytes
    duration: int  # ticks
    key: bool = True
    composition_offset: int = 0  # pts - dts, ticks; may be negative (trun version 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackRun:
    """The samples of one track in one fragment."""

    track_id: int
    base_dts: int  # ticks, decode time of the first sample
    samples: tuple[Sample, ...]

    @property
    def duration(self) -> int:
        return sum(sample.duration for sample in self.samples)


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleRef:
    """Where a sample lies in a file."""

    offset: int
    size: int
    dts: int
    pts: int
    duration: int
    key: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ProducerTime:
    """A ``prft`` box: which wall time a media time stands for (ISO/IEC 14496-12, 8.16.5)."""

    track_id: int
    wall_us: int  # UTC, microseconds since the Unix epoch
    media_time: int  # ticks of the track
    captured: bool  # True: capture time by the source's clock; False: estimated from arrival


@dataclass(frozen=True, kw_only=True, slots=True)
class FragmentRef:
    """Where a fragment lies in a file: its ``prft`` (if any), ``moof`` and ``mdat``."""

    offset: int
    size: int
    producer_time: ProducerTime | None
    runs: dict[int, tuple[SampleRef, ...]] = field(default_factory=dict)  # by track id

    def starts_with_key(self, track_id: int) -> bool:
        samples = self.runs.get(track_id, ())
        return bool(samples) and samples[0].key
