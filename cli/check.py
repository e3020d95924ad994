"""``jianzheng check``: presence, size and hash of everything, the chain of all segments, and what was signed.

Anything may run meanwhile. What is there is listed first and the rows are read after, so that whatever was
finished in between is known; what remains is asked for once more at the end.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from capture.recover import QUARANTINE
from capture.ring_disk import RingDisk
from catalog.catalogue import Catalogue
from catalog.life_records import DISPOSALS, HOLDS
from catalog.objects import ObjectStore, sha256_of, verify
from catalog.rebuild_records import RECORDS
from cli.preservation_words import drill_told, trouble_told
from cli.signed_heads import check_signed_heads
from kernel.chain import GENESIS_CHAIN, chain_value
from kernel.errors import DiskLost, FixityError, ObjectMissing, StorageError
from kernel.model.archive import ArchiveObject
from kernel.model.audit import AuditHead
from kernel.model.footage import Segment, SegmentState
from kernel.model.preservation import Fixity

_SEGMENT_SUFFIX = ".mp4"  # of sealed ones; what is being written has another behind it
_REASON_SUFFIX = ".reason.txt"

_console = Console(stderr=True)
_out = Console(soft_wrap=True, highlight=False)


class Fault(StrEnum):
    """What can be wrong."""

    MISSING = "missing"
    CHANGED = "changed"
    UNREADABLE = "unreadable"
    """It is there, but the disk does not give it."""
    UNKNOWN = "unknown"
    """It is there, but the catalogue does not know it."""
    QUARANTINED = "quarantined"
    """Recovery put it aside, with the reason."""
    CHAIN = "chain"
    """A row of a source's chain was changed, removed or put in another place."""
    SIGNATURE = "signature"
    """What a recorder signed is not what the catalogue says."""
    AUDIT = "audit"
    """A record of who did what was changed, removed or put in."""
    DISK = "disk"
    """The ring's disk is not there."""
    DRILL = "drill"
    """A restore drill failed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that is not as it should be."""

    fault: Fault
    name: str
    detail: str


@dataclass(kw_only=True, slots=True)
class _Listed:
    """What lay there when the check began."""

    sealed: list[Path] = field(default_factory=list)  # segments of the ring
    quarantined: list[Path] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)  # what could not be listed


def check_everything(
    catalogue: Catalogue, store: ObjectStore, ring: Path, keys: Path, heads: Sequence[AuditHead] = ()
) -> tuple[list[Finding], int, list[str]]:
    """Compare all that the catalogue names with what is there.

    Args:
        heads: of the audit chain, that were kept elsewhere.

    Returns findings, how many files were compared, and what else a reader should know.
    """
    listed = _list(store, ring)
    lost = list(_disk_fault(catalogue, ring))
    segments = [] if lost else catalogue.footage.all_segments()
    objects = _all_objects(catalogue)
    findings = lost + listed.findings
    with Progress(console=_console, transient=True) as progress:
        task = progress.add_task("核对 checking", total=len(segments) + len(objects))
        for segment in segments:
            findings += _kept_segment_fault(catalogue, ring, segment)
            progress.advance(task)
        for item in objects:
            findings += _object_fault(store, item.key, item.size_bytes, item.sha256)
            progress.advance(task)
    for source_id in sorted(catalogue.places.sources()):
        findings += chain_faults(source_id, catalogue.footage.chain_of(source_id))
    signed = check_signed_heads(catalogue, keys)
    findings += (Finding(fault=Fault.SIGNATURE, name=name, detail=why) for name, why in signed.faults)
    findings += (
        Finding(fault=Fault.AUDIT, name=f"audit record {one.number}", detail=one.what)
        for one in (*catalogue.audit.faults(heads), *catalogue.watch_log.faults())
    )
    if not lost:
        findings += _unknown_files(catalogue, ring, listed.sealed, {one.path for one in segments})
    findings += _unknown_objects(catalogue, listed.keys, {one.key for one in objects})
    findings += (_quarantine_fault(path) for path in listed.quarantined)
    findings += _preservation_faults(catalogue)
    return findings, len(segments) + len(objects), signed.notes


