"""``jianzheng check``: presence, size and hash of everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from catalog.catalogue import Catalogue
from catalog.objects import ObjectStore, sha256_of, verify
from kernel.errors import FixityError, ObjectMissing

_console = Console(stderr=True)
_out = Console(soft_wrap=True, highlight=False)


class Fault(StrEnum):
    """What can be wrong with a file."""

    MISSING = "missing"
    CHANGED = "changed"
    UNKNOWN = "unknown"
    """It is there, but the catalogue does not know it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A file that is not as it should be."""

    fault: Fault
    name: str
    detail: str


def check_everything(catalogue: Catalogue, store: ObjectStore, ring: Path) -> tuple[list[Finding], int]:
    """Compare all that the catalogue names with what is there; findings, and how many were compared."""
    segments = catalogue.footage.all_segments()
    objects = catalogue.archives.all_objects()
    findings: list[Finding] = []
    with Progress(console=_console, transient=True) as progress:
        task = progress.add_task("核对 checking", total=len(segments) + len(objects))
        for segment in segments:
            findings += _segment_fault(ring / segment.path, segment.size_bytes, segment.sha256)
            progress.advance(task)
        for item in objects:
            findings += _object_fault(store, item.key, item.size_bytes, item.sha256)
            progress.advance(task)
    findings += _unknown(catalogue, store, ring, {item.key for item in objects})
    return findings, len(segments) + len(objects)


def _segment_fault(path: Path, size_bytes: int, sha256: str) -> Iterator[Finding]:
    name = f"ring: {path}"
    if not path.is_file():
        yield Finding(fault=Fault.MISSING, name=name, detail="the catalogue names it, the disk lacks it")
        return
    found = path.stat().st_size
    if found != size_bytes:
        yield Finding(fault=Fault.CHANGED, name=name, detail=f"{found} bytes instead of {size_bytes}")
        return
    with path.open("rb") as file:
        digest = sha256_of(file)
    if digest != sha256:
        yield Finding(fault=Fault.CHANGED, name=name, detail=f"SHA-256 {digest} instead of {sha256}")


def _object_fault(store: ObjectStore, key: str, size_bytes: int, sha256: str) -> Iterator[Finding]:
    try:
        verify(store, key, size_bytes, sha256)
    except ObjectMissing:
        yield Finding(
            fault=Fault.MISSING, name=f"store: {key}", detail="the catalogue names it, the store lacks it"
        )
    except FixityError as error:
        yield Finding(fault=Fault.CHANGED, name=f"store: {key}", detail=error.message)


def _unknown(catalogue: Catalogue, store: ObjectStore, ring: Path, keys: set[str]) -> Iterator[Finding]:
    """Files without a row. An unsealed segment is no fault while a recorder runs: it has no final name."""
    paths = catalogue.footage.segment_paths()
    for path in sorted(ring.rglob("*.mp4")):
        relative = path.relative_to(ring).as_posix()
        if relative not in paths:
            yield Finding(
                fault=Fault.UNKNOWN,
                name=f"ring: {path}",
                detail="no row names it; 'jianzheng capture' settles it when it starts",
            )
    for key in store.list_keys():
        if key not in keys:
            yield Finding(
                fault=Fault.UNKNOWN, name=f"store: {key}", detail="no archive names it; an attempt broke off"
            )


def print_findings(findings: list[Finding], counted: int) -> int:
    """Print what was found; returns the exit status."""
    for finding in findings:
        _out.print(f"[red]{finding.fault}[/]  {escape(finding.name)}  {escape(finding.detail)}")
    if findings:
        _out.print(f"[bold red]{len(findings)} 处异常 problems[/], {counted} 个文件已核对 files compared")
        return 1
    _out.print(f"[green]全部一致 all agree[/]: {counted} 个文件已核对 files compared")
    return 0
