"""Movement as functions of time: the same second always looks the same."""

from __future__ import annotations

import math


def wander(seed: float, seconds: float, *, period: float = 7.0) -> float:
    """A smooth, never repeating sway between -1 and 1."""
    turn = 2 * math.pi * seconds / period
    return (
        math.sin(turn + seed * 1.7) * 0.5
        + math.sin(turn * 0.43 + seed * 4.1) * 0.3
        + math.sin(turn * 2.31 + seed * 2.9) * 0.2
    )


def blinking(seed: float, seconds: float) -> bool:
    """Whether the eyes are closed: a fifth of a second every three to five."""
    return (seconds + seed * 1.3) % (3.1 + seed * 0.37 % 1.9) < 0.2


def busy(seed: float, seconds: float, *, period: float, share: float) -> bool:
    """Whether something that takes ``share`` of the time is going on: once in each ``period``, somewhere."""
    number, place = divmod(seconds / period + seed * 0.37, 1)
    start = (math.sin(number * 12.9898 + seed) * 43758.5453) % 1 * (1 - share)
    return start <= place < start + share
