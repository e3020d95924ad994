"""What back-fill needs of the catalogue; ``catalog.footage.Footage`` is one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from capture.footage_rows import FootageRows
from kernel.model.footage import Backfill, Gap, Segment
from kernel.timerange import TimeRange


class BackfillRows(FootageRows, Protocol):
    """Rows of gaps to be fetched, besides those that recording needs. On the writer thread only."""

    def gaps_to_backfill(self, source_ids: Iterable[str], since_us: int) -> list[Gap]:
        """Gaps of these sources that are over, ended after that, and were not fetched yet; oldest first."""

    def mark_backfill(self, gap_id: str, found: Backfill) -> None:
        """Say what of a gap was fetched; the gap stays."""

    def gaps_of(self, source_id: str, wall: TimeRange) -> list[Gap]:
        """Gaps of a source that touch a range."""

    def segments_of(self, source_id: str, wall: TimeRange) -> list[Segment]:
        """Segments of a source that touch a range."""
