"""``jianzheng intake``: takes a recording that somebody hands in into the ring."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from capture.intake import Handed, IntakeReceipt, take_in
from capture.libav.recording import OwnStart, ToldBy, own_start
from capture.ring_disk import RingDisk, open_ring
from catalog.catalogue import Catalogue
from catalog.four_check import told_of
from cli.alerting import mismatch_told
from cli.history import handed_file
from cli.moments import shown
from kernel.clock import SECOND_US, Clock, from_datetime
from kernel.errors import IntakeRefused, SettingsError
from kernel.settings import Settings

# Read by a program or kept in a file, a line is one line, however long.
_out = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 500)
_STEPS = {"hash": "校验 hashing", "read": "读取 reading", "store": "入库 storing"}
_TOLD_BY = {
    ToldBy.PRINCIPAL: "经手人声明 declared",
    ToldBy.PRODUCER_TIME: "文件内时钟 the file's own clock (prft)",
    ToldBy.CREATION_TIME: "文件创建时间 the file's creation_time",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class IntakeOptions:
    """As the command line says it."""

    file: str  # a path or a file URI
    source_id: str
    start: str | None  # ISO 8601 with a time zone
    offset_seconds: float
    sha256: str
    principal: str


def run_intake(options: IntakeOptions, settings: Settings, catalogue: Catalogue, clock: Clock) -> None:
    """Take the file in and print the receipt.

    Raises:
        JianzhengError: it is not taken in.
    """
    if options.source_id not in catalogue.places.sources():
        hint = "Name one of cameras.yaml, or add the device there first."
        raise SettingsError(f"there is no source {options.source_id}.", hint=hint)
    disk = open_ring(settings.ring_dir, catalogue.ring_disks, clock, options.principal)
    disk.check()
    path = _path(options.file)
    start = _declared(options.start) if options.start else _asked(path)
    handed = Handed(
        path=path,
        source_id=options.source_id,
        start_us=start.start_us,
        told_by=start.told_by,
        offset_us=round(options.offset_seconds * SECOND_US),
        sha256=options.sha256,
        principal=options.principal,
    )
    with mismatch_told(handed, catalogue, clock):
        receipt = _take_in(handed, settings, catalogue, clock, disk)
    kept = handed_file(receipt, announced_sha256=options.sha256, path=path)
    catalogue.handed_files.add(kept)
    _out.print(_table(receipt))
    _out.print(told_of(kept.check.results))


def _path(written: str) -> Path:
    return Path(unquote(urlsplit(written).path)) if written.startswith("file:") else Path(written)


def _declared(written: str) -> OwnStart:
    try:
        start_us = from_datetime(datetime.fromisoformat(written))
    except ValueError:
        hint = "Write it like 2026-03-02T09:00:00+08:00; without a zone a time is not a time."
        raise SettingsError(f"--start {written} is no time with a zone.", hint=hint) from None
    return OwnStart(start_us=start_us, told_by=ToldBy.PRINCIPAL)


def _asked(path: Path) -> OwnStart:
    """The file's own clock is taken; its time of making is only taken if a person says so."""
    found = own_start(path)
    hint = "Say when its first picture was taken with --start, such as 2026-03-02T09:00:00+08:00."
    if found is None:
        raise IntakeRefused(f"file {path.name} does not say when it begins.", hint=hint)
    if found.told_by is ToldBy.PRODUCER_TIME:
        return found
    when = shown(found.start_us)
    if not sys.stdin.isatty():
        raise IntakeRefused(f"file {path.name} only says that it was made at {when}.", hint=hint)
    question = (
        f"文件只注明创建于 {when},以此为第一帧的时间?It says it was made then: is that its first picture?"
    )
    if not typer.confirm(question):
        raise IntakeRefused(f"file {path.name} does not say when it begins.", hint=hint)
    return found


def _take_in(
    handed: Handed, settings: Settings, catalogue: Catalogue, clock: Clock, disk: RingDisk
) -> IntakeReceipt:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    errors = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=errors, transient=True) as bars:
        tasks = {step: bars.add_task(words, total=1.0, start=False) for step, words in _STEPS.items()}

        def progress(step: str, fraction: float) -> None:
            bars.start_task(tasks[step])
            bars.update(tasks[step], completed=fraction)

        return take_in(handed, settings, catalogue.footage, clock, progress, disk.free_bytes)


def _table(receipt: IntakeReceipt) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    rows = {
        "来源 source": receipt.source_id,
        "文件 file": f"{receipt.file}, {receipt.size_bytes} bytes",
        "SHA-256": receipt.sha256,
        "起 from": shown(receipt.wall_start_us),
        "止 to": shown(receipt.wall_end_us),
        "时间依据 time by": f"{_TOLD_BY[receipt.told_by]}, {receipt.offset_us / SECOND_US:+.3f} s",
        "画面 video": f"{receipt.video}, {receipt.pictures} pictures",
        "声音 sound": receipt.sound,
        "略去 left out": f"{receipt.skipped} before the first key frame, {receipt.damaged} damaged",
        "缺口 holes": str(receipt.holes),
        "片段 segments": str(len(receipt.segments)),
        "经手 by": receipt.principal,
        "运行 run": receipt.run_id,
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table
