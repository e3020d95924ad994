"""Timelines from files: YAML, CSV or Excel, for trading systems without an interface, and for history.

YAML says whole projects and events, in the words of ``kernel.model.report``. CSV and Excel say events, a row
each. Column heads, kinds of events and phases may be Chinese. What is not known is refused by its name: a
slip of the pen in ``replaces`` would leave the wrong event in force. An event without an id gets one from
what it says, so that the same file may be read again.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, tzinfo
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import yaml
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException
from pydantic import BaseModel, ConfigDict, ValidationError

from kernel.clock import from_datetime
from kernel.errors import TimelineError
from kernel.event_notices import nearest
from kernel.events import event_kinds, kinds_called
from kernel.model.report import EventReport, ProjectReport
from kernel.model.timeline import Phase
from kernel.settings import explain

HEADS: Mapping[str, str] = {
    "编号": "id",
    "场次": "session",
    "时间": "at",
    "类型": "type",
    "事由": "reason",
    "更正": "replaces",
    "撤回": "withdrawn",
    "标段": "section",
    "席位": "seat",
}
"""Column heads of CSV and Excel files in Chinese, and what they mean."""
PHASES: Mapping[str, Phase] = {
    "开标": Phase.OPENING,
    "抽取": Phase.EXTRACTION,
    "专家抽取": Phase.EXTRACTION,
    "评标": Phase.EVALUATION,
    "复评": Phase.RE_EVALUATION,
    "磋商": Phase.NEGOTIATION,
    "谈判": Phase.NEGOTIATION,
    "澄清": Phase.CLARIFICATION,
    "竞价": Phase.AUCTION,
    "拍卖": Phase.AUCTION,
    "挂牌": Phase.AUCTION,
    "监督": Phase.SUPERVISION,
}
"""Phases in Chinese."""
PhaseOf = Callable[[str], Phase | None]
"""The phase of a session by its id; None where nobody knows it."""
_DETAILS = ("section", "seat")
_YES_NO = {"是": True, "否": False}
_ENCODINGS = {"utf-8-sig": "", "gb18030": "GB18030"}
"""In the order in which they are tried, and what is said of them. Excel writes GBK, a part of GB18030,
in Chinese, without saying so."""
_MOMENT = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[ T](\d{1,2})(:.*))?")
"""A date as people and Excel write it, in figures of one or two digits, perhaps with a time."""
_MOST_FAULTS = 20
_HINT = "Correct the file and import it again; nothing of it was taken in."


@dataclass(frozen=True, kw_only=True, slots=True)
class TimelineFile:
    """What a file says."""

    projects: tuple[ProjectReport, ...]
    events: tuple[EventReport, ...]
    places: tuple[str, ...]  # where each event stands in the file
    encoding: str = ""  # of its text, where it was not UTF-8


class _Whole(BaseModel):
    """A YAML file."""

    model_config = ConfigDict(extra="forbid")
    projects: tuple[ProjectReport, ...] = ()
    events: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    """What a file says of one event."""

    place: str  # such as "row 3"
    says: Mapping[str, Any]  # by the names of the interface
    heads: Mapping[str, str] = field(default_factory=dict)  # column of each name, as it is written; of tables

    def named(self, name: str) -> str:
        """How whoever wrote the file calls it."""
        head = self.heads.get(name)
        return name if head is None else f"column {head}" + ("" if head == name else f" ({name})")

    def faults(self, error: ValidationError) -> str:
        if not self.heads:
            return explain(error)
        return "; ".join(
            f"{self.named(str(fault['loc'][0]))}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors(include_url=False)
        )


def read_timeline_file(
    path: Path, zone: tzinfo | None = None, phase_of: PhaseOf = lambda _session: None
) -> TimelineFile:
    """Read a file by its ending: ``.yaml``/``.yml``, ``.csv`` or ``.xlsx``.

    Args:
        path: the file.
        zone: of times that say none; without it they are refused (invariant 17).
        phase_of: of sessions that the file does not name: a Chinese name may be of several kinds of events.

    Raises:
        TimelineError: it cannot be read, or something in it makes no sense; rows and columns are named, and
            nothing is taken.
    """
    readers = {".yaml": _yaml, ".yml": _yaml, ".csv": _csv, ".xlsx": _excel}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise TimelineError(
            f"{path} is none of {', '.join(sorted(readers))}.", hint="Save it as one of them, and try again."
        )
    try:
        projects, told, encoding = reader(path)
        rows = list(told)
    except ValidationError as error:
        raise TimelineError(f"{path}: {explain(error)}.", hint=_HINT) from None
    except (OSError, yaml.YAMLError, csv.Error, InvalidFileException, BadZipFile, KeyError) as error:
        raise TimelineError(f"{path} cannot be read: {error}.", hint=_HINT) from None
    own = {session.id: session.phase for project in projects for session in project.sessions}
    events = _events(path, rows, zone, lambda session: own.get(session) or phase_of(session))
    places = tuple(row.place for row in rows)
    return TimelineFile(projects=projects, events=events, places=places, encoding=encoding)


_Read = tuple[tuple[ProjectReport, ...], Iterable[_Row], str]
"""Projects, events, and the encoding of the text where it is not UTF-8."""


def _yaml(path: Path) -> _Read:
    text, encoding = _text_of(path)
    whole = _Whole.model_validate(_with_phases(yaml.safe_load(text) or {}))
    rows = [_Row(place=f"event {number}", says=says) for number, says in enumerate(whole.events, start=1)]
    return whole.projects, rows, encoding


def _with_phases(content: Any) -> Any:
    """The phases of sessions by the names of the interface, wherever there are any."""
    for project in _dicts(content, "projects"):
        for session in _dicts(project, "sessions"):
            if (phase := PHASES.get(str(session.get("phase")))) is not None:
                session["phase"] = phase
    return content


def _dicts(content: Any, name: str) -> Iterator[dict[str, Any]]:
    listed = content.get(name) if isinstance(content, dict) else None
    return (one for one in (listed if isinstance(listed, list) else ()) if isinstance(one, dict))


def _csv(path: Path) -> _Read:
    text, encoding = _text_of(path)
    name = f"{path} (read as {encoding})" if encoding else str(path)
    return (), _table(name, csv.reader(io.StringIO(text, newline=""))), encoding


def _text_of(path: Path) -> tuple[str, str]:
    """A file's text, and its encoding where it is not UTF-8: whoever reads on is told, it is a guess.

    Raises:
        TimelineError: it is in none that is known.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    for encoding, said in _ENCODINGS.items():
        try:
            return data.decode(encoding), said
        except UnicodeDecodeError:
            continue
    raise TimelineError(
        f"{path} is text neither in UTF-8 nor in GB18030 (GBK).", hint="Save it as CSV UTF-8 or as .xlsx."
    )


