"""A file of the ring that grows as a recorder's does, fragment by fragment, without a recorder."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from kernel.isobmff.tracks import ProducerTime, Sample, Track, TrackRun
from kernel.isobmff.writer import fragment, init_segment, producer_time
from kernel.segments.label import SegmentLabel, label_box
from kernel.segments.segment_file import PART_SUFFIX, segment_path
from tests.support.segments import HEIGHT, WIDTH, Recipe, encoded

START_US = 1_772_420_400_000_000
FRAME_US = 200_000
FRAMES = 5  # a key-frame group
_TICKS = FRAME_US * 9 // 100
SOUND = Track(
    id=2,
    timescale=8000,
    sample_entry=bytes.fromhex("00000024616c61770000000000000001")
    + bytes(8)
    + bytes.fromhex("00010010000000001f400000"),
)


@cache
def _group() -> tuple[bytes, tuple[Sample, ...]]:
    """One second of pictures, encoded once."""
    entry, samples = encoded(Recipe(frames=FRAMES, frame_us=FRAME_US))
    return entry, tuple(samples)


class GrowingRun:
    """One run of a source: its open segment grows when it is told to."""

    def __init__(
        self,
        ring: Path,
        source_id: str = "cam",
        run_id: str = "run-1",
        *,
        wall_us: int = START_US,
        sound: bool = False,
    ) -> None:
        self.source_id, self.run_id = source_id, run_id
        self.sequence = -1
        self._ring = ring
        self._wall_us = wall_us
        self._sound = sound
        self._number = 0  # of the next picture
        self.roll()

    @property
    def end_us(self) -> int:
        """Wall time at which the newest picture ends."""
        return self._wall_us + self._number * FRAME_US

    def roll(self) -> None:
        """Seal what is open, if anything, and begin the next segment."""
        if self.sequence >= 0:
            self.seal()
        self.sequence += 1
        entry, _ = _group()
        tracks = [Track(id=1, timescale=90_000, sample_entry=entry, width=WIDTH, height=HEIGHT)]
        label = SegmentLabel(
            segment_id=f"seg-{self.run_id}-{self.sequence}",
            run_id=self.run_id,
            source_id=self.source_id,
            sequence=self.sequence,
            clock_offset_us=0,
        )
        self.path = self._ring / segment_path(self.source_id, self.end_us, self.run_id, self.sequence)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.append(init_segment([*tracks, SOUND] if self._sound else tracks) + label_box(label))

    def seal(self) -> None:
        """As the recorder does: its temporary name goes."""
        self.part.rename(self.path)

    @property
    def part(self) -> Path:
        return self.path.with_name(self.path.name + PART_SUFFIX)

    def append(self, data: bytes) -> None:
        with self.part.open("ab") as file:
            file.write(data)

    def fragment(self) -> bytes:
        """The next one: a single picture and its sound."""
        _, samples = _group()
        number, self._number = self._number, self._number + 1
        wall_us = self._wall_us + number * FRAME_US
        told = ProducerTime(track_id=1, wall_us=wall_us, media_time=number * _TICKS, captured=True)
        one = samples[number % FRAMES]._replace(duration=_TICKS)
        runs = [TrackRun(track_id=1, base_dts=number * _TICKS, samples=(one,))]
        if self._sound:
            heard = tuple(Sample(b"\xd5" * 160, 160) for _ in range(FRAME_US // 20_000))
            runs.append(TrackRun(track_id=2, base_dts=number * FRAME_US * 8 // 1000, samples=heard))
        return producer_time(told) + fragment(number + 1, runs)

    def grow(self, pictures: int = 1) -> None:
        for _ in range(pictures):
            self.append(self.fragment())
