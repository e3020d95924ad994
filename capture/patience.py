"""How long to wait before the next try, and how often to complain of the same fault."""

from __future__ import annotations

import random

from kernel.clock import SECOND_US, Clock

_JITTER = 0.2
_COMPLAIN_AGAIN_US = 600 * SECOND_US


class Backoff:
    """Pauses that double up to a longest one, spread a little so that sources do not retry in step."""

    def __init__(self, first_seconds: float, longest_seconds: float) -> None:
        self._first = min(first_seconds, longest_seconds)
        self._longest = longest_seconds
        self._next = self._first

    def reset(self) -> None:
        self._next = self._first

    def at_once_longest(self) -> None:
        """Trying again soon would do harm: devices lock accounts after a few wrong passwords."""
        self._next = self._longest

    def next_seconds(self) -> float:
        pause, self._next = self._next, min(2 * self._next, self._longest)
        return pause * random.uniform(1 - _JITTER, 1 + _JITTER)


class Complaints:
    """Says whether a fault is news: another one, or the same after ten minutes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = ""
        self._said_us = 0
        self.repeated = 0  # times the same was held back

    def is_news(self, fault: str) -> bool:
        now_us = self._clock.monotonic_us()
        if fault == self._last and now_us - self._said_us < _COMPLAIN_AGAIN_US:
            self.repeated += 1
            return False
        self._last, self._said_us, self.repeated = fault, now_us, 0
        return True

    def over(self) -> None:
        """All is well again."""
        self._last = ""
