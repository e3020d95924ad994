"""One run of a desktop: which pictures are encoded, and how they become segments on the shelf.

A picture is encoded where it differs from the one before, and at least once a fragment: a still desktop
costs almost nothing, and every second has a frame that was seen in it. Media time counts milliseconds from
the run's first picture; wall time is media time plus one anchor for the whole run, so that each segment ends
in the very microsecond in which its successor begins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from agent.settings import AgentSettings
from agent.shelf import Entry, Shelf
from kernel.clock import Clock
from kernel.errors import StorageError
from kernel.ids import new_id
from kernel.isobmff.tracks import ProducerTime, Sample, Track, TrackRun
from kernel.isobmff.writer import fragment, init_segment, producer_time
from kernel.model.agent import SegmentClaim
from kernel.model.footage import EndReason, RunOrigin, TrackInfo
from kernel.segments.label import SegmentLabel, label_box
from kernel.segments.segment_file import Opener, SegmentFile, open_new

TIMESCALE = 1000
_TICK_US = 1000
_TRACK_ID = 1


class Wanted(Enum):
    """What is to be done with a picture."""

    NOTHING = "nothing"
    FRAME = "frame"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class _Frame:
    tick: int
    data: bytes
    key: bool


@dataclass(kw_only=True, slots=True)
class _Open:
    """The segment that is being written."""

    label: SegmentLabel
    name: str
    file: SegmentFile
    start_us: int
    end_us: int


class RunWriter:
    """Writes one run."""

    def __init__(
        self,
        *,
        settings: AgentSettings,
        shelf: Shelf,
        clock: Clock,
        video: TrackInfo,
        course_us: int,
        anchor_us: int,
        offset_us: Callable[[], int],
        on_begun: Callable[[int], None],
        on_sealed: Callable[[int], None],
        opener: Opener = open_new,
    ) -> None:
        """Args: on_begun: told the wall time of the first frame; on_sealed: until when footage is safe."""
        self.id = new_id("run")
        self.anchor_us = anchor_us
        self.begun = False  # something was written
        self.start_us = self.end_us = course_us + anchor_us  # wall time of what was written
        self._settings = settings
        self._shelf = shelf
        self._clock = clock
        self._origin_us = course_us
        self._offset_us = offset_us
        self._on_begun = on_begun
        self._on_sealed = on_sealed
        self._opener = opener
        track = Track(
            id=_TRACK_ID,
            timescale=TIMESCALE,
            sample_entry=video.sample_entry,
            width=video.width,
            height=video.height,
        )
        self._init = init_segment([track])
        self._interval = round(TIMESCALE / settings.frames_per_second)
        self._key_ticks = round(settings.key_seconds * TIMESCALE)
        self._segment_ticks = round(settings.segment_seconds * TIMESCALE)
        self._fragment_ticks = round(settings.fragment_seconds * TIMESCALE)
        self._frames: list[_Frame] = []  # of the fragment that is being gathered
        self._seen = -1  # tick of the newest picture, encoded or not
        self._last_key = 0
        self._segment_start: int | None = None  # tick of its first frame
        self._cut_before = True  # the fragment that is being gathered begins a segment
        self._fragments = 0
        self._sequence = 0
        self._open: _Open | None = None

    def wants(self, course_us: int, changed: bool) -> Wanted:
        """Whether the picture of that moment is to be encoded; asked for every picture, once."""
        self._seen = max((course_us - self._origin_us) // _TICK_US, self._seen + 1)
        if not self._frames or self._segment_is_due() or self._seen - self._last_key >= self._key_ticks:
            return Wanted.KEY
        return Wanted.FRAME if changed or self._fragment_is_due() else Wanted.NOTHING

    def add(self, data: bytes, wanted: Wanted) -> None:
        """The encoded picture that was last asked for.

        Raises:
            DiskFull: no room; what was written stays readable and is sealed by ``end``.
            StorageError: the disk fails.
        """
        key = wanted is Wanted.KEY
        cut = key and self._segment_is_due()
        if self._frames and (key or self._fragment_is_due()):
            self._flush(self._seen)
            self._cut_before = cut
        if cut:
            self._segment_start = self._seen
        if key:
            self._last_key = self._seen
        self._frames.append(_Frame(self._seen, data, key))

    def _segment_is_due(self) -> bool:
        return self._segment_start is None or self._seen - self._segment_start >= self._segment_ticks

    def _fragment_is_due(self) -> bool:
        """It would be too long with the picture that comes next, even if that comes late by half."""
        return self._seen - self._frames[0].tick + self._interval * 3 // 2 > self._fragment_ticks

    def _wall_us(self, tick: int) -> int:
        return self.start_us + tick * _TICK_US

    def _flush(self, end: int) -> None:
        """Write the fragment that was gathered; it ends at that tick."""
        frames, self._frames = self._frames, []
        self._shelf.need_room(self._open.file.size if self._open else 0)
        if self._cut_before and self._open is not None:
            self._seal(self._open, EndReason.LENGTH)
        opened = self._open or self._begin(self._wall_us(frames[0].tick))
        self._fragments += 1
        opened.file.append(_fragment_bytes(self._fragments, frames, end, self._wall_us(frames[0].tick)))
        self._open = opened
        opened.end_us = self.end_us = self._wall_us(end)
        if not self.begun:
            self.begun = True
            self._on_begun(self.start_us)

    def _begin(self, start_us: int) -> _Open:
        label = SegmentLabel(
            segment_id=new_id("seg"),
            run_id=self.id,
            source_id=self._settings.source,
            sequence=self._sequence,
            clock_offset_us=self._offset_us(),
            origin=RunOrigin.AGENT,
        )
        name = f"{self.id}-{self._sequence:06d}"
        directory = self._shelf.directory
        file = SegmentFile(
            directory / (name + ".mp4"),
            directory,
            fsync_seconds=self._settings.fsync_seconds,
            clock=self._clock,
            opener=self._opener,
        )
        try:
            file.append(self._init + label_box(label))
        except StorageError:
            file.give_up_empty()
            raise
        return _Open(label=label, name=name, file=file, start_us=start_us, end_us=start_us)

    def _seal(self, opened: _Open, reason: EndReason) -> None:
        """Invariant 1; the entry stands where the recorder has a row."""
        self._open = None
        self._sequence += 1
        opened.file.seal()
        claim = SegmentClaim(
            segment_id=opened.label.segment_id,
            sha256=opened.file.sha256.hex(),
            size_bytes=opened.file.size,
            end_reason=reason,
        )
        entry = Entry(
            name=opened.name, claim=claim, run_id=self.id, start_us=opened.start_us, end_us=opened.end_us
        )
        try:
            self._shelf.add(entry)
        finally:
            self._on_sealed(opened.end_us)

    def end(self, reason: EndReason, course_us: int | None = None) -> None:
        """Write what is left and seal; the last frame lasts to that moment, or as long as one does.

        Raises:
            StorageError: the disk fails; what was written waits for the next start.
        """
        if course_us is None:
            until = self._seen + self._interval
        else:
            until = max((course_us - self._origin_us) // _TICK_US, self._seen + 1)
        try:
            if self._frames and reason is not EndReason.DISK_FULL:
                self._flush(until)
        finally:
            if self._open is not None:
                self._seal(self._open, reason)


def _fragment_bytes(sequence: int, frames: list[_Frame], end: int, wall_us: int) -> bytes:
    ends = [frame.tick for frame in frames[1:]] + [end]
    samples = tuple(
        Sample(data=frame.data, duration=until - frame.tick, key=frame.key)
        for frame, until in zip(frames, ends, strict=True)
    )
    told = ProducerTime(track_id=_TRACK_ID, wall_us=wall_us, media_time=frames[0].tick, captured=True)
    run = TrackRun(track_id=_TRACK_ID, base_dts=frames[0].tick, samples=samples)
    return producer_time(told) + fragment(sequence, [run])