def _excel(path: Path) -> _Read:
    """All sheets that say anything: what stands on the second one must not be lost."""
    book = load_workbook(path, read_only=True, data_only=True)
    try:
        sheets = {
            sheet.title: [[_of_cell(cell) for cell in row] for row in sheet.iter_rows()]
            for sheet in book.worksheets
        }
    finally:
        book.close()
    filled = {title: rows for title, rows in sheets.items() if any(map(any, rows))}
    if not filled:
        raise TimelineError(f"{path} has no rows.", hint=_HINT)
    told = [
        row
        for title, rows in filled.items()
        for row in _table(f"{path}, sheet {title}", rows, f"sheet {title}, ")
    ]
    return (), told, ""


def _of_cell(cell: Any) -> Any:
    """What a cell says; Excel tells a date as its midnight, and only the format shows what is meant."""
    value = cell.value
    if isinstance(value, datetime) and value.time() == time() and "h" not in cell.number_format.lower():
        return value.date()
    return value


def _table(name: str, rows: Iterable[Iterable[Any]], sheet: str = "") -> Iterator[_Row]:
    """Rows under their heads; what is empty is left out.

    Args:
        name: of the table, for people.
        rows: its cells, the heads first.
        sheet: what stands before the numbers of its rows.

    Raises:
        TimelineError: a head is not known, or a value stands under none.
    """
    lines = iter(rows)
    told = [_text(head) for head in next(lines, ())]
    heads = _heads(name, told)
    columns = {head: str(written) for head, written in zip(heads, told, strict=False)}
    for number, line in enumerate(lines, start=2):
        cells = [_text(value) for value in line]
        if any(value not in ("", None) for value in cells[len(heads) :]):
            raise TimelineError(f"{name}, row {number}: a value stands in no column.", hint=_HINT)
        says: dict[str, Any] = {}
        for head, value in zip(heads, cells, strict=False):
            if value in ("", None):
                continue
            if head in _DETAILS:
                says.setdefault("details", {})[head] = _number(value) if head == "section" else value
            else:
                says[head] = _YES_NO.get(value, value) if head == "withdrawn" else value
        if says:
            yield _Row(place=f"{sheet}row {number}", says=says, heads=columns)


