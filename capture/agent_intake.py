"""Takes the segments that agents send into the ring (invariant 1), and what they say of themselves.

A segment comes into a file of its source's directory whose name ends in ``.incoming``: no ``recover`` looks
at it, and the next start of the receiver clears it, since the agent keeps what it has no receipt for. It is
hashed while it comes, forced to disk, judged by its own boxes and label, renamed, and gets its row and its
place in the chain; the answer is the receipt. The same again gives the same receipt; something else is
refused.

A run of an agent has no end in the catalogue while the agent may still have parts of it: the cutter waits.

Gaps that the receiver assumes yield to what agents tell and send (invariant 5). Time in which nothing is
heard of an agent is one (``network``), taken back when it is heard again: from then on its own word counts.
Time before its first footage is another (``not_recording``), from the moment at which it is wanted: of that
an agent knows nothing, so that it ends only where the first footage begins. So is what lies before a run and
is told by nobody: an agent whose disk was lost knows nothing of what it was before.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Protocol

from capture.disk import free_bytes, need_room
from kernel.chain import CHAIN_LOCK
from kernel.clock import SECOND_US, Clock
from kernel.desired import ALWAYS, Want
from kernel.durable import fsync_directory, make_directory, storage_error
from kernel.errors import FixityError, FootageConflict, FootageError, FootageTooEarly, JianzhengError
from kernel.ids import new_id
from kernel.lock import one_at_a_time
from kernel.log import logger
from kernel.model.agent import ID, AgentGap, AgentReport, Known, Receipt, SegmentClaim, segment_of_gap
from kernel.model.footage import (
    EndReason,
    Fault,
    Gap,
    GapCause,
    Run,
    RunOrigin,
    Segment,
    SourceHealth,
    SourceState,
)
from kernel.model.source import RecordMode
from kernel.segments.readable import Readable, read_segment
from kernel.segments.segment_file import segment_path
from kernel.settings import Settings, SourceSpec
from kernel.timerange import EVER_US, TimeRange, subtract

INCOMING_SUFFIX = ".incoming"
_EARLIEST_US = 1_577_836_800 * SECOND_US  # 2020: no agent is older
_AHEAD_US = 300 * SECOND_US  # how far an agent's footage may be dated in the future
_LONGEST_US = 3600 * SECOND_US
_MOST_SEQUENCES = 1_000_000  # six digits in a file's name
_UNHEARD = "Nothing is heard from the agent on that computer."
_UNHEARD_REMEDY = (
    "See whether the computer is on, jianzheng-agent runs there and its network reaches port {port} of this "
    "machine; what it records meanwhile is sent later."
)
_NEVER_HEARD = "The agent on that computer was never heard."
_NEVER_HEARD_REMEDY = (
    "Start jianzheng-agent there with the agent.toml that 'jianzheng enrol' writes. If it runs, its log says "
    "what is wrong: address, port {port}, firewall, certificate or token."
)
_NO_FOOTAGE_YET = "The agent on that computer had not recorded yet."
_UNTOLD = "The agent on that computer says nothing of this time."
_ASSUMED = "assumed"
"""Ids of gaps begin so that the receiver assumes."""
_SLIVER_US = 1000  # an agent counts in milliseconds: less is rounding

_log = logger("receiver")


class IntakeRows(Protocol):
    """What the intake needs of the catalogue; ``catalog.footage.Footage`` is one. Called on many threads."""

    def run(self, run_id: str) -> Run | None: ...
    def start_run(self, run: Run) -> None: ...
    def end_run(self, run_id: str, ended_us: int, reason: EndReason) -> None: ...
    def unfinished_runs(self) -> list[Run]: ...
    def add_segment(self, segment: Segment) -> None: ...
    def last_chain(self, source_id: str) -> str: ...
    def segments_by_id(self, ids: Iterable[str]) -> dict[str, Segment]: ...
    def segments_of(self, source_id: str, wall: TimeRange) -> list[Segment]: ...
    def places_in_chain(self, ids: Iterable[str]) -> dict[str, int]: ...
    def known_paths(self, paths: Iterable[str]) -> set[str]: ...
    def recorded_until(self, source_id: str) -> int | None: ...
    def put_gap(self, gap: Gap) -> None: ...
    def open_gaps(self) -> list[Gap]: ...
    def gaps_of(self, source_id: str, wall: TimeRange) -> list[Gap]: ...
    def set_health(self, rows: Sequence[SourceHealth]) -> None: ...
    def health(self) -> dict[str, SourceHealth]: ...


class AgentIntake:
    """One receiver's intake: all agents of ``cameras.yaml``."""

    def __init__(
        self,
        settings: Settings,
        specs: Sequence[SourceSpec],
        rows: IntakeRows,
        clock: Clock,
        free: Callable[[Path], int] = free_bytes,
        wanted: Callable[[], Mapping[str, Want]] | None = None,
    ) -> None:
        """``wanted``: which sources shall be recorded now; None: those that always are."""
        always = {spec.id: ALWAYS for spec in specs if spec.record is RecordMode.ALWAYS}
        self._wanted = wanted or (lambda: always)
        self._recorded: set[str] = set()  # sources that are known to have footage
        self._ring = settings.ring_dir
        self._settings = settings
        self._specs: Mapping[str, SourceSpec] = {spec.id: spec for spec in specs}
        self._rows = rows
        self._clock = clock
        self._free = free
        self._lock = threading.Lock()  # rows are written one after the other: a chain has one head
        self._prepared = False
        self._started_us = clock.now_us()
        # Monotonic time of each agent's last word; at the start each has its time to say one.
        self._heard = dict.fromkeys(self._specs, clock.monotonic_us())

    def prepare(self) -> None:
        """Clear what was coming when the last receiver ended, and settle what was in place without a row.

        Once, before anything else comes: as soon as the ring's disk is there.

        Raises:
            DiskLost: it is not there.
            StorageError: the ring cannot be read.
            CatalogError: the catalogue cannot be read.
        """
        with self._lock:
            if not self._prepared:
                self._free(self._ring)  # raises where the disk is another
                self._clear_and_settle()
                self._prepared = True

    def _clear_and_settle(self) -> None:
        try:
            for source_id in self._specs:
                paths = {
                    path.relative_to(self._ring).as_posix(): path
                    for path in sorted((self._ring / source_id).rglob("*"))
                }
                known = self._rows.known_paths(paths)
                for place, path in paths.items():
                    if path.name.endswith(INCOMING_SUFFIX):
                        path.unlink()
                    elif path.suffix == ".mp4" and place not in known:
                        self._settle(source_id, path)
        except OSError as error:
            raise storage_error(error) from error

    def _settle(self, source_id: str, path: Path) -> None:
        """Invariant 2: a file that was renamed and did not get its row. It was judged when it came."""
        found = read_segment(path)
        if found is None or (found.label.origin, found.label.source_id) != (RunOrigin.AGENT, source_id):
            return
        if not ID.match(found.label.segment_id):
            return  # it never came by us
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        claim = SegmentClaim(
            segment_id=found.label.segment_id,
            sha256=sha256,
            size_bytes=path.stat().st_size,
            end_reason=EndReason.CRASH,
        )
        self._add_row(found, claim, path.relative_to(self._ring).as_posix())
        _log.warning("a segment without a row was settled", action="receiver.settled", file=path.name)

    # --- segments

    def known(self, source_id: str, claims: Sequence[SegmentClaim]) -> Known:
        """Which of these segments the ring has, or had: one that was removed by rule has its receipt, too."""
        ids = [claim.segment_id for claim in claims]
        rows, numbers = self._rows.segments_by_id(ids), self._rows.places_in_chain(ids)
        receipts, missing, conflicts = [], [], []
        for claim in claims:
            row = rows.get(claim.segment_id)
            if row is None:
                missing.append(claim.segment_id)
            elif (row.source_id, row.sha256) != (source_id, claim.sha256):
                conflicts.append(claim.segment_id)
            else:
                receipts.append(_receipt(row, numbers[row.id]))
        return Known(receipts=tuple(receipts), missing=tuple(missing), conflicts=tuple(conflicts))

    def receipt(self, source_id: str, claim: SegmentClaim) -> Receipt | None:
        """Of a segment that is here already.

        Raises:
            FootageConflict: other footage has its id.
        """
        known = self.known(source_id, [claim])
        if known.conflicts:
            raise FootageConflict(f"segment {claim.segment_id} is here with other content.")
        return known.receipts[0] if known.receipts else None

    def begin(self, source_id: str, claim: SegmentClaim) -> IncomingSegment:
        """Get ready for a segment's bytes.

        Raises:
            FootageError: it is larger than what is taken.
            DiskFull: the ring's reserve would be touched.
            DiskLost: the ring's disk is not there.
            StorageError: the ring cannot be written.
        """
        if claim.size_bytes > self._settings.receiver.segment_max_bytes:
            raise FootageError(f"segment {claim.segment_id} is larger than receiver.segment_max_bytes.")
        need_room(self._ring, self._settings.ring.reserve_bytes + claim.size_bytes, self._free)
        self.prepare()
        directory = self._ring / source_id
        with _translated():
            make_directory(directory, self._ring)
        path = directory / f"{claim.segment_id}-{new_id('part')}{INCOMING_SUFFIX}"

        def still_here() -> None:
            self._heard[source_id] = self._clock.monotonic_us()

        return IncomingSegment(path, claim, still_here, lambda: self._accept(source_id, claim, path))

    def _accept(self, source_id: str, claim: SegmentClaim, path: Path) -> Receipt:
        """The file is whole and durable under its temporary name: judge it, rename it, record it."""
        found = read_segment(path)
        if found is None:
            raise FootageError(f"segment {claim.segment_id} holds nothing that can be read.")
        self._judge(source_id, claim, found)
        target = segment_path(source_id, found.wall.start_us, found.label.run_id, found.label.sequence)
        with self._lock:
            present = self.receipt(source_id, claim)
            if present is not None:
                return present  # it came twice at once
            self._refuse_run_of_another(source_id, found)
            self._put(path, self._ring / target, claim)
            return self._add_row(found, claim, target)

    def _judge(self, source_id: str, claim: SegmentClaim, found: Readable) -> None:
        """See to it that it may be taken.

        Raises:
            FootageError: the file is not what an agent of this source may send.
            FootageTooEarly: not now: this machine's clock may have been set back.
        """
        label, wall = found.label, found.wall
        faults = {
            "bytes behind its last fragment": found.size != claim.size_bytes,
            "another id in its label": label.segment_id != claim.segment_id,
            "the label of another source": label.source_id != source_id,
            "a label that is not an agent's": label.origin is not RunOrigin.AGENT,
            "a run's id that is none": not ID.match(label.run_id),
            "a place in its run that is none": not 0 <= label.sequence < _MOST_SEQUENCES,
            "a time before 2020": wall.start_us < _EARLIEST_US,
            "more than an hour": wall.duration_us > _LONGEST_US,
        }
        wrong = [fault for fault, applies in faults.items() if applies]
        if wrong:
            raise FootageError(f"segment {claim.segment_id} has {', '.join(wrong)}.")
        if wall.end_us > self._clock.now_us() + _AHEAD_US:
            raise FootageTooEarly(f"segment {claim.segment_id} has a time that lies in the future.")

    def _refuse_run_of_another(self, source_id: str, found: Readable) -> None:
        run = self._rows.run(found.label.run_id)
        if run is not None and (run.source_id, run.origin) != (source_id, RunOrigin.AGENT):
            raise FootageConflict(f"run {found.label.run_id} is not this agent's.")

    def _put(self, path: Path, target: Path, claim: SegmentClaim) -> None:
        """Under its final name. Nothing is overwritten; the same file there is as good as this one."""
        try:
            make_directory(target.parent, self._ring)
            if target.exists():
                with target.open("rb") as there:
                    if hashlib.file_digest(there, "sha256").hexdigest() != claim.sha256:
                        raise FootageConflict(f"the place of segment {claim.segment_id} is taken.")
            else:
                path.rename(target)
            fsync_directory(target.parent)
        except OSError as error:
            raise storage_error(error) from error

    def _add_row(self, found: Readable, claim: SegmentClaim, path: str) -> Receipt:
        """Row of run and segment; the segment that ended the run ends it here, too. Under the lock."""
        label, rows = found.label, self._rows
        run_start_us = found.wall.start_us - found.media_start * SECOND_US // found.timescale
        # The gaps first: if the catalogue fails in between, all of this is done again.
        self._yield_to(label.source_id, TimeRange(start_us=run_start_us, end_us=found.wall.end_us))
        before_us = rows.recorded_until(label.source_id)
        if rows.run(label.run_id) is None and before_us is not None:
            self._declare_untold(label.source_id, before_us, run_start_us)
        rows.start_run(
            Run(
                id=label.run_id,
                source_id=label.source_id,
                started_us=run_start_us,
                ended_us=None,
                end_reason=None,
                origin=RunOrigin.AGENT,
            )
        )
        with one_at_a_time(self._ring, CHAIN_LOCK):
            segment = found.segment(
                path=path,
                sha256=bytes.fromhex(claim.sha256),
                previous=rows.last_chain(label.source_id),
                end_reason=claim.end_reason,
            )
            rows.add_segment(segment)
        if claim.end_reason is not EndReason.LENGTH:
            rows.end_run(label.run_id, found.wall.end_us, claim.end_reason)
        return _receipt(segment, rows.places_in_chain([segment.id])[segment.id])

    # --- what agents say of themselves

    def told_gap(self, source_id: str, gap_id: str, gap: AgentGap) -> None:
        """A gap, or how it went on. Raises: CatalogError: it is another source's, or cannot be recorded."""
        self._heard_of(source_id)
        told = gap.of(source_id, gap_id)
        segment_id = segment_of_gap(gap_id)
        there = self._rows.segments_by_id([segment_id] if segment_id else []).get(segment_id)
        if there is not None and there.source_id == source_id and told.end_us is not None:
            # Other content under the same id: a declared gap would hide from the cutter what is here.
            told = replace(told, start_us=min(max(told.start_us, there.wall.end_us), told.end_us))
        with self._lock:
            self._rows.put_gap(told)
            if told.end_us is not None and told.end_us > told.start_us:
                self._yield_to(source_id, TimeRange(start_us=told.start_us, end_us=told.end_us), gap_id)

    def heard(self, source_id: str, report: AgentReport) -> None:
        """How an agent is doing. Raises: CatalogError: it cannot be recorded."""
        self._heard_of(source_id)
        self._end_runs(source_id, report.unfinished_runs)
        state = SourceState.RECORDING if report.recording else SourceState.LOST
        fault = None if report.recording else Fault.AGENT_NOT_RECORDING
        health = self._health(source_id, state, _detail(report), fault)
        self._rows.set_health(
            [
                SourceHealth(
                    source_id=source_id,
                    state=state,
                    detail=health.detail,
                    fault=health.fault,
                    since_us=health.since_us,
                    updated_us=health.updated_us,
                    last_frame_us=report.last_frame_us,
                    codec=report.codec,
                    width=report.width,
                    height=report.height,
                    clock_offset_us=report.clock_offset_us,
                )
            ]
        )

    def _heard_of(self, source_id: str) -> None:
        self._heard[source_id] = self._clock.monotonic_us()
        with self._lock:
            for gap in self._rows.open_gaps():
                if gap.source_id == source_id and gap.cause is GapCause.NETWORK:
                    self._rows.put_gap(replace(gap, end_us=gap.start_us))  # taken back: it knows better

    # --- gaps that are assumed

    def _yield_to(self, source_id: str, wall: TimeRange, told_id: str = "") -> None:
        """Nothing more is assumed of a time of which there is footage now, or the agent's own word."""
        for gap in self._rows.gaps_of(source_id, wall):
            if not gap.id.startswith(_ASSUMED) or gap.id == told_id:
                continue
            if gap.end_us is None:  # from here on the agent's word counts
                self._rows.put_gap(replace(gap, end_us=max(gap.start_us, wall.start_us)))
                continue
            left = subtract(TimeRange(start_us=gap.start_us, end_us=gap.end_us), [wall])
            for part in left[1:]:
                self._assume(replace(gap, start_us=part.start_us, end_us=part.end_us))
            first_end_us = left[0].end_us if left else gap.start_us
            first_start_us = left[0].start_us if left else gap.start_us
            self._rows.put_gap(replace(gap, start_us=first_start_us, end_us=first_end_us))

    def _declare_untold(self, source_id: str, before_us: int, run_start_us: int) -> None:
        """What lies between the newest footage and a new run and no gap tells of, as far as it is wanted."""
        want = self._wanted().get(source_id)
        if want is None:
            return
        start_us = max(before_us, want.since_us or before_us)
        wall = TimeRange(start_us=start_us, end_us=max(start_us, run_start_us))
        told = [
            TimeRange(start_us=gap.start_us, end_us=wall.end_us if gap.end_us is None else gap.end_us)
            for gap in self._rows.gaps_of(source_id, wall)
        ]
        for part in subtract(wall, told):
            if part.duration_us >= _SLIVER_US:
                untold = AgentGap(
                    start_us=part.start_us, end_us=part.end_us, cause=GapCause.NOT_RECORDING, detail=_UNTOLD
                )
                self._assume(untold.of(source_id, ""))

    def _assume(self, gap: Gap) -> None:
        self._rows.put_gap(replace(gap, id=new_id(_ASSUMED)))

    def _end_runs(self, source_id: str, unfinished: Sequence[str]) -> None:
        """Runs of which nothing more will come: a crash may leave one without a last segment that says so."""
        with self._lock:
            for run in self._rows.unfinished_runs():
                if run.source_id == source_id and run.origin is RunOrigin.AGENT and run.id not in unfinished:
                    wall = TimeRange(start_us=run.started_us, end_us=EVER_US)
                    ends = [
                        one.wall.end_us
                        for one in self._rows.segments_of(source_id, wall)
                        if one.run_id == run.id
                    ]
                    self._rows.end_run(run.id, max(ends, default=run.started_us), EndReason.CRASH)

    def _health(self, source_id: str, state: SourceState, detail: str, fault: Fault | None) -> SourceHealth:
        """What is said of a source now; since when its state is so is kept while the state stays."""
        now_us = self._clock.now_us()
        before = self._rows.health().get(source_id)
        return SourceHealth(
            source_id=source_id,
            state=state,
            detail=detail,
            fault=fault,
            since_us=before.since_us if before is not None and before.state is state else now_us,
            updated_us=now_us,
            last_frame_us=before.last_frame_us if before is not None else None,
            clock_offset_us=before.clock_offset_us if before is not None else None,
        )

    def watch(self) -> None:
        """Assume the gaps of agents of which there is no footage yet, or that were not heard for a while.

        Raises:
            DiskLost: the ring's disk has not been there yet.
            CatalogError: it cannot be said.
        """
        patience_us = round(self._settings.receiver.lost_seconds * SECOND_US)
        wants = self._wanted()
        for source_id, heard_us in list(self._heard.items()):
            silent = self._clock.monotonic_us() - heard_us >= patience_us
            with self._lock:
                lasting = [gap for gap in self._rows.open_gaps() if gap.source_id == source_id]
                self._expect(source_id, wants.get(source_id), lasting, silent)
            # An agent that said itself why it does not record is not lost.
            if silent and all(gap.id.startswith(_ASSUMED) for gap in lasting):
                self._say_lost(source_id)
        self.prepare()

    def _expect(self, source_id: str, want: Want | None, lasting: Sequence[Gap], silent: bool) -> None:
        """Open the gap of a source that is wanted and of which nothing comes; end it when it no longer is."""
        assumed = [gap for gap in lasting if gap.id.startswith(_ASSUMED)]
        if want is None:
            for gap in assumed:
                self._rows.put_gap(replace(gap, end_us=max(gap.start_us, self._clock.now_us())))
        elif not assumed and not self._has_footage(source_id):
            start_us = self._started_us if want.since_us is None else want.since_us
            self._open(source_id, start_us, GapCause.NOT_RECORDING, _NO_FOOTAGE_YET, Fault.AGENT_NEVER_HEARD)
        elif not lasting and silent:
            until_us = self._rows.recorded_until(source_id) or self._started_us
            start_us = max(until_us, want.since_us or until_us)
            self._open(source_id, start_us, GapCause.NETWORK, _UNHEARD, Fault.AGENT_SILENT)

    def _open(self, source_id: str, start_us: int, cause: GapCause, detail: str, fault: Fault) -> None:
        gap = AgentGap(start_us=start_us, end_us=None, cause=cause, detail=detail)
        self._assume(replace(gap.of(source_id, ""), fault=fault))

    def _has_footage(self, source_id: str) -> bool:
        if source_id not in self._recorded and self._rows.recorded_until(source_id) is not None:
            self._recorded.add(source_id)
        return source_id in self._recorded

    def _say_lost(self, source_id: str) -> None:
        happened, remedy, fault = (_NEVER_HEARD, _NEVER_HEARD_REMEDY, Fault.AGENT_NEVER_HEARD)
        if self._has_footage(source_id):
            happened, remedy, fault = (_UNHEARD, _UNHEARD_REMEDY, Fault.AGENT_SILENT)
        detail = f"{happened} {remedy.format(port=self._settings.receiver.port)}"
        told = self._rows.health().get(source_id)
        if told is not None and (told.state, told.detail) == (SourceState.LOST, detail):
            return
        self._rows.set_health([self._health(source_id, SourceState.LOST, detail, fault)])
        _log.warning(detail, action="agent.lost", source=source_id)


