"""Settles what a crash left behind in the ring (invariants 2 and 3; ``docs/design/segments.md``).

Runs once, before recording begins. A file without a row is read from its own boxes: whole fragments are kept
and sealed, a torn tail goes to quarantine with the reason. Nothing is thrown away.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from capture.disk import fsync_directory, make_directory
from capture.footage_rows import FootageRows
from capture.label import SegmentLabel, read_label
from capture.segment_file import PART_SUFFIX
from capture.segment_writer import chain_value
from kernel.clock import SECOND_US
from kernel.errors import BoxError
from kernel.ids import new_id
from kernel.isobmff.reader import InitSegment, read_fragments, read_init
from kernel.isobmff.tracks import FragmentRef
from kernel.log import logger
from kernel.model.footage import ClockBasis, EndReason, Gap, GapCause, Run, Segment
from kernel.timerange import TimeRange

QUARANTINE = "quarantine"
"""Directory below the ring for what cannot be read; no source may be called so."""
_SUFFIXES = (".mp4", ".mp4" + PART_SUFFIX)
_CRASHED = "The recorder ended without sealing."

_log = logger("capture")


@dataclass(frozen=True, kw_only=True, slots=True)
class Recovered:
    """What was settled."""

    segments: int = 0
    quarantined: int = 0  # files or torn tails
    runs: int = 0  # that had no end


@dataclass(frozen=True, kw_only=True, slots=True)
class Readable:
    """What the boxes of a file say."""

    label: SegmentLabel
    wall: TimeRange
    media_start: int
    media_end: int
    timescale: int
    basis: ClockBasis
    size: int  # bytes up to the end of the last whole fragment


def recover(ring: Path, rows: FootageRows) -> Recovered:
    """Seal what is readable, put aside what is not, end the runs that have no end, declare their gaps."""
    segments = quarantined = 0
    known = rows.segment_paths()
    unfinished = {run.id: run for run in rows.unfinished_runs()}
    for path, found in _readable_first(ring, _without_row(ring, known)):
        if found is None:
            _quarantine_file(ring, path, "no whole fragment can be read from it")
            quarantined += 1
            continue
        quarantined += _cut_tail(ring, path, found.size)
        _seal(ring, rows, path, found, unfinished)
        segments += 1
    for run in unfinished.values():
        _end_run(rows, run)
    return Recovered(segments=segments, quarantined=quarantined, runs=len(unfinished))


def _without_row(ring: Path, known: set[str]) -> Iterator[Path]:
    for path in sorted(ring.rglob("*")):
        name = path.relative_to(ring)
        ours = path.name.endswith(_SUFFIXES) and name.parts[0] != QUARANTINE
        if ours and name.as_posix() not in known and path.is_file():
            yield path


def _readable_first(ring: Path, paths: Iterator[Path]) -> list[tuple[Path, Readable | None]]:
    """In the order in which they were recorded, so that the chain is, too."""
    read = [(path, read_segment(path)) for path in paths]
    return sorted(read, key=lambda one: (one[1].wall.start_us, one[1].label.sequence) if one[1] else (0, 0))


def read_segment(path: Path) -> Readable | None:
    """What a segment file says of itself; None where it holds no whole fragment."""
    try:
        with path.open("rb") as file:
            init, label = read_init(file), read_label(file)
            fragments = _whole_fragments(file_fragments=read_fragments(file, init.size), init=init)
    except (BoxError, UnicodeDecodeError, OSError):
        return None
    return _readable(init, label, fragments) if fragments else None


def _whole_fragments(file_fragments: Iterator[FragmentRef], init: InitSegment) -> list[FragmentRef]:
    """Up to the first that is cut off or makes no sense."""
    found: list[FragmentRef] = []
    try:
        for one in file_fragments:
            if one.producer_time is None or init.video.id not in one.runs:
                break
            found.append(one)
    except (BoxError, ValueError):
        pass
    return found


def _readable(init: InitSegment, label: SegmentLabel, fragments: list[FragmentRef]) -> Readable:
    video = init.video
    first, last = fragments[0], fragments[-1]
    told, told_last = first.producer_time, last.producer_time
    assert told is not None and told_last is not None  # _whole_fragments saw to it
    samples = last.runs[video.id]
    media_end = samples[-1].dts + samples[-1].duration
    rest_us = (media_end - samples[0].dts) * SECOND_US // video.timescale
    end_us = max(told_last.wall_us + rest_us, told.wall_us)
    return Readable(
        label=label,
        wall=TimeRange(start_us=told.wall_us, end_us=end_us),
        media_start=first.runs[video.id][0].dts,
        media_end=media_end,
        timescale=video.timescale,
        basis=ClockBasis.SENDER_REPORT if told.captured else ClockBasis.ARRIVAL,
        size=last.offset + last.size,
    )


def _quarantine_file(ring: Path, path: Path, reason: str) -> None:
    target = _quarantine_path(ring, path.name)
    _write_reason(target, path.relative_to(ring).as_posix(), reason)
    path.rename(target)
    fsync_directory(target.parent)
    fsync_directory(path.parent)
    _log.warning("a file was put into quarantine", action="recover.quarantine", file=path.name, why=reason)


def _cut_tail(ring: Path, path: Path, size: int) -> int:
    """Move the bytes behind the last whole fragment to quarantine; the number of tails, 0 or 1."""
    if path.stat().st_size <= size:
        return 0
    target = _quarantine_path(ring, path.name + ".tail")
    _write_reason(target, path.relative_to(ring).as_posix(), f"torn off behind byte {size}")
    with path.open("rb") as source, target.open("xb") as tail:
        source.seek(size)
        shutil.copyfileobj(source, tail)
        tail.flush()
        os.fsync(tail.fileno())
    fsync_directory(target.parent)
    os.truncate(path, size)
    return 1


def _quarantine_path(ring: Path, name: str) -> Path:
    """A free name; nothing in quarantine is overwritten."""
    make_directory(ring / QUARANTINE, ring)
    target = ring / QUARANTINE / name
    return target if not target.exists() else target.with_name(f"{name}.{new_id('again')}")


def _write_reason(target: Path, origin: str, reason: str) -> None:
    note = target.with_name(target.name + ".reason.txt")
    note.write_text(f"{origin}: {reason}\n", encoding="utf-8")


def _seal(ring: Path, rows: FootageRows, path: Path, found: Readable, unfinished: dict[str, Run]) -> None:
    """fsync, rename, fsync the directory, row: the order of invariant 1."""
    label = found.label
    with path.open("rb") as file:
        os.fsync(file.fileno())
        sha256 = hashlib.file_digest(file, "sha256").digest()
    final = path.with_name(path.name.removesuffix(PART_SUFFIX))
    if final != path:
        path.rename(final)
    fsync_directory(final.parent)
    if label.run_id not in unfinished:
        unfinished[label.run_id] = _lost_run(rows, found)
    rows.add_segment(
        Segment(
            id=label.segment_id,
            run_id=label.run_id,
            source_id=label.source_id,
            sequence=label.sequence,
            wall=found.wall,
            media_start=found.media_start,
            media_duration=found.media_end - found.media_start,
            timescale=found.timescale,
            clock_basis=found.basis,
            clock_offset_us=label.clock_offset_us,
            path=final.relative_to(ring).as_posix(),
            size_bytes=found.size,
            sha256=sha256.hex(),
            chain=chain_value(rows.last_chain(label.source_id), sha256),
            end_reason=EndReason.CRASH,
        )
    )
    _log.info("a segment was recovered", action="recover.sealed", source=label.source_id, file=final.name)


def _lost_run(rows: FootageRows, found: Readable) -> Run:
    """The run of a file that the catalogue does not know, or whose end it knows: told by the file alone."""
    run = Run(
        id=found.label.run_id,
        source_id=found.label.source_id,
        started_us=found.wall.start_us,
        ended_us=None,
        end_reason=None,
    )
    rows.start_run(run)
    return run


def _end_run(rows: FootageRows, run: Run) -> None:
    until_us = rows.recorded_until(run.source_id)
    ended_us = max(until_us or run.started_us, run.started_us)
    rows.end_run(run.id, ended_us, EndReason.CRASH)
    rows.open_gap(
        Gap(
            id=new_id("gap"),
            source_id=run.source_id,
            start_us=ended_us,
            end_us=None,
            cause=GapCause.CRASH,
            detail=_CRASHED,
        )
    )
