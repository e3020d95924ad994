"""The recording process: what ``jianzheng capture`` runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from capture.backfill.memory import backfiller, may_have_memory
from capture.backfill.rows import BackfillRows
from capture.desires import BookedSources, BookingRows, Desire, EverySource, declare_missed
from capture.disk import WriterThread, free_bytes
from capture.footage_rows import FootageRows
from capture.health import HealthBoard
from capture.openers import openers
from capture.reconciler import Desired, Reconciler
from capture.recorder import OpenSource, Recorder, Surroundings
from capture.recover import QUARANTINE, Mine, recover
from capture.ring_disk import RingDisk
from capture.roster import Roster, SourceLocks
from capture.segment_writer import Ring
from capture.sweeps import Sweep, Sweeps
from capture.watched import Watched
from kernel.clock import Clock
from kernel.desired import Around
from kernel.errors import DiskLost, JianzhengError, SettingsError
from kernel.lock import sole_user
from kernel.log import logger
from kernel.model.footage import GapCause
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Duties:
    """What a recording process does and heeds besides recording all its sources always."""

    wishes: Sequence[Wish] = ()  # when each source asks to be recorded; a roster has its own
    bookings: BookingRows | None = None  # None: always
    memory: BackfillRows | None = None  # for fetching gaps from devices; None: it is not done
    sweeps: Sequence[Sweep] = ()
    share: Share = field(default_factory=Share)
    orphaned: Callable[[], bool] = lambda: False  # whether it ends because its keeper is gone
    disk: RingDisk | None = None  # where it is not there, nothing is written or settled; None: not looked at


async def record(
    specs: Sequence[SourceSpec] | Roster,
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
        specs: the sources; a roster may change while they are recorded.
        footage: rows of the catalogue; called on one thread of this worker only, as those of ``duties`` are.
        principal: who stops recording when ``stop`` is set; named in the gaps that begin then.
        open_source: connects to a source; None: by the scheme of its uri.

    Raises:
        SettingsError: a source has a name that the ring keeps for itself.
        StorageError: another recorder records into this ring.
        ServerError: the address on which devices push cannot be listened on.
    """
    duties = duties or Duties()
    roster = specs if isinstance(specs, Roster) else Roster(specs, duties.wishes)
    refuse_reserved(roster.specs)
    async with AsyncExitStack() as stack:
        stack.enter_context(sole_user(settings.data_dir, duties.share.lock))
        locks = SourceLocks(settings.locks_dir)
        stack.callback(locks.close)
        for source_id in roster.entered:
            locks.take(source_id)
        if duties.disk is None:
            settings.ring_dir.mkdir(parents=True, exist_ok=True)
        thread = WriterThread()
        stack.callback(thread.close)
        health = HealthBoard(clock)
        if open_source is None:
            opening = openers(roster.specs, settings.capture, clock, health.note)
            open_source = await stack.enter_async_context(opening)
        around = _surroundings(settings, footage, clock, thread, open_source, duties.disk, health)
        await thread.call(_settle_or_owe, around, settings, duties.share.mine)
        await _declare_missed(roster, settings, around, duties)
        sweeps = Sweeps(duties.sweeps, clock, thread)
        crew = _Crew(roster, settings, around, duties, locks, sweeps)
        stack.push_async_callback(crew.stop)
        await crew.reconciler(principal).run(stop)
        await sweeps.finish()


def refuse_reserved(specs: Sequence[SourceSpec]) -> None:
    """Raises: SettingsError: a source has a name that the ring keeps for itself."""
    if any(spec.id == QUARANTINE for spec in specs):
        raise SettingsError(f"a source cannot be called {QUARANTINE}: the ring keeps broken files there.")


class _Crew:
    """What goes with the sources of the roster as it changes: locks, health, back-fill."""

    def __init__(
        self,
        roster: Roster,
        settings: Settings,
        around: Surroundings,
        duties: Duties,
        locks: SourceLocks,
        sweeps: Sweeps,
    ) -> None:
        self._roster = roster
        self._settings = settings
        self._around = around
        self._duties = duties
        self._locks = locks
        self._sweeps = sweeps
        self._wanted = _desired(roster, settings, around, duties)
        self._now = roster.entered  # as the reconciler last compared it
        self._with_memory: list[SourceSpec] = []
        self._fetching: asyncio.Task[None] | None = None

    def reconciler(self, principal: str) -> Reconciler:
        around, orphaned = self._around, self._duties.orphaned

        def ending() -> tuple[GapCause, str]:
            if orphaned():
                return GapCause.CRASH, "The program that keeps the recorders was killed."
            return GapCause.STOPPED, f"Stopped by {principal}."

        return Reconciler(
            desired=self._desired,
            make_recorder=lambda desire: Recorder(desire.spec, around, desire.want.since_us),
            health=around.health,
            rows=around.rows,
            thread=around.thread,
            ending=ending,
            on_tick=self._tick,
        )

    async def _desired(self) -> Mapping[str, Desire]:
        """What is wanted, as far as nobody else still records it."""
        self._now = self._roster.entered
        wanted = await self._wanted()
        # The roster may have changed meanwhile: what is compared now is one state of it.
        here = (one for one in wanted if one in self._now and self._locks.holds(one))
        return {one: wanted[one] for one in here}

    async def _tick(self) -> None:
        """After each comparison: whoever left the roster has been released by now."""
        self._around.health.keep_only(self._now)
        self._around.health.introduce(self._now)
        self._locks.keep(self._now)
        self._fetch_for([one.spec for one in self._now.values()])
        await self._sweeps.tick()
        await self._around.thread.call(self._around.ring.watched.look, self._around.clock)

    def _fetch_for(self, specs: Sequence[SourceSpec]) -> None:
        """Meanwhile gaps are fetched from the devices that keep recordings of their own.

        What a fetch that is broken off here brought is in the ring; the next one goes on behind it.
        """
        asked = [spec for spec in specs if may_have_memory(spec)]
        if self._duties.memory is None or asked == self._with_memory:
            return
        self._with_memory = asked
        if self._fetching is not None:
            self._fetching.cancel()
        around = self._around
        fetcher = backfiller(
            asked,
            ring=around.ring,
            rows=self._duties.memory,
            thread=around.thread,
            settings=self._settings.capture,
            clock=around.clock,
            healthy=around.health.is_well,
        )
        self._fetching = asyncio.create_task(fetcher.run(), name="back-fill") if fetcher else None

    async def stop(self) -> None:
        """End what is still being fetched."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)


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


def _desired(roster: Roster, settings: Settings, around: Surroundings, duties: Duties) -> Desired:
    if duties.bookings is None:
        return EverySource(roster)
    return BookedSources(roster, duties.bookings, _rolls(settings), around.clock, around.thread)


async def _declare_missed(roster: Roster, settings: Settings, around: Surroundings, duties: Duties) -> None:
    """A catalogue that fails now is asked again by the next start: recording does not wait for it."""
    if duties.bookings is None:
        return
    missed = roster.wishes, duties.bookings, around.rows, _rolls(settings), around.clock.now_us()
    try:
        await around.thread.call(declare_missed, *missed)
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
    health: HealthBoard,
) -> Surroundings:
    free = free_bytes if disk is None else disk.free_bytes
    return Surroundings(
        settings=settings.capture,
        ring=Ring(
            root=settings.ring_dir,
            settings=settings.ring,
            clock=clock,
            free=free,
            watched=Watched(settings.live_dir),
        ),
        rows=footage,
        thread=thread,
        health=health,
        clock=clock,
        open_source=open_source,
    )
