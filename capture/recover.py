"""Settles what a crash left behind in the ring (invariants 2 and 3; ``docs/design/segments.md``).

Runs once, before recording begins. A file without a row is read from its own boxes: whole fragments are kept
and sealed, a torn tail goes to quarantine with the reason. Nothing is thrown away. A file costs only itself:
one that the disk does not give, or the catalogue does not take, stays where it is until the next start.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from capture.footage_rows import FootageRows
from kernel.chain import chain_value
from kernel.clock import SECOND_US
from kernel.durable import fsync_directory, make_directory
from kernel.errors import BoxError, JianzhengError
from kernel.ids import new_id
from kernel.isobmff.reader import InitSegment, read_fragments, read_init
from kernel.isobmff.tracks import FragmentRef, SampleRef, Track
from kernel.log import logger
from kernel.model.footage import ClockBasis, EndReason, Gap, GapCause, Run, Segment
from kernel.segments.label import SegmentLabel, read_label
from kernel.segments.segment_file import PART_SUFFIX
from kernel.timerange import TimeRange

QUARANTINE = "quarantine"
"""Directory below the ring for what cannot be read; no source may be called so."""
_SUFFIXES = (".mp4", ".mp4" + PART_SUFFIX)
_LATEST_US = 1 << 62  # no wall time of ours is later
_CRASHED = "The recorder ended without sealing."

_log = logger("capture")


@dataclass(frozen=True, kw_only=True, slots=True)
class Recovered:
    """What was settled."""

    segments: int = 0
    quarantined: int = 0  # files or torn tails
    left: int = 0  # files that could not be settled and stay where they are
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


@dataclass(frozen=True, slots=True)
class _Leftover:
    """A file without a row, and what can be read from it."""

    path: Path
    found: Readable | None


Mine = Callable[[str], bool]
"""Whether a source's files and runs are this process's to settle; another one may be recording the rest."""


def recover(ring: Path, rows: FootageRows, mine: Mine = lambda _: True) -> Recovered:
    """Seal what is readable, put aside what is not, end the runs that have no end, declare their gaps."""
    unfinished = {run.id: run for run in rows.unfinished_runs() if mine(run.source_id)}
    counts: Counter[str] = Counter()
    for leftover in _readable_first(_without_row(ring, rows.segment_paths(), mine), counts):
        with _costing_only_itself(leftover.path, counts):
            counts += _settle(ring, rows, leftover, unfinished)
    for run in unfinished.values():
        _end_run(rows, run)
    return Recovered(**counts, runs=len(unfinished))


@contextmanager
def _costing_only_itself(path: Path, counts: Counter[str]) -> Iterator[None]:
    """A file that cannot be settled now is left, told and counted."""
    try:
        yield
    except (OSError, UnicodeError, JianzhengError) as error:
        counts["left"] += 1
        _log.error(
            "a file of the ring could not be settled and stays where it is",
            action="recover.left",
            file=ascii(path.name),
            why=str(error),
        )


def _settle(ring: Path, rows: FootageRows, leftover: _Leftover, unfinished: dict[str, Run]) -> Counter[str]:
    path, found = leftover.path, leftover.found
    if found is None:
        _quarantine_file(ring, path, "no whole fragment can be read from it")
        return Counter(quarantined=1)
    tails = _cut_tail(ring, path, found.size)
    _seal(ring, rows, path, found, unfinished)
    return Counter(segments=1, quarantined=tails)


def _without_row(ring: Path, known: set[str], mine: Mine) -> Iterator[Path]:
    for directory, below, names in os.walk(ring, onerror=_not_listed):
        if Path(directory) == ring:
            below[:] = [source_id for source_id in below if mine(source_id)]
        for name in names:
            path = Path(directory, name)
            place = path.relative_to(ring)
            ours = name.endswith(_SUFFIXES) and place.parts[0] != QUARANTINE
            if ours and place.as_posix() not in known:
                yield path


def _not_listed(error: OSError) -> None:
    _log.error(
        "a directory of the ring cannot be listed; what lies in it is not settled",
        action="recover.not_listed",
        why=str(error),
    )


def _readable_first(paths: Iterator[Path], counts: Counter[str]) -> list[_Leftover]:
    """In the order in which they were recorded, so that the chain is, too."""
    read: list[_Leftover] = []
    for path in sorted(paths):
        with _costing_only_itself(path, counts):
            if stat.S_ISREG(path.stat().st_mode):
                read.append(_Leftover(path, read_segment(path)))
    return sorted(read, key=_recorded)


def _recorded(one: _Leftover) -> tuple[int, int]:
    return (one.found.wall.start_us, one.found.label.sequence) if one.found else (0, 0)


def read_segment(path: Path) -> Readable | None:
    """What a segment file says of itself; None where it holds no whole fragment.

    Raises:
        OSError: the disk does not give it; what it holds is unknown.
    """
    try:
        with path.open("rb") as file:
            init, label = read_init(file), read_label(file)
            fragments = _whole_fragments(read_fragments(file, init.size), init.video)
    except BoxError:
        return None
    return _readable(init, label, fragments) if fragments else None


def _whole_fragments(file_fragments: Iterator[FragmentRef], video: Track) -> list[FragmentRef]:
    """Up to the first that is cut off or makes no sense."""
    found: list[FragmentRef] = []
    end = 0
    try:
        for one in file_fragments:
            samples = one.runs.get(video.id)
            if not samples or samples[0].dts < end or not _has_wall_time(one, video):
                break
            end = samples[-1].dts + samples[-1].duration
            found.append(one)
    except BoxError:
        pass
    return found


def _has_wall_time(fragment: FragmentRef, video: Track) -> bool:
    told, samples = fragment.producer_time, fragment.runs[video.id]
    return told is not None and told.wall_us + _length_us(samples, video) < _LATEST_US


def _length_us(samples: Sequence[SampleRef], video: Track) -> int:
    ticks = samples[-1].dts + samples[-1].duration - samples[0].dts
    return ticks * SECOND_US // video.timescale


def _readable(init: InitSegment, label: SegmentLabel, fragments: list[FragmentRef]) -> Readable:
    video = init.video
    first, last = fragments[0], fragments[-1]
    told, told_last = first.producer_time, last.producer_time
    assert told is not None and told_last is not None  # _whole_fragments saw to it
    samples = last.runs[video.id]
    media_end = samples[-1].dts + samples[-1].duration
    end_us = max(told_last.wall_us + _length_us(samples, video), told.wall_us)
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
    run = unfinished.get(label.run_id) or _lost_run(rows, found)
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
    unfinished[run.id] = run  # only now: a file that is refused says nothing of its run
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
