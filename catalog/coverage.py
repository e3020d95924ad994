"""What there is of a range of time that somebody wants kept. Pure but for ``coverage_of``, which asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from catalog.catalogue import Catalogue
from kernel.model.footage import Backfill, Gap, Tombstone
from kernel.timerange import TimeRange, merge, subtract


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """A range, taken apart: each moment of it is in at least one of these. Ranges are sorted and disjoint."""

    wall: TimeRange
    recorded: tuple[TimeRange, ...]  # sealed footage is there, what fills gaps included
    missed: tuple[tuple[TimeRange, Gap], ...]  # declared gaps, by their start
    removed: tuple[TimeRange, ...]  # its files are gone already
    unsealed: tuple[TimeRange, ...]  # of a run that has no end yet; sealed within about a minute
    unknown: tuple[TimeRange, ...]  # past, not recorded, and no gap says why
    to_come: TimeRange | None  # not yet

    @property
    def empty(self) -> bool:
        """Nothing is there that could be kept."""
        return not self.recorded and not self.unsealed

    @property
    def recorded_us(self) -> int:
        return sum(part.duration_us for part in self.recorded)


def coverage(
    wall: TimeRange,
    segments: Iterable[TimeRange],
    gaps: Sequence[Gap],
    gone: Iterable[Tombstone],
    unsealed_since_us: int | None,
    now_us: int,
) -> Coverage:
    """Args: unsealed_since_us: where the sealed footage of a run ends that is still going on."""
    missed = [(part, gap) for gap in gaps if (part := _part_of(gap, wall, now_us)) is not None]
    # A run goes on over a hole: the gap is what is true of it, unless somebody filled it afterwards.
    holes = [part for part, gap in missed if gap.backfill in (Backfill.NONE, Backfill.NOTHING)]
    recorded = [part for one in _within(wall, segments) for part in subtract(one, holes)]
    removed = _within(wall, (one.segment.wall for one in gone))
    past = wall.intersect(TimeRange(start_us=min(wall.start_us, now_us), end_us=now_us))
    rest = subtract(past, [*recorded, *removed, *(part for part, _ in missed)]) if past else []
    unsealed: list[TimeRange] = []
    if unsealed_since_us is not None:
        going_on = TimeRange(start_us=min(unsealed_since_us, now_us), end_us=now_us)
        unsealed = [part for one in rest if (part := one.intersect(going_on)) is not None]
    ahead = wall.intersect(TimeRange(start_us=now_us, end_us=max(wall.end_us, now_us)))
    return Coverage(
        wall=wall,
        recorded=tuple(recorded),
        missed=tuple(missed),
        removed=tuple(removed),
        unsealed=tuple(unsealed),
        unknown=tuple(part for one in rest for part in subtract(one, unsealed)),
        to_come=ahead,
    )


def _within(wall: TimeRange, parts: Iterable[TimeRange]) -> list[TimeRange]:
    return merge(part for one in parts if (part := one.intersect(wall)) is not None)


def _part_of(gap: Gap, wall: TimeRange, now_us: int) -> TimeRange | None:
    """An open gap has lasted until now."""
    end_us = now_us if gap.end_us is None else gap.end_us
    return wall.intersect(TimeRange(start_us=gap.start_us, end_us=max(gap.start_us, end_us)))


def coverage_of(
    catalogue: Catalogue, source_id: str, wall: TimeRange, gone: Iterable[Tombstone], now_us: int
) -> Coverage:
    """Of a source, as the catalogue knows it now."""
    segments = [one.wall for one in catalogue.footage.segments_of(source_id, wall)]
    gaps = catalogue.footage.gaps_of(source_id, wall)
    return coverage(wall, segments, gaps, gone, _unsealed_since(catalogue, source_id), now_us)


def _unsealed_since(catalogue: Catalogue, source_id: str) -> int | None:
    runs = [one for one in catalogue.footage.unfinished_runs() if one.source_id == source_id]
    if not runs:
        return None
    run = max(runs, key=lambda one: one.started_us)
    return max(run.started_us, catalogue.footage.run_recorded_until(run.id) or run.started_us)
