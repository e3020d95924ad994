"""The catalogue's rows in memory: what ``FootageRows`` promises, for tests and trials without a database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from kernel.chain import GENESIS_CHAIN
from kernel.model.footage import EndReason, Fault, Gap, GapCause, Run, RunOrigin, Segment, SourceHealth
from kernel.timerange import TimeRange


class MemoryRows:
    """See ``FootageRows``; the lists may be looked at."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.segments: list[Segment] = []
        self.gaps: list[Gap] = []
        self.health: dict[str, SourceHealth] = {}
        self.health_writes = 0

    def start_run(self, run: Run) -> None:
        if run.id in self.runs:
            return
        self.runs[run.id] = run

    def end_run(self, run_id: str, ended_us: int, reason: EndReason) -> None:
        self.runs[run_id] = replace(self.runs[run_id], ended_us=ended_us, end_reason=reason)

    def unfinished_runs(self) -> list[Run]:
        return [run for run in self.runs.values() if run.ended_us is None]

    def add_segment(self, segment: Segment) -> None:
        if segment.run_id not in self.runs:
            raise ValueError(f"run {segment.run_id} does not exist")
        self.segments.append(segment)

    def last_chain(self, source_id: str) -> str:
        chains = [one.chain for one in self.segments if one.source_id == source_id]
        return chains[-1] if chains else GENESIS_CHAIN

    def known_paths(self, paths: Iterable[str]) -> set[str]:
        return {one.path for one in self.segments} & set(paths)

    def recorded_until(self, source_id: str) -> int | None:
        return max((one.wall.end_us for one in self.segments if one.source_id == source_id), default=None)

    def run_recorded_until(self, run_id: str) -> int | None:
        return max((one.wall.end_us for one in self.segments if one.run_id == run_id), default=None)

    def live_until(self, source_id: str) -> int | None:
        live = {run.id for run in self.runs.values() if run.origin is RunOrigin.LIVE}
        own = [one for one in self.segments if one.source_id == source_id and one.run_id in live]
        return max((one.wall.end_us for one in own), default=None)

    def open_gap(self, gap: Gap) -> None:
        if self._open(gap.source_id) is None:
            self.gaps.append(gap)

    def rename_gap(self, source_id: str, cause: GapCause, detail: str, fault: Fault | None = None) -> None:
        gap = self._open(source_id)
        if gap is not None:
            self.gaps[self.gaps.index(gap)] = replace(gap, cause=cause, detail=detail, fault=fault)

    def close_gap(self, source_id: str, end_us: int) -> None:
        gap = self._open(source_id)
        if gap is not None:
            self.gaps.remove(gap)
            if end_us > gap.start_us:
                self.gaps.append(replace(gap, end_us=end_us))

    def _open(self, source_id: str) -> Gap | None:
        return next((gap for gap in self.open_gaps() if gap.source_id == source_id), None)

    def add_gap(self, gap: Gap) -> None:
        self.gaps.append(gap)

    def gaps_of(self, source_id: str, wall: TimeRange) -> list[Gap]:
        return [
            gap
            for gap in self.gaps
            if gap.source_id == source_id
            and gap.start_us < wall.end_us
            and (gap.end_us is None or gap.end_us > wall.start_us)
        ]

    def open_gaps(self) -> list[Gap]:
        return [gap for gap in self.gaps if gap.end_us is None]

    def set_health(self, rows: Sequence[SourceHealth]) -> None:
        self.health_writes += 1
        self.health.update({row.source_id: row for row in rows})
