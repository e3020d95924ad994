"""``jianzheng history import``: existing recordings come in in bulk, through the same intake as everything.

A list says which file is whose. Each row stands for itself: one that does not fit is told with its remedy
and keeps none of the others out. The same list again takes in what is missing and changes nothing else. A
session ends, and with that is cut and archived, once all its files are in the ring; until then each file is
held, or a full disk would let the oldest footage go first.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path, PurePosixPath

from capture.intake import Handed, IntakeReceipt, take_in
from capture.libav.recording import ToldBy, open_recording
from capture.ring_disk import RingDisk
from capture.worker import settle
from catalog.catalogue import Catalogue
from catalog.four_check import Footage, Origin, check_footage, virus_scan
from cli.alerting import mismatch_told
from cli.history_list import BadRow, HistoryList, ListedFile, RowFault
from kernel.clock import BEIJING, SECOND_US, Clock, to_datetime
from kernel.errors import CatalogError, DiskFull, DiskLost, IntakeRefused, JianzhengError, StorageError
from kernel.events import effect_of
from kernel.lock import sole_user
from kernel.model.document import FourCheck, HandedFile
from kernel.model.footage import Hold
from kernel.model.report import ProjectReport
from kernel.model.source import Source
from kernel.model.timeline import Effect, Phase, Session, SessionState, TimelineEvent, VenueRole
from kernel.settings import Settings, explain
from kernel.timerange import TimeRange

_BLOCK_BYTES = 1 << 20
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SPARE_US = 60 * SECOND_US  # a header's length may be a little short
_LETTERS = {
    Phase.OPENING: "O",
    Phase.EXTRACTION: "X",
    Phase.EVALUATION: "E",
    Phase.RE_EVALUATION: "R",
    Phase.NEGOTIATION: "N",
    Phase.CLARIFICATION: "C",
    Phase.AUCTION: "A",
    Phase.SUPERVISION: "S",
}


class Outcome(StrEnum):
    """What became of a row."""

    TAKEN_IN = "taken_in"
    KNOWN = "known"
    """It is in already."""
    WOULD = "would_be_taken_in"
    """Nothing speaks against it; said by a dry run."""
    REFUSED = "refused"
    NOT_TRIED = "not_tried"
    """Something that concerns all rows ended the run before it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowResult:
    """What became of a row, and what to do about it."""

    place: str
    file: str
    outcome: Outcome
    why: str = ""
    remedy: str = ""
    project: str = ""
    session: str = ""
    source: str = ""
    run_id: str = ""
    wall: TimeRange | None = None  # of the footage, offset applied
    check: FourCheck | None = None


@dataclass(kw_only=True, slots=True)
class ImportResult:
    """What became of a list."""

    rows: list[RowResult] = field(default_factory=list)
    made_projects: list[str] = field(default_factory=list)
    made_sessions: list[str] = field(default_factory=list)
    ended_sessions: list[str] = field(default_factory=list)  # they are cut and archived now
    waiting_sessions: dict[str, str] = field(default_factory=dict)  # and for what

    def count(self, *which: Outcome) -> int:
        return sum(one.outcome in which for one in self.rows)

    @property
    def complete(self) -> bool:
        return not self.count(Outcome.REFUSED, Outcome.NOT_TRIED)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportOptions:
    """As the command line says it."""

    root: Path
    offset_us: int
    principal: str
    dry_run: bool = False
    without_missing: bool = False  # end sessions whose files did not all come; what is missing is a gap


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """Where a row belongs."""

    project_id: str
    session_id: str
    source: Source


Tell = Callable[[int, RowResult], None]
"""Hears of each row that is done, with its number from 1."""