def _all_objects(catalogue: Catalogue) -> list[ArchiveObject]:
    """Objects of archives, documents and addenda."""
    return [*catalogue.archives.all_objects(), *catalogue.documents.all_objects()]


def _disk_fault(catalogue: Catalogue, ring: Path) -> Iterator[Finding]:
    """A ring whose disk is not there is one finding, not one for each of its files."""
    if catalogue.ring_disks.current() is None:
        return  # made before rings had a marker; 'jianzheng capture' makes one
    try:
        RingDisk(ring, catalogue.ring_disks.current).check()
    except DiskLost as error:
        detail = f"{error.message} Its segments were not compared."
        yield Finding(fault=Fault.DISK, name=f"ring: {ring}", detail=detail)


def _kept_segment_fault(catalogue: Catalogue, ring: Path, segment: Segment) -> Iterator[Finding]:
    """A file that was removed by rule while the check ran is not missing: its row is asked for again."""
    for finding in _segment_fault(ring / segment.path, segment.size_bytes, segment.sha256):
        if finding.fault is not Fault.MISSING or catalogue.footage.is_kept(segment.id):
            yield finding


def _list(store: ObjectStore, ring: Path) -> _Listed:
    listed = _Listed()
    for path in _files(ring, listed.findings):
        top = path.relative_to(ring).parts[0]
        if top == QUARANTINE:
            if not path.name.endswith(_REASON_SUFFIX):
                listed.quarantined.append(path)
        elif path.name.endswith(_SEGMENT_SUFFIX) and not top.startswith("."):  # an intake under way
            listed.sealed.append(path)
    try:
        listed.keys += store.list_keys()
    except StorageError as error:
        listed.findings.append(Finding(fault=Fault.UNREADABLE, name="store", detail=error.message))
    return listed


def _files(ring: Path, findings: list[Finding]) -> list[Path]:
    """All files below the ring; a directory that cannot be listed is a finding, one that is gone is none."""

    def not_listed(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            findings.append(_unreadable(f"ring: {error.filename}", error))

    return sorted(
        Path(directory, name) for directory, _, names in os.walk(ring, onerror=not_listed) for name in names
    )


def _unreadable(name: str, error: OSError) -> Finding:
    words = error.strerror or type(error).__name__
    return Finding(fault=Fault.UNREADABLE, name=name, detail=f"it cannot be read: {words}")


def _segment_fault(path: Path, size_bytes: int, sha256: str) -> Iterator[Finding]:
    name = f"ring: {path}"
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno()).st_size
            digest = sha256_of(file) if found == size_bytes else ""
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        yield Finding(fault=Fault.MISSING, name=name, detail="the catalogue names it, the disk lacks it")
        return
    except OSError as error:
        yield _unreadable(name, error)
        return
    if found != size_bytes:
        yield Finding(fault=Fault.CHANGED, name=name, detail=f"{found} bytes instead of {size_bytes}")
    elif digest != sha256:
        yield Finding(fault=Fault.CHANGED, name=name, detail=f"SHA-256 {digest} instead of {sha256}")


def _object_fault(store: ObjectStore, key: str, size_bytes: int, sha256: str) -> Iterator[Finding]:
    name = f"store: {key}"
    try:
        verify(store, key, size_bytes, sha256)
    except ObjectMissing:
        yield Finding(fault=Fault.MISSING, name=name, detail="the catalogue names it, the store lacks it")
    except FixityError as error:
        yield Finding(fault=Fault.CHANGED, name=name, detail=error.message)
    except StorageError as error:
        yield Finding(fault=Fault.UNREADABLE, name=name, detail=error.message)


