"""The one timeline of a simulated centre: wall time that never steps."""

from __future__ import annotations

from kernel.clock import Clock


class Timeline:
    """Wall time as it was when the centre started, carried on by monotonic time.

    Pictures, sound and sender reports all take their time from here, so they agree whatever happens to the
    machine's wall clock meanwhile.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_us = clock.now_us() - clock.monotonic_us()

    def now_us(self) -> int:
        """Wall time, UTC microseconds; only goes forward."""
        return self._offset_us + self._clock.monotonic_us()

    async def wait(self, seconds: float) -> None:
        """Let other tasks run for so many seconds."""
        await self._clock.wait(seconds)

    def sleep_until(self, at_us: int, *, at_most_us: int) -> None:
        """Block this thread until ``at_us``, but never longer than ``at_most_us``."""
        left_us = min(at_us - self.now_us(), at_most_us)
        if left_us > 0:
            self._clock.sleep(left_us / 1_000_000)
