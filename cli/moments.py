"""Moments as people write them on the command line."""

from __future__ import annotations

from datetime import datetime

from kernel.clock import from_datetime
from kernel.errors import TimelineError
from kernel.timerange import TimeRange

_HOW = "Write it with its zone, such as 2026-03-02T09:00+08:00."


def moment_us(text: str) -> int:
    """Wall time of an ISO 8601 moment with a zone, UTC microseconds.

    Raises:
        TimelineError: it is no such moment; a time without a zone is not a time (invariant 17).
    """
    try:
        return from_datetime(datetime.fromisoformat(text))
    except ValueError:
        raise TimelineError(f"{text} is no moment with a time zone.", hint=_HOW) from None


def time_range(start: str, end: str) -> TimeRange:
    """Raises: TimelineError: one is no moment, or the end is not after the start."""
    start_us, end_us = moment_us(start), moment_us(end)
    if end_us <= start_us:
        raise TimelineError(f"{end} is not after {start}.", hint="Give the earlier moment first.")
    return TimeRange(start_us=start_us, end_us=end_us)
