"""``jianzheng status``: whether everything that should be recorded now is being recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from catalog.catalogue import Catalogue
from catalog.preservation import Promise
from catalog.readiness import Disk, DiskState, Readiness, Shortfall, Standing, Watch, readiness
from cli.moments import lasting, shown
from cli.preservation_words import for_machines, lines_of
from cli.printing import console
from kernel.clock import SECOND_US
from kernel.model.audit import AnchorState
from kernel.model.source import Source
from kernel.settings import PreservationSettings
from kernel.timerange import TimeRange

_DAY_US = 24 * 3600 * SECOND_US
_TENTH_US = SECOND_US // 10
_ANY_WIDTH = 10_000  # columns

_WORDS = {
    Shortfall.UNKNOWN: "未录制过 never recorded",
    Shortfall.SILENT: "录制程序无响应 recorder silent",
    Shortfall.NO_PICTURE: "没有画面 no picture",
    Shortfall.CONNECTING: "连接中 connecting",
    Shortfall.LOST: "已断开 lost",
    Shortfall.REFUSED: "被拒绝 refused",
    Shortfall.STOPPED: "已停止 stopped",
}
_DISK_WORDS = {
    DiskState.OK: "正常 ok",
    DiskState.FULL: "[bold red]已满 FULL: nothing more is recorded[/]",
    DiskState.LOST: "[bold red]丢失 LOST: nothing more is recorded[/]",
    DiskState.UNKNOWN: "未知 unknown",
}


def print_status(
    catalogue: Catalogue, watch: Watch, now_us: int, *, as_json: bool, promise: Promise | None = None
) -> int:
    """Print how all sources and archives stand; returns the exit status: 0 only when ready, and no alarm.

    Args:
        promise: what the settings promise of archives; without it what they say by themselves.
    """
    now = readiness(catalogue, watch, now_us)
    gaps = _gaps_of_the_day(catalogue, now_us)
    anchor = watch.anchor() if watch.anchor is not None else None
    kept = catalogue.preservation.state(promise or Promise.of(PreservationSettings()), now_us)
    if as_json:
        told = _for_machines(now, gaps, anchor) | {"archives": for_machines(kept)}
        print(json.dumps(told, ensure_ascii=False))  # noqa: T201 - it is what was asked for
    else:
        _print_for_people(console(), now, catalogue.places.sources(), gaps)
        if anchor is not None and anchor.trouble:
            console().print(f"[bold red]审计锚点 audit anchor[/]: {escape(anchor.trouble)}")
        for line in lines_of(kept):
            console().print(line)
    return 0 if now.ready and not kept.alarm else 1


def _gaps_of_the_day(catalogue: Catalogue, now_us: int) -> dict[str, tuple[int, int]]:
    """Number and length of the gaps of the last 24 hours, by source."""
    found: dict[str, tuple[int, int]] = {}
    for total in catalogue.source_status.gaps_within(TimeRange(start_us=now_us - _DAY_US, end_us=now_us)):
        count, length_us = found.get(total.source_id, (0, 0))
        found[total.source_id] = count + total.count, length_us + total.duration_us
    return found


def _for_machines(
    now: Readiness, gaps: Mapping[str, tuple[int, int]], anchor: AnchorState | None
) -> dict[str, Any]:
    return {
        "ready": now.ready,
        "at_us": now.at_us,
        "recorder_alive": now.recorder_alive,
        "disk": {
            "state": now.disk.state,
            "free_bytes": now.disk.free_bytes,
            "reserve_bytes": now.disk.reserve_bytes,
            "days_left": now.disk.days_left,
        },
        "audit_anchor": anchor and {"checked_us": anchor.checked_us, "trouble": anchor.trouble},
        "sources": [_source_for_machines(one, gaps) for one in now.standings.values()],
    }


def _source_for_machines(one: Standing, gaps: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    health = one.health
    count, length_us = gaps.get(one.source_id, (0, 0))
    return {
        "id": one.source_id,
        "configured": one.configured,
        "should_record": one.want is not None,
        "recorded": one.shortfall is None,
        "shortfall": one.shortfall,
        "detail": one.detail,
        "bit_rate_kbps": one.bit_rate_kbps,
        "frame_rate": one.frame_rate,
        "lost_packets": health.lost_packets if health else None,
        "clock_offset_us": health.clock_offset_us if health else None,
        "last_frame_us": health.last_frame_us if health else None,
        "updated_us": health.updated_us if health else None,
        "day_gaps": count,
        "day_gap_us": length_us,
    }


def _print_for_people(
    out: Console, now: Readiness, sources: Mapping[str, Source], gaps: Mapping[str, tuple[int, int]]
) -> None:
    """A table where its lines fit, else some lines for each source; then what is wrong, and the sum."""
    labels = {one: escape(source.label_zh) for one, source in sources.items()}
    table = _table(now, labels, gaps)
    if out.measure(table, options=out.options.update(width=_ANY_WIDTH)).maximum <= out.width:
        out.print(table)
    else:
        for one in now.standings.values():
            out.print(_record(one, now.at_us, labels.get(one.source_id, ""), gaps))
    for line in _complaints(now):
        out.print(line)
    out.print(_summary(now))


def _table(now: Readiness, labels: Mapping[str, str], gaps: Mapping[str, tuple[int, int]]) -> Table:
    """Nothing in it is ever broken over lines: then it would not be read across."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "来源\nsource", "名称\nlabel", "状态\nstate"):
        table.add_column(heading, no_wrap=True)
    for heading in _FIGURES:
        table.add_column(heading.replace(" ", "\n", 1), justify="right", no_wrap=True)
    for one in now.standings.values():
        label = labels.get(one.source_id, "")
        figures = _figures(one, now.at_us, gaps)
        table.add_row(_mark(one), one.source_id, label, _state(one), *figures)
    return table


