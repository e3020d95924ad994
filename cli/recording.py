"""What ``jianzheng capture`` runs: one recording process, or one per group of sources under a keeper."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from capture.checkpoints import Signer
from capture.disk import WriterThread
from capture.eviction import EvictionRules, Evictor
from capture.groups import Group, assign, reassign, recorded_by_us
from capture.keeper import STOP, Command, Keeper
from capture.orders import Orders
from capture.recover import Mine
from capture.ring_disk import RingDisk, open_ring
from capture.roster import Roster, same_connection, source_lock
from capture.sweeps import Sweep, Sweeps
from capture.worker import Duties, Share, record, refuse_reserved, settle
from catalog.catalogue import Catalogue
from cli.cameras_file import CamerasInUse
from cli.wiring import open_catalogue
from kernel.clock import Clock
from kernel.errors import DiskLost
from kernel.lock import in_use, sole_user
from kernel.log import logger
from kernel.model.source import Wish
from kernel.settings import CamerasFile, Settings, SourceSpec, load_cameras

_TICK_S = 1.0
_ROOM_S = 5.0  # between two looks whether the ring needs room
_SIGNATURE_S = 60.0  # between two signatures of the chains' heads

_log = logger("cli")


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """What was asked for on the command line."""

    settings: Settings
    principal: str
    json_log: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Where to."""

    catalogue: Catalogue
    disk: RingDisk


def run_capture(asked: Recording, group: str, clock: Clock) -> None:
    """Record until told to stop.

    Args:
        group: name of the one to record, given by a keeper to its child, which is told the rest on its
            standard input. Empty: everything that cameras.yaml names, as it changes.
    """
    _rest_the_collector()
    places = None if group else load_cameras(asked.settings.cameras)
    with open_catalogue(asked.settings, places) as catalogue:
        disk = open_ring(asked.settings.ring_dir, catalogue.ring_disks, clock, asked.principal)
        site = Site(catalogue=catalogue, disk=disk)
        if places is None:
            asyncio.run(_record_group(asked, site, group, clock))
        else:
            asyncio.run(_record_everything(asked, site, places, clock))


def _rest_the_collector() -> None:
    """Look for cycles seldom: packets and samples are none, and there are thousands alive at any moment.

    Measured with 64 sources: a tenth of the processor time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)


def _stop_on_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


class _Plan:
    """Who records what, as cameras.yaml changes: one group here, or every group in a process of its own."""

    def __init__(self, asked: Recording, places: CamerasFile, clock: Clock) -> None:
        self._settings = asked.settings.capture
        self._clock = clock
        self._specs, self._wishes = places.specs(), places.wishes()
        self._groups = assign(self._specs, self._settings)
        self._here = self._groups[0].name if len(self._groups) == 1 else ""
        self.alone = len(self._groups) <= 1  # processes are kept only for what is added later
        self.roster = Roster(self._specs_here(), self._wishes)
        self.keeper = Keeper(self._orders(), _command(asked), clock)

    @property
    def known(self) -> frozenset[str]:
        return frozenset(spec.id for spec in self._specs)

    @property
    def others(self) -> frozenset[str]:
        """Sources whose files other programs write: an agent's receiver."""
        return self.known - {spec.id for spec in recorded_by_us(self._specs)}

    def change(self, places: CamerasFile) -> None:
        """From now on so; whoever is not affected notices nothing."""
        before = self._specs
        self._specs, self._wishes = places.specs(), places.wishes()
        self._groups = reassign(self._groups, self._specs, self._settings)
        self.roster.change(self._specs_here(), self._wishes, self._clock.now_us())
        self.keeper.tell(self._orders())
        _tell_changes(recorded_by_us(before), recorded_by_us(self._specs))

    def _specs_here(self) -> Sequence[SourceSpec]:
        return next((group.specs for group in self._groups if group.name == self._here), ())

    def _orders(self) -> dict[str, bytes]:
        kept = [group for group in self._groups if group.name != self._here]
        return {group.name: _orders(group, self._wishes).line() for group in kept}


def _orders(group: Group, wishes: Sequence[Wish]) -> Orders:
    ids = {spec.id for spec in group.specs}
    return Orders(specs=group.specs, wishes=[wish for wish in wishes if wish.source_id in ids])


def _tell_changes(before: Sequence[SourceSpec], after: Sequence[SourceSpec]) -> None:
    old, new = {spec.id: spec for spec in before}, {spec.id: spec for spec in after}
    moved = [one for one in old.keys() & new.keys() if not same_connection(old[one], new[one])]
    _log.info(
        "cameras.yaml was changed and is in use",
        action="cameras.changed",
        added=sorted(new.keys() - old.keys()),
        removed=sorted(old.keys() - new.keys()),
        changed=sorted(moved),
    )


async def _record_everything(asked: Recording, site: Site, places: CamerasFile, clock: Clock) -> None:
    plan, stop = _Plan(asked, places, clock), _stop_on_signal()
    file = CamerasInUse(
        asked.settings.cameras,
        places,
        prepare=lambda found: _take_in(found, site.catalogue, asked.principal, clock),
        use=plan.change,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, file.ask)
    recording = _record_here if plan.alone else _keep_groups
    await _together([file.run(stop), recording(asked, site, plan, stop, clock)], stop)


async def _together(work: Sequence[Coroutine[Any, Any, None]], stop: asyncio.Event) -> None:
    """All until told to stop; where one of them fails the others end in order, too."""
    tasks = [asyncio.create_task(one) for one in work]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    stop.set()
    await asyncio.wait(tasks)
    for task in tasks:
        task.result()


