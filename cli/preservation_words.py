"""How archives stand, in words: for ``status``, ``check``, ``fixity`` and ``drill``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from rich.markup import escape

from cli.moments import shown
from kernel.model.preservation import Drill, Fixity, Preserved, Trouble

_WORDS = {
    Fixity.OK: "完好 ok",
    Fixity.BAD: "已改变 CHANGED",
    Fixity.MISSING: "丢失 MISSING",
    Fixity.UNREADABLE: "无法读取 UNREADABLE",
}


def for_machines(state: Preserved) -> dict[str, object]:
    """The same for scripts; ``alarm`` first."""
    return {"alarm": state.alarm, **asdict(state)}


def lines_of(state: Preserved) -> Iterator[str]:
    """How archives stand, for people: what needs a hand first."""
    for one in state.troubles:
        yield f"[bold red]✗ 归档对象 archived object[/] {escape(trouble_told(one))}"
    if state.troubled > len(state.troubles):
        yield f"[bold red]✗ 共 in all {state.troubled}[/]"
    for failed in state.failed_drills:
        yield f"[bold red]✗ 恢复演练未通过 restore drill FAILED[/] {escape(drill_told(failed))}"
    if state.drill_overdue:
        yield "[yellow]! 恢复演练逾期 a restore drill is overdue[/]"
    if state.overdue:
        yield f"[yellow]! 逾期未核对 not read back in time[/]: {state.overdue} 个对象副本 copies of objects"
    if state.copies_missing:
        yield f"[yellow]! 待复制 still to be copied[/]: {state.copies_missing} 个包 packages"
    if not state.alarm:
        oldest = shown(state.oldest_check_us) if state.oldest_check_us is not None else "–"
        yield f"归档 archives: [green]未发现异常 no trouble known[/], 最早核对 oldest check {oldest}"


def trouble_told(one: Trouble) -> str:
    """One copy that is not as it should be, and where a good one is."""
    good = f"完好副本在 a good copy is in {', '.join(one.good_stores)}" if one.good_stores else ""
    none = "没有已知的完好副本 no good copy is known"
    last = f"; 上次完好 last good {shown(one.good_us)}" if one.good_us is not None else ""
    return f"{one.store}: {one.key} {_WORDS[one.result]} ({one.found}){last}; {good or none}"


def drill_told(one: Drill) -> str:
    """A drill in a line, with the first thing that failed."""
    faults = faults_of(one)
    first = f": {faults[0]}" if faults else ""
    return f"{one.project_id}, {shown(one.started_us)}, {len(faults)} 处 faults{first}"


def faults_of(one: Drill) -> list[str]:
    """All that failed in a drill, of packages and of their files."""
    return [*one.faults, *(f"{file.key}: {fault}" for file in one.files for fault in file.faults)]
