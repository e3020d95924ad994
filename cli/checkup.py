"""``jianzheng checkup``: looks at all sources of a room before a session."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from capture.checkup.pictures import kept_picture
from catalog.catalogue import Catalogue
from cli.content_kinds import MEANINGS
from cli.moments import shown
from cli.printing import console
from cli.watch import DaysLeft
from kernel.clock import SECOND_US, Clock
from kernel.model.checkup import Aspect, CheckResult, Checkup, Verdict
from kernel.model.source import ContentKind
from kernel.settings import CamerasFile, Settings, load_cameras

if TYPE_CHECKING:
    from capture.checkup.room import RoomChecker

_out = console()

ASPECTS = {
    Aspect.DELIVERS: "收流 stream",
    Aspect.PICTURE_BLACK: "明暗 darkness",
    Aspect.PICTURE_FROZEN: "活动 movement",
    Aspect.PICTURE_COVERED: "遮挡 view",
    Aspect.PICTURE_BLURRED: "清晰 sharpness",
    Aspect.PICTURE_COLOUR: "颜色 colour",
    Aspect.SOUND_SILENT: "音量 loudness",
    Aspect.SOUND_HUMMING: "交流声 hum",
    Aspect.SOUND_CLIPPING: "过载 overdrive",
    Aspect.CLOCK: "时钟 clock",
    Aspect.KEY_FRAMES: "关键帧 key frames",
    Aspect.LOSS: "丢包 loss",
    Aspect.DISK: "录像盘 disk",
}
"""What was looked at, not what may be wrong with it: a check mark beside "frozen" can be read either way."""
_RECORDER = "录像机 the recorder itself"
_ASPECT_WIDTH, _LIMIT_WIDTH = 17, 14  # columns
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


def run_checkup(
    checker: RoomChecker,
    room_id: str,
    principal: str,
    *,
    as_json: bool,
    kinds: Mapping[str, ContentKind] = MappingProxyType({}),
) -> int:
    """Check, print, and return the exit status: 1 if something failed.

    Args:
        kinds: what each source shows, as cameras.yaml says.

    Raises:
        SettingsError: there is no such room.
    """
    checkup = asyncio.run(checker.check(room_id, principal))
    if as_json:
        _out.print_json(json.dumps({**asdict(checkup), "passed": checkup.passed}))
    else:
        for source_id, results in groupby(checkup.results, key=lambda one: one.source_id):
            _out.print(_heading(source_id, kinds))
            _out.print(_table(list(results)))
        _out.print(_verdict(checkup))
    return 0 if checkup.passed else 1


def _heading(source_id: str, kinds: Mapping[str, ContentKind]) -> str:
    """What stands at the right is normal for this kind of content, and would not be for another."""
    if not source_id:
        return f"[bold]{_RECORDER}[/]"
    kind = kinds.get(source_id)
    normal = f"  [dim](正常 normal for {MEANINGS[kind]} →)[/]" if kind else ""
    return f"[bold]{source_id}[/]{normal}"


def _table(results: Sequence[CheckResult]) -> Table:
    """A line for each aspect; of one that failed what to do is below what was found."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 1))
    table.add_column()
    table.add_column(width=_ASPECT_WIDTH)
    table.add_column(ratio=1, overflow="fold")
    table.add_column(width=_LIMIT_WIDTH)
    for one in results:
        found = one.measured + (f"\n→ {one.remedy}" if one.remedy else "")
        style = "dim" if one.verdict is Verdict.NOT_JUDGED else None
        table.add_row(_MARKS[one.verdict], ASPECTS[one.aspect], escape(found), escape(one.limit), style=style)
    return table


def _verdict(checkup: Checkup) -> str:
    when = f"{shown(checkup.at_us // SECOND_US * SECOND_US)} {checkup.id}"
    if checkup.passed:
        return f"[green]检查通过 passed[/]: {when}"
    bad = sum(one.verdict is Verdict.FAILED for one in checkup.results)
    how = f"jianzheng override {checkup.id} --as NAME --reason TEXT"
    return f"[red]检查未通过 failed[/] ({bad} ✗): {when}\n仍要开始 to begin all the same: {how}"
