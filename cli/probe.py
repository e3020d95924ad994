"""``jianzheng probe``: what a source sends, for the technician who sets it up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import SecretStr, ValidationError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from capture.probe.judge import Aspect, Verdict, judge
from capture.probe.measure import VideoFigures
from capture.probe.probe import AboutDevice, Probed, probe
from kernel.clock import SECOND_US, Clock
from kernel.errors import SettingsError
from kernel.model.source import ContentKind
from kernel.settings import CaptureSettings, SourceSpec, explain, load_cameras, public_uri

_out = Console(soft_wrap=True, highlight=False)
_errors = Console(stderr=True)
_PROBED = "probed"  # id of a source that is named by its address


def source_of(named: str, cameras: Path, username: str, password: str) -> SourceSpec:
    """The source of that id in ``cameras.yaml``, or of that address.

    Raises:
        SettingsError: there is no such source, or the address cannot be used.
    """
    if "://" in named:
        return _by_address(named, username, password)
    specs = {spec.id: spec for spec in load_cameras(cameras).specs()}
    if named not in specs:
        raise SettingsError(
            f"{cameras} has no source {named}.", hint=f"It has: {', '.join(specs)}; or give an address."
        )
    given = {"username": username, "password": SecretStr(password)} if username else {}
    return specs[named].model_copy(update=given)


def _by_address(uri: str, username: str, password: str) -> SourceSpec:
    try:
        return SourceSpec(
            id=_PROBED,
            content_kind=ContentKind.ROOM,
            uri=uri,
            username=username,
            password=SecretStr(password),
            label_zh=_PROBED,
        )
    except ValidationError as error:
        said = explain(error).removeprefix("the file: ")
        hint = "Give user name and password by --username and --password."
        raise SettingsError(f"that address cannot be used: {said}.", hint=hint) from None


def look(spec: SourceSpec, settings: CaptureSettings, clock: Clock, seconds: float) -> Probed:
    """Probe it, with a bar on standard error."""
    with Progress(
        TextColumn("正在测量 measuring {task.description}"), BarColumn(), console=_errors, transient=True
    ) as bar:
        task = bar.add_task(escape(public_uri(spec.uri)), total=1.0)
        return asyncio.run(
            probe(
                spec,
                settings,
                clock,
                seconds=seconds,
                progress=lambda share: bar.update(task, completed=share),
            )
        )


def verdicts(spec: SourceSpec, probed: Probed) -> list[Verdict]:
    device = probed.device
    return judge(
        probed.measured,
        device.declared_rate if device else None,
        device.clock_offset_us if device else None,
        spec.scheme,
    )


def as_json(spec: SourceSpec, probed: Probed, found: Sequence[Verdict]) -> str:
    """One line for machines; without credentials."""
    told = {"uri": public_uri(spec.uri), **asdict(probed), "verdicts": [asdict(one) for one in found]}
    return json.dumps(told, ensure_ascii=False)


def show(spec: SourceSpec, probed: Probed, found: Sequence[Verdict]) -> None:
    """The table for people: a line per figure, with what is wrong about it."""
    table = Table(box=None, pad_edge=False, title=escape(public_uri(spec.uri)), title_justify="left")
    for heading in ("", "项目 figure", "测得 measured", "对录制的影响 for a recording"):
        table.add_column(heading, overflow="fold")
    for name, value, aspect in [*_device_rows(probed.device), *_rows(probed)]:
        wrong = [one for one in found if one.aspect is aspect]
        mark = "[red]✗[/]" if wrong else "[green]✓[/]" if aspect else ""
        said = "\n".join(f"{one.said}\n→ {one.remedy}" for one in wrong)
        table.add_row(mark, name, escape(value), escape(said))
    _out.print(table)


Row = tuple[str, str, Aspect | None]


def _device_rows(device: AboutDevice | None) -> list[Row]:
    if device is None:
        return []
    offset = f"{device.clock_offset_us / SECOND_US:+.2f} s (±{device.clock_error_us / SECOND_US:.2f} s)"
    return [
        ("设备 device", f"{device.manufacturer} {device.model}, {device.firmware}, {device.serial}", None),
        ("码流 profile", f"{device.profile}  ({', '.join(device.profiles)})", None),
        ("设备存储 own memory", "有，可补录 yes: gaps can be fetched" if device.keeps else "无 none", None),
        ("设备时钟 device clock", offset, None),
    ]


def _rows(probed: Probed) -> list[Row]:
    measured = probed.measured
    trip = probed.round_trip_us
    rows: list[Row] = [("往返 round trip", "-" if trip is None else f"{trip / 1000:.1f} ms", None)]
    first = measured.first_picture_us
    rows.append(("首帧 first picture", "-" if first is None else f"{first / SECOND_US:.2f} s", None))
    video = measured.video
    if video is None:
        return [*rows, ("视频 video", "-", Aspect.VIDEO)]
    codec = f"{video.codec} {video.profile}, {video.width}x{video.height}".replace(" ,", ",")
    rows += [
        ("视频 video", codec, Aspect.VIDEO),
        ("帧率 frame rate", _rates(video, probed.device), Aspect.FRAME_RATE),
        ("关键帧间隔 key frames every", f"{_figure(video.key_interval_s, 1)} s", Aspect.KEY_FRAMES),
        ("B 帧 B-frames", "有 yes" if video.b_frames else "无 none", Aspect.ORDER),
        ("视频码率 video rate", f"{_figure(video.bit_rate_kbps, 0)} kbit/s", None),
    ]
    sound = measured.sound
    heard = "无 none"
    if sound is not None:
        rate = _figure(sound.bit_rate_kbps, 0)
        heard = f"{sound.codec}, {sound.sample_rate} Hz, {sound.channels} ch, {rate} kbit/s"
    offset_us = measured.clock_offset_us
    clock = "-" if offset_us is None else f"{offset_us / SECOND_US:+.3f} s"
    return [
        *rows,
        ("音频 sound", heard, Aspect.SOUND),
        ("丢包 packets lost", str(measured.packets_lost), Aspect.LOSS),
        ("时钟偏差 clock offset", clock, Aspect.CLOCK),
    ]


def _rates(video: VideoFigures, device: AboutDevice | None) -> str:
    """What came, and what the time stamps and the device claim."""
    claims = [f"时间戳 stamped {_figure(video.stamped_rate, 1)}"]
    if device is not None and device.declared_rate:
        claims.append(f"声明 declared {device.declared_rate:g}")
    return f"{_figure(video.frame_rate, 1)} /s ({', '.join(claims)})"


def _figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
