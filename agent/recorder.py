"""Records the desktop: ``run`` until told to stop, ``run_once`` as long as the screen delivers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from agent.gaps import GapLedger
from agent.run_writer import RunWriter, Wanted
from agent.settings import AgentSettings
from agent.shelf import Shelf
from agent.status import Status
from agent.timekeeper import Timekeeper
from kernel.clock import SECOND_US, Clock
from kernel.errors import DiskFull, JianzhengError, SourceError, StorageError
from kernel.log import logger
from kernel.model.footage import EndReason, GapCause, TrackInfo
from kernel.segments.segment_file import Opener, open_new

_ANCHOR_MAY_BE_OFF_US = SECOND_US // 10
"""Beyond this a new run takes the time that was measured anew: within a run wall time is never bent."""
_PAUSE_S, _PAUSE_MAX_S = 1.0, 30.0
_SLEPT_US = SECOND_US // 2
_WAITING = "It waits for the recorder's time."
_SET = "The computer's clock was set."
_CORRECTED = "The time was corrected by the recorder's."

_log = logger("agent")


class Screen(Protocol):
    """A screen that is being grabbed; ``agent.grab.Desktop`` is one."""

    @property
    def video(self) -> TrackInfo: ...
    def next(self) -> bool: ...
    def encode(self, key: bool) -> bytes: ...
    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What recording works with."""

    settings: AgentSettings
    shelf: Shelf
    ledger: GapLedger
    times: Timekeeper
    status: Status
    clock: Clock
    open_screen: Callable[[AgentSettings], Screen]
    screen_size: Callable[[AgentSettings], tuple[int, int]]  # as it is now
    opener: Opener = open_new


@dataclass(frozen=True, kw_only=True, slots=True)
class _Split:
    """Why a run ends although the screen delivers."""

    reason: EndReason
    cause: GapCause  # of what is missing up to the next run, if anything is
    detail: str
    unbroken: bool  # its last frame was on the screen until the next run begins


