"""One run: packets in on the event loop, fragments out to the writer thread, and the run's own rows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

from capture.disk import WriterThread
from capture.footage_rows import FootageRows
from capture.fragmenter import Fragment, Fragmenter
from capture.gap_ledger import GapLedger
from capture.packets import TrackStarted
from capture.run_clock import RunClock
from capture.segment_writer import Ring, SegmentWriter
from kernel.clock import SECOND_US
from kernel.errors import DiskFull, NoKeyFrames, StorageError
from kernel.ids import new_id
from kernel.model.footage import EndReason, Packet, Run, TrackInfo
from kernel.settings import CaptureSettings

_KEYLESS_US = 9 * SECOND_US
"""Longest wait for a run's first key frame. Devices that are asked to play begin with one."""

OnFragments = Callable[["RunRecording", Sequence[Fragment]], None]
"""Told of every fragment that goes to the disk."""


class RunRecording:
    """Records from the first key frame on until ``end``.

    One hand-over to the writer thread is under way at a time: while a disk is slow, packets gather here, and
    when the next fragment is whole the reading waits.
    """

    def __init__(
        self,
        *,
        source_id: str,
        video: TrackStarted,
        audio: TrackInfo | None,
        ring: Ring,
        rows: FootageRows,
        ledger: GapLedger,
        thread: WriterThread,
        settings: CaptureSettings,
        on_fragments: OnFragments,
    ) -> None:
        self.id = new_id("run")
        self.video = video
        self.audio = audio
        self._source_id = source_id
        self._rows = rows
        self._ledger = ledger
        self._thread = thread
        self._owed = ring.owed
        self._on_fragments = on_fragments
        self._clock = RunClock(video.info.timescale, settings.report_seconds)
        self._fragmenter = Fragmenter(
            video=video.info,
            reorder=video.reorder,
            audio=audio,
            clock=self._clock,
            fragment_seconds=ring.settings.fragment_seconds,
            hole_seconds=settings.hole_seconds,
            hurried=lambda: ring.settings.watched_fragment_seconds if source_id in ring.watched else None,
        )
        self._writer = SegmentWriter(
            ring=ring, rows=rows, run_id=self.id, source_id=source_id, video=video.info, audio=audio
        )
        self._under_way: Future[None] | None = None
        self._queue: deque[Fragment] = deque()  # to be written, in order
        self._begun = False  # on the writer thread: the run has a row
        self._end_us = 0

    def recorder_stepped(self, step_us: int) -> None:
        """The recorder's own clock was set."""
        self._clock.recorder_stepped(step_us)

    def add(self, packet: Packet, after_loss: bool) -> Sequence[Fragment]:
        """Take a picture; the fragments that it completes are to be recorded by ``write``.

        Raises:
            TimestampDiscontinuity: it belongs to another run; end this one.
            NoKeyFrames: pictures come, but none from which decoding could begin.
            StorageError: an earlier one could not be written; end this run.
        """
        if self._under_way is not None and self._under_way.done():
            self._under_way.result()  # a disk that failed is told at once, not by the next fragment
        fragments = self._fragmenter.add_video(packet, after_loss)
        if self._fragmenter.keyless_us > _KEYLESS_US:
            seconds = _KEYLESS_US // SECOND_US
            raise NoKeyFrames(f"source {self._source_id}: no key frame for {seconds} s.")
        return fragments

    def add_sound(self, packet: Packet) -> None:
        """Keep it until the pictures of the same time are written."""
        self._fragmenter.add_audio(packet)

    async def write(self, fragments: Sequence[Fragment]) -> None:
        """Hand fragments to the writer thread; waits until it has taken those before.

        Raises:
            StorageError: those before could not be written; end this run.
        """
        self._queue.extend(fragments)  # at once: a wait that is cancelled drops nothing
        await self._finish_under_way()
        self._under_way = self._thread.start(self._drain)
        self._on_fragments(self, fragments)

    async def _finish_under_way(self) -> None:
        if self._under_way is not None:
            # Not forgotten before it is done: a cancelled wait leaves it for ``end``.
            if not self._under_way.done():
                await asyncio.shield(asyncio.wrap_future(self._under_way))
            self._under_way.result()
            self._under_way = None

    def _drain(self) -> None:
        """On the writer thread. What cannot be written stays first in the queue."""
        while self._queue:
            fragment = self._queue[0]
            if not self._begun:
                self._begin(fragment.wall.start_us)
            self._writer.write(fragment)
            self._queue.popleft()
            self._end_us = fragment.wall.end_us
            gaps = (*self._ledger.lost(fragment.losses), *self._ledger.silent(fragment.silences))
            self._owed.write_all(partial(self._rows.add_gap, gap) for gap in gaps)

    def _begin(self, start_us: int) -> None:
        self._rows.start_run(
            Run(id=self.id, source_id=self._source_id, started_us=start_us, ended_us=None, end_reason=None)
        )
        self._begun, self._end_us = True, start_us
        self._ledger.resumed(start_us)

    async def end(self, reason: EndReason) -> None:
        """Write what is left, seal, end the run's row.

        Raises:
            StorageError: what is left could not be written; what was written is sealed all the same.
        """
        under_way, self._under_way = self._under_way, None
        if reason is not EndReason.DISK_FULL:
            self._queue.extend(self._fragmenter.flush())
        finishing = self._thread.submit(self._finish, reason)  # behind what is under way
        if under_way is not None:
            written = asyncio.wrap_future(under_way)
            await asyncio.gather(written, asyncio.shield(finishing), return_exceptions=True)
            under_way.result()
        await asyncio.shield(finishing)

    @property
    def begun(self) -> bool:
        """Whether anything was written; certain once it has ended."""
        return self._begun

    def _finish(self, reason: EndReason) -> None:
        """On the writer thread."""
        try:
            if reason is not EndReason.DISK_FULL:
                self._drain()
        except StorageError as error:
            reason = EndReason.DISK_FULL if isinstance(error, DiskFull) else EndReason.CRASH
            raise
        finally:
            self._close(reason)

    def _close(self, reason: EndReason) -> None:
        if not self._begun:
            return
        try:
            self._writer.close(reason)
        finally:
            self._ledger.ended(self._end_us)
            self._owed.write(partial(self._rows.end_run, self.id, self._end_us, reason))
