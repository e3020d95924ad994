"""Fragments of one run -> sealed segments with rows and a chain. Synchronous; lives on the writer thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from capture.disk import free_bytes, need_room
from capture.footage_rows import FootageRows
from capture.fragmenter import VIDEO_TRACK_ID, Fragment
from capture.owed_rows import OwedRows
from capture.recover import settle_late
from capture.sound_timeline import TRACK_ID as SOUND_TRACK_ID
from capture.watched import Watched
from kernel.chain import CHAIN_LOCK, chain_value
from kernel.clock import Clock
from kernel.errors import StorageError
from kernel.ids import new_id
from kernel.isobmff.tracks import Track
from kernel.isobmff.writer import init_segment
from kernel.lock import one_at_a_time
from kernel.model.footage import ClockBasis, EndReason, Gap, GapCause, RunOrigin, Segment, TrackInfo
from kernel.segments.label import SegmentLabel, label_box
from kernel.segments.segment_file import Opener, SegmentFile, open_new, segment_path
from kernel.settings import RingSettings
from kernel.timerange import TimeRange


def init_bytes(video: TrackInfo, audio: TrackInfo | None) -> bytes:
    """``ftyp`` and ``moov`` of a run's segments."""
    tracks = [
        Track(
            id=VIDEO_TRACK_ID,
            timescale=video.timescale,
            sample_entry=video.sample_entry,
            width=video.width,
            height=video.height,
        )
    ]
    if audio is not None:
        tracks.append(Track(id=SOUND_TRACK_ID, timescale=audio.timescale, sample_entry=audio.sample_entry))
    return init_segment(tracks)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ring:
    """Where segments go, and how."""

    root: Path
    settings: RingSettings
    clock: Clock
    opener: Opener = open_new
    free: Callable[[Path], int] = free_bytes
    owed: OwedRows = field(default_factory=OwedRows)
    watched: Watched = field(default_factory=Watched)


@dataclass(kw_only=True, slots=True)
class _Open:
    """The segment that is being written. Of its fragments only the times: they are large."""

    id: str
    path: str
    file: SegmentFile
    basis: ClockBasis
    wall_start_us: int
    wall_end_us: int
    media_start: int  # ticks
    media_end: int
    clock_offset_us: int  # the newest

    def grow(self, fragment: Fragment) -> None:
        """It has that fragment, too."""
        self.wall_end_us, self.media_end = fragment.wall.end_us, fragment.end
        self.clock_offset_us = fragment.clock_offset_us

    @property
    def wall(self) -> TimeRange:
        return TimeRange(start_us=self.wall_start_us, end_us=self.wall_end_us)


class SegmentWriter:
    """Writes one run: cuts it at the first key frame after the set length, seals what is cut."""

    def __init__(
        self,
        *,
        ring: Ring,
        rows: FootageRows,
        run_id: str,
        source_id: str,
        video: TrackInfo,
        audio: TrackInfo | None,
        origin: RunOrigin = RunOrigin.LIVE,
    ) -> None:
        self._ring = ring
        self._rows = rows
        self._run_id = run_id
        self._source_id = source_id
        self._origin = origin
        self._timescale = video.timescale
        self._init = init_bytes(video, audio)
        self._length = round(ring.settings.segment_seconds * video.timescale)
        self._open: _Open | None = None
        self._sequence = 0
        self._fragments = 0

    @property
    def end_us(self) -> int | None:
        """Wall time at which the newest written fragment ends; None before the first one."""
        return self._open.wall_end_us if self._open else None

    def write(self, fragment: Fragment) -> None:
        """Append a fragment, in a new segment if that is due.

        Raises:
            DiskFull: no room; what was written stays readable and can be sealed by ``close``.
            StorageError: the disk fails.
        """
        need_room(self._ring.root, self._ring.settings.reserve_bytes, self._ring.free)
        if self._open and self._is_due(fragment, self._open):
            self._seal(self._open, EndReason.LENGTH)
        opened = self._open or self._begin(fragment)
        self._fragments += 1
        opened.file.append(fragment.to_bytes(self._fragments))
        opened.grow(fragment)
        self._open = opened

    def _is_due(self, fragment: Fragment, opened: _Open) -> bool:
        return fragment.key and fragment.video.base_dts - opened.media_start >= self._length

    def _begin(self, fragment: Fragment) -> _Open:
        label = SegmentLabel(
            segment_id=new_id("seg"),
            run_id=self._run_id,
            source_id=self._source_id,
            sequence=self._sequence,
            clock_offset_us=fragment.clock_offset_us,
            origin=self._origin,
        )
        path = segment_path(self._source_id, fragment.wall.start_us, self._run_id, self._sequence)
        ring = self._ring
        file = SegmentFile(
            ring.root / path,
            ring.root,
            fsync_seconds=ring.settings.fsync_seconds,
            clock=ring.clock,
            opener=ring.opener,
        )
        try:
            file.append(self._init + label_box(label))
        except StorageError:
            file.give_up_empty()
            raise
        return _Open(
            id=label.segment_id,
            path=path,
            file=file,
            basis=fragment.basis,
            wall_start_us=fragment.wall.start_us,
            wall_end_us=fragment.wall.start_us,
            media_start=fragment.video.base_dts,
            media_end=fragment.video.base_dts,
            clock_offset_us=fragment.clock_offset_us,
        )

    def _seal(self, opened: _Open, reason: EndReason) -> None:
        """Invariant 1: the file first, then its row."""
        self._open = None
        sequence, self._sequence = self._sequence, self._sequence + 1
        try:
            opened.file.seal()
        except StorageError:
            self._ring.owed.later(partial(self._settle_late, opened))
            self._need_disk()  # where it is gone, that is the reason
            raise

        def add_row() -> None:
            with one_at_a_time(self._ring.root, CHAIN_LOCK):
                chain = chain_value(self._rows.last_chain(self._source_id), opened.file.sha256)
                self._rows.add_segment(self._row(opened, reason, sequence, chain))

        self._ring.owed.write(add_row)

    def _need_disk(self) -> None:
        need_room(self._ring.root, 0, self._ring.free)

    def _settle_late(self, opened: _Open) -> None:
        """Once the disk is back."""
        self._need_disk()
        lost = Gap(
            id=new_id("gap"),
            source_id=self._source_id,
            start_us=opened.wall_start_us,
            end_us=opened.wall_end_us,
            cause=GapCause.DISK_LOST,
            detail="What was written last did not reach the disk.",
        )
        settle_late(self._ring.root, opened.path, self._rows, lost)

    def _row(self, opened: _Open, reason: EndReason, sequence: int, chain: str) -> Segment:
        return Segment(
            id=opened.id,
            run_id=self._run_id,
            source_id=self._source_id,
            sequence=sequence,
            wall=opened.wall,
            media_start=opened.media_start,
            media_duration=opened.media_end - opened.media_start,
            timescale=self._timescale,
            clock_basis=opened.basis,
            clock_offset_us=opened.clock_offset_us,
            path=opened.path,
            size_bytes=opened.file.size,
            sha256=opened.file.sha256.hex(),
            chain=chain,
            end_reason=reason,
        )

    def close(self, reason: EndReason) -> None:
        """Seal what is open.

        Raises:
            StorageError: the disk fails; the file is settled before the next connection, or by ``recover``.
        """
        if self._open:
            self._seal(self._open, reason)
