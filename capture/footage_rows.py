"""What capture needs of the catalogue; ``catalog.footage.Footage`` is one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from kernel.model.footage import EndReason, Fault, Gap, GapCause, Run, Segment, SourceHealth
from kernel.timerange import TimeRange


class FootageRows(Protocol):
    """Rows of runs, segments, gaps and health. Synchronous: called on the writer thread only."""

    def start_run(self, run: Run) -> None:
        """Record that a run has begun; one that is known already stays as it is."""

    def end_run(self, run_id: str, ended_us: int, reason: EndReason) -> None:
        """Record that it has ended."""

    def unfinished_runs(self) -> list[Run]:
        """Runs without an end."""

    def add_segment(self, segment: Segment) -> None:
        """The segment is sealed: its file is whole and durable (invariant 1)."""

    def last_chain(self, source_id: str) -> str:
        """Chain value of the source's newest segment; 64 zeros when there is none."""

    def known_paths(self, paths: Iterable[str]) -> set[str]:
        """Those of these paths, below the ring, that a segment has or had: a removed one keeps its row."""

    def recorded_until(self, source_id: str) -> int | None:
        """Wall time at which the source's newest segment ends."""

    def run_recorded_until(self, run_id: str) -> int | None:
        """Wall time at which a run's last segment ends; None before its first."""

    def live_until(self, source_id: str) -> int | None:
        """The same of what was recorded live: files taken in and memories fetched end no outage."""

    def open_gap(self, gap: Gap) -> None:
        """A gap that lasts; a source has one at a time, the first one stays."""

    def rename_gap(self, source_id: str, cause: GapCause, detail: str, fault: Fault | None = None) -> None:
        """The source's open gap, if it has one, has another cause."""

    def close_gap(self, source_id: str, end_us: int) -> None:
        """End the source's open gap, if it has one."""

    def add_gap(self, gap: Gap) -> None:
        """A gap that is over."""

    def gaps_of(self, source_id: str, wall: TimeRange) -> list[Gap]:
        """Gaps of a source that touch a range."""

    def open_gaps(self) -> list[Gap]:
        """All gaps that last."""

    def set_health(self, rows: Sequence[SourceHealth]) -> None:
        """Health of these sources, in one transaction."""