class HistoryImport:
    """One run over one list; a dry run needs no ring."""

    def __init__(
        self,
        catalogue: Catalogue,
        settings: Settings,
        clock: Clock,
        disk: RingDisk | None,
        options: ImportOptions,
    ) -> None:
        self._catalogue = catalogue
        self._settings = settings
        self._clock = clock
        self._disk = disk
        self._options = options
        self._sources = catalogue.places.sources()
        self._projects = {
            name: one.id for one in catalogue.projects.projects() for name in (one.project_code, one.id)
        }
        self._industries = {
            name: one.code for one in catalogue.places.industries() for name in (one.name_zh, one.code)
        }
        self._rooms = catalogue.places.rooms()
        self._regions = {one.code for one in catalogue.places.regions()}
        self._holds = {one.id for one in catalogue.holds.all(released=True)}
        self._result = ImportResult()

    def run(self, told: HistoryList, tell: Tell = lambda _number, _result: None) -> ImportResult:
        """Take in what fits; what does not is in the result, row by row. Ends early only for all rows.

        Raises:
            DiskLost: the ring's disk is not there.
        """
        if self._disk is not None:
            self._disk.check()
        ended: JianzhengError | None = None
        by_session: dict[str, list[tuple[ListedFile, RowResult]]] = defaultdict(list)
        for number, row in enumerate(told.rows, start=1):
            result = _not_tried(row, ended) if ended else _bad(row)
            if result is None:
                assert isinstance(row, ListedFile)  # ``_bad`` tells of the others
                result, ended = self._one(told, row)
                by_session[result.session].append((row, result))
            self._result.rows.append(result)
            tell(number, result)
        for session_id, rows in by_session.items():
            if session_id and ended is None and not self._options.dry_run:
                self._close(session_id, rows, told.name)
        return self._result

    def _one(self, told: HistoryList, row: ListedFile) -> tuple[RowResult, JianzhengError | None]:
        """A row's result, and what ends the whole run."""
        base = RowResult(
            place=row.place, file=row.file, outcome=Outcome.REFUSED, project=row.project, source=row.source_id
        )
        place: _Place | None = None
        try:
            path = self._path(row)  # before anything is made for it
            place = self._place(row)
            base = replace(base, project=place.project_id, session=place.session_id)
            return self._take(told, row, place, path, base), None
        except RowFault as fault:
            return replace(base, why=str(fault), remedy=fault.hint), None
        except (DiskFull, DiskLost, CatalogError) as error:
            return replace(base, why=error.message, remedy=error.remedy), error
        except JianzhengError as error:
            return replace(base, why=error.message, remedy=error.remedy), None

    # Where a row belongs.

    def _place(self, row: ListedFile) -> _Place:
        source = self._sources.get(row.source_id)
        if source is None:
            raise RowFault(
                f"there is no source {row.source_id}.",
                "Enter the device in cameras.yaml (a uri like file:///unused will do), or correct the list.",
            )
        project_id = self._projects.get(row.project) or self._new_project(row, source)
        session_id = row.session_id or _session_id(project_id, row, source)
        session = self._catalogue.sessions.get(session_id)
        if session is None:
            self._new_session(project_id, session_id, row, source)
        elif session.project_id != project_id or session.phase is not row.phase:
            raise RowFault(
                f"session {session_id} is {session.phase} of project {session.project_id}.",
                "Correct project, phase or session of this row.",
            )
        elif not self._fits(session, source):
            raise RowFault(
                f"session {session_id} is of the devices of {session.room_id}; {source.id} is none of them.",
                "Give the row a session of its own, or correct the device.",
            )
        return _Place(project_id=project_id, session_id=session_id, source=source)

    def _names(self, session: Session) -> bool:
        """Whether a session names its sources; to name one of another's would leave out all of its room."""
        handed_over = self._rooms[session.room_id].kind in self._settings.cut.handed_over_rooms
        return bool(session.source_ids) or handed_over

    def _fits(self, session: Session, source: Source) -> bool:
        return self._names(session) or source.room_id in (session.room_id, *session.extra_room_ids)

    def _new_project(self, row: ListedFile, source: Source) -> str:
        texts = row.texts
        region = texts.get("region") or ""
        industry = self._industries.get(texts.get("industry", ""), texts.get("industry", ""))
        missing = [
            key
            for key, value in (("project_name", texts.get("project_name")), ("region", region))
            if not value
        ]
        if missing or not industry:
            missing += [] if industry else ["industry"]
            raise RowFault(
                f"project {row.project} is not known, and its {', '.join(missing)} are not in the list.",
                "Fill them in, or report the project first (jianzheng timeline import).",
            )
        unknown = [one for one in (region, texts.get("trade_place") or region) if one not in self._regions]
        if unknown or industry not in self._industries.values():
            said = f"region {unknown[0]}" if unknown else f"industry {industry}"
            raise RowFault(f"{said} is not in the code tables.", "Correct it, or enter it there.")
        project_id = _id_of(row.project)
        report = self._report(project_id, row, region, industry)
        if not self._options.dry_run:
            now_us = self._clock.now_us()
            self._catalogue.reports.take_project(report, principal=self._options.principal, at_us=now_us)
        self._projects |= {row.project: project_id, project_id: project_id}
        self._result.made_projects.append(project_id)
        return project_id

    def _report(self, project_id: str, row: ListedFile, region: str, industry: str) -> ProjectReport:
        from pydantic import ValidationError

        texts = row.texts
        sections = []
        if row.section is not None:
            sections.append(
                {
                    "number": row.section,
                    "section_code": texts.get("section_code") or f"{row.project}-{row.section:03d}",
                    "name_zh": texts.get("section_name", ""),
                    "unified_deal_code": texts.get("unified_code", ""),
                }
            )
        published = row.published_us
        try:
            return ProjectReport.model_validate(
                {
                    "id": project_id,
                    "project_code": row.project,
                    "name_zh": texts["project_name"],
                    "region": region,
                    "trade_place": texts.get("trade_place") or region,
                    "industry": industry,
                    "agency": texts.get("agency", ""),
                    "retention_class": texts.get("retention", ""),
                    "result_published_at": None if published is None else to_datetime(published),
                    "sections": sections,
                }
            )
        except ValidationError as error:
            raise RowFault(f"the project makes no sense: {explain(error)}.", "Correct the row.") from None

    def _new_session(self, project_id: str, session_id: str, row: ListedFile, source: Source) -> None:
        if not _ID.fullmatch(session_id):
            raise RowFault(
                f"{session_id!r} cannot be the id of a session.", "Letters, digits, '.', '_', '-', up to 64."
            )
        if session_id in self._result.made_sessions:
            return  # a dry run made it for a row before
        sections = {one.number for one in self._catalogue.projects.sections_of(project_id)}
        session = Session(
            id=session_id,
            project_id=project_id,
            phase=row.phase,
            room_id=source.room_id,
            state=SessionState.PLANNED,
            start_us=None,
            end_us=None,
            seats=(),
            venue_role=VenueRole.MAIN,
            section_numbers=(row.section,) if row.section in sections and row.section is not None else (),
            source_ids=(source.id,),
        )
        if not self._options.dry_run:
            now_us = self._clock.now_us()
            self._catalogue.sessions.add([session], principal=self._options.principal, at_us=now_us)
        self._result.made_sessions.append(session_id)

    # Taking a file in.

    def _take(
        self, told: HistoryList, row: ListedFile, place: _Place, path: Path, base: RowResult
    ) -> RowResult:
        size_bytes = path.stat().st_size
        if row.size_bytes not in (None, size_bytes):
            raise RowFault(
                f"the file has {size_bytes} bytes, the list says {row.size_bytes}.", "Ask for the file again."
            )
        known = self._known(row, path, size_bytes)
        if known is not None:
            self._name_source(place)
            wall = TimeRange(start_us=known.wall_start_us, end_us=known.wall_end_us)
            return replace(
                base,
                outcome=Outcome.KNOWN,
                run_id=known.run_id,
                wall=wall,
                check=known.check,
                why="已在库 in",
            )
        with open_recording(path, self._clock) as recording:
            length_us = recording.duration_us
        start_us = row.start_us + self._offset_us(row)
        wall = TimeRange(start_us=start_us, end_us=start_us + length_us + _SPARE_US)
        if self._options.dry_run:
            self._would_overlap(row, wall)
            return replace(
                base, outcome=Outcome.WOULD, wall=TimeRange(start_us=start_us, end_us=start_us + length_us)
            )
        self._hold(place, wall, told.name)
        receipt = self._taken(row, path, size_bytes)
        handed = self._record(told, row, place, receipt, path)
        wall = TimeRange(start_us=receipt.wall_start_us, end_us=receipt.wall_end_us)
        return replace(base, outcome=Outcome.TAKEN_IN, run_id=receipt.run_id, wall=wall, check=handed.check)

    def _path(self, row: ListedFile) -> Path:
        """Raises: RowFault: it is not there, or not below the root."""
        inside = PurePosixPath(row.file)
        path = (self._options.root / inside).resolve()
        if inside.is_absolute() or not path.is_relative_to(self._options.root.resolve()):
            raise RowFault(
                f"{row.file} does not lie below {self._options.root}.", "Correct --root or the row."
            )
        if not path.is_file():
            raise RowFault(
                f"there is no file {row.file} below the root.", "Copy it there, or correct the row."
            )
        return path

    def _offset_us(self, row: ListedFile) -> int:
        return self._options.offset_us if row.offset_us is None else row.offset_us

    def _known(self, row: ListedFile, path: Path, size_bytes: int) -> HandedFile | None:
        """The same file, taken in before; hashed only if one of that size was."""
        files = self._catalogue.handed_files.of_size(row.source_id, size_bytes)
        if not files:
            return None
        sha256 = _sha256_of(path)
        return next((one for one in files if one.sha256 == sha256), None)

    def _would_overlap(self, row: ListedFile, wall: TimeRange) -> None:
        there = self._catalogue.footage.segments_of(row.source_id, wall)
        if there:
            raise RowFault(
                f"source {row.source_id} has footage of that time already.", "Check start and offset."
            )
        if wall.end_us - _SPARE_US > self._clock.now_us():
            raise RowFault("the file would lie in the future.", "Check start and offset.")

    def _taken(self, row: ListedFile, path: Path, size_bytes: int) -> IntakeReceipt:
        """Take it in; where an earlier attempt broke off in the middle of storing, settle that one."""
        handed = Handed(
            path=path,
            source_id=row.source_id,
            start_us=row.start_us,
            told_by=ToldBy.PRINCIPAL,
            offset_us=self._offset_us(row),
            sha256=row.sha256,
            principal=self._options.principal,
        )
        assert self._disk is not None  # only a dry run goes without
        try:
            with mismatch_told(handed, self._catalogue, self._clock):
                return take_in(
                    handed,
                    self._settings,
                    self._catalogue.footage,
                    self._clock,
                    lambda _step, _done: None,
                    self._disk.free_bytes,
                )
        except IntakeRefused:
            settled = self._settled(row.source_id, path, size_bytes)
            if settled is None:
                raise
            return settled

    def _settled(self, source_id: str, path: Path, size_bytes: int) -> IntakeReceipt | None:
        """The receipt of an attempt that a crash cut short, if all of its footage is in the ring by now."""
        receipts = [
            one
            for one in read_receipts(self._settings.data_dir / "intake", source_id, size_bytes)
            if self._catalogue.footage.run(one.run_id) is not None
        ]
        if not receipts:
            return None
        sha256 = _sha256_of(path)
        for receipt in receipts:
            if receipt.sha256 == sha256:
                self._settle(source_id)
                if self._whole(receipt):
                    return receipt
        return None

    def _settle(self, source_id: str) -> None:
        """What the crash left gets its rows; a recorder that runs has done that when it started."""
        try:
            with sole_user(self._settings.data_dir, "recorder"):
                settle(self._settings, self._catalogue.footage, lambda one: one == source_id)
        except StorageError:
            return

    def _whole(self, receipt: IntakeReceipt) -> bool:
        wall = TimeRange(start_us=receipt.wall_start_us, end_us=receipt.wall_end_us)
        there = self._catalogue.footage.segments_of(receipt.source_id, wall)
        return set(receipt.segments) <= {one.sha256 for one in there if one.run_id == receipt.run_id}

    def _record(
        self, told: HistoryList, row: ListedFile, place: _Place, receipt: IntakeReceipt, path: Path
    ) -> HandedFile:
        self._name_source(place)
        announced = None if row.end_us is None else row.end_us - row.start_us
        handed = handed_file(
            receipt,
            announced_sha256=row.sha256,
            announced_us=announced,
            session_id=place.session_id,
            listed_in=told.name,
            path=path,
        )
        self._catalogue.handed_files.add(handed)
        return handed

    def _name_source(self, place: _Place) -> None:
        session = self._catalogue.sessions.get(place.session_id)
        if session is not None and place.source.id not in session.source_ids and self._names(session):
            self._catalogue.sessions.add_sources(
                place.session_id,
                [place.source.id],
                principal=self._options.principal,
                at_us=self._clock.now_us(),
            )

    def _hold(self, place: _Place, wall: TimeRange, listed_in: str) -> None:
        """Until its session ends, nothing but this keeps old footage on a full disk (invariant 4)."""
        hold_id = _hold_id(place.session_id, place.source.id, wall.start_us)
        if hold_id in self._holds:
            return
        self._catalogue.holds.make(
            Hold(
                id=hold_id,
                source_id=place.source.id,
                wall=wall,
                reason=f"历史录像导入 history import {listed_in}, session {place.session_id}",
                principal=self._options.principal,
                made_us=self._clock.now_us(),
            )
        )
        self._holds.add(hold_id)

    # When all files of a session are in.

    def _close(self, session_id: str, rows: Sequence[tuple[ListedFile, RowResult]], listed_in: str) -> None:
        """End a session whose files are all in, so that it is cut and archived; else say what it lacks."""
        there = [(row, one) for row, one in rows if one.outcome in (Outcome.TAKEN_IN, Outcome.KNOWN)]
        missing = [one.file for _, one in rows if one.outcome is Outcome.REFUSED]
        missing += [one.file for one in self._placeless(rows[0][1].project)]
        if not there or (missing and not self._options.without_missing):
            if missing:
                self._result.waiting_sessions[session_id] = ", ".join(missing)
            return
        session = self._catalogue.sessions.get(session_id)
        assert session is not None  # its files are in
        told = self._catalogue.sessions.events_of(session_id)
        effects = {effect_of(event.type) for event in told}
        start_us, end_us = _bounds(there)
        if session.start_us is None:
            self._tell(session_id, "session.start", start_us, listed_in)
        if session.end_us is None:
            self._tell(session_id, "session.end", end_us, listed_in)
        if Effect.FILES_RECEIVED not in effects:
            self._tell(session_id, "handover.received", self._clock.now_us(), listed_in)
        if session.end_us is None or Effect.FILES_RECEIVED not in effects:
            self._result.ended_sessions.append(session_id)
        self._release(session_id)

    def _placeless(self, project_id: str) -> list[RowResult]:
        """Refused rows of a project of which nobody knows the session: it may be any of them."""
        return [
            one
            for one in self._result.rows
            if one.outcome is Outcome.REFUSED
            and not one.session
            and self._projects.get(one.project, one.project) == project_id
        ]

    def _tell(self, session_id: str, kind: str, at_us: int, listed_in: str) -> None:
        said = hashlib.sha256(f"{session_id} {kind}".encode()).hexdigest()[:32]
        event = TimelineEvent(
            id=f"history-{said}",
            session_id=session_id,
            at_us=at_us,
            type=kind,
            reason=f"历史录像导入 history import: {listed_in}",
            principal=self._options.principal,
            recorded_us=self._clock.now_us(),
        )
        self._catalogue.sessions.record_event(event)

    def _release(self, session_id: str) -> None:
        """From its end on, the session itself keeps its footage until it is archived."""
        prefix = _hold_id(session_id, "", 0).rpartition(".")[0].rpartition(".")[0]
        for hold in self._catalogue.holds.all():
            if hold.id.startswith(f"{prefix}."):
                self._catalogue.holds.release(
                    hold.id,
                    at_us=self._clock.now_us(),
                    principal=self._options.principal,
                    reason="the session has ended and keeps its footage itself",
                )


