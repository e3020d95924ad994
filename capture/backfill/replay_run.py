"""Records what a device replays, as runs of their own: through the same fragmenter and segment writer as live
footage, on the writer thread of the process, so that a source's chain has one writer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from capture.backfill.rows import BackfillRows
from capture.fragmenter import Fragment, Fragmenter
from capture.packets import TrackStarted
from capture.segment_writer import Ring, SegmentWriter
from capture.told_clock import ToldClock
from kernel.ids import new_id
from kernel.model.footage import (
    Backfill,
    ClockBasis,
    EndReason,
    Gap,
    GapCause,
    Packet,
    Run,
    RunOrigin,
    TrackInfo,
)
from kernel.timerange import TimeRange

DEVICE_HAS_NONE = "The device's own memory has no picture of it either."
REPLAY_LOST = "Packets of the replay were lost or damaged."


class ReplayRun:
    """One unbroken stretch of replayed footage. ``write`` and ``close`` belong on the writer thread."""

    def __init__(
        self,
        *,
        source_id: str,
        video: TrackStarted,
        audio: TrackInfo | None,
        ring: Ring,
        rows: BackfillRows,
        hole_seconds: float,
        offset_us: int,
    ) -> None:
        self.id = new_id("run")
        self._source_id = source_id
        self._rows = rows
        self._owed = ring.owed
        self._offset_us = offset_us  # device clock minus recorder clock
        self._begun = False
        self._end_us = 0
        self._fragmenter = Fragmenter(
            video=video.info,
            reorder=video.reorder,
            audio=audio,
            clock=ToldClock(video.info.timescale, ClockBasis.REPLAY),
            fragment_seconds=ring.settings.fragment_seconds,
            hole_seconds=hole_seconds,
        )
        self._writer = SegmentWriter(
            ring=ring,
            rows=rows,
            run_id=self.id,
            source_id=source_id,
            video=video.info,
            audio=audio,
            origin=RunOrigin.BACKFILL,
        )

    def take(self, packet: Packet, after_loss: bool) -> Sequence[Fragment]:
        """The fragments that it completes.

        Raises:
            TimestampDiscontinuity: the device's recording has a break here: another run begins.
        """
        if not packet.codec.is_video:
            self._fragmenter.add_audio(packet)
            return ()
        return self._fragmenter.add_video(packet, after_loss)

    def write(self, fragments: Sequence[Fragment]) -> None:
        """Raises: StorageError: the disk does not take it."""
        for fragment in fragments:
            if not self._begun:
                self._begin(fragment.wall.start_us)
            self._writer.write(replace(fragment, clock_offset_us=self._offset_us))
            self._end_us = fragment.wall.end_us
            self._declare(fragment.silences, GapCause.CAMERA_LOST, DEVICE_HAS_NONE)
            self._declare(fragment.losses, GapCause.DISCONTINUITY, REPLAY_LOST)

    def _begin(self, start_us: int) -> None:
        self._begun, self._end_us = True, start_us
        self._rows.start_run(
            Run(
                id=self.id,
                source_id=self._source_id,
                started_us=start_us,
                ended_us=None,
                end_reason=None,
                origin=RunOrigin.BACKFILL,
            )
        )

    def _declare(self, stretches: Sequence[TimeRange], cause: GapCause, detail: str) -> None:
        """What is missing inside the run: its segments span it, so a gap must say so (invariant 5)."""
        gaps = [
            Gap(
                id=new_id("gap"),
                source_id=self._source_id,
                start_us=wall.start_us,
                end_us=wall.end_us,
                cause=cause,
                detail=detail,
                backfill=Backfill.NOTHING,
            )
            for wall in stretches
        ]
        self._owed.write_all(partial(self._rows.add_gap, gap) for gap in gaps)

    def close(self, reason: EndReason) -> None:
        """Write what is left, seal, end the run's row."""
        try:
            self.write(self._fragmenter.flush())
        finally:
            if self._begun:
                self._writer.close(reason)
                self._owed.write(partial(self._rows.end_run, self.id, self._end_us, reason))
