"""Records one source: ``run`` for ever, ``run_once`` one connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from capture.disk import WriterThread, need_room
from capture.figures import RecentFigures
from capture.footage_rows import FootageRows
from capture.fragmenter import Fragment
from capture.gap_ledger import GapLedger
from capture.health import HealthBoard
from capture.owed_rows import OwedRows
from capture.packets import Delivery, Hurries, PacketSource, TrackStarted
from capture.patience import Backoff, Complaints
from capture.run_clock import STEP_US
from capture.run_recording import OnFragments, RunRecording
from capture.segment_writer import Ring
from capture.stamp_rate import StampRate
from kernel.clock import Clock
from kernel.errors import (
    CertificateRefused,
    CodecUnsupported,
    DiskFull,
    DiskLost,
    JianzhengError,
    NetworkDown,
    NoKeyFrames,
    NotAnswering,
    NotCalling,
    NotListening,
    SendsNoPicture,
    SourceError,
    SourceHasNoVideo,
    SourceNotFound,
    SourceProtocolError,
    SourceRefused,
    SourceSendsGarbage,
    SourceUnreachable,
    TimestampDiscontinuity,
)
from kernel.log import logger
from kernel.model.footage import EndReason, Fault, GapCause, Packet, SourceState, TrackInfo
from kernel.settings import CaptureSettings, SourceSpec

OpenSource = Callable[[SourceSpec, CaptureSettings, Clock], Awaitable[PacketSource]]
"""Connects to a source; ``capture.rtsp.stream.open_rtsp`` is one."""

_log = logger("capture")


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What all recorders of a process share."""

    settings: CaptureSettings
    ring: Ring
    rows: FootageRows
    thread: WriterThread
    health: HealthBoard
    clock: Clock
    open_source: OpenSource


