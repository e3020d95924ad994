"""``jianzheng doctor``: what is configured, reachable and writable."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import av
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from capture.groups import recorded_by_us
from capture.openers import open_source
from catalog.objects import open_store
from cli.wiring import open_catalogue
from kernel.clock import SystemClock
from kernel.errors import JianzhengError, SourceError
from kernel.settings import CaptureSettings, Settings, SourceSpec, load_cameras, public_uri
from player_api.app import STATIC, check_loopback

# Read by a program or kept in a file, a finding is one line, however long.
_out = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 500)


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """One thing that was looked at."""

    subject: str
    well: bool
    found: str
    remedy: str = ""


def diagnose(settings: Settings) -> Iterator[Diagnosis]:
    """Look at everything, one after the other."""
    yield _python()
    yield from _codecs()
    yield _directory(settings)
    yield _attempt("目录库 catalogue", lambda: _catalogue(settings))
    yield _attempt("存储 store", lambda: _store(settings))
    yield _attempt("服务地址 server", lambda: _server(settings))
    yield _page()
    yield from _sources(settings)


def _attempt(subject: str, look: Callable[[], str]) -> Diagnosis:
    try:
        return Diagnosis(subject=subject, well=True, found=look())
    except JianzhengError as error:
        return Diagnosis(subject=subject, well=False, found=error.message, remedy=error.remedy)


def _python() -> Diagnosis:
    version = ".".join(map(str, sys.version_info[:3]))
    return Diagnosis(
        subject="Python", well=sys.version_info >= (3, 11), found=version, remedy="Use 3.11 or newer."
    )


def _codecs() -> Iterator[Diagnosis]:
    for name, mode in (("libsvtav1", "w"), ("libx264", "w"), ("aac", "w"), ("libdav1d", "r"), ("hevc", "r")):
        try:
            av.codec.Codec(name, mode)  # type: ignore[arg-type]
            well = True
        except ValueError:
            well = False
        yield Diagnosis(
            subject=f"编解码器 codec {name}",
            well=well,
            found="present" if well else "missing",
            remedy="Install the wheel of 'av' from the package index; a self-built one may lack it.",
        )


def _directory(settings: Settings) -> Diagnosis:
    subject = "数据目录 data_dir"
    place = settings.data_dir.absolute()
    try:
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"jianzheng")
    except OSError as error:
        remedy = "Give this user the right to write there, or choose another data_dir."
        return Diagnosis(subject=subject, well=False, found=f"{place}: {error.strerror}", remedy=remedy)
    free = shutil.disk_usage(place).free
    enough = free > settings.ring.reserve_bytes
    return Diagnosis(
        subject=subject,
        well=enough,
        found=f"{place}, {free / 1e9:.1f} GB free",
        remedy=f"Free space: recording stops below {settings.ring.reserve_bytes / 1e9:.1f} GB.",
    )


def _catalogue(settings: Settings) -> str:
    with open_catalogue(settings) as catalogue:
        return f"{len(catalogue.places.sources())} sources, {len(catalogue.projects.projects())} projects"


def _store(settings: Settings) -> str:
    open_store(settings.store_url, settings.store_dir)
    return settings.store_url or str(settings.store_dir.absolute())


def _server(settings: Settings) -> str:
    check_loopback(settings.server.host)
    return f"http://{settings.server.host}:{settings.server.port}/"


def _page() -> Diagnosis:
    built = (STATIC / "index.html").is_file()
    found = "built" if built else "not built"
    return Diagnosis(subject="网页 page", well=built, found=found, remedy="Run 'make web'.")


def _sources(settings: Settings) -> Iterator[Diagnosis]:
    try:
        cameras = load_cameras(settings.cameras)
    except JianzhengError as error:
        yield Diagnosis(subject=str(settings.cameras), well=False, found=error.message, remedy=error.remedy)
        return
    asked = [spec for spec in recorded_by_us(cameras.specs()) if not spec.scheme.startswith("push+")]
    yield from asyncio.run(_all_sources(asked, settings.capture))


async def _all_sources(specs: Sequence[SourceSpec], settings: CaptureSettings) -> list[Diagnosis]:
    """Ask every source for its stream, all at once: a recorder would do just that."""
    return list(await asyncio.gather(*(_source(spec, settings) for spec in specs)))


async def _source(spec: SourceSpec, settings: CaptureSettings) -> Diagnosis:
    subject = f"来源 source {spec.id}"
    try:
        stream = await open_source(spec, settings, SystemClock())
    except SourceError as error:
        return Diagnosis(subject=subject, well=False, found=error.message, remedy=error.remedy)
    await stream.close()
    return Diagnosis(subject=subject, well=True, found=f"{public_uri(spec.uri)} delivers")


def print_diagnosis(diagnoses: Iterator[Diagnosis]) -> int:
    """Print what was found, with the remedy of what is not well; returns the exit status."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "检查 looked at", "结果 found", "处理 what to do"):
        table.add_column(heading, overflow="fold")
    ill = 0
    for one in diagnoses:
        ill += not one.well
        mark = "[green]✓[/]" if one.well else "[red]✗[/]"
        remedy = "" if one.well else one.remedy
        table.add_row(mark, *map(escape, (one.subject, one.found, remedy)))
    _out.print(table)
    return 1 if ill else 0
