"""``jianzheng status``: whether everything that should be recorded now is being recorded."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from catalog.catalogue import Catalogue
from catalog.readiness import Disk, DiskState, Readiness, Shortfall, Standing, Watch, readiness
from kernel.clock import SECOND_US
from kernel.model.source import Source
from kernel.timerange import TimeRange

# Read by a program or kept in a file, a source is one line, however long.
_out = Console(highlight=False, width=None if sys.stdout.isatty() else 500)
_DAY_US = 24 * 3600 * SECOND_US

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


def print_status(catalogue: Catalogue, watch: Watch, now_us: int, *, as_json: bool) -> int:
    """Print how all sources stand; returns the exit status: 0 only when ready."""
    now = readiness(catalogue, watch, now_us)
    gaps = _gaps_of_the_day(catalogue, now_us)
    if as_json:
        print(json.dumps(_for_machines(now, gaps), ensure_ascii=False))  # noqa: T201 - it is what was asked for
    else:
        _out.print(_table(now, catalogue.places.sources(), gaps))
        _out.print(_summary(now))
    return 0 if now.ready else 1


def _gaps_of_the_day(catalogue: Catalogue, now_us: int) -> dict[str, tuple[int, int]]:
    """Number and length of the gaps of the last 24 hours, by source."""
    found: dict[str, tuple[int, int]] = {}
    for total in catalogue.source_status.gaps_within(TimeRange(start_us=now_us - _DAY_US, end_us=now_us)):
        count, length_us = found.get(total.source_id, (0, 0))
        found[total.source_id] = count + total.count, length_us + total.duration_us
    return found


def _for_machines(now: Readiness, gaps: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
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


def _table(now: Readiness, sources: Mapping[str, Source], gaps: Mapping[str, tuple[int, int]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("", "来源 source", "名称 label", "状态 state"):
        table.add_column(heading, overflow="fold")
    for heading in ("kbit/s", "fps", "丢包 lost", "时差 clock", "画面 picture", "24 h 缺口 gaps"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("说明 detail", overflow="fold")
    for one in now.standings.values():
        source = sources.get(one.source_id)
        label = source.label_zh if source else ""
        count, length_us = gaps.get(one.source_id, (0, 0))
        table.add_row(
            _mark(one),
            one.source_id,
            escape(label),
            _state(one),
            *_figures(one, now.at_us),
            f"{count} / {length_us / SECOND_US:.0f} s" if count else "0",
            escape(one.detail) if one.shortfall else "",
        )
    return table


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


def _figures(one: Standing, now_us: int) -> tuple[str, str, str, str, str]:
    health = one.health
    offset_us, seen_us = (health.clock_offset_us, health.last_frame_us) if health else (None, None)
    return (
        "–" if one.bit_rate_kbps is None else f"{one.bit_rate_kbps:.0f}",
        "–" if one.frame_rate is None else f"{one.frame_rate:.1f}",
        str(health.lost_packets) if health else "–",
        "–" if offset_us is None else f"{offset_us / 1000:+.0f} ms",
        "–" if seen_us is None else f"{(now_us - seen_us) / SECOND_US:.0f} s",
    )


def _summary(now: Readiness) -> str:
    wanted = sum(one.want is not None for one in now.standings.values())
    said = "[green]就绪 ready[/]" if now.ready else "[bold red]未就绪 NOT READY[/]"
    alive = "" if now.recorder_alive else " [bold red]没有录制程序在运行 no recorder runs.[/]"
    counted = f"{wanted - len(now.missing)} / {wanted} 个应录来源正在录制 wanted sources are recorded"
    return f"{said}: {counted}.{alive}\n{_disk(now.disk)}"


def _disk(disk: Disk) -> str:
    free = "" if disk.free_bytes is None else f", {disk.free_bytes / 1e9:.1f} GB 可用 free"
    days = "" if disk.days_left is None else f", {disk.days_left:.1f} 天后写满 days until full"
    return f"磁盘 disk: {_DISK_WORDS[disk.state]}{free}{days}"