def chain_faults(source_id: str, links: Iterable[tuple[int, Segment]]) -> Iterator[Finding]:
    """Where a source's chain breaks: a row was changed, or one before it is missing or in another place.

    Removed segments are links as all others are. Behind a break it goes on with what the row says, so that
    each break is named once. Rows that are missing at the very end leave no trace in the chain itself, but in
    what was signed.
    """
    previous, number = GENESIS_CHAIN, 0
    for found, segment in links:
        number += 1
        name = f"chain of {source_id}: segment {segment.id}, number {found}"
        if found != number:
            detail = f"number {number} was expected: a row is missing or in another place"
            yield Finding(fault=Fault.CHAIN, name=name, detail=detail)
        elif segment.chain != _expected_chain(previous, segment.sha256):
            detail = "its chain value does not follow from its SHA-256 and the segment before it"
            yield Finding(fault=Fault.CHAIN, name=name, detail=detail)
        previous, number = segment.chain, found


def _expected_chain(previous: str, sha256: str) -> str | None:
    """None where the catalogue holds something that is no hash."""
    try:
        return chain_value(previous, bytes.fromhex(sha256))
    except ValueError:
        return None


def _unknown_files(
    catalogue: Catalogue, ring: Path, sealed: list[Path], known: set[str]
) -> Iterator[Finding]:
    """Files without a row, and files whose row says that they were removed.

    A file has its final name before its row: what remains is asked for again.
    """
    by_place = {path.relative_to(ring).as_posix(): path for path in sealed}
    states = catalogue.footage.states_of(by_place.keys() - known)
    for place, path in by_place.items():
        name, state = f"ring: {path}", states.get(place)
        if place in known or not os.path.lexists(path):
            continue
        if state is SegmentState.REMOVED:
            yield Finding(fault=Fault.UNKNOWN, name=name, detail="its row says that it was removed")
        elif state is None:
            yield Finding(
                fault=Fault.UNKNOWN,
                name=name,
                detail="no row names it; 'jianzheng capture' settles it when it starts or says why not",
            )


def _unknown_objects(catalogue: Catalogue, keys: list[str], known: set[str]) -> Iterator[Finding]:
    """Objects without a row. They are stored before their archive's row: what remains is asked for again."""
    without_row = [key for key in keys if key not in known]
    rows = {item.key for item in _all_objects(catalogue)} if without_row else set()
    for key in without_row:
        if key not in rows and not key.startswith((HOLDS, DISPOSALS, RECORDS)):
            yield Finding(
                fault=Fault.UNKNOWN,
                name=f"store: {key}",
                detail="no archive names it; an attempt is under way or broke off",
            )


_FAULTS = {
    Fixity.BAD: Fault.CHANGED,
    Fixity.MISSING: Fault.MISSING,
    Fixity.UNREADABLE: Fault.UNREADABLE,
}


def _preservation_faults(catalogue: Catalogue) -> Iterator[Finding]:
    """What sweeps and drills found in whichever store, and where good copies are: that is not read again."""
    for one in catalogue.preservation.troubles():
        yield Finding(fault=_FAULTS[one.result], name=f"copy: {one.key}", detail=trouble_told(one))
    for drill in catalogue.preservation.failed_drills():
        yield Finding(fault=Fault.DRILL, name=f"drill: {drill.id}", detail=drill_told(drill))


def _quarantine_fault(path: Path) -> Finding:
    """A file that recovery put aside, in the words of the note beside it."""
    note = path.with_name(path.name + _REASON_SUFFIX)
    try:
        detail = note.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        detail = "no reason stands beside it"
    except (OSError, UnicodeError) as error:
        detail = f"the reason beside it cannot be read: {error}"
    return Finding(fault=Fault.QUARANTINED, name=f"ring: {path}", detail=detail)


def print_findings(findings: list[Finding], counted: int, notes: Sequence[str] = ()) -> int:
    """Print what was found; returns the exit status."""
    for finding in findings:
        _out.print(f"[red]{finding.fault}[/]  {escape(finding.name)}  {escape(finding.detail)}")
    for note in notes:
        _out.print(f"说明 note  {escape(note)}")
    if findings:
        _out.print(f"[bold red]{len(findings)} 处异常 problems[/], {counted} 个文件已核对 files compared")
        return 1
    _out.print(f"[green]全部一致 all agree[/]: {counted} 个文件已核对 files compared")
    return 0
