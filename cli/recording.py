"""What ``jianzheng capture`` runs: one recording process, or one per group of sources under a supervisor."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from capture.disk import WriterThread
from capture.groups import Group, assign, recorded_by_us
from capture.supervisor import Command, Supervisor
from capture.sweeps import Sweep, Sweeps
from capture.worker import Share, record, settle
from catalog.catalogue import Catalogue
from cli.wiring import open_catalogue
from kernel.clock import Clock
from kernel.errors import SettingsError
from kernel.lock import sole_user
from kernel.settings import CamerasFile, Settings, load_cameras

_TICK_S = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """What was asked for on the command line."""

    settings: Settings
    principal: str
    json_log: bool


def run_capture(asked: Recording, group: str, clock: Clock) -> None:
    """Record until told to stop.

    Args:
        group: the one to record, given by a supervisor to its child; empty: everything.

    Raises:
        SettingsError: there is no such group.
    """
    places = load_cameras(asked.settings.cameras)
    groups = assign(places.specs(), asked.settings.capture)
    with open_catalogue(asked.settings, places) as catalogue:
        if group:
            asyncio.run(_record_group(asked, places, catalogue, _named(groups, group), clock))
        elif len(groups) <= 1:
            asyncio.run(_record_all(asked, places, catalogue, groups, clock))
        else:
            asyncio.run(_supervise(asked, places, catalogue, groups, clock))


def _named(groups: Sequence[Group], name: str) -> Group:
    for group in groups:
        if group.name == name:
            return group
    raise SettingsError(f"cameras.yaml makes no group {name}.", hint="Start 'jianzheng capture' without it.")


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


async def _record_all(
    asked: Recording, places: CamerasFile, catalogue: Catalogue, groups: Sequence[Group], clock: Clock
) -> None:
    others = _not_others(places)
    await record(
        groups[0].specs if groups else (),
        asked.settings,
        catalogue.footage,
        clock,
        _stop_on_signal(),
        principal=asked.principal,
        wishes=places.wishes(),
        bookings=catalogue.bookings,
        sweeps=_sweeps(asked, catalogue, clock),
        share=Share(mine=lambda source_id: source_id not in others),
    )


async def _record_group(
    asked: Recording, places: CamerasFile, catalogue: Catalogue, group: Group, clock: Clock
) -> None:
    ids = frozenset(spec.id for spec in group.specs)
    stop = _stop_on_signal()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _stop_at_end_of_input, stop)
    await record(
        group.specs,
        asked.settings,
        catalogue.footage,
        clock,
        stop,
        principal=asked.principal,
        wishes=places.wishes(),
        bookings=catalogue.bookings,
        share=Share(group=group.name, mine=lambda source_id: source_id in ids),
        on_tick=_tell_parent,
    )


def _stop_at_end_of_input(stop: asyncio.Event) -> None:
    """The pipe closes when the parent says so, or when it is gone."""
    if not os.read(sys.stdin.fileno(), 64):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


def _tell_parent() -> None:
    with suppress(BrokenPipeError):
        sys.stdout.write(".\n")
        sys.stdout.flush()


async def _supervise(
    asked: Recording, places: CamerasFile, catalogue: Catalogue, groups: Sequence[Group], clock: Clock
) -> None:
    """The children record; what is nobody's is settled here, and what is done for the whole ring is, too."""
    settings, stop = asked.settings, _stop_on_signal()
    known = frozenset(spec.id for spec in places.specs())
    with sole_user(settings.ring_dir, "recorder"):
        thread = WriterThread()
        try:
            await thread.call(settle, settings, catalogue.footage, lambda source_id: source_id not in known)
            sweeps = Sweeps(_sweeps(asked, catalogue, clock), clock, thread)
            sweeping = asyncio.create_task(_sweep(sweeps, stop))
            await Supervisor([group.name for group in groups], _command(asked), clock).run(stop)
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


def _sweeps(asked: Recording, catalogue: Catalogue, clock: Clock) -> list[Sweep]:
    """What is done once for the whole ring."""
    return []


def _command(asked: Recording) -> Command:
    """The command line of a child: this program again."""
    program = [sys.executable, "-c", "from cli.main import main; main()", "capture"]
    given = ["--cameras", str(asked.settings.cameras), "--data-dir", str(asked.settings.data_dir)]
    given += ["--as", asked.principal, *(["--json-log"] if asked.json_log else [])]
    return lambda group: [*program, "--group", group, *given]
