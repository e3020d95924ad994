"""What ``jianzheng capture`` runs: one recording process, or one per group of sources under a keeper."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from capture.checkpoints import Signer
from capture.disk import WriterThread
from capture.eviction import EvictionRules, Evictor
from capture.groups import Group, assign, recorded_by_us
from capture.keeper import STOP, Command, Keeper
from capture.recover import Mine
from capture.ring_disk import RingDisk, open_ring
from capture.sweeps import Sweep, Sweeps
from capture.worker import Duties, Share, record, settle, source_lock
from catalog.catalogue import Catalogue
from cli.wiring import open_catalogue
from kernel.clock import Clock
from kernel.errors import DiskLost
from kernel.lock import in_use, sole_user
from kernel.log import logger
from kernel.settings import CamerasFile, Settings, load_cameras

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
    """What is recorded, and where to."""

    places: CamerasFile
    catalogue: Catalogue
    disk: RingDisk


def run_capture(asked: Recording, group: str, clock: Clock) -> None:
    """Record until told to stop.

    Args:
        group: the one to record, given by a keeper to its child as NAME=ID,ID,...: cameras.yaml may have
            changed since, and the other children still have theirs. Empty: everything.
    """
    _rest_the_collector()
    places = load_cameras(asked.settings.cameras)
    groups = assign(places.specs(), asked.settings.capture)
    with open_catalogue(asked.settings, places) as catalogue:
        disk = open_ring(asked.settings.ring_dir, catalogue.ring_disks, clock, asked.principal)
        site = Site(places=places, catalogue=catalogue, disk=disk)
        if group:
            asyncio.run(_record_group(asked, site, _told(places, group), clock))
        elif len(groups) <= 1:
            asyncio.run(_record_all(asked, site, groups, clock))
        else:
            asyncio.run(_keep_groups(asked, site, groups, clock))


def _rest_the_collector() -> None:
    """Look for cycles seldom: packets and samples are none, and there are thousands alive at any moment.

    Measured with 64 sources: a tenth of the processor time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)


def _told(places: CamerasFile, group: str) -> Group:
    """The group as its keeper named it; a source that cameras.yaml no longer has is left out."""
    name, _, ids = group.partition("=")
    wanted = frozenset(ids.split(","))
    return Group(name=name, specs=tuple(spec for spec in places.specs() if spec.id in wanted))


def _stop_on_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _not_others(places: CamerasFile) -> frozenset[str]:
    """Sources whose files other programs write: an agent's receiver."""
    ours = {spec.id for spec in recorded_by_us(places.specs())}
    return frozenset(spec.id for spec in places.specs() if spec.id not in ours)


async def _record_all(asked: Recording, site: Site, groups: Sequence[Group], clock: Clock) -> None:
    others = _not_others(site.places)
    await record(
        groups[0].specs if groups else (),
        asked.settings,
        site.catalogue.footage,
        clock,
        _stop_on_signal(),
        principal=asked.principal,
        duties=Duties(
            wishes=site.places.wishes(),
            bookings=site.catalogue.bookings,
            memory=site.catalogue.footage,
            disk=site.disk,
            sweeps=_sweeps(asked, site, clock),
            share=Share(mine=lambda source_id: source_id not in others),
        ),
    )


async def _record_group(asked: Recording, site: Site, group: Group, clock: Clock) -> None:
    ids = frozenset(spec.id for spec in group.specs)
    stop = _stop_on_signal()
    leash = _Leash(stop)
    beating = asyncio.create_task(_tell_parent(clock))
    await record(
        group.specs,
        asked.settings,
        site.catalogue.footage,
        clock,
        stop,
        principal=asked.principal,
        duties=Duties(
            wishes=site.places.wishes(),
            bookings=site.catalogue.bookings,
            memory=site.catalogue.footage,
            disk=site.disk,
            share=Share(group=group.name, mine=lambda source_id: source_id in ids),
            orphaned=lambda: leash.orphaned,
        ),
    )
    beating.cancel()


class _Leash:
    """The pipe from the keeper: it says when to stop, and closes when the keeper is gone."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop
        self._told = b""
        self.orphaned = False
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._read)

    def _read(self) -> None:
        piece = os.read(sys.stdin.fileno(), 64)
        self._told += piece
        if STOP in self._told or not piece:
            self.orphaned = STOP not in self._told
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self._stop.set()


async def _tell_parent(clock: Clock) -> None:
    """Once a second: the loop goes round, however long the writer thread takes."""
    while True:
        with suppress(BrokenPipeError):
            sys.stdout.write(".\n")
            sys.stdout.flush()
        await clock.wait(_TICK_S)


async def _keep_groups(asked: Recording, site: Site, groups: Sequence[Group], clock: Clock) -> None:
    """The children record; what is nobody's is settled here, and what is done for the whole ring is, too."""
    settings, stop = asked.settings, _stop_on_signal()
    known = frozenset(spec.id for spec in site.places.specs())
    with sole_user(settings.data_dir, "recorder"):
        thread = WriterThread()
        try:

            def nobodys(source_id: str) -> bool:
                return source_id not in known and not in_use(settings.locks_dir, source_lock(source_id))

            await thread.call(_settle_nobodys, settings, site, nobodys)
            sweeps = Sweeps(_sweeps(asked, site, clock), clock, thread)
            sweeping = asyncio.create_task(_sweep(sweeps, stop))
            await Keeper([_tell(group) for group in groups], _command(asked), clock).run(stop)
            await sweeping
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
    )
    signer = Signer(settings.keys_dir, catalogue.checkpoints, catalogue.footage, clock)
    return [
        Sweep(name="room", seconds=_ROOM_S, run_once=evictor.run_once),
        Sweep(name="signature", seconds=_SIGNATURE_S, run_once=signer.run_once, at_end=True),
    ]


def _tell(group: Group) -> str:
    return f"{group.name}={','.join(spec.id for spec in group.specs)}"


def _command(asked: Recording) -> Command:
    """The command line of a child: this program again."""
    program = [sys.executable, "-P", "-c", "from cli.main import main; main()", "capture"]
    given = ["--cameras", str(asked.settings.cameras), "--data-dir", str(asked.settings.data_dir)]
    given += ["--as", asked.principal, *(["--json-log"] if asked.json_log else [])]
    return lambda group: [*program, "--group", group, *given]