def handed_file(
    receipt: IntakeReceipt,
    *,
    announced_sha256: str,
    announced_us: int | None = None,
    session_id: str | None = None,
    listed_in: str = "",
    path: Path | None = None,
) -> HandedFile:
    """What is kept of a recording that was handed in, with its four-property check."""
    origin = Origin(
        principal=receipt.principal,
        sha256=receipt.sha256,
        announced_sha256=announced_sha256,
        size_bytes=receipt.size_bytes,
    )
    footage = Footage(
        pictures=receipt.pictures,
        holes=receipt.holes,
        skipped=receipt.skipped,
        damaged=receipt.damaged,
        duration_us=receipt.wall_end_us - receipt.wall_start_us,
        video=receipt.video,
        sound=receipt.sound,
    )
    scanned = virus_scan(path) if path is not None else None
    return HandedFile(
        run_id=receipt.run_id,
        source_id=receipt.source_id,
        session_id=session_id,
        listed_in=listed_in,
        name=receipt.file,
        size_bytes=receipt.size_bytes,
        sha256=receipt.sha256,
        offset_us=receipt.offset_us,
        wall_start_us=receipt.wall_start_us,
        wall_end_us=receipt.wall_end_us,
        principal=receipt.principal,
        at_us=receipt.at_us,
        check=check_footage(origin, footage, announced_us, scanned),
    )


