"""What ``fixity``, ``copies`` and ``drill`` do and print."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

from rich.markup import escape
from rich.table import Table

from catalog.fixity import SweepStopped, Swept
from cli.drilling import drill
from cli.moments import shown
from cli.preservation_words import faults_of, for_machines, lines_of
from cli.preserving import Keeping
from cli.printing import console
from kernel.clock import SECOND_US
from kernel.model.preservation import (
    MAIN,
    Drill,
    DrillResult,
    MediaLine,
    StoreReport,
)

_PAUSE_SECONDS = 60
_PAGE = 200


def run_fixity(
    keeping: Keeping, *, everything: bool, bad: bool, budget_bytes: int | None, follow: bool
) -> Swept:
    """Sweep as asked; with ``follow`` until told to stop."""
    since_us, kept = keeping.clock.now_us(), keeping.catalogue.preservation
    which = partial(kept.unread, since_us=since_us, troubled=bad) if everything or bad else None
    sweep = keeping.sweep(keeping.shelves())
    swept = sweep.run(keeping.clock, which, budget_bytes)
    while follow and not keeping.stop.is_set():
        keeping.stop.wait(_PAUSE_SECONDS)
        if not keeping.stop.is_set():
            keeping.sweep(keeping.shelves()).run(keeping.clock, budget_bytes=budget_bytes)
    return swept


def run_drill(keeping: Keeping, project_id: str, seed: str) -> list[Drill]:
    """The drill that was asked for; nothing where nothing is archived yet, or it was broken off."""
    try:
        done = drill(keeping, project_id, seed)
    except SweepStopped:
        return []
    return [done] if done else []


# --- what is printed


def print_state(keeping: Keeping, swept: Swept, *, as_json: bool) -> int:
    """Print what a sweep did and how archives stand; returns the exit status."""
    state = keeping.catalogue.preservation.state(keeping.promise, keeping.clock.now_us())
    if as_json:
        print(json.dumps({"swept": asdict(swept), **for_machines(state)}, ensure_ascii=False))  # noqa: T201
        return int(state.alarm)
    out = console()
    size = f"{swept.size_bytes / 1e9:.3f} GB"
    out.print(f"已核对 read back: {swept.objects} 个对象 objects, {size}; 异常 troubled: {swept.troubled}")
    for line in lines_of(state):
        out.print(line)
    return int(state.alarm)


def print_stores(keeping: Keeping, *, as_json: bool) -> int:
    """Print the media report's head; returns the exit status."""
    reports = keeping.catalogue.preservation.stores(keeping.promise, keeping.clock.now_us())
    if as_json:
        print(json.dumps([asdict(one) for one in reports], ensure_ascii=False))  # noqa: T201
    else:
        console().print(_stores_table(reports))
    return int(any(one.packages_missing or one.troubled for one in reports))


def _stores_table(reports: Sequence[StoreReport]) -> Table:
    table = Table(
        "存储 store",
        "完整的包 packages",
        "缺 missing",
        "对象 objects",
        "大小 size",
        "异常 troubled",
        "逾期 overdue",
        "最早核对 oldest check",
    )
    for one in reports:
        table.add_row(
            "主存储 main" if one.store == MAIN else escape(one.store),
            str(one.packages),
            f"[red]{one.packages_missing}[/]" if one.packages_missing else "0",
            str(one.objects),
            f"{one.size_bytes / 1e9:.3f} GB",
            f"[bold red]{one.troubled}[/]" if one.troubled else "0",
            str(one.overdue),
            shown(one.oldest_check_us) if one.oldest_check_us is not None else "–",
        )
    return table


def print_media(keeping: Keeping, project_id: str, *, as_json: bool) -> None:
    """Print where each package of a project is, a page at a time."""
    promise, offset = keeping.promise, 0
    while True:
        total, lines = keeping.catalogue.preservation.media(
            promise, project_id=project_id, offset=offset, limit=_PAGE
        )
        for line in lines:
            if as_json:
                print(json.dumps(asdict(line), ensure_ascii=False))  # noqa: T201 - one line for each package
            else:
                console().print(_media_told(line))
        offset += len(lines)
        if offset >= total or not lines:
            return


def _media_told(line: MediaLine) -> str:
    one = line.package
    places = "; ".join(
        f"{copy.store} (最早核对 oldest check {shown(copy.oldest_check_us)}"
        + (f", [bold red]{copy.troubled} 异常 troubled[/]" if copy.troubled else "")
        + ")"
        for copy in line.copies
    )
    return f"{one.kind} {one.id} v{one.version}, {one.size_bytes / 1e6:.1f} MB: {places or '–'}"


def print_drills(drills: Sequence[Drill], *, as_json: bool) -> int:
    """Print reports of drills; returns the exit status: 1 if the newest failed."""
    if as_json:
        print(json.dumps([asdict(one) for one in drills], ensure_ascii=False))  # noqa: T201
    out = console()
    for one in () if as_json else drills:
        out.print(_drill_line(one))
        for fault in faults_of(one):
            out.print(f"  [red]✗[/] {escape(fault)}")
    if not drills and not as_json:
        out.print("还没有 none yet")
    return int(bool(drills) and drills[0].result is DrillResult.FAILED)


def _drill_line(one: Drill) -> str:
    passed = one.result is DrillResult.PASSED
    result = "[green]通过 passed[/]" if passed else "[bold red]未通过 FAILED[/]"
    pictures = sum(file.pictures for file in one.files)
    seconds = (one.ended_us - one.started_us) / SECOND_US
    drawn = f"种子 seed {one.seed} / {one.candidates}" if one.seed else "指定 named"
    return (
        f"{result} {escape(one.project_id)}  {shown(one.started_us)}  {len(one.files)} 个文件 files, "
        f"{one.size_bytes / 1e6:.1f} MB, {pictures} 帧 pictures, {seconds:.1f} s  {escape(drawn)}"
    )