class ClockWatch:
    """Tells when the machine's clock was set: wall and monotonic time part."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._parted_us = clock.now_us() - clock.monotonic_us()

    def step_us(self) -> int:
        """By how much it was set since the last look; 0 for less than half a second."""
        parted_us = self._clock.now_us() - self._clock.monotonic_us()
        step_us, self._parted_us = parted_us - self._parted_us, parted_us
        return step_us if abs(step_us) > STEP_US else 0


class Recorder:
    """One source."""

    def __init__(self, spec: SourceSpec, around: Surroundings, since_us: int | None = None) -> None:
        """``since_us``: from when on it is wanted; None: always."""
        self._spec = spec
        self._since_us = since_us
        self._shared_owed = around.ring.owed
        # Rows of its own: one that can never be written must not stop the others.
        around = replace(around, ring=replace(around.ring, owed=OwedRows()))
        self._around = around
        self._ledger = GapLedger(spec.id, around.rows)
        self._figures = RecentFigures()
        self._complaints = Complaints(around.clock)
        self._backoff = Backoff(around.settings.retry_seconds, around.settings.retry_max_seconds)

    async def run(self) -> None:
        """Record until cancelled; every outage is declared with its cause and tried again."""
        around = self._around
        around.health.say(self._spec.id, SourceState.CONNECTING)
        wanted_us: int | None = around.clock.now_us()  # None once the ledger knows it
        while True:
            try:
                if wanted_us is not None:
                    await around.thread.call(self._ledger.expect, wanted_us, self._since_us)
                    wanted_us = None
                await self.run_once()
            except Exception as error:  # noqa: BLE001 - the one place: whatever it is, recording goes on
                if _being_cancelled():
                    return  # sealing failed while we were told to stop
                await self._outage(error)
            await around.clock.wait(self._backoff.next_seconds())

    async def run_once(self) -> None:
        """Connect and record until the connection ends; always raises.

        Raises:
            SourceError: the source does not deliver.
            StorageError: the disk does not take what it delivers.
            CatalogError: the catalogue does not take its rows.
        """
        around = self._around
        need_room(around.ring.root, around.ring.settings.reserve_bytes, around.ring.free)
        await around.thread.call(self._shared_owed.settle)
        await around.thread.call(around.ring.owed.settle)
        source = await around.open_source(self._spec, around.settings, around.clock)
        session = _Session(self._spec, around, self._ledger, self._recording, self._figures)
        try:
            await self._follow(source, session)
        finally:
            await source.close()

    async def _follow(self, source: PacketSource, session: _Session) -> None:
        reason = EndReason.CRASH  # of an error that nobody foresaw
        watched = self._around.ring.watched
        hurries = source if isinstance(source, Hurries) else None
        try:
            while True:
                if hurries is not None:
                    hurries.hurry(self._spec.id in watched)
                await session.take(await source.read())
        except asyncio.CancelledError:
            reason = EndReason.STOPPED
            raise
        except DiskFull:
            reason = EndReason.DISK_FULL
            raise
        except SourceError:
            reason = EndReason.SOURCE_LOST
            raise
        finally:
            await session.end(reason)

    def _recording(self, run: RunRecording, fragments: Sequence[Fragment]) -> None:
        health = self._around.health
        health.say(self._spec.id, SourceState.RECORDING)
        health.saw(self._spec.id, self._figures.of(run.id, run.video.info, fragments))
        self._backoff.reset()
        self._complaints.over()

    async def _outage(self, error: Exception) -> None:
        """Say it to people once a period, to the catalogue at once."""
        state, cause, fault = _meaning(error)
        detail = str(error) if isinstance(error, JianzhengError) else _unexpected(self._spec.id, error)
        # The gap keeps what happened; what to do about it is for now, and for the health of the source.
        happened = error.message if isinstance(error, JianzhengError) else detail
        around = self._around
        around.health.say(self._spec.id, state, detail, fault)
        if isinstance(error, SourceRefused):
            self._backoff.at_once_longest()
        if self._complaints.is_news(detail):
            self._complain(error, detail, cause)
        with suppress(
            JianzhengError
        ):  # the ledger keeps it until the catalogue, which is told of, can take it
            await around.thread.call(self._ledger.outage, cause, happened, fault)

    def _complain(self, error: Exception, detail: str, cause: GapCause) -> None:
        """What the source does is a warning; what this machine does to all sources is an alarm."""
        fields = {"action": "source.lost", "source": self._spec.id, "cause": cause.value}
        if isinstance(error, SourceError):
            _log.warning(detail, **fields)
        else:
            _log.error(detail, **fields, ring=str(self._around.ring.root))

    async def stopped(self, cause: GapCause, detail: str) -> None:
        """After ``run`` was cancelled: declare the gap that begins here."""
        around = self._around
        around.health.say(self._spec.id, SourceState.STOPPED, detail)
        await self._pay()
        await around.thread.call(self._ledger.stopped, cause, detail, around.clock.now_us())

    async def _pay(self) -> None:
        """What is owed is tried a last time; files without a row are settled by the next start."""
        try:
            await self._around.thread.call(self._around.ring.owed.settle)
        except JianzhengError as error:
            _log.error(str(error), action="rows.owed", source=self._spec.id)

    async def released(self) -> None:
        """After ``run`` was cancelled: nothing is expected of this source from now on."""
        around = self._around
        around.health.say(self._spec.id, SourceState.STOPPED)
        await self._pay()
        await around.thread.call(self._ledger.released, around.clock.now_us())


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


_MEANINGS: dict[type[Exception], tuple[SourceState, GapCause, Fault]] = {
    NetworkDown: (SourceState.LOST, GapCause.NETWORK, Fault.NETWORK),
    NotListening: (SourceState.LOST, GapCause.CAMERA_LOST, Fault.NOT_LISTENING),
    NotAnswering: (SourceState.LOST, GapCause.CAMERA_LOST, Fault.NOT_ANSWERING),
    NotCalling: (SourceState.LOST, GapCause.CAMERA_LOST, Fault.NOT_CALLING),
    SendsNoPicture: (SourceState.LOST, GapCause.CAMERA_LOST, Fault.NO_PICTURE),
    NoKeyFrames: (SourceState.LOST, GapCause.GARBAGE, Fault.NO_KEY_FRAMES),
    SourceSendsGarbage: (SourceState.LOST, GapCause.GARBAGE, Fault.GARBAGE),
    TimestampDiscontinuity: (SourceState.LOST, GapCause.DISCONTINUITY, Fault.TIME_JUMP),
    SourceUnreachable: (SourceState.LOST, GapCause.CAMERA_LOST, Fault.CONNECTION_LOST),
    SourceProtocolError: (SourceState.LOST, GapCause.CAMERA_LOST, Fault.PROTOCOL),
    CertificateRefused: (SourceState.REFUSED, GapCause.REFUSED, Fault.CERTIFICATE),
    SourceRefused: (SourceState.REFUSED, GapCause.REFUSED, Fault.CREDENTIALS),
    SourceNotFound: (SourceState.REFUSED, GapCause.REFUSED, Fault.NO_SUCH_PATH),
    SourceHasNoVideo: (SourceState.REFUSED, GapCause.REFUSED, Fault.NO_VIDEO),
    CodecUnsupported: (SourceState.REFUSED, GapCause.REFUSED, Fault.CODEC),
    SourceError: (SourceState.REFUSED, GapCause.REFUSED, Fault.SETTINGS),
    DiskFull: (SourceState.LOST, GapCause.DISK_FULL, Fault.DISK_FULL),
    DiskLost: (SourceState.LOST, GapCause.DISK_LOST, Fault.DISK_LOST),
}
"""What an error says of its source; the first kind that fits."""


def _meaning(error: Exception) -> tuple[SourceState, GapCause, Fault]:
    for kind, meaning in _MEANINGS.items():
        if isinstance(error, kind):
            return meaning
    return SourceState.LOST, GapCause.CRASH, Fault.RECORDER_FAILED


def _unexpected(source_id: str, error: Exception) -> str:
    """Of an error that nobody foresaw only the type: its text may hold anything (invariant 16)."""
    return f"source {source_id}: the recorder failed ({type(error).__name__}); it is tried again."


class _Session:
    """One connection: a run after the other, as long as it lasts."""

    def __init__(
        self,
        spec: SourceSpec,
        around: Surroundings,
        ledger: GapLedger,
        on_fragments: OnFragments,
        figures: RecentFigures,
    ) -> None:
        self._spec = spec
        self._around = around
        self._ledger = ledger
        self._on_fragments = on_fragments
        self._figures = figures
        self._watch = ClockWatch(around.clock)
        self._video: TrackStarted | None = None
        self._audio: TrackInfo | None = None
        self._run: RunRecording | None = None
        self._after_loss = False
        self._stamps: StampRate | None = None

    async def take(self, deliveries: Sequence[Delivery]) -> None:
        """Record what the source delivered."""
        step_us = self._watch.step_us()
        if step_us and self._run:
            self._run.recorder_stepped(step_us)
        for one in deliveries:
            if isinstance(one, Packet):
                if one.codec.is_video:
                    await self._picture(one)
                elif self._run is not None:  # before the first picture sound has no place
                    self._run.add_sound(one)
            elif isinstance(one, TrackStarted):
                await self._track(one)
            else:
                self._figures.lost_packets += one.count
                self._after_loss |= one.codec.is_video

    async def _track(self, track: TrackStarted) -> None:
        """A track is as told from here on; in the middle of a run that makes another run."""
        if not track.info.codec.is_video:
            self._audio = track.info
            return
        if self._video is not None and self._run is not None:
            await self._end_run(
                EndReason.FORMAT_CHANGE, GapCause.DISCONTINUITY, "The source changed its format."
            )
        self._video = track

    async def _picture(self, packet: Packet) -> None:
        video = self._video
        if video is None:
            return
        after_loss, self._after_loss = self._after_loss, False
        stamps = self._stamps = self._stamps or StampRate(video.info.timescale)
        stamps.observe(packet)
        if stamps.wrong and packet.key:
            await self._adopt(stamps)
        packet = stamps.corrected(packet)
        run = self._run = self._run or self._new_run(video)
        try:
            fragments = run.add(packet, after_loss)
        except TimestampDiscontinuity as error:
            _log.warning(str(error), action="run.split", source=self._spec.id)
            await self._end_run(EndReason.DISCONTINUITY, GapCause.DISCONTINUITY, error.message)
            run = self._run = self._new_run(video)
            fragments = run.add(packet, False)
        if fragments:
            await run.write(fragments)

    async def _adopt(self, stamps: StampRate) -> None:
        """The stamps do not keep time: from here on they are put right, in a new run."""
        stamps.adopt()
        detail = f"The source's time stamps run at {stamps.rate:.1%} of time."
        _log.warning(detail, action="run.split", source=self._spec.id)
        await self._end_run(EndReason.DISCONTINUITY, GapCause.DISCONTINUITY, detail)

    async def _end_run(self, reason: EndReason, cause: GapCause, detail: str) -> None:
        run, self._run = self._run, None
        if run is None:
            return
        await run.end(reason)
        if run.begun:
            await self._around.thread.call(self._ledger.outage, cause, detail)

    def _new_run(self, video: TrackStarted) -> RunRecording:
        around = self._around
        return RunRecording(
            source_id=self._spec.id,
            video=video,
            audio=self._audio,
            ring=around.ring,
            rows=around.rows,
            ledger=self._ledger,
            thread=around.thread,
            settings=around.settings,
            on_fragments=self._on_fragments,
        )

    async def end(self, reason: EndReason) -> None:
        """The connection is over: seal what is open."""
        run, self._run = self._run, None
        if run is not None:
            await run.end(reason)
