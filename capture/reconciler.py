"""Compares every second what shall be recorded with what is, and starts or stops recorders accordingly."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from capture.desires import Desire
from capture.disk import WriterThread
from capture.footage_rows import FootageRows
from capture.health import HealthBoard
from capture.recorder import Recorder
from capture.roster import same_connection
from kernel.errors import JianzhengError
from kernel.log import logger
from kernel.model.footage import GapCause
from kernel.settings import SourceSpec

_TICK_S = 1.0
_CHANGED = "Its entry in cameras.yaml was changed: it was connected anew."

_log = logger("capture")

Desired = Callable[[], Awaitable[Mapping[str, Desire]]]
"""What shall be recorded now, by source id; ``capture.desires`` has two."""


Ending = Callable[[], tuple[GapCause, str]]
"""Asked when recording ends: why, as the gaps that begin then say it."""


class Reconciler:
    """Owns one task per source."""

    def __init__(
        self,
        *,
        desired: Desired,
        make_recorder: Callable[[Desire], Recorder],
        health: HealthBoard,
        rows: FootageRows,
        thread: WriterThread,
        ending: Ending,
        on_tick: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._on_tick = on_tick  # whatever else is due, after each comparison
        self._desired = desired
        self._make_recorder = make_recorder
        self._health = health
        self._rows = rows
        self._thread = thread
        self._ending = ending
        self._recorders: dict[str, tuple[SourceSpec, Recorder, asyncio.Task[None]]] = {}
        self._catalogue_fails = False

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop; then every segment is sealed and every gap declared."""
        try:
            while not stop.is_set():
                await self.run_once()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_TICK_S):
                        await stop.wait()
        finally:
            await self._stop(list(self._recorders))
            await self._write_health()

    async def run_once(self) -> None:
        """One comparison."""
        desired = await self._desired()
        await self._release([source_id for source_id in self._recorders if source_id not in desired])
        await self._restart(
            [
                one
                for one, (spec, _, _) in self._recorders.items()
                if not same_connection(spec, desired[one].spec)
            ]
        )
        for source_id, desire in desired.items():
            running = self._recorders.get(source_id)
            if running is None or running[2].done():
                self._start(desire)
        self._health.still_here()
        await self._write_health()
        if self._on_tick is not None:
            await self._on_tick()

    def _start(self, desire: Desire) -> None:
        spec = desire.spec
        before = self._recorders.get(spec.id)
        if before is not None and not before[2].cancelled() and before[2].exception() is not None:
            _log.error("a recorder ended; it is started again", action="recorder.died", source=spec.id)
        recorder = self._make_recorder(desire)
        task = asyncio.create_task(recorder.run(), name=f"record {spec.id}")
        self._recorders[spec.id] = (spec, recorder, task)

    async def _release(self, source_ids: list[str]) -> None:
        """Their time is over: what follows is not expected, and no gap."""
        for spec, recorder in await self._end(source_ids):
            _log.info("its time is over", action="source.released", source=spec.id)
            await self._declare(spec, recorder.released())

    async def _restart(self, source_ids: list[str]) -> None:
        """They are connected in another way from now on; the time in between is a gap (invariant 5)."""
        for spec, recorder in await self._end(source_ids):
            _log.info("it is connected anew", action="source.changed", source=spec.id)
            await self._declare(spec, recorder.stopped(GapCause.STOPPED, _CHANGED))

    async def _stop(self, source_ids: list[str]) -> None:
        for spec, recorder in await self._end(source_ids):
            await self._declare(spec, recorder.stopped(*self._ending()))

    async def _end(self, source_ids: list[str]) -> list[tuple[SourceSpec, Recorder]]:
        leaving = [self._recorders.pop(source_id) for source_id in source_ids]
        for _, _, task in leaving:
            task.cancel()
        await asyncio.gather(*(task for _, _, task in leaving), return_exceptions=True)
        return [(spec, recorder) for spec, recorder, _ in leaving]

    async def _declare(self, spec: SourceSpec, declaring: Awaitable[None]) -> None:
        try:
            await declaring
        except JianzhengError as error:
            # The next recorder declares the time since the last footage.
            _log.error(str(error), action="gap.undeclared", source=spec.id)

    async def _write_health(self) -> None:
        """A catalogue that fails (its disk may be full) ends nothing: it is told once and tried again."""
        rows = self._health.take_changed()
        if not rows:
            return
        try:
            await self._thread.call(self._rows.set_health, rows)
        except JianzhengError as error:
            self._health.put_back(rows)
            if not self._catalogue_fails:
                _log.error(str(error), action="catalogue.failed")
            self._catalogue_fails = True
        else:
            self._catalogue_fails = False
