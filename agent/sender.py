"""Sends what is sealed and keeps it until the receipt comes back; tells time, gaps and health on the way.

One exchange: measure the time, tell gaps, report, ask which segments the recorder has, send what it lacks,
oldest first. What the recorder does not get is a gap before its run is reported as over. Each step may be
repeated: the recorder knows segments and gaps by their ids.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from agent.gaps import GapLedger
from agent.settings import AgentSettings
from agent.shelf import Entry, Shelf
from agent.status import Status
from agent.timekeeper import KeptOffset, Timekeeper
from kernel.clock import SECOND_US, Clock
from kernel.errors import JianzhengError, RecorderUnreachable, SegmentNotYet, SegmentRefused
from kernel.log import logger
from kernel.model.agent import (
    LONGEST_DETAIL,
    MOST_CLAIMS,
    AgentGap,
    AgentReport,
    Known,
    Receipt,
    SegmentClaim,
)
from kernel.model.footage import GapCause

_PAUSE_MAX_S = 30.0
_HOUR_US = 3600 * SECOND_US
_HANGS_US = 10 * SECOND_US
_REFUSED_AGAIN_US = _HOUR_US
"""Until a segment is tried again that was refused: a person may have put right what was in its way."""
_NOT_YET_AGAIN_US = 300 * SECOND_US
"""Until one is tried again that was put off."""
GONE = "Recorded, but its file is gone from the agent's disk."
_DAMAGED = "Recorded, but its file was damaged on the agent's disk."
_OTHER_THERE = "Recorded, but the recorder has something else under its id."
_HANGS = "The screen gives no picture and no error."

_log = logger("agent")


class Link(Protocol):
    """The way to the recorder; ``agent.link.RecorderLink`` is one."""

    def now_us(self) -> int: ...
    def report(self, report: AgentReport) -> None: ...
    def known(self, claims: Sequence[SegmentClaim]) -> Known: ...
    def send(self, claim: SegmentClaim, path: Path) -> Receipt: ...
    def tell_gap(self, gap_id: str, gap: AgentGap) -> None: ...


class Sender:
    """One thread."""

    def __init__(
        self,
        *,
        settings: AgentSettings,
        link: Link,
        shelf: Shelf,
        ledger: GapLedger,
        times: Timekeeper,
        status: Status,
        clock: Clock,
        offset: KeptOffset,
    ) -> None:
        self._settings = settings
        self._link = link
        self._shelf = shelf
        self._ledger = ledger
        self._times = times
        self._status = status
        self._clock = clock
        self._offset = offset
        self._fault = ""  # that was last told to people

    def run(self, stop: threading.Event) -> None:
        """Until told to stop."""
        pause_s = self._settings.exchange_seconds
        while not stop.is_set():
            more = False
            try:
                more = self.run_once()
                self._reached()
                pause_s = self._settings.exchange_seconds
            except Exception as error:  # noqa: BLE001 - whatever it is: everything is kept and sent again
                self._failed(error)
                pause_s = min(2 * pause_s, _PAUSE_MAX_S)
            if not more:
                self._rest(pause_s, stop)

    def _rest(self, seconds: float, stop: threading.Event) -> None:
        until_us = self._clock.monotonic_us() + round(seconds * SECOND_US)
        while not stop.is_set() and self._clock.monotonic_us() < until_us:
            self._clock.sleep(0.2)

    def run_once(self) -> bool:
        """One exchange; whether more is waiting than it had time for.

        Raises:
            RecorderError: the recorder does not answer or does not take it.
            StorageError: receipts cannot be kept.
        """
        self._times.measure(self._link.now_us)
        self._offset.keep(self._times.offset_us)
        for gap_id, gap in self._ledger.untold():
            self._link.tell_gap(gap_id, gap)
            self._ledger.told(gap_id, gap)
        self._link.report(self._report())
        more = self._send_waiting()
        self._shelf.sweep(self._times.now_us() - round(self._settings.keep_sent_hours * _HOUR_US))
        return more

    def _report(self) -> AgentReport:
        """The runs are asked for after what is being done: one that ends in between has its segments here."""
        doing = self._status.doing
        hangs = doing.recording and self._times.now_us() - (doing.last_frame_us or 0) > _HANGS_US
        waiting = self._shelf.waiting()
        runs = {entry.run_id for entry in waiting} | ({doing.run_id} if doing.run_id else set())
        return AgentReport(
            recording=doing.recording and not hangs,
            detail=_HANGS if hangs else doing.detail[:LONGEST_DETAIL],
            last_frame_us=doing.last_frame_us,
            clock_offset_us=self._times.offset_us,
            waiting=len(waiting),
            refused=self._shelf.refused(),
            unfinished_runs=tuple(sorted(runs)),
            width=doing.width,
            height=doing.height,
        )

    def _send_waiting(self) -> bool:
        """Send for as long as an exchange may take; whether anything was left."""
        until_us = self._clock.monotonic_us() + round(self._settings.exchange_seconds * SECOND_US)
        waiting = self._shelf.due(self._clock.monotonic_us())
        batch = waiting[:MOST_CLAIMS]
        if not batch:
            return False
        known = self._link.known([entry.claim for entry in batch])
        receipts = {receipt.segment_id: receipt for receipt in known.receipts}
        for entry in batch:
            if self._clock.monotonic_us() > until_us:
                return True
            segment_id = entry.claim.segment_id
            if segment_id in known.conflicts:
                self._refused(entry, _OTHER_THERE)
            elif segment_id in receipts:
                self._received(entry, receipts[segment_id])
            else:
                self._send(entry)
        return len(waiting) > len(batch)

    def _send(self, entry: Entry) -> None:
        """A segment that cannot be sent ever must not hold up those behind it."""
        if not self._shelf.path_of(entry).exists():
            self._refused(entry, GONE, GapCause.CRASH)
            return
        if not self._shelf.is_whole(entry):
            self._refused(entry, _DAMAGED)
            return
        try:
            receipt = self._link.send(entry.claim, self._shelf.path_of(entry))
        except SegmentRefused as error:
            self._refused(entry, f"Recorded, but {error.message}")
        except SegmentNotYet as error:
            self._shelf.put_off(entry, self._clock.monotonic_us() + _NOT_YET_AGAIN_US)
            _log.warning(f"{entry.name} is sent later: {error.message}", action="segment.put_off")
        else:
            self._received(entry, receipt)

    def _received(self, entry: Entry, receipt: Receipt) -> None:
        receipt.check(entry.claim)
        self._ledger.arrived(entry.claim.segment_id)  # first: after a crash in between it is asked for again
        self._shelf.received(entry, receipt, self._times.now_us())

    def _refused(self, entry: Entry, why: str, cause: GapCause = GapCause.GARBAGE) -> None:
        """A gap until it is received after all (invariant 5): its run is not waited for any more."""
        self._ledger.lost(entry.claim.segment_id, entry.wall, cause, why)
        self._shelf.refuse(entry, why, self._clock.monotonic_us() + _REFUSED_AGAIN_US)
        if entry.refusal != why:
            _log.error(f"{entry.name} does not reach the recorder: {why}", action="segment.refused")

    def _reached(self) -> None:
        if self._fault:
            _log.info("已连接 The recorder answers again.", action="recorder.reached")
        self._fault = ""

    def _failed(self, error: Exception) -> None:
        """Told once, not each time."""
        known = isinstance(error, JianzhengError)
        said = str(error) if known else f"The agent failed to send ({type(error).__name__})."
        if said != self._fault:
            level = _log.warning if isinstance(error, RecorderUnreachable) else _log.error
            level(said, action="recorder.unreachable", segments_to_send=len(self._shelf.waiting()))
        self._fault = said
