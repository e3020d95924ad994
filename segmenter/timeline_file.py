"""Timelines from files: YAML, CSV or Excel, for trading systems without an interface, and for history.

YAML says whole projects and events, in the words of ``kernel.model.report``. CSV and Excel say events, a row
each; their column heads may be Chinese. An event without an id gets one from what it says, so that the same
file may be read again.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import yaml
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException
from pydantic import BaseModel, ConfigDict, ValidationError

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
_FIELDS = frozenset(EventReport.model_fields) - {"details"}
_NUMBERS = frozenset({"section"})
_YES = frozenset({"1", "true", "yes", "是"})


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
    events = tuple(_event(path, place, row, zone) for place, row in rows)
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
        return (), list(_table(path, sheet.iter_rows(values_only=True)))
    finally:
        book.close()


def _table(path: Path, rows: Iterable[Iterable[Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Rows under their heads; what is empty is left out."""
    lines = iter(rows)
    heads = [HEADS.get(str(head or "").strip(), str(head or "").strip()) for head in next(lines, ())]
    for needed in ("session", "at", "type"):
        if needed not in heads:
            chinese = next(zh for zh, name in HEADS.items() if name == needed)
            raise TimelineError(
                f"{path} has no column {needed} ({chinese}).", hint="Add it in the first row."
            )
    for number, line in enumerate(lines, start=2):
        row = {
            head: value for head, value in zip(heads, line, strict=False) if head and value not in ("", None)
        }
        if row:
            yield f"row {number}", row


def _event(path: Path, place: str, row: Mapping[str, Any], zone: tzinfo | None) -> EventReport:
    """One event; columns that are not its own are details."""
    try:
        told: dict[str, Any] = {name: value for name, value in row.items() if name in _FIELDS}
        told["at"] = _moment(row.get("at"), zone)
        details = dict(row.get("details", {}))
        details |= {n: _plain(n, v) for n, v in row.items() if n not in _FIELDS and n != "details"}
        if isinstance(told.get("withdrawn"), str):
            told["withdrawn"] = told["withdrawn"].strip().lower() in _YES
        told = {name: str(value) if name in ("id", "session") else value for name, value in told.items()}
        told.setdefault("id", _made_id(told, details))
        return EventReport.model_validate({**told, "details": details})
    except ValidationError as error:
        raise TimelineError(f"{path}, {place}: {explain(error)}.") from None
    except ValueError as error:
        raise TimelineError(f"{path}, {place}: {error}.") from None


def _moment(value: Any, zone: tzinfo | None) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
    if moment.tzinfo is not None:
        return moment
    if zone is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; write it with one, or give --zone +08:00")
    return moment.replace(tzinfo=zone)


def _plain(name: str, value: Any) -> Any:
    """A cell as JSON has it."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if name in _NUMBERS and isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    return value if isinstance(value, str | int | float | bool | list | dict) else str(value)


def _made_id(told: Mapping[str, Any], details: Mapping[str, Any]) -> str:
    """The same for the same event, whichever file it stands in."""
    said = json.dumps([told["session"], told["at"].isoformat(), told.get("type"), details], sort_keys=True)
    return "file-" + hashlib.sha256(said.encode()).hexdigest()[:24]