class DesktopRecorder:
    """One desktop."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._pause_s = _PAUSE_S
        self._told = ""  # the fault that was last told to people

    def run(self, stop: threading.Event, principal: str) -> None:
        """Until told to stop, in the name of the principal."""
        self._wait_for_time(stop)
        while not stop.is_set():
            try:
                self.run_once(stop)
            except Exception as error:  # noqa: BLE001 - the one place: whatever it is, recording goes on
                self._outage(error)
                self._rest(stop)
        self._around.ledger.stopped(principal, self._around.times.now_us())
        self._around.status.not_recording(f"Stopped by {principal}.")

    def _wait_for_time(self, stop: threading.Event) -> None:
        """An agent that never heard its recorder knows no time that would hold as evidence."""
        if not self._around.times.known:
            self._around.status.not_recording(_WAITING)
            _log.warning(_WAITING, action="agent.waiting")
        while not (self._around.times.known or stop.is_set()):
            self._around.clock.sleep(0.2)

    def _rest(self, stop: threading.Event) -> None:
        """Pauses double; each is slept in pieces, so that a stop need not wait for its end."""
        until_us = self._around.clock.monotonic_us() + round(self._pause_s * SECOND_US)
        self._pause_s = min(2 * self._pause_s, _PAUSE_MAX_S)
        while not stop.is_set() and self._around.clock.monotonic_us() < until_us:
            self._around.clock.sleep(0.2)

    def run_once(self, stop: threading.Event) -> None:
        """Record until told to stop.

        Raises:
            SourceError: the screen does not deliver.
            StorageError: the disk does not take what it delivers.
        """
        self._around.shelf.need_room(0)
        screen = self._around.open_screen(self._around.settings)
        session = _Session(self._around, screen, self._recording)
        reason = EndReason.CRASH  # of an error that nobody foresaw
        try:
            while not stop.is_set() and not session.size_changed:
                session.take(screen.next())
            reason = EndReason.FORMAT_CHANGE if session.size_changed else EndReason.STOPPED
        except DiskFull:
            reason = EndReason.DISK_FULL
            raise
        except SourceError:
            reason = EndReason.SOURCE_LOST
            raise
        finally:
            try:
                session.end(reason)
            finally:
                screen.close()

    def _recording(self, sealed: bool) -> None:
        self._pause_s, self._told = _PAUSE_S, ""
        if sealed:  # what an expert sees: once a segment
            waiting = len(self._around.shelf.waiting())
            _log.info(
                "正在录制 This desktop is being recorded.", action="agent.recording", segments_to_send=waiting
            )

    def _outage(self, error: Exception) -> None:
        cause = _cause(error)
        # Of an error that nobody foresaw only the type: its text may hold anything (invariant 16).
        happened = remedy = f"The agent failed ({type(error).__name__})."
        if isinstance(error, JianzhengError):
            happened, remedy = error.message, str(error)
        self._around.status.not_recording(happened)
        self._around.ledger.outage(cause, happened)
        if happened != self._told:
            self._told = happened
            _log.error(remedy, action="agent.outage", cause=cause.value)


def _cause(error: Exception) -> GapCause:
    if isinstance(error, SourceError):
        return GapCause.CAMERA_LOST
    if isinstance(error, DiskFull):
        return GapCause.DISK_FULL
    return GapCause.DISK_LOST if isinstance(error, StorageError) else GapCause.CRASH


class _Session:
    """The screen while it is open: a run after the other."""

    def __init__(self, around: Surroundings, screen: Screen, on_recording: Callable[[bool], None]) -> None:
        self._around = around
        self._screen = screen
        self._video = screen.video
        self._on_recording = on_recording
        self._run: RunWriter | None = None
        self._last_us: int | None = None  # course at the newest picture
        self._closest_us = round(SECOND_US / around.settings.frames_per_second / 2)
        self._changed = False  # a picture that was passed over differs from the last one taken
        self._slept_us = around.times.slept_us()
        self._missing = (GapCause.NOT_RECORDING, "The grabber was starting.")  # why, before the next run
        self.size_changed = False  # since it was opened: it must be opened anew

    def take(self, changed: bool) -> None:
        """A new picture is there.

        Raises:
            StorageError: the disk does not take it.
        """
        times = self._around.times
        course_us = times.course_us()
        course_us -= course_us % 1000  # a run may end in the very tick in which the next one begins
        self._changed = self._changed or changed
        if self._last_us is not None and course_us - self._last_us < self._closest_us:
            return  # a grabber that was held up delivers in a burst what it owes
        split = self._split(course_us)
        if split is not None:
            self._end_run(split, course_us)
        run = self._run = self._run or self._begin(course_us)
        wanted = run.wants(course_us, self._changed)
        self._changed = False
        if wanted is not Wanted.NOTHING:
            run.add(self._screen.encode(wanted is Wanted.KEY), wanted)
        self._last_us = course_us
        self._around.status.recording(
            run.id, course_us + run.anchor_us, self._video.width, self._video.height
        )

    def _split(self, course_us: int) -> _Split | None:
        """Whether this picture belongs to another run."""
        before_us, self._slept_us = self._slept_us, self._around.times.slept_us()
        step_us = self._around.times.step_us()
        if step_us:
            _log.warning(_SET, action="clock.stepped", step_us=step_us)
        if self._run is None or self._last_us is None:
            return None
        if course_us - self._last_us > self._around.settings.hole_seconds * SECOND_US:
            slept = self._slept_us - before_us > _SLEPT_US
            return _Split(
                reason=EndReason.SOURCE_LOST,
                cause=GapCause.NOT_RECORDING if slept else GapCause.CAMERA_LOST,
                detail="The computer slept." if slept else "No picture came from the screen.",
                unbroken=False,
            )
        corrected = abs(self._around.times.anchor_us - self._run.anchor_us) > _ANCHOR_MAY_BE_OFF_US
        if not (step_us or corrected):
            return None
        detail = _CORRECTED if corrected else _SET
        return _Split(
            reason=EndReason.DISCONTINUITY, cause=GapCause.DISCONTINUITY, detail=detail, unbroken=True
        )

    def _end_run(self, split: _Split, course_us: int) -> None:
        run, self._run = self._run, None
        assert run is not None
        _log.warning(split.detail, action="run.split", run=run.id)
        self._missing = (split.cause, split.detail)
        run.end(split.reason, course_us if split.unbroken else None)

    def _begin(self, course_us: int) -> RunWriter:
        around = self._around
        return RunWriter(
            settings=around.settings,
            shelf=around.shelf,
            clock=around.clock,
            video=self._video,
            course_us=course_us,
            anchor_us=around.times.anchor_us,
            offset_us=lambda: around.times.offset_us,
            on_begun=self._begun,
            on_sealed=self._sealed,
            opener=around.opener,
        )

    def _begun(self, start_us: int) -> None:
        self._around.ledger.resumed(start_us, *self._missing)
        self._on_recording(False)

    def _sealed(self, until_us: int) -> None:
        self._around.ledger.recorded(until_us)
        self._on_recording(True)
        with suppress(SourceError):  # a grabber that cannot be asked a second time says so by itself
            size = self._around.screen_size(self._around.settings)
            self.size_changed = size != (self._video.width, self._video.height)

    def end(self, reason: EndReason) -> None:
        """The screen delivers no more, or nobody wants it: seal what is open. Raises: StorageError."""
        run, self._run = self._run, None
        if run is not None:
            run.end(reason)
