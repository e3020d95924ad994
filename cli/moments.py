"""Moments and lengths of time as people read and write them on the command line.

People read Beijing time with its offset, as the page shows it; the catalogue and ``--json`` keep UTC. What is
shown can be given back to a command as it is.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise

from kernel.clock import BEIJING, SECOND_US, from_datetime, to_datetime
from kernel.errors import TimelineError
from kernel.timerange import TimeRange

_HOW = "Write it with its zone, such as 2026-03-02T09:00+08:00."
_MINUTE_US = 60 * SECOND_US
_UNITS = ((1440 * _MINUTE_US, "d"), (60 * _MINUTE_US, "h"), (_MINUTE_US, "min"), (SECOND_US, "s"))


def shown(us: int) -> str:
    """A wall time such as ``2026-03-02T11:00:00+08:00``, with milliseconds where it has some."""
    whole = us % SECOND_US < 1000
    local = to_datetime(us).astimezone(BEIJING)
    return local.isoformat(timespec="seconds" if whole else "milliseconds")


def shown_range(wall: TimeRange) -> str:
    """Its start and its end, each as ``shown``."""
    return f"{shown(wall.start_us)} - {shown(wall.end_us)}"


def lasting(us: int) -> str:
    """A length of time such as ``1.5 s``, ``2 min 30 s`` or ``3 d 4 h``: two units at most, rounded down."""
    if us < _MINUTE_US:
        return f"{us // 1000 / 1000:g} s"
    big, small = next(pair for pair in pairwise(_UNITS) if us >= pair[0][0])
    rest = us % big[0] // small[0]
    return f"{us // big[0]} {big[1]}" + (f" {rest} {small[1]}" if rest else "")


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
