"""What the catalogue knows of live sources: where they are recorded now, and why one is lost."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from catalog.catalogue import Catalogue
from catalog.readiness import Shortfall, shortfall
from kernel.clock import Clock
from kernel.model.footage import Fault, Run, RunOrigin
from player_api.live_tail import Place


@dataclass(frozen=True, slots=True)
class NewestPlaces:
    """Which file of the ring each source's footage goes to, by runs and rows: no directory is searched."""

    catalogue: Catalogue

    def __call__(self, source_ids: Collection[str]) -> Mapping[str, Place]:
        """Sources that nobody records now are left out."""
        runs: dict[str, Run] = {}
        for run in sorted(self.catalogue.footage.unfinished_runs(), key=lambda run: run.started_us):
            if run.source_id in source_ids and run.origin is RunOrigin.LIVE:
                runs[run.source_id] = run
        newest = self.catalogue.source_status.newest_segments(runs)
        found = {}
        for source_id, run in runs.items():
            found[source_id] = Place(run_id=run.id, sequence=0, wall_us=run.started_us)
            kept = newest.get(source_id)
            if kept is not None and kept.segment.run_id == run.id:
                sequence, end_us = kept.segment.sequence + 1, kept.segment.wall.end_us
                found[source_id] = Place(run_id=run.id, sequence=sequence, wall_us=end_us)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """Why no picture comes, as far as the recorder said."""

    shortfall: Shortfall | None  # None: the recorder has not noticed anything (yet)
    fault: Fault | None
    detail: str
    since_us: int | None


def cause_of(catalogue: Catalogue, source_id: str, clock: Clock) -> Cause:
    """By the health that the recorder writes once a second."""
    health = catalogue.footage.health().get(source_id)
    short = shortfall(health, clock.now_us())
    if health is None or short is None:
        return Cause(shortfall=short, fault=None, detail="", since_us=None)
    return Cause(shortfall=short, fault=health.fault, detail=health.detail, since_us=health.since_us)
