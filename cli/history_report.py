"""What became of a list of old recordings: on the terminal, as CSV that Excel opens, and as JSON."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from cli.history import ImportResult, Outcome, RowResult
from cli.moments import shown
from cli.printing import console
from kernel.clock import Clock, to_datetime
from kernel.durable import write_whole
from kernel.errors import StorageError

_out = console()
_WORDS = {
    Outcome.TAKEN_IN: "[green]已入库 taken in[/]",
    Outcome.KNOWN: "已在库 known",
    Outcome.WOULD: "[green]可入库 would be taken in[/]",
    Outcome.REFUSED: "[red]未入库 refused[/]",
    Outcome.NOT_TRIED: "[yellow]未处理 not tried[/]",
}
_HEADS = {
    "row": "行",
    "file": "文件",
    "outcome": "结果",
    "project": "项目",
    "session": "场次",
    "source": "设备",
    "start": "起(北京时间)",
    "end": "止(北京时间)",
    "run": "运行",
    "why": "原因",
    "remedy": "处理办法",
    "authentic": "真实",
    "complete": "完整",
    "usable": "可用",
    "safe": "安全",
}


def row_told(one: RowResult) -> dict[str, Any]:
    """A row's result as CSV and JSON have it."""
    checks = (
        {each.property.value: f"{each.verdict}: {each.reason}" for each in one.check.results}
        if (one.check)
        else {}
    )
    told = {
        "row": one.place,
        "file": one.file,
        "outcome": one.outcome.value,
        "project": one.project,
        "session": one.session,
        "source": one.source,
        "start": shown(one.wall.start_us) if one.wall else "",
        "end": shown(one.wall.end_us) if one.wall else "",
        "run": one.run_id,
        "why": one.why,
        "remedy": one.remedy,
    }
    return {name: checks.get(name, told.get(name, "")) for name in _HEADS}


def as_json(name: str, result: ImportResult, *, dry_run: bool) -> str:
    """The whole as one object."""
    told = {
        "list": name,
        "dry_run": dry_run,
        "complete": result.complete,
        "counts": {one.value: result.count(one) for one in Outcome},
        "made_projects": result.made_projects,
        "made_sessions": result.made_sessions,
        "ended_sessions": result.ended_sessions,
        "waiting_sessions": result.waiting_sessions,
        "rows": [row_told(one) for one in result.rows],
    }
    return json.dumps(told, ensure_ascii=False)


def as_csv(result: ImportResult) -> str:
    """A table; what begins like a formula is made text, for Excel would compute it."""
    told = io.StringIO()
    table = csv.DictWriter(told, _HEADS, lineterminator="\r\n")
    table.writerow(_HEADS)
    for one in result.rows:
        table.writerow({name: _harmless(value) for name, value in row_told(one).items()})
    return told.getvalue()


def _harmless(value: str) -> str:
    return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t") else value


def write_report(directory: Path, name: str, result: ImportResult, clock: Clock, *, dry_run: bool) -> Path:
    """Write both files; returns the CSV's place.

    Raises:
        StorageError: they cannot be written.
    """
    at = to_datetime(clock.now_us()).strftime("%Y%m%dT%H%M%SZ")
    place = directory / f"{Path(name).stem}-{at}{'-dry-run' if dry_run else ''}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{directory} cannot be written: {error.strerror}.") from None
    write_whole(place.with_name(f"{place.name}.csv"), b"\xef\xbb\xbf" + as_csv(result).encode())
    write_whole(place.with_name(f"{place.name}.json"), as_json(name, result, dry_run=dry_run).encode())
    return place.with_name(f"{place.name}.csv")


def print_row(number: int, one: RowResult) -> None:
    """One line as soon as it is done."""
    said = f" {one.why} {one.remedy}".rstrip() if one.outcome is not Outcome.KNOWN else ""
    _out.print(f"{number:5} {_WORDS[one.outcome]} {escape(one.file)}{escape(said)}")


def print_result(result: ImportResult, place: Path) -> None:
    """The sums, and where the whole stands."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for outcome in Outcome:
        if count := result.count(outcome):
            table.add_row(_WORDS[outcome], str(count))
    made = {"新项目 new projects": result.made_projects, "新场次 new sessions": result.made_sessions}
    for label, names in {**made, "已结束,待归档 ended": result.ended_sessions}.items():
        if names:
            table.add_row(label, escape(", ".join(names)))
    for session_id, files in result.waiting_sessions.items():
        table.add_row(f"场次 {escape(session_id)} 等待 waits for", escape(files))
    _out.print(table)
    _out.print(f"报告 report: {escape(str(place))}")
