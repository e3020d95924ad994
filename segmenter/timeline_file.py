"""Timelines from files: YAML, CSV or Excel, for trading systems without an interface, and for history.

YAML says whole projects and events, in the words of ``kernel.model.report``. CSV and Excel say events, a row
each; their column heads may be Chinese. What is not known is refused by its name: a slip of the pen in
``replaces`` would leave the wrong event in force. An event without an id gets one from what it says, so that
the same file may be read again.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
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
from kernel.model.report import EventReport, ProjectReport
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
_DETAILS = ("section", "seat")
_YES_NO = {"是": True, "否": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class TimelineFile:
    """What a file says."""

    projects: tuple[ProjectReport, ...]
    events: tuple[EventReport, ...]


class _Whole(BaseModel):
    """A YAML file."""

    model_config = ConfigDict(extra="forbid")
    projects: tuple[ProjectReport, ...] = ()
    events: tuple[dict[str, Any], ...] = ()


def read_timeline_file(path: Path, zone: tzinfo | None = None) -> TimelineFile:
    """Read a file by its ending: ``.yaml``/``.yml``, ``.csv`` or ``.xlsx``.

    Args:
        path: the file.
        zone: of times that say none; without it they are refused (invariant 17).

    Raises:
        TimelineError: it cannot be read, or something in it makes no sense; the row is named. All or nothing.
    """
    readers = {".yaml": _yaml, ".yml": _yaml, ".csv": _csv, ".xlsx": _excel}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise TimelineError(
            f"{path} is none of {', '.join(sorted(readers))}.", hint="Save it as one of them, and try again."
        )
    try:
        projects, rows = reader(path)
    except ValidationError as error:
        raise TimelineError(f"{path}: {explain(error)}.") from None
    except (
        OSError,
        UnicodeDecodeError,
        yaml.YAMLError,
        csv.Error,
        InvalidFileException,
        BadZipFile,
        KeyError,
    ) as error:
        raise TimelineError(f"{path} cannot be read: {error}.") from None
    events = tuple(_event(f"{path}, {place}", row, zone) for place, row in rows)
    return TimelineFile(projects=projects, events=events)


_Rows = Iterable[tuple[str, Mapping[str, Any]]]


def _yaml(path: Path) -> tuple[tuple[ProjectReport, ...], _Rows]:
    whole = _Whole.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    return whole.projects, [(f"event {n}", row) for n, row in enumerate(whole.events, start=1)]


def _csv(path: Path) -> tuple[tuple[ProjectReport, ...], _Rows]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return (), list(_table(path, csv.reader(file)))


def _excel(path: Path) -> tuple[tuple[ProjectReport, ...], _Rows]:
    book = load_workbook(path, read_only=True, data_only=True)
    try:
        sheet = book.worksheets[0]
        return (), list(_table(path, ([_of_cell(cell) for cell in row] for row in sheet.iter_rows())))
    finally:
        book.close()


def _of_cell(cell: Any) -> Any:
    """What a cell says; Excel tells a date as its midnight, and only the format shows what is meant."""
    value = cell.value
    if isinstance(value, datetime) and value.time() == time() and "h" not in cell.number_format.lower():
        return value.date()
    return value


def _table(path: Path, rows: Iterable[Iterable[Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Rows under their heads; what is empty is left out."""
    lines = iter(rows)
    heads = _heads(path, [_text(head) for head in next(lines, ())])
    for number, line in enumerate(lines, start=2):
        cells = [_text(value) for value in line]
        if any(value not in ("", None) for value in cells[len(heads) :]):
            raise TimelineError(f"{path}, row {number}: a value stands in no column.")
        row: dict[str, Any] = {}
        for head, value in zip(heads, cells, strict=False):
            if value in ("", None):
                continue
            if head in _DETAILS:
                row.setdefault("details", {})[head] = _number(value) if head == "section" else value
            else:
                row[head] = _YES_NO.get(value, value) if head == "withdrawn" else value
        if row:
            yield f"row {number}", row


def _heads(path: Path, told: list[Any]) -> list[str]:
    """The columns by the names that events give them, without empty ones at the end.

    Raises:
        TimelineError: one is needed, not known, or there twice.
    """
    while told and told[-1] in ("", None):
        told.pop()
    heads = [HEADS.get(head, str(head or "")) for head in told]
    for number, head in enumerate(heads):
        if head not in HEADS.values():
            known = ", ".join(f"{name} ({zh})" for zh, name in HEADS.items())
            name = told[number] or f"{number + 1} without a head"
            raise TimelineError(f"{path}: column {name} is not known.", hint=f"Known are: {known}.")
        if head in heads[:number]:
            raise TimelineError(f"{path}: column {told[number]} is there twice.", hint="Remove one of them.")
    for chinese, needed in HEADS.items():
        if needed in ("session", "at", "type") and needed not in heads:
            raise TimelineError(
                f"{path} has no column {needed} ({chinese}).", hint="Add it in the first row."
            )
    return heads


def _event(place: str, row: Mapping[str, Any], zone: tzinfo | None) -> EventReport:
    """Raises: TimelineError: it makes no sense."""
    try:
        told: dict[str, Any] = {"id": "not-made-yet", **row, "at": _moment(row.get("at"), zone)}
        told |= {name: _text(told[name]) for name in ("id", "session", "replaces") if name in told}
        event = EventReport.model_validate(told)
    except ValidationError as error:
        raise TimelineError(f"{place}: {explain(error)}.") from None
    except ValueError as error:
        raise TimelineError(f"{place}: {error}.") from None
    return event if "id" in row else event.model_copy(update={"id": _made_id(event)})


def _moment(value: Any, zone: tzinfo | None) -> datetime:
    """Raises: ValueError: it is no moment, only a date, or has no zone and none is given."""
    if isinstance(value, datetime):
        moment = value
    else:
        text = str(value).strip()
        if _is_date(text):
            raise ValueError(f"{text} is a date without a time")
        moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        return moment
    if zone is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; write it with one, or give --zone +08:00")
    return moment.replace(tzinfo=zone)


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
