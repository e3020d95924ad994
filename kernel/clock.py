"""All time comes through a ``Clock`` (invariant 17).

Wall time is an integer of microseconds since the Unix epoch, UTC, always named ``…_us``. Monotonic time is
an integer of microseconds from an arbitrary origin that never steps; only differences of it mean anything.
"""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Protocol

SECOND_US = 1_000_000
BEIJING = timezone(timedelta(hours=8))
"""One zone and no summer time in the whole country: an offset, which needs no table of zones."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What code may know of time. Passed in, never reached for."""

    def now_us(self) -> int:
        """Wall time, microseconds since the Unix epoch (UTC); may step when the machine's clock is set."""

    def monotonic_us(self) -> int:
        """Time that only goes forward, microseconds from an arbitrary origin."""

    def sleep(self, seconds: float) -> None:
        """Block this thread for so many seconds."""

    async def wait(self, seconds: float) -> None:
        """Let other tasks run for so many seconds."""


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic_us(self) -> int:
        return time.monotonic_ns() // 1000

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def slept_us() -> int:
    """How long this computer has slept, as far as monotonic time leaves that out, microseconds.

    Only differences mean anything. Together with monotonic time it is a time that never steps and never
    stops, so that a sleep and a step of the clock can be told apart. Linux: ``CLOCK_BOOTTIME`` counts sleep
    (clock_gettime(2)); macOS: ``CLOCK_MONOTONIC_RAW`` does. Windows' monotonic time counts it already.
    """
    if sys.platform == "linux":
        with_sleep, without = time.CLOCK_BOOTTIME, time.CLOCK_MONOTONIC
    elif sys.platform == "darwin":
        with_sleep, without = time.CLOCK_MONOTONIC_RAW, time.CLOCK_UPTIME_RAW
    else:
        return 0
    return (time.clock_gettime_ns(with_sleep) - time.clock_gettime_ns(without)) // 1000


class FakeClock:
    """A clock that a test drives: sleeping advances it, nothing waits."""

    def __init__(self, now_us: int = 1_772_420_400 * SECOND_US) -> None:
        self._now_us = now_us
        self._monotonic_us = 0

    def now_us(self) -> int:
        return self._now_us

    def monotonic_us(self) -> int:
        return self._monotonic_us

    def advance(self, seconds: float) -> None:
        """Let time pass, on both clocks."""
        step = round(seconds * SECOND_US)
        self._now_us += step
        self._monotonic_us += step

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an NTP step does; monotonic time is not touched."""
        self._now_us += round(seconds * SECOND_US)

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    async def wait(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)


def to_datetime(us: int) -> datetime:
    """The aware UTC datetime of a wall time, exact to the microsecond."""
    return _EPOCH + timedelta(microseconds=us)


def from_datetime(moment: datetime) -> int:
    """Wall time in microseconds of an aware datetime.

    Raises:
        ValueError: the datetime is naive; a time without a zone is not a time (invariant 17).
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; write it with one, such as +08:00 or Z")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def iso_utc(us: int) -> str:
    """A wall time as ISO 8601 in UTC with milliseconds, such as ``2026-03-02T01:00:00.000Z``."""
    return to_datetime(us).strftime("%Y-%m-%dT%H:%M:%S.") + f"{us // 1000 % 1000:03d}Z"