def read_receipts(directory: Path, source_id: str, size_bytes: int) -> Iterable[IntakeReceipt]:
    """Receipts of intakes of a source with files of that size; what cannot be read is none."""
    for path in sorted(directory.glob("*.json")):
        try:
            told = json.loads(path.read_bytes())
            if (told["source_id"], told["size_bytes"]) != (source_id, size_bytes):
                continue
            told |= {"told_by": ToldBy(told["told_by"]), "segments": tuple(told["segments"])}
            yield IntakeReceipt(**told)
        except (OSError, ValueError, KeyError, TypeError):
            continue


def _sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _bounds(there: Sequence[tuple[ListedFile, RowResult]]) -> tuple[int, int]:
    """When the session began and ended: as its list says, else as its footage does."""
    starts = [row.session_start_us for row, _ in there if row.session_start_us is not None]
    ends = [row.session_end_us for row, _ in there if row.session_end_us is not None]
    walls = [one.wall for _, one in there if one.wall is not None]
    return (
        min(starts) if starts else min(wall.start_us for wall in walls),
        max(ends) if ends else max(wall.end_us for wall in walls),
    )


def _session_id(project_id: str, row: ListedFile, source: Source) -> str:
    day = to_datetime(row.start_us).astimezone(BEIJING).strftime("%Y%m%d")
    return f"{project_id}-{_LETTERS[row.phase]}-{day}-{source.room_id}"[:64]


def _id_of(code: str) -> str:
    """A project's id from its code; one that has other letters in it gets a number instead of them."""
    if _ID.fullmatch(code) and len(code) <= 40:
        return code
    return f"H-{hashlib.sha256(code.encode()).hexdigest()[:16]}"


def _hold_id(session_id: str, source_id: str, start_us: int) -> str:
    return f"history.{hashlib.sha256(session_id.encode()).hexdigest()[:16]}.{source_id}.{start_us}"


def _bad(row: ListedFile | BadRow) -> RowResult | None:
    if isinstance(row, ListedFile):
        return None
    return RowResult(
        place=row.place,
        file=row.file,
        outcome=Outcome.REFUSED,
        why=row.why,
        remedy=row.remedy,
        project=row.project,
    )


def _not_tried(row: ListedFile | BadRow, ended: JianzhengError) -> RowResult:
    return RowResult(
        place=row.place, file=row.file, outcome=Outcome.NOT_TRIED, why=ended.message, remedy=ended.remedy
    )
