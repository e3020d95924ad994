"""Lists of old recordings: CSV (UTF-8 or GBK) and Excel, their heads by a mapping, a row for each file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, tzinfo
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import yaml
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException
from pydantic import ValidationError

from kernel.clock import SECOND_US, from_datetime
from kernel.errors import SettingsError
from kernel.model.timeline import Phase
from kernel.settings import Closed, explain
from segmenter.timeline_file import PHASES

TEMPLATE = Path(__file__).with_name("history_columns.yaml")
NEEDED = ("file", "source", "start", "project", "phase")
_MOMENT = re.compile(
    r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?[T\s]*"
    r"(\d{1,2})[:时](\d{1,2})(?:[:分](\d{1,2})(\.\d{1,6})?)?秒?\s*(Z|[+-]\d{2}:?\d{2})?"
)
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class RowFault(ValueError):
    """A row that makes no sense; the message says what, the hint what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Columns(Closed):
    """A mapping file; ``history_columns.yaml`` explains it and is the shipped one."""

    zone: str
    columns: dict[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedFile:
    """A row that makes sense."""

    place: str  # such as "row 3"
    file: str  # below the root, with forward slashes
    source_id: str
    start_us: int  # by the device's clock, before the offset
    end_us: int | None
    offset_us: int | None  # None: the one of the whole list
    sha256: str
    size_bytes: int | None
    project: str  # id or code
    phase: Phase
    session_id: str  # empty: to be made
    session_start_us: int | None
    session_end_us: int | None
    published_us: int | None
    section: int | None
    texts: Mapping[str, str] = field(default_factory=dict)  # what is only needed for a new project


@dataclass(frozen=True, kw_only=True, slots=True)
class BadRow:
    """A row that makes none."""

    place: str
    file: str
    project: str  # as far as it says
    why: str
    remedy: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryList:
    """What a list says."""

    name: str
    rows: tuple[ListedFile | BadRow, ...]
    encoding: str  # of its text; empty for Excel


def read_columns(path: Path | None) -> Columns:
    """The mapping of a file; None: the shipped one.

    Raises:
        SettingsError: it cannot be used, or the same head stands for two fields.
    """
    place = path or TEMPLATE
    try:
        told = Columns.model_validate(yaml.safe_load(place.read_text(encoding="utf-8")))
        shipped = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))["columns"]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{place} cannot be read: {error}.") from None
    except ValidationError as error:
        raise SettingsError(f"{place}: {explain(error)}.") from None
    unknown = sorted(set(told.columns) - set(shipped))
    heads = [head for known in told.columns.values() for head in known]
    twice = sorted({head for head in heads if heads.count(head) > 1})
    if unknown or twice:
        said = f"unknown fields {', '.join(unknown)}" if unknown else f"heads twice: {', '.join(twice)}"
        raise SettingsError(
            f"{place}: {said}.", hint="'jianzheng history template' prints one to begin with."
        )
    zone_of(told.zone)
    return told


def zone_of(text: str) -> tzinfo:
    """Raises: SettingsError: it is no zone."""
    try:
        zone = datetime.strptime(text, "%z").tzinfo
    except ValueError:
        zone = None
    if zone is None:
        raise SettingsError(f"{text} is no time zone.", hint="Write it like +08:00.")
    return zone


def read_list(path: Path, columns: Columns) -> HistoryList:
    """Read a list. A row that makes no sense is one of the result; a list without heads is an error.

    Raises:
        SettingsError: it cannot be read, or has no column for what is needed.
    """
    try:
        tables, encoding = _tables(path)
    except (OSError, csv.Error, InvalidFileException, BadZipFile, KeyError, ValueError) as error:
        raise SettingsError(
            f"{path.name} cannot be read: {error}.", hint="Save it as CSV or .xlsx and try again."
        ) from None
    rows = [row for sheet, table in tables for row in _rows(path.name, sheet, table, columns)]
    return HistoryList(name=path.name, rows=tuple(rows), encoding=encoding)


_Table = Sequence[Sequence[Any]]


def _tables(path: Path) -> tuple[list[tuple[str, _Table]], str]:
    """Tables with what stands before the numbers of their rows, and the encoding."""
    if path.suffix.lower() == ".xlsx":
        return _sheets(path), ""
    if path.suffix.lower() != ".csv":
        raise ValueError("it is neither .csv nor .xlsx")
    content = path.read_bytes()
    for encoding in ("utf-8-sig", "gb18030"):  # GBK is a part of GB18030
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return [("", list(csv.reader(io.StringIO(text, newline=""))))], encoding
    raise ValueError("it is neither UTF-8 nor GBK")


def _sheets(path: Path) -> list[tuple[str, _Table]]:
    book = load_workbook(path, read_only=True, data_only=True)
    try:
        sheets = [
            (sheet.title, [list(row) for row in sheet.iter_rows(values_only=True)])
            for sheet in book.worksheets
        ]
    finally:
        book.close()
    filled = [(title, rows) for title, rows in sheets if any(any(row) for row in rows)]
    return [(f"sheet {title}, " if len(filled) > 1 else "", rows) for title, rows in filled]