def _take_in(places: CamerasFile, catalogue: Catalogue, principal: str, clock: Clock) -> None:
    """Raises: SettingsError, CatalogError: it cannot be recorded as written."""
    refuse_reserved(places.specs())
    catalogue.places.register(places, principal=principal, at_us=clock.now_us())


async def _record_here(asked: Recording, site: Site, plan: _Plan, stop: asyncio.Event, clock: Clock) -> None:
    """One group here; those that are added later end before it does, for the last signature."""
    others, children_ended = plan.others, asyncio.Event()

    async def keep() -> None:
        try:
            await plan.keeper.run(stop)
        finally:
            children_ended.set()

    recording = record(
        plan.roster,
        asked.settings,
        site.catalogue.footage,
        clock,
        children_ended,
        principal=asked.principal,
        duties=Duties(
            bookings=site.catalogue.bookings,
            memory=site.catalogue.footage,
            disk=site.disk,
            sweeps=_sweeps(asked, site, clock),
            share=Share(mine=lambda source_id: source_id not in others),
        ),
    )
    await _together([keep(), recording], stop)


async def _record_group(asked: Recording, site: Site, group: str, clock: Clock) -> None:
    stop = _stop_on_signal()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # its keeper is asked
    leash = _Leash(stop, clock)
    beating = asyncio.create_task(_tell_parent(clock))
    if (roster := await leash.roster()) is not None:
        await record(
            roster,
            asked.settings,
            site.catalogue.footage,
            clock,
            stop,
            principal=asked.principal,
            duties=Duties(
                bookings=site.catalogue.bookings,
                memory=site.catalogue.footage,
                disk=site.disk,
                share=Share(group=group, mine=roster.entered.__contains__),
                orphaned=lambda: leash.orphaned,
            ),
        )
    beating.cancel()


class _Leash:
    """The pipe from the keeper: says what to record and when to stop, and closes when the keeper is gone."""

    def __init__(self, stop: asyncio.Event, clock: Clock) -> None:
        self._stop = stop
        self._clock = clock
        self._unread = b""
        self._roster: asyncio.Future[Roster | None] = asyncio.get_running_loop().create_future()
        self.orphaned = False
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._read)

    async def roster(self) -> Roster | None:
        """What to record; changes as the keeper says. None: it is to end before anything was said."""
        return await self._roster

    def _read(self) -> None:
        piece = os.read(sys.stdin.fileno(), 65536)
        *lines, self._unread = (self._unread + piece).split(b"\n")
        for line in lines:
            if line + b"\n" == STOP:
                self._end(orphaned=False)
                return
            self._take(Orders.read(line))
        if not piece:
            self._end(orphaned=True)

    def _take(self, orders: Orders) -> None:
        if self._roster.done():
            roster = self._roster.result()
            assert roster is not None
            roster.change(orders.specs, orders.wishes, self._clock.now_us())
        else:
            self._roster.set_result(Roster(orders.specs, orders.wishes))

    def _end(self, *, orphaned: bool) -> None:
        self.orphaned = orphaned
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        if not self._roster.done():
            self._roster.set_result(None)
        self._stop.set()


async def _tell_parent(clock: Clock) -> None:
    """Once a second: the loop goes round, however long the writer thread takes."""
    while True:
        with suppress(BrokenPipeError):
            sys.stdout.write(".\n")
            sys.stdout.flush()
        await clock.wait(_TICK_S)


async def _keep_groups(asked: Recording, site: Site, plan: _Plan, stop: asyncio.Event, clock: Clock) -> None:
    """The children record; what is nobody's is settled here, and what is done for the whole ring is, too."""
    settings, known = asked.settings, plan.known
    with sole_user(settings.data_dir, "recorder"):
        thread = WriterThread()
        try:

            def nobodys(source_id: str) -> bool:
                return source_id not in known and not in_use(settings.locks_dir, source_lock(source_id))

            await thread.call(_settle_nobodys, settings, site, nobodys)
            sweeps = Sweeps(_sweeps(asked, site, clock), clock, thread)
            await _together([plan.keeper.run(stop), _sweep(sweeps, stop)], stop)
            await sweeps.finish()
        finally:
            thread.close()


async def _sweep(sweeps: Sweeps, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await sweeps.tick()
        with suppress(TimeoutError):
            async with asyncio.timeout(_TICK_S):
                await stop.wait()


def _settle_nobodys(settings: Settings, site: Site, mine: Mine) -> None:
    try:
        site.disk.check()
    except DiskLost as error:
        _log.error(str(error), action="disk.lost", ring=str(settings.ring_dir))
    else:
        settle(settings, site.catalogue.footage, mine)


def _sweeps(asked: Recording, site: Site, clock: Clock) -> list[Sweep]:
    """What is done once for the whole ring."""
    settings, catalogue = asked.settings, site.catalogue
    evictor = Evictor(
        root=settings.ring_dir,
        disk=site.disk,
        rows=catalogue.removal,
        rules=EvictionRules.of(settings.ring, settings.cut),
        clock=clock,
        principal=asked.principal,
        minimum=catalogue.retention.minimum_age_us,
    )
    signer = Signer(settings.keys_dir, catalogue.checkpoints, catalogue.footage, clock)
    return [
        Sweep(name="room", seconds=_ROOM_S, run_once=evictor.run_once),
        Sweep(name="signature", seconds=_SIGNATURE_S, run_once=signer.run_once, at_end=True),
    ]


def _command(asked: Recording) -> Command:
    """The command line of a child: this program again."""
    program = [sys.executable, "-P", "-c", "from cli.main import main; main()", "capture"]
    given = ["--cameras", str(asked.settings.cameras), "--data-dir", str(asked.settings.data_dir)]
    given += ["--as", asked.principal, *(["--json-log"] if asked.json_log else [])]
    return lambda group: [*program, "--group", group, *given]
