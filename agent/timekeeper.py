"""What the time is at the recorder, for a computer whose own clock may be wrong and may be set.

The *course* is a time that neither steps nor stops: monotonic time plus the time that the computer slept.
Wall time of what is recorded is course + anchor, and the anchor is measured against the recorder's clock at
each exchange: half the round trip of the quickest of several (Cristian, *Probabilistic clock
synchronization*, 1989). So a step of the computer's clock changes no wall time; it is noticed and recorded
all the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from kernel.clock import SECOND_US, Clock, slept_us
from kernel.durable import write_whole
from kernel.log import logger

_STEP_US = SECOND_US // 2
_SAMPLES = 4
_WORTH_KEEPING_US = 10_000
_OFFSET: TypeAdapter[int] = TypeAdapter(int)

_log = logger("agent")


class Timekeeper:
    """Shared by the thread that records and the one that sends."""

    def __init__(self, clock: Clock, offset_us: int | None, slept: Callable[[], int] = slept_us) -> None:
        """Args: offset_us: computer's clock minus recorder's, as kept from before; None: never measured."""
        self._clock = clock
        self._slept = slept
        self._lock = threading.Lock()
        self._parted_us = clock.now_us() - self.course_us()
        self._anchor_us = None if offset_us is None else self._parted_us - offset_us

    def course_us(self) -> int:
        """The course: microseconds from an arbitrary origin, sleep included."""
        return self._clock.monotonic_us() + self._slept()

    def slept_us(self) -> int:
        """The part of the course that the computer slept."""
        return self._slept()

    @property
    def known(self) -> bool:
        """Whether the recorder was ever heard: before, wall time would be the computer's own opinion."""
        with self._lock:
            return self._anchor_us is not None

    @property
    def anchor_us(self) -> int:
        """Wall time minus course."""
        with self._lock:
            return self._anchor_us if self._anchor_us is not None else self._clock.now_us() - self.course_us()

    def now_us(self) -> int:
        """The recorder's wall time, as best known."""
        return self.course_us() + self.anchor_us

    @property
    def offset_us(self) -> int:
        """Computer's clock minus recorder's."""
        return self._clock.now_us() - self.now_us()

    def measure(self, ask: Callable[[], int]) -> None:
        """Correct the anchor by asking the recorder for its time; what ``ask`` raises goes through.

        The truth lies within half a round trip of what is measured. What was believed is moved into that, no
        further: a slow network says little, and must not seem to move the time.
        """
        best: tuple[int, int] | None = None
        for _ in range(_SAMPLES):
            before_us = self.course_us()
            told_us = ask()
            after_us = self.course_us()
            sample = (after_us - before_us, told_us - (before_us + after_us) // 2)
            best = min(best or sample, sample)
        assert best is not None
        round_trip_us, measured_us = best
        with self._lock:
            believed_us = measured_us if self._anchor_us is None else self._anchor_us
            lowest_us, highest_us = measured_us - round_trip_us // 2, measured_us + round_trip_us // 2
            self._anchor_us = min(max(believed_us, lowest_us), highest_us)

    def step_us(self) -> int:
        """By how much the computer's clock was set since the last look; 0 for less than half a second."""
        parted_us = self._clock.now_us() - self.course_us()
        step_us, self._parted_us = parted_us - self._parted_us, parted_us
        return step_us if abs(step_us) > _STEP_US else 0


class KeptOffset:
    """The offset on the disk: what a start without a network begins with."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.value_us = _read(path)

    def keep(self, offset_us: int) -> None:
        """Write it where it has changed enough to matter. Raises: StorageError: it cannot be written."""
        if self.value_us is None or abs(offset_us - self.value_us) > _WORTH_KEEPING_US:
            write_whole(self._path, _OFFSET.dump_json(offset_us))
            self.value_us = offset_us


def _read(path: Path) -> int | None:
    try:
        return _OFFSET.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        _log.error("the kept clock offset cannot be read", action="clock.unknown")
        return None