def _heads(name: str, told: list[Any]) -> list[str]:
    """The columns by the names that events give them, without empty ones at the end.

    Raises:
        TimelineError: one is needed, not known, or there twice.
    """
    while told and told[-1] in ("", None):
        told.pop()
    heads = [HEADS.get(head, str(head or "")) for head in told]
    for number, head in enumerate(heads):
        if head not in HEADS.values():
            known = ", ".join(f"{column} ({zh})" for zh, column in HEADS.items())
            called = told[number] or f"{number + 1} without a head"
            raise TimelineError(f"{name}: column {called} is not known.", hint=f"Known are: {known}.")
        if head in heads[:number]:
            raise TimelineError(f"{name}: column {told[number]} is there twice.", hint="Remove one of them.")
    for chinese, needed in HEADS.items():
        if needed in ("session", "at", "type") and needed not in heads:
            raise TimelineError(
                f"{name} has no column {needed} ({chinese}).", hint="Add it in the first row."
            )
    return heads


def _events(
    path: Path, rows: Iterable[_Row], zone: tzinfo | None, phase_of: PhaseOf
) -> tuple[EventReport, ...]:
    """Raises: TimelineError: some make no sense; each is named, by its place and its id."""
    events, wrong = [], []
    for row in rows:
        try:
            events.append(_event(row, zone, phase_of))
        except ValueError as error:
            place = f"{row.place} ({row.says['id']})" if "id" in row.says else row.place
            wrong.append(f"{place}: {error}")
    if wrong:
        more = len(wrong) - _MOST_FAULTS
        said = "; ".join(wrong[:_MOST_FAULTS]) + (f"; and {more} more" if more > 0 else "")
        raise TimelineError(f"{path}, {said}.", hint=_HINT)
    return tuple(events)


def _event(row: _Row, zone: tzinfo | None, phase_of: PhaseOf) -> EventReport:
    """Raises: ValueError: it makes no sense; the column is named."""
    told: dict[str, Any] = {"id": "not-made-yet", **row.says}
    told |= {name: _text(told[name]) for name in ("id", "session", "replaces") if name in told}
    for name, read in (
        ("at", lambda value: _moment(value, zone)),
        ("type", lambda value: event_type(value, lambda: phase_of(str(told.get("session"))))),
    ):
        try:
            told[name] = read(told[name]) if name in told else None
        except ValueError as error:
            raise ValueError(f"{row.named(name)}: {error}") from None
    try:
        event = EventReport.model_validate({key: value for key, value in told.items() if value is not None})
    except ValidationError as error:
        raise ValueError(row.faults(error)) from None
    return event if "id" in row.says else event.model_copy(update={"id": _made_id(event)})


def event_type(told: Any, phase: Callable[[], Phase | None]) -> Any:
    """The type of an event that may be told in Chinese; of what is told otherwise, that.

    Args:
        told: such as ``暂停`` or ``eval.pause``.
        phase: of its session; asked for where the name is of several kinds.

    Raises:
        ValueError: no kind is called so, or several are.
    """
    if not isinstance(told, str) or told.isascii():
        return told
    called = kinds_called(told)
    if not called:
        names = [name for kind in event_kinds().values() for name in (kind.zh, *kind.also)]
        meant = nearest(told, names)
        raise ValueError(f"no kind of event is called {told}" + (f"; was {meant} meant?" if meant else ""))
    if len(called) > 1:
        of = phase()
        fitting = [kind for kind in called if of in kind.phases]
        if len(fitting) != 1:
            raise ValueError(f"{told} may be {' or '.join(kind.type for kind in called)}: write one of them")
        called = fitting
    return called[0].type


def _moment(value: Any, zone: tzinfo | None) -> datetime:
    """Raises: ValueError: it is no moment, only a date, or has no zone and none is given."""
    moment = value if isinstance(value, datetime) else _read_moment(str(value).strip())
    if moment.tzinfo is not None:
        return moment
    if zone is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; write it with one, or give --zone +08:00")
    return moment.replace(tzinfo=zone)


def _read_moment(text: str) -> datetime:
    """Raises: ValueError: it is no moment, or only a date."""
    found = _MOMENT.fullmatch(text)
    if found is not None:
        year, month, day, hour, rest = found.groups()
        text = f"{year}-{month:0>2}-{day:0>2}" + (f"T{hour:0>2}{rest}" if hour else "")
    if _is_date(text):
        raise ValueError(f"{text} is a date without a time")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text} is no moment; write it like 2026-03-02T10:00:00+08:00") from None


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _text(value: Any) -> Any:
    """Numbers as their text: Excel and YAML make them of ids and sections."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else value


def _number(value: Any) -> Any:
    """A number where it is one: sections are numbers."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _made_id(event: EventReport) -> str:
    """The same for the same event, whichever file it stands in and in whichever zone its time is told."""
    told = [
        event.session,
        from_datetime(event.at),
        event.type,
        event.details,
        event.replaces,
        event.withdrawn,
    ]
    said = json.dumps(told, sort_keys=True)
    return "file-" + hashlib.sha256(said.encode()).hexdigest()[:24]
