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
from cli.printing import console
from kernel.clock import SECOND_US, Clock
from kernel.errors import SettingsError, SourceError, SourceNotFound, SourceRefused
from kernel.model.source import ContentKind
from kernel.settings import CaptureSettings, SourceSpec, explain, load_cameras, public_uri

_out = console()
_errors = Console(stderr=True)
_MEASURING = "正在测量 measuring"
_WAITING = "等待时钟或关键帧 waiting for its clock or a key frame"
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
    """Probe it, with a bar on standard error.

    Raises:
        SourceError: it cannot be opened, or ended before anything could be measured.
    """
    with Progress(
        TextColumn("{task.description}"), BarColumn(bar_width=20), console=_errors, transient=True
    ) as bar:
        task = bar.add_task(_MEASURING, total=seconds)

        def progress(passed: float, whole: float) -> None:
            bar.update(
                task,
                completed=passed,
                total=whole,
                description=_WAITING if passed > seconds else _MEASURING,
            )

        try:
            return asyncio.run(probe(spec, settings, clock, seconds=seconds, progress=progress))
        except SourceError as error:
            if spec.id == _PROBED:
                _speak_of_address(error, spec)
            raise


def _speak_of_address(error: SourceError, spec: SourceSpec) -> None:
    """No ``cameras.yaml`` names it: what is to be corrected is what was typed."""
    error.message = error.message.replace(f"source {_PROBED}", public_uri(spec.uri))
    if isinstance(error, SourceRefused):
        error.remedy = "Give the right user name and password by --username and --password."
    elif isinstance(error, SourceNotFound):
        error.remedy = "Correct the path of the address; the device's manual names it."


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


def fails(found: Sequence[Verdict]) -> bool:
    """Whether a recording would suffer."""
    return any(not one.warning for one in found)


def show(spec: SourceSpec, probed: Probed, found: Sequence[Verdict]) -> None:
    """A line per figure, with what is wrong about it below; then what it comes to."""
    _out.print(escape(public_uri(spec.uri)))
    table = Table(box=None, pad_edge=False)
    for heading in ("", "项目 figure", "测得 measured"):
        table.add_column(heading, overflow="fold")
    for name, value, aspect in [*_device_rows(probed.device), *_rows(probed)]:
        mine = [one for one in found if one.aspect is aspect]
        said = [f"{one.said}\n→ {one.remedy}" for one in mine]
        table.add_row(_mark(aspect, mine), name, escape("\n".join([value, *said])))
    _out.print(table)
    _out.print(_conclusion(found))


def _mark(aspect: Aspect | None, mine: Sequence[Verdict]) -> str:
    if aspect is None:
        return ""
    if fails(mine):
        return "[red]✗[/]"
    return "[yellow]![/]" if mine else "[green]✓[/]"


def _conclusion(found: Sequence[Verdict]) -> str:
    bad = sum(not one.warning for one in found)
    known = len(found) - bad
    also = f"; {known} 项提示 to know" if known else ""
    if bad:
        return f"[red]需处理 to be mended[/]: {bad}{also}"
    return f"[green]可以录制 fit to be recorded[/]{also}"


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
        ("快照 snapshot", device.snapshot or "无 none", None),
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
