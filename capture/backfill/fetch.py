"""Fetches one stretch of time from a device's memory into the ring."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from capture.backfill.plan import shifted
from capture.backfill.replay_run import ReplayRun
from capture.backfill.rows import BackfillRows
from capture.backfill.stamps import Stamps
from capture.backfill.trim import Trim
from capture.disk import WriterThread
from capture.fragmenter import Fragment
from capture.packets import Delivery, PacketsLost, TrackStarted
from capture.segment_writer import Ring
from kernel.clock import SECOND_US, Clock
from kernel.errors import TimestampDiscontinuity
from kernel.model.footage import EndReason, Packet, TrackInfo
from kernel.settings import CaptureSettings, SourceSpec
from kernel.timerange import TimeRange

MARGIN_US = 10 * SECOND_US
"""Asked for more at both ends: devices begin at a key frame, and few know their own clock to the frame."""
_AT_A_TIME = 8  # fragments handed to the writer thread at once


class Replay(Protocol):
    """What a device plays from its memory, ending with what was asked for.

    Packets tell the wall time that the device kept with them. Raises ``SourceError`` where it breaks off.
    """

    def __aiter__(self) -> AsyncIterator[Sequence[Delivery]]: ...

    async def close(self) -> None: ...


class OpenReplay(Protocol):
    """``capture.rtsp.replay.open_rtsp_replay`` is one."""

    async def __call__(
        self, spec: SourceSpec, settings: CaptureSettings, clock: Clock, *, uri: str, wall: TimeRange
    ) -> Replay:
        """Args: uri: where the device plays back. wall: the range, by the device's clock."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Around:
    """What fetching needs of its process."""

    ring: Ring
    rows: BackfillRows
    thread: WriterThread
    settings: CaptureSettings
    clock: Clock
    open_replay: OpenReplay


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A stretch to be fetched."""

    spec: SourceSpec
    uri: str  # where the device plays it back
    stretch: TimeRange  # by the ring's clock
    offset_us: int  # device clock minus recorder clock, as known
    correction_us: int  # added to the device's times


async def fetch(wanted: Wanted, around: Around) -> None:
    """Into the ring, sealed, as runs of origin ``backfill``; what had come before an error stays.

    Raises:
        SourceError: the device does not play it back, or stopped in the middle.
        StorageError: the disk does not take it.
    """
    padded = TimeRange(start_us=wanted.stretch.start_us - MARGIN_US, end_us=wanted.stretch.end_us + MARGIN_US)
    asked = shifted(padded, -wanted.correction_us)
    replay = await around.open_replay(wanted.spec, around.settings, around.clock, uri=wanted.uri, wall=asked)
    fetching = _Fetching(wanted, around)
    reason = EndReason.SOURCE_LOST
    try:
        async for deliveries in replay:
            await fetching.take(deliveries)
            if fetching.over:
                break
        reason = EndReason.STOPPED
    finally:
        try:
            await fetching.end(reason)
        finally:
            await replay.close()


class _Fetching:
    """One replay: a run after the other."""

    def __init__(self, wanted: Wanted, around: Around) -> None:
        self._wanted = wanted
        self._around = around
        self._trim = Trim(wanted.stretch)
        self._stamps: Stamps | None = None
        self._video: TrackStarted | None = None
        self._audio: TrackInfo | None = None
        self._run: ReplayRun | None = None
        self._after_loss = False
        self._ready: list[Fragment] = []

    @property
    def over(self) -> bool:
        return self._trim.over

    async def take(self, deliveries: Sequence[Delivery]) -> None:
        for one in deliveries:
            told = self._corrected(one)
            for kept in self._trim.take(told) if told is not None else ():
                await self._keep(kept)
        await self._write_ready()

    def _corrected(self, one: Delivery) -> Delivery | None:
        """With the ring's wall time; a packet that tells none has no place in evidence."""
        if isinstance(one, TrackStarted) and one.info.codec.is_video:
            self._stamps = self._stamps or Stamps(one.info.timescale)
        if not isinstance(one, Packet):
            return one
        if one.wall_us is None:
            return None
        wall_us = one.wall_us + self._wanted.correction_us
        told = one._replace(wall_us=wall_us, arrival_us=wall_us)
        return self._stamps.follow(told) if self._stamps and one.codec.is_video else told

    async def _keep(self, one: Delivery) -> None:
        if isinstance(one, TrackStarted):
            await self._track(one)
        elif isinstance(one, PacketsLost):
            self._after_loss = self._after_loss or one.codec.is_video
        else:
            await self._packet(one)

    async def _track(self, track: TrackStarted) -> None:
        if track.info.codec.is_video:
            if self._video is not None and track.info != self._video.info:
                await self._end_run(EndReason.FORMAT_CHANGE)
            self._video = track
        else:
            if self._audio is not None and track.info != self._audio:
                await self._end_run(EndReason.FORMAT_CHANGE)
            self._audio = track.info

    async def _packet(self, packet: Packet) -> None:
        if self._run is None:
            if self._video is None or not (packet.codec.is_video and packet.key):
                return
            self._run = self._begin(self._video)
        try:
            self._ready += self._run.take(packet, self._after_loss)
        except TimestampDiscontinuity:
            await self._end_run(EndReason.DISCONTINUITY)
            await self._packet(packet)
            return
        if packet.codec.is_video:
            self._after_loss = False
        if len(self._ready) >= _AT_A_TIME:
            await self._write_ready()

    def _begin(self, video: TrackStarted) -> ReplayRun:
        around = self._around
        return ReplayRun(
            source_id=self._wanted.spec.id,
            video=video,
            audio=self._audio,
            ring=around.ring,
            rows=around.rows,
            hole_seconds=around.settings.hole_seconds,
            offset_us=self._wanted.offset_us,
        )

    async def _write_ready(self) -> None:
        if self._run is not None and self._ready:
            ready, self._ready = self._ready, []
            await self._around.thread.call(self._run.write, ready)

    async def _end_run(self, reason: EndReason) -> None:
        run = self._run
        if run is not None:
            await self._write_ready()
            self._run = None
            await self._around.thread.call(run.close, reason)

    async def end(self, reason: EndReason) -> None:
        """Seal what is open."""
        await self._end_run(reason)
