"""``jianzheng checkup``: looks at all sources of a room before a session."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from capture.checkup.pictures import kept_picture
from catalog.catalogue import Catalogue
from cli.watch import DaysLeft
from kernel.clock import Clock
from kernel.model.checkup import Aspect, CheckResult, Checkup, Verdict
from kernel.settings import CamerasFile, Settings, load_cameras

if TYPE_CHECKING:
    from capture.checkup.room import RoomChecker

# Read by a program or kept in a file, a line is one line, however long.
_out = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 500)

ASPECTS = {
    Aspect.DELIVERS: "收流 delivers",
    Aspect.PICTURE_BLACK: "黑屏 black",
    Aspect.PICTURE_FROZEN: "画面静止 frozen",
    Aspect.PICTURE_COVERED: "镜头遮挡 covered",
    Aspect.PICTURE_BLURRED: "画面模糊 blurred",
    Aspect.PICTURE_COLOUR: "偏色 colour",
    Aspect.SOUND_SILENT: "无声 silent",
    Aspect.SOUND_HUMMING: "交流声 hum",
    Aspect.SOUND_CLIPPING: "削波 clipping",
    Aspect.CLOCK: "时钟 clock",
    Aspect.KEY_FRAMES: "关键帧 key frames",
    Aspect.LOSS: "丢包 loss",
    Aspect.DISK: "录像盘 disk",
}
_MARKS = {Verdict.GOOD: "[green]✓[/]", Verdict.FAILED: "[red]✗[/]", Verdict.NOT_JUDGED: "[dim]–[/]"}


def checker_of(settings: Settings, cameras: CamerasFile, catalogue: Catalogue, clock: Clock) -> RoomChecker:
    """What looks at rooms: live, by the openers that recording uses, or from the ring."""
    from capture.checkup.ring_source import also_from_ring
    from capture.checkup.room import RoomChecker, Surroundings
    from capture.disk import free_bytes
    from capture.openers import open_source

    days_left = DaysLeft(settings, catalogue, clock)

    def days() -> float | None:
        ring = settings.ring_dir
        return days_left(free_bytes(ring)) if ring.is_dir() else None

    return RoomChecker(
        Surroundings(
            cameras=cameras,
            settings=settings.capture,
            open_source=also_from_ring(open_source, catalogue.footage, settings.ring_dir),
            rows=catalogue.checkups,
            days_left=days,
            pictures=pictures_dir(settings),
            clock=clock,
        )
    )


def pictures_dir(settings: Settings) -> Path:
    """Where the pictures that were judged are kept."""
    return settings.data_dir / "checkups"


class CheckerOnDemand:
    """Looks at rooms for the server: one at a time, by ``cameras.yaml`` as it is then.

    A server that is never asked loads no decoder.
    """

    def __init__(self, settings: Settings, catalogue: Catalogue, clock: Clock) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    async def check(self, room_id: str, principal: str) -> Checkup:
        """See ``player_api.checkups.Checker``."""
        async with self._one_at_a_time:
            cameras = load_cameras(self._settings.cameras)
            checker = checker_of(self._settings, cameras, self._catalogue, self._clock)
            return await checker.check(room_id, principal)

    def picture(self, checkup: Checkup, source_id: str) -> bytes | None:
        """See ``player_api.checkups.Checker``."""
        return kept_picture(pictures_dir(self._settings), checkup, source_id)


def run_checkup(checker: RoomChecker, room_id: str, principal: str, *, as_json: bool) -> int:
    """Check, print, and return the exit status: 1 if something failed.

    Raises:
        SettingsError: there is no such room.
    """
    checkup = asyncio.run(checker.check(room_id, principal))
    if as_json:
        _out.print_json(json.dumps({**asdict(checkup), "passed": checkup.passed}))
    else:
        _out.print(_table(checkup))
        _out.print(_verdict(checkup))
    return 0 if checkup.passed else 1


def _table(checkup: Checkup) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("", "来源 source", "项目 aspect", "实测 measured", "限值 limit", "处理 what to do"):
        table.add_column(heading, overflow="fold")
    for one in checkup.results:
        table.add_row(*_row(one), style="dim" if one.verdict is Verdict.NOT_JUDGED else None)
    return table


def _row(one: CheckResult) -> tuple[str, ...]:
    return (_MARKS[one.verdict], one.source_id, ASPECTS[one.aspect], one.measured, one.limit, one.remedy)


def _verdict(checkup: Checkup) -> str:
    if checkup.passed:
        return f"[green]检查通过 passed[/]: {checkup.id}"
    how = f"jianzheng override {checkup.id} --as NAME --reason TEXT"
    return f"[red]检查未通过 failed[/]: {checkup.id}\n仍要开始 to begin all the same: {how}"