def _rows(name: str, sheet: str, table: _Table, columns: Columns) -> Iterator[ListedFile | BadRow]:
    if not table:
        raise SettingsError(f"{name} is empty.")
    meant = {head.strip().lower(): key for key, heads in columns.columns.items() for head in heads}
    heads = [meant.get(_plain(head).lower()) for head in table[0]]
    missing = [key for key in NEEDED if key not in heads]
    if missing:
        known = "; ".join(f"{key}: {', '.join(columns.columns.get(key, ()))}" for key in missing)
        raise SettingsError(
            f"{name} {sheet}has no column for {', '.join(missing)} (known heads: {known}).",
            hint="Name the list's own heads: 'jianzheng history template > columns.yaml', then --columns.",
        )
    zone = zone_of(columns.zone)
    for number, line in enumerate(table[1:], start=2):
        says = {key: cell for key, cell in zip(heads, line, strict=False) if key and cell not in ("", None)}
        if says:
            yield _row(f"{sheet}row {number}", says, zone)


def _row(place: str, says: Mapping[str, Any], zone: tzinfo) -> ListedFile | BadRow:
    try:
        return _listed(place, says, zone)
    except RowFault as fault:
        file, project = _plain(says.get("file")), _plain(says.get("project"))
        return BadRow(place=place, file=file, project=project, why=str(fault), remedy=fault.hint)


def _listed(place: str, says: Mapping[str, Any], zone: tzinfo) -> ListedFile:
    for key in NEEDED:
        if key not in says:
            raise RowFault(f"{key} is empty.", "Fill it in.")

    def moment(key: str) -> int | None:
        return moment_us(says[key], zone, key) if key in says else None

    start_us, offset = moment("start"), _number(says, "offset")
    assert start_us is not None  # needed
    sha256 = _plain(says.get("sha256"))
    if sha256 and not _SHA256.fullmatch(sha256):
        raise RowFault(f"{sha256} is no SHA-256.", "64 hexadecimal digits; leave it empty if it is MD5.")
    size, section = _number(says, "size"), _number(says, "section")
    return ListedFile(
        place=place,
        file=_plain(says["file"]).replace("\\", "/"),
        source_id=_plain(says["source"]),
        start_us=start_us,
        end_us=moment("end"),
        offset_us=None if offset is None else round(offset * SECOND_US),
        sha256=sha256.lower(),
        size_bytes=None if size is None else int(size),
        project=_plain(says["project"]),
        phase=_phase(_plain(says["phase"])),
        session_id=_plain(says.get("session")),
        session_start_us=moment("session_start"),
        session_end_us=moment("session_end"),
        published_us=moment("published"),
        section=None if section is None else int(section),
        texts={key: _plain(value) for key, value in says.items()},
    )


def moment_us(value: Any, zone: tzinfo, key: str) -> int:
    """A moment as Excel or people write it; without a zone it is of the list's.

    Raises:
        RowFault: it is none.
    """
    if isinstance(value, datetime):
        return _microseconds(value, zone)
    if isinstance(value, date | time):
        raise RowFault(f"{key} is {value}, which has no date or no time of day.", "Write both in one cell.")
    match = _MOMENT.fullmatch(_plain(value))
    if match is None:
        raise RowFault(f"{key} is {_plain(value)!r}, which is no moment.", "Write 2019-03-02 09:00:00.")
    year, month, day, hour, minute, second, part, told = match.groups()
    micro = round(float(part or 0) * SECOND_US)
    try:
        naive = datetime(
            int(year), int(month), int(day), int(hour), int(minute), int(second or 0), micro, zone
        )
    except ValueError as error:
        raise RowFault(f"{key} is {_plain(value)!r}: {error}.", "Correct it.") from None
    if told:
        own = datetime.strptime("+0000" if told == "Z" else told.replace(":", ""), "%z").tzinfo
        return from_datetime(naive.replace(tzinfo=own))
    return from_datetime(naive)


def _microseconds(value: datetime, zone: tzinfo) -> int:
    """Excel keeps days as a fraction, which is off by some microseconds: its times are whole milliseconds."""
    us = from_datetime(value if value.tzinfo is not None else value.replace(tzinfo=zone))
    return (us + 500) // 1000 * 1000


def _number(says: Mapping[str, Any], key: str) -> float | None:
    if key not in says:
        return None
    try:
        return float(_plain(says[key]).replace(",", ""))
    except ValueError:
        raise RowFault(f"{key} is {_plain(says[key])!r}, which is no number.", "Correct it.") from None


def _phase(told: str) -> Phase:
    if told in PHASES:
        return PHASES[told]
    try:
        phase = Phase(told)
    except ValueError:
        phase = Phase.HALL
    if phase is Phase.HALL:
        raise RowFault(f"{told} is no phase.", f"Write one of {', '.join(PHASES)}.")
    return phase


def _plain(value: Any) -> str:
    """A cell as text; a whole number has no decimals, whatever Excel keeps."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()
