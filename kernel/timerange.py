"""Half-open ranges of wall time, and the little algebra that cutting needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter

EVER_US = 1 << 62
"""Later than any wall time of ours, and small enough for every database."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class TimeRange:
    """Wall time from ``start_us`` (included) to ``end_us`` (excluded), UTC microseconds."""

    start_us: int
    end_us: int

    def __post_init__(self) -> None:
        if self.end_us < self.start_us:
            raise ValueError(f"a time range cannot end ({self.end_us}) before it starts ({self.start_us})")

    @property
    def duration_us(self) -> int:
        return self.end_us - self.start_us

    @property
    def empty(self) -> bool:
        return self.end_us == self.start_us

    def contains(self, moment_us: int) -> bool:
        return self.start_us <= moment_us < self.end_us

    def intersect(self, other: TimeRange) -> TimeRange | None:
        """The common part, or None where there is none of positive length."""
        start = max(self.start_us, other.start_us)
        end = min(self.end_us, other.end_us)
        return TimeRange(start_us=start, end_us=end) if start < end else None


ALL_TIME = TimeRange(start_us=-EVER_US, end_us=EVER_US)
"""Every moment."""


def merge(ranges: Iterable[TimeRange]) -> list[TimeRange]:
    """The same set of moments as few sorted, disjoint, non-touching ranges."""
    merged: list[list[int]] = []
    for part in sorted((r for r in ranges if not r.empty), key=attrgetter("start_us")):
        if merged and part.start_us <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], part.end_us)
        else:
            merged.append([part.start_us, part.end_us])
    return [TimeRange(start_us=start_us, end_us=end_us) for start_us, end_us in merged]


def subtract(whole: TimeRange, parts: Iterable[TimeRange]) -> list[TimeRange]:
    """What of ``whole`` none of ``parts`` covers, sorted."""
    rest: list[TimeRange] = []
    cursor = whole.start_us
    for part in merge(parts):
        if part.end_us <= cursor:
            continue
        if part.start_us >= whole.end_us:
            break
        if part.start_us > cursor:
            rest.append(TimeRange(start_us=cursor, end_us=part.start_us))
        cursor = part.end_us
    if cursor < whole.end_us:
        rest.append(TimeRange(start_us=cursor, end_us=whole.end_us))
    return rest
