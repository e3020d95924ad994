"""The recording process: what ``jianzheng capture`` runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from capture.backfill.memory import backfiller
from capture.backfill.rows import BackfillRows
from capture.desires import BookedSources, BookingRows, EverySource, declare_missed
from capture.disk import WriterThread, free_bytes
from capture.footage_rows import FootageRows
from capture.health import HealthBoard
from capture.openers import openers
from capture.reconciler import Desired, Reconciler
from capture.recorder import OpenSource, Recorder, Surroundings
from capture.recover import QUARANTINE, Mine, recover
from capture.ring_disk import RingDisk
from capture.segment_writer import Ring
from capture.sweeps import Sweep, Sweeps
from kernel.clock import Clock
from kernel.desired import Around
from kernel.errors import DiskLost, JianzhengError, SettingsError
from kernel.lock import sole_user
from kernel.log import logger
from kernel.model.footage import GapCause
from kernel.model.source import Wish
from kernel.settings import Settings, SourceSpec

_log = logger("capture")


def source_lock(source_id: str) -> str:
    """Name of the lock that whoever records a source holds, below ``locks_dir``."""
    return f"recorder of {source_id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What of the ring's sources a process records."""

    group: str = ""  # empty: all of them
    mine: Mine = lambda _: True

    @property
    def lock(self) -> str:
        return f"recorder-{self.group}" if self.group else "recorder"


@dataclass(frozen=True, kw_only=True, slots=True)
class Duties:
    """What a recording process does and heeds besides recording all its sources always."""

    wishes: Sequence[Wish] = ()  # when each source asks to be recorded
    bookings: BookingRows | None = None  # None: always
    memory: BackfillRows | None = None  # for fetching gaps from devices; None: it is not done
    sweeps: Sequence[Sweep] = ()
    share: Share = field(default_factory=Share)
    orphaned: Callable[[], bool] = lambda: False  # whether it ends because its keeper is gone
    disk: RingDisk | None = None  # where it is not there, nothing is written or settled; None: not looked at


async def record(
    specs: Sequence[SourceSpec],
    settings: Settings,
    footage: FootageRows,
    clock: Clock,
    stop: asyncio.Event,
    *,
    principal: str = "recorder",
    open_source: OpenSource | None = None,
    duties: Duties | None = None,
) -> None:
    """Settle what a crash left, then record all sources until told to stop.

    Args:
        footage: rows of the catalogue; called on one thread of this worker only, as those of ``duties`` are.
        principal: who stops recording when ``stop`` is set; named in the gaps that begin then.
        open_source: connects to a source; None: by the scheme of its uri.

    Raises:
        SettingsError: a source has a name that the ring keeps for itself.
        StorageError: another recorder records into this ring.
        ServerError: the address on which devices push cannot be listened on.
    """
    if any(spec.id == QUARANTINE for spec in specs):
        raise SettingsError(f"a source cannot be called {QUARANTINE}: the ring keeps broken files there.")
    duties = duties or Duties()
    async with AsyncExitStack() as stack:
        stack.enter_context(sole_user(settings.data_dir, duties.share.lock))
        for spec in specs:  # whoever else may have it, under whatever name: one source has one writer
            stack.enter_context(sole_user(settings.locks_dir, source_lock(spec.id)))
        if duties.disk is None:
            settings.ring_dir.mkdir(parents=True, exist_ok=True)
        thread = WriterThread()
        stack.callback(thread.close)
        if open_source is None:
            open_source = await stack.enter_async_context(openers(specs, settings.capture, clock))
        around = _surroundings(settings, footage, clock, thread, open_source, duties.disk)
        await thread.call(_settle_or_owe, around, settings, duties.share.mine)
        await _declare_missed(specs, settings, around, duties)
        sweeps = Sweeps(duties.sweeps, clock, thread)
        reconciler = _reconciler(specs, settings, around, duties, sweeps, principal)
        await stack.enter_async_context(_backfilling(specs, settings, around, duties))
        await reconciler.run(stop)
        await sweeps.finish()


def _reconciler(
    specs: Sequence[SourceSpec],
    settings: Settings,
    around: Surroundings,
    duties: Duties,
    sweeps: Sweeps,
    principal: str,
) -> Reconciler:
    def ending() -> tuple[GapCause, str]:
        if duties.orphaned():
            return GapCause.CRASH, "The program that keeps the recorders was killed."
        return GapCause.STOPPED, f"Stopped by {principal}."

    async def tick() -> None:
        around.health.introduce(spec.id for spec in specs)
        await sweeps.tick()

    return Reconciler(
        desired=_desired(specs, settings, around, duties),
        make_recorder=lambda desire: Recorder(desire.spec, around, desire.want.since_us),
        health=around.health,
        rows=around.rows,
        thread=around.thread,
        ending=ending,
        on_tick=tick,
    )


@asynccontextmanager
async def _backfilling(
    specs: Sequence[SourceSpec], settings: Settings, around: Surroundings, duties: Duties
) -> AsyncIterator[None]:
    """Meanwhile gaps are fetched from the devices that keep recordings of their own."""
    fetcher = None
    if duties.memory is not None:
        fetcher = backfiller(
            specs,
            ring=around.ring,
            rows=duties.memory,
            thread=around.thread,
            settings=settings.capture,
            clock=around.clock,
            healthy=around.health.is_well,
        )
    if fetcher is None:
        yield
        return
    fetching = asyncio.create_task(fetcher.run(), name="back-fill")
    try:
        yield
    finally:
        fetching.cancel()
        await asyncio.gather(fetching, return_exceptions=True)


def _settle_or_owe(around: Surroundings, settings: Settings, mine: Mine) -> None:
    """Where the ring's disk is not there, it is settled before the first connection once it is back."""

    def settle_there() -> None:
        around.ring.free(around.ring.root)  # raises while it is not
        settle(settings, around.rows, mine)

    try:
        around.ring.owed.write(settle_there)
    except DiskLost as error:
        _log.error(str(error), action="disk.lost", ring=str(around.ring.root))


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
    specs: Sequence[SourceSpec], settings: Settings, around: Surroundings, duties: Duties
) -> Desired:
    if duties.bookings is None:
        return EverySource(specs)
    return BookedSources(specs, duties.wishes, duties.bookings, _rolls(settings), around.clock, around.thread)


async def _declare_missed(
    specs: Sequence[SourceSpec], settings: Settings, around: Surroundings, duties: Duties
) -> None:
    """A catalogue that fails now is asked again by the next start: recording does not wait for it."""
    if duties.bookings is None:
        return
    ours = {spec.id for spec in specs}
    wishes = [wish for wish in duties.wishes if wish.source_id in ours]
    try:
        await around.thread.call(
            declare_missed, wishes, duties.bookings, around.rows, _rolls(settings), around.clock.now_us()
        )
    except JianzhengError as error:
        _log.error(str(error), action="bookings.unreadable")


def _rolls(settings: Settings) -> Around:
    return Around.of(settings.cut.pre_roll_seconds, settings.cut.post_roll_seconds)


def _surroundings(
    settings: Settings,
    footage: FootageRows,
    clock: Clock,
    thread: WriterThread,
    open_source: OpenSource,
    disk: RingDisk | None,
) -> Surroundings:
    free = free_bytes if disk is None else disk.free_bytes
    return Surroundings(
        settings=settings.capture,
        ring=Ring(root=settings.ring_dir, settings=settings.ring, clock=clock, free=free),
        rows=footage,
        thread=thread,
        health=HealthBoard(clock),
        clock=clock,
        open_source=open_source,
    )