class AgentWatch:
    """Looks every second for agents that fell silent. One thread."""

    def __init__(self, intake: AgentIntake, clock: Clock) -> None:
        self._intake = intake
        self._clock = clock
        self._fails = False

    def run(self, stop: threading.Event) -> None:
        """Until told to stop; a catalogue that fails is told of once and tried again."""
        while not stop.is_set():
            try:
                self._intake.watch()
                self._fails = False
            except Exception as error:  # noqa: BLE001 - whatever it is: agents are watched on
                if not self._fails:
                    said = str(error) if isinstance(error, JianzhengError) else type(error).__name__
                    _log.error(f"Agents cannot be watched: {said}", action="receiver.blind")
                self._fails = True
            self._clock.sleep(1)


class IncomingSegment:
    """A segment while it comes: hashed as it is written."""

    def __init__(
        self,
        path: Path,
        claim: SegmentClaim,
        on_piece: Callable[[], None],
        accept: Callable[[], Receipt],
    ) -> None:
        """Raises: StorageError: its file cannot be made."""
        self._path = path
        self._claim = claim
        self._on_piece = on_piece
        self._accept = accept
        self._hash = hashlib.sha256()
        self._size = 0
        with _translated():
            self._file: BinaryIO = path.open("xb", buffering=0)

    def write(self, piece: bytes) -> None:
        """The next bytes. Raises: FootageError: more than was claimed. StorageError, DiskFull: no room."""
        self._size += len(piece)
        if self._size > self._claim.size_bytes:
            raise FootageError(f"segment {self._claim.segment_id} is longer than was said.")
        self._on_piece()
        self._hash.update(piece)
        rest = memoryview(piece)
        with _translated():
            while rest:
                rest = rest[self._file.write(rest) or 0 :]

    def finish(self) -> Receipt:
        """All bytes are there: seal it.

        Raises:
            FixityError: it is not what was claimed; sent again, it may be.
            FootageError, FootageConflict: it will not be taken.
            FootageTooEarly: not now.
            StorageError, CatalogError: not now.
        """
        if (self._size, self._hash.hexdigest()) != (self._claim.size_bytes, self._claim.sha256):
            raise FixityError(
                f"segment {self._claim.segment_id} did not arrive whole.", hint="Send it again."
            )
        with _translated():
            os.fsync(self._file.fileno())
        self._file.close()
        return self._accept()

    def close(self) -> None:
        """After success or failure: nothing stays under the temporary name."""
        self._file.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(error) from error


def _receipt(segment: Segment, number: int) -> Receipt:
    return Receipt(segment_id=segment.id, sha256=segment.sha256, chain=segment.chain, number=number)


def _detail(report: AgentReport) -> str:
    """For people: why it does not record, and what is still to come."""
    said = [report.detail[:200]] if report.detail else []
    if report.waiting > 1:  # one is always on its way
        said.append(f"{report.waiting} segments are still to come.")
    if report.refused:
        said.append(f"{report.refused} segments were refused and are kept on that computer.")
    return " ".join(said)
