"""The recording process: what ``jianzheng capture`` runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from capture.desires import BookedSources, BookingRows, EverySource
from capture.disk import WriterThread
from capture.footage_rows import FootageRows
from capture.health import HealthBoard
from capture.openers import open_source as open_by_scheme
from capture.reconciler import Desired, Reconciler
from capture.recorder import OpenSource, Recorder, Surroundings
from capture.recover import QUARANTINE, Mine, recover
from capture.segment_writer import Ring
from capture.sweeps import Sweep, Sweeps
from kernel.clock import Clock
from kernel.desired import Around
from kernel.errors import SettingsError
from kernel.lock import sole_user
from kernel.log import logger
from kernel.model.source import Wish
from kernel.settings import Settings, SourceSpec

_log = logger("capture")


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What of the ring's sources a process records."""

    group: str = ""  # empty: all of them
    mine: Mine = lambda _: True

    @property
    def lock(self) -> str:
        return f"recorder-{self.group}" if self.group else "recorder"


async def record(
    specs: Sequence[SourceSpec],
    settings: Settings,
    footage: FootageRows,
    clock: Clock,
    stop: asyncio.Event,
    *,
    principal: str = "recorder",
    open_source: OpenSource = open_by_scheme,
    wishes: Sequence[Wish] = (),
    bookings: BookingRows | None = None,
    sweeps: Sequence[Sweep] = (),
    share: Share | None = None,
    on_tick: Callable[[], None] = lambda: None,
) -> None:
    """Settle what a crash left, then record all sources until told to stop.

    Args:
        footage: rows of the catalogue; called on one thread of this worker only, as ``bookings`` are.
        principal: who stops recording when ``stop`` is set; named in the gaps that begin then.
        wishes: when each source asks to be recorded; without bookings, always.
        sweeps: what else this process does now and then.
        share: what of the ring is this process's, where several record into it.
        on_tick: called once a second: the loop goes round.

    Raises:
        SettingsError: a source has a name that the ring keeps for itself.
        StorageError: another recorder records into this ring.
    """
    if any(spec.id == QUARANTINE for spec in specs):
        raise SettingsError(f"a source cannot be called {QUARANTINE}: the ring keeps broken files there.")
    share = share or Share()
    with sole_user(settings.ring_dir, share.lock):
        thread = WriterThread()
        try:
            await thread.call(settle, settings, footage, share.mine)
            desired = _desired(specs, wishes, bookings, settings, clock, thread)
            also = Sweeps(sweeps, clock, thread)
            around = _surroundings(settings, footage, clock, thread, open_source)

            async def tick() -> None:
                on_tick()
                await also.tick()

            reconciler = Reconciler(
                desired=desired,
                make_recorder=lambda desire: Recorder(desire.spec, around, desire.want.since_us),
                health=around.health,
                rows=footage,
                thread=thread,
                principal=principal,
                on_tick=tick,
            )
            await reconciler.run(stop)
            await also.finish()
        finally:
            thread.close()


def settle(settings: Settings, footage: FootageRows, mine: Mine) -> None:
    """Settle what a crash left of those sources; before anything of them is recorded."""
    found = recover(settings.ring_dir, footage, mine)
    if found.segments or found.quarantined or found.runs:
        _log.warning(
            f"a crash was settled: {found.segments} segments recovered, {found.quarantined} put aside",
            action="recover.done",
            runs=found.runs,
        )


def _desired(
    specs: Sequence[SourceSpec],
    wishes: Sequence[Wish],
    bookings: BookingRows | None,
    settings: Settings,
    clock: Clock,
    thread: WriterThread,
) -> Desired:
    if bookings is None:
        return EverySource(specs)
    around = Around.of(settings.cut.pre_roll_seconds, settings.cut.post_roll_seconds)
    return BookedSources(specs, wishes, bookings, around, clock, thread)


def _surroundings(
    settings: Settings, footage: FootageRows, clock: Clock, thread: WriterThread, open_source: OpenSource
) -> Surroundings:
    return Surroundings(
        settings=settings.capture,
        ring=Ring(root=settings.ring_dir, settings=settings.ring, clock=clock),
        rows=footage,
        thread=thread,
        health=HealthBoard(clock),
        clock=clock,
        open_source=open_source,
    )