_FIGURES = ("码率 kbit/s", "帧率 fps", "丢包 lost", "时差 clock", "画面 picture", "24h缺口 gaps")


def _record(one: Standing, now_us: int, label: str, gaps: Mapping[str, tuple[int, int]]) -> str:
    kbps, fps, lost, offset, seen, missed = _figures(one, now_us, gaps)
    parts = [f"{kbps} kbit/s", f"{fps} fps"] if one.shortfall is None else [f"画面 picture {seen}"]
    parts += [f"丢包 lost {lost}", f"时差 clock {offset}", f"24h缺口 gaps {missed}"]
    told = ", ".join(part for part in parts if not part.endswith(_NOTHING))
    return f"{_mark(one)} {one.source_id}  {label}  {_state(one)}\n  {told}"


def _complaints(now: Readiness) -> Iterator[str]:
    """Of each source that is not recorded, or not well: since when, and what was said."""
    for one in now.standings.values():
        if not (one.detail or one.missing):  # of one that is recorded: what its device complains of
            continue
        since = "" if one.since_us is None else f" 自 since {_to_the_second(one.since_us)}"
        yield f"{_mark(one)} {one.source_id}{since}: {escape(_said(one))}"


def _said(one: Standing) -> str:
    return one.detail or (_WORDS[one.shortfall] if one.shortfall else "")


def _mark(one: Standing) -> str:
    if one.missing:
        return "[bold red]✗[/]"
    return "[green]✓[/]" if one.shortfall is None else "[dim]–[/]"


def _state(one: Standing) -> str:
    if one.shortfall is None:
        return "录制中 recording"
    if one.missing:
        return f"[bold red]{_WORDS[one.shortfall]}[/]"
    return "未配置 not configured" if not one.configured else "现在不录 not wanted now"


_NOTHING = "–"


def _figures(one: Standing, now_us: int, gaps: Mapping[str, tuple[int, int]]) -> tuple[str, ...]:
    """One for each of ``_FIGURES``."""
    health = one.health
    offset_us, seen_us = (health.clock_offset_us, health.last_frame_us) if health else (None, None)
    count, length_us = gaps.get(one.source_id, (0, 0))
    return (
        _NOTHING if one.bit_rate_kbps is None else f"{one.bit_rate_kbps:.0f}",
        _NOTHING if one.frame_rate is None else f"{one.frame_rate:.1f}",
        str(health.lost_packets) if health else _NOTHING,
        _NOTHING if offset_us is None else f"{offset_us / 1000:+.0f} ms",
        _NOTHING if seen_us is None else _ago(now_us - seen_us),
        f"{count} / {_roughly(length_us)}" if count else "0",
    )


def _roughly(us: int) -> str:
    return lasting(us // _TENTH_US * _TENTH_US) if us >= _TENTH_US else "<0.1 s"


def _ago(us: int) -> str:
    """The clock may have been set since."""
    return f"{lasting(us // SECOND_US * SECOND_US)}前 ago" if us >= 0 else "?"


def _to_the_second(us: int) -> str:
    return shown(us // SECOND_US * SECOND_US)


def _summary(now: Readiness) -> str:
    wanted = sum(one.want is not None for one in now.standings.values())
    said = "[green]就绪 ready[/]" if now.ready else "[bold red]未就绪 NOT READY[/]"
    alive = "" if now.recorder_alive else " [bold red]没有录制程序在运行 no recorder runs.[/]"
    counted = f"{wanted - len(now.missing)} / {wanted} 个应录来源正在录制 wanted sources are recorded"
    return f"{said}: {counted}.{alive}\n{_disk(now.disk)}\n时间 at: {_to_the_second(now.at_us)}"


def _disk(disk: Disk) -> str:
    free = "" if disk.free_bytes is None else f", {disk.free_bytes / 1e9:.1f} GB 可用 free"
    days = ", 写满时间尚不可知 not known yet when it will be full"
    if disk.days_left is not None:
        days = f", {disk.days_left:.1f} 天后写满 days until full"
    return f"磁盘 disk: {_DISK_WORDS[disk.state]}{free}{days}"
