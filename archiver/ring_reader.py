"""Reads segments of the ring sample by sample, each with its wall time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from kernel.clock import SECOND_US
from kernel.errors import BoxError, FootageError
from kernel.isobmff.reader import InitSegment, read_fragments, read_init
from kernel.isobmff.tracks import FragmentRef, ProducerTime, SampleRef, Track
from kernel.timerange import TimeRange


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """One sample of a segment."""

    data: bytes
    pts: int  # ticks of its track
    dts: int
    key: bool
    wall_us: int  # capture time


class WallClock:
    """Turns media time of a segment into wall time by its ``prft`` boxes (``docs/design/time.md``)."""

    def __init__(self, times: list[ProducerTime], timescale: int) -> None:
        self._times = sorted(times, key=lambda time: time.media_time)
        self._starts = [time.media_time for time in self._times]
        self._timescale = timescale

    def wall_us(self, ticks: int, timescale: int) -> int:
        """Wall time of a media time of any track; all tracks of a segment share one origin."""
        own = ticks * self._timescale // timescale
        anchor = self._times[max(0, bisect_right(self._starts, own) - 1)]
        offset = ticks * SECOND_US * self._timescale - anchor.media_time * SECOND_US * timescale
        return anchor.wall_us + round(offset / (timescale * self._timescale))


class SegmentReader:
    """One segment file, opened for reading.

    Raises:
        FootageError: the file is missing or is no segment.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise FootageError(f"segment {path.name} cannot be read: {error.strerror}.") from None
        try:
            self.init: InitSegment = read_init(self._file)
            self._fragments: list[FragmentRef] = list(read_fragments(self._file, self.init.size))
            times = [one.producer_time for one in self._fragments if one.producer_time is not None]
            if not times:
                raise BoxError(f"segment {path.name} carries no wall time.")
            self._clock = WallClock(times, self.init.video.timescale)
        except BoxError:
            self._file.close()
            raise

    def __enter__(self) -> SegmentReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def video(self, start_us: int, end_us: int) -> Iterator[Unit]:
        """Video units in decode order: all that the pictures of a range need, and little more.

        From the last key frame at or before the start, up to the first one at or behind the end with the
        pictures that are decoded after it but shown before it.
        """
        track = self.init.video
        samples = self._samples(track)
        keys = [n for n, sample in enumerate(samples) if sample.key and self._wall(track, sample) <= start_us]
        behind: SampleRef | None = None
        for sample in samples[keys[-1] if keys else 0 :]:
            if behind is not None and sample.pts > behind.pts:
                return
            if behind is None and sample.key and self._wall(track, sample) >= end_us:
                behind = sample
            yield self._unit(track, sample)

    def audio(self, start_us: int, end_us: int) -> Iterator[Unit]:
        """Audio units that begin in a range, with one before it for the decoder to warm up on."""
        track = self.init.audio
        if track is None:
            return
        samples = self._samples(track)
        inside = [n for n, sample in enumerate(samples) if start_us <= self._wall(track, sample) < end_us]
        if inside:
            for sample in samples[max(0, inside[0] - 1) : inside[-1] + 1]:
                yield self._unit(track, sample)

    def video_bytes(self, wall: TimeRange) -> int:
        """What the pictures weigh that were captured in a range."""
        track = self.init.video
        return sum(one.size for one in self._samples(track) if wall.contains(self._wall(track, one)))

    def changes(self) -> dict[int, int]:
        """What pictures between key frames weigh, by second of wall time."""
        track, found = self.init.video, dict[int, int]()
        for sample in self._samples(track):
            if not sample.key:
                second = self._wall(track, sample) // SECOND_US
                found[second] = found.get(second, 0) + sample.size
        return found

    def frame_rate(self) -> Fraction:
        """Pictures a second, on average."""
        samples = self._samples(self.init.video)
        ticks = sum(sample.duration for sample in samples)
        if not ticks:
            return Fraction(1)
        return Fraction(len(samples) * self.init.video.timescale, ticks).limit_denominator(100)

    def _samples(self, track: Track) -> list[SampleRef]:
        return [sample for one in self._fragments for sample in one.runs.get(track.id, ())]

    def _wall(self, track: Track, sample: SampleRef) -> int:
        return self._clock.wall_us(sample.pts, track.timescale)

    def _unit(self, track: Track, sample: SampleRef) -> Unit:
        self._file.seek(sample.offset)
        data = self._file.read(sample.size)
        wall_us = self._wall(track, sample)
        return Unit(data=data, pts=sample.pts, dts=sample.dts, key=sample.key, wall_us=wall_us)


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureFormat:
    """What all pictures of an archived file have in common."""

    width: int  # pixels, even
    height: int
    rate: Fraction  # frames a second, for the encoder's planning; time stamps stay as they are


def picture_format(paths: Sequence[Path]) -> PictureFormat:
    """A format for the footage of these segments: the largest picture, the frame rate of the first.

    Raises:
        FootageError: one of them is missing or is no segment.
    """
    found = [_look_at(path).format for path in dict.fromkeys(paths)]
    rate = found[0].rate
    width, height = max(((one.width, one.height) for one in found), key=lambda size: size[0] * size[1])
    return PictureFormat(width=width - width % 2, height=height - height % 2, rate=rate)


def busiest_moments(paths: Sequence[Path], wall: TimeRange) -> list[int]:
    """Where most changes in the pictures of these segments, the busiest first: one moment for each segment.

    Told by the source's own encoder: what pictures between key frames weigh, second by second. Nothing is
    decoded for it.

    Raises:
        FootageError: one of them is missing or is no segment.
    """
    found = [busy for path in dict.fromkeys(paths) for busy in _look_at(path).busy]
    inside = [one for one in found if wall.contains(one.moment_us)]
    return [one.moment_us for one in sorted(inside, key=lambda one: (-one.size_bytes, one.moment_us))]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Busy:
    """The second of a segment in which most changes."""

    moment_us: int  # its middle
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    """What the headers of a segment tell."""

    format: PictureFormat
    busy: tuple[_Busy, ...]  # one; none where it has but key frames


@lru_cache(maxsize=1 << 16)
def _look_at(path: Path) -> _Look:
    """The headers of a segment; a sealed one never changes (invariant 1), and is asked for often."""
    with SegmentReader(path) as reader:
        video = reader.init.video
        seconds = reader.changes()
        busy = max(seconds.items(), key=lambda item: item[1], default=None)
        return _Look(
            format=PictureFormat(width=video.width, height=video.height, rate=reader.frame_rate()),
            busy=()
            if busy is None
            else (_Busy(moment_us=busy[0] * SECOND_US + SECOND_US // 2, size_bytes=busy[1]),),
        )
