"""Settles what a crash left behind in the ring (invariants 2 and 3; ``docs/design/segments.md``).

Runs once, before recording begins. A file without a row is read from its own boxes: whole fragments are kept
and sealed, a torn tail goes to quarantine with the reason. Nothing is thrown away. A file costs only itself:
one that the disk does not give, or the catalogue does not take, stays where it is until the next start. What
agents sent is not ours: the receiver settles it, at the same ring and perhaps at this moment.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from capture.footage_rows import FootageRows
from kernel.chain import CHAIN_LOCK
from kernel.durable import fsync_directory, make_directory
from kernel.errors import JianzhengError
from kernel.ids import new_id
from kernel.lock import one_at_a_time
from kernel.log import logger
from kernel.model.footage import EndReason, Gap, GapCause, Run, RunOrigin
from kernel.segments.readable import Readable, read_segment
from kernel.segments.segment_file import PART_SUFFIX
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
    left: int = 0  # files that could not be settled and stay where they are
    runs: int = 0  # that had no end


@dataclass(frozen=True, slots=True)
class _Leftover:
    """A file without a row, and what can be read from it."""

    path: Path
    found: Readable | None


Mine = Callable[[str], bool]
"""Whether a source's files and runs are this process's to settle; another one may be recording the rest."""


def recover(ring: Path, rows: FootageRows, mine: Mine = lambda _: True) -> Recovered:
    """Seal what is readable, put aside what is not, end the runs that have no end, declare their gaps."""
    ours = (run for run in rows.unfinished_runs() if run.origin is not RunOrigin.AGENT)
    unfinished = {run.id: run for run in ours if mine(run.source_id)}
    counts: Counter[str] = Counter()
    recovered: dict[str, TimeRange] = {}  # of live footage, by source
    for leftover in _readable_first(_without_row(ring, rows, mine), counts):
        with _costing_only_itself(leftover.path, counts):
            counts += _settle(ring, rows, leftover, unfinished)
            if leftover.found and leftover.found.label.origin is RunOrigin.LIVE:
                source_id, wall = leftover.found.label.source_id, leftover.found.wall
                recovered[source_id] = _hull(recovered.get(source_id, wall), wall)
    for run in unfinished.values():
        _end_run(rows, run)
    _open_behind(rows, recovered)
    return Recovered(**counts, runs=len(unfinished))


def _hull(one: TimeRange, other: TimeRange) -> TimeRange:
    return TimeRange(start_us=min(one.start_us, other.start_us), end_us=max(one.end_us, other.end_us))


def _open_behind(rows: FootageRows, recovered: dict[str, TimeRange]) -> None:
    """Gaps that last do not cover what was recovered: one that was opened before would hide it.

    So it is where the ring's disk was not there yet when the recorder started.
    """
    for gap in rows.open_gaps():
        wall = recovered.get(gap.source_id)
        if wall is not None and wall.end_us > gap.start_us:
            rows.close_gap(gap.source_id, max(wall.start_us, gap.start_us))  # taken back, if empty
            rows.open_gap(replace(gap, id=new_id("gap"), start_us=wall.end_us))


def settle_late(ring: Path, path: str, rows: FootageRows, lost: Gap) -> None:
    """Settle one file that could not be sealed when its run ended: the disk was gone, and is back.

    What the disk does not give now is told and left for the next start.

    Args:
        path: below the ring, as the file is called when it is sealed.
        lost: all that was handed to the disk; what of it did not reach it is declared.

    Raises:
        CatalogError: the catalogue does not take the row or the gap.
    """
    final = ring / path
    part = final.with_name(final.name + PART_SUFFIX)
    leftover = part if part.exists() else final
    kept_until_us = lost.start_us
    try:
        found = read_segment(leftover)
        _settle(ring, rows, _Leftover(leftover, found), {})
        kept_until_us = found.wall.end_us if found else lost.start_us
    except FileNotFoundError:
        pass
    except (OSError, UnicodeError) as error:
        _tell_left(leftover, error)
        return
    if lost.end_us is not None and kept_until_us < lost.end_us:
        rows.add_gap(replace(lost, start_us=kept_until_us))


@contextmanager
def _costing_only_itself(path: Path, counts: Counter[str]) -> Iterator[None]:
    """A file that cannot be settled now is left, told and counted."""
    try:
        yield
    except (OSError, UnicodeError, JianzhengError) as error:
        counts["left"] += 1
        _tell_left(path, error)


def _tell_left(path: Path, error: Exception) -> None:
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


def _without_row(ring: Path, rows: FootageRows, mine: Mine) -> list[Path]:
    paths: dict[str, Path] = {}
    for directory, below, names in os.walk(ring, onerror=_not_listed):
        if Path(directory) == ring:
            # What begins with a dot is no source: an intake that is not finished yet lies there.
            below[:] = [name for name in below if mine(name) and not name.startswith(".")]
        for name in names:
            path = Path(directory, name)
            place = path.relative_to(ring)
            ours = name.endswith(_SUFFIXES) and place.parts[0] != QUARANTINE
            if ours:
                paths[place.as_posix()] = path
    known = rows.known_paths(paths)
    return [path for place, path in paths.items() if place not in known]


def _not_listed(error: OSError) -> None:
    _log.error(
        "a directory of the ring cannot be listed; what lies in it is not settled",
        action="recover.not_listed",
        why=str(error),
    )


def _readable_first(paths: Iterable[Path], counts: Counter[str]) -> list[_Leftover]:
    """In the order in which they were recorded, so that the chain is, too."""
    read: list[_Leftover] = []
    for path in sorted(paths):
        with _costing_only_itself(path, counts):
            if stat.S_ISREG(path.stat().st_mode):
                read.append(_Leftover(path, read_segment(path)))
    return sorted(filter(_of_recorder, read), key=_recorded)


def _of_recorder(one: _Leftover) -> bool:
    return one.found is None or one.found.label.origin is not RunOrigin.AGENT


def _recorded(one: _Leftover) -> tuple[int, int]:
    return (one.found.wall.start_us, one.found.label.sequence) if one.found else (0, 0)


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
    with one_at_a_time(ring, CHAIN_LOCK):
        rows.add_segment(
            found.segment(
                path=final.relative_to(ring).as_posix(),
                sha256=sha256,
                previous=rows.last_chain(label.source_id),
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
        origin=found.label.origin,
    )
    rows.start_run(run)
    return run


def _end_run(rows: FootageRows, run: Run) -> None:
    if run.origin in (RunOrigin.BACKFILL, RunOrigin.INTAKE):  # no live footage ends with it
        rows.end_run(run.id, rows.run_recorded_until(run.id) or run.started_us, EndReason.CRASH)
        return
    ended_us = max(rows.run_recorded_until(run.id) or run.started_us, run.started_us)
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
