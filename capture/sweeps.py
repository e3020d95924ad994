"""What is done besides recording, now and then: making room, signing. Small pieces, on the writer thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from capture.disk import WriterThread
from capture.patience import Complaints
from kernel.clock import SECOND_US, Clock
from kernel.errors import JianzhengError
from kernel.log import logger

_log = logger("capture")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """A piece of work that comes again."""

    name: str  # for logs
    seconds: float  # between two
    run_once: Callable[[], object]
    at_end: bool = False  # once more when recording has ended


class Sweeps:
    """Does what is due. A sweep that fails is told of, once a period, and comes again at its time."""

    def __init__(self, sweeps: Sequence[Sweep], clock: Clock, thread: WriterThread) -> None:
        self._clock = clock
        self._thread = thread
        self._due_us = {sweep.name: clock.monotonic_us() for sweep in sweeps}
        self._sweeps = tuple(sweeps)
        self._complaints = {sweep.name: Complaints(clock) for sweep in sweeps}

    async def tick(self) -> None:
        """Everything that is due."""
        for sweep in self._sweeps:
            now_us = self._clock.monotonic_us()
            if now_us >= self._due_us[sweep.name]:
                self._due_us[sweep.name] = now_us + round(sweep.seconds * SECOND_US)
                await self._run(sweep)

    async def finish(self) -> None:
        """The last time."""
        for sweep in self._sweeps:
            if sweep.at_end:
                await self._run(sweep)

    async def _run(self, sweep: Sweep) -> None:
        try:
            await self._thread.call(sweep.run_once)
        except Exception as error:  # noqa: BLE001 - the one place: whatever it is, recording goes on
            said = str(error) if isinstance(error, JianzhengError) else f"it failed ({type(error).__name__})"
            if self._complaints[sweep.name].is_news(said):
                _log.error(said, action="sweep.failed", sweep=sweep.name)
        else:
            self._complaints[sweep.name].over()
