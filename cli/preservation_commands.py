"""Commands about keeping archives whole: fixity, copies, restore drills."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import DataDir, MachineLog, PrincipalOption, read_settings, stop_on_signal, this_user
from kernel.clock import SystemClock
from kernel.errors import SettingsError
from kernel.log import configure_logging

if TYPE_CHECKING:
    from cli.preserving import Keeping

_UNITS = {"": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_JSON = Annotated[bool, typer.Option("--json", help="One JSON object, for machines.")]


def bytes_of(text: str) -> int:
    """How many bytes ``10GB`` are.

    Raises:
        SettingsError: it is no such text.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kMGT]?B)?", text.strip())
    if match is None:
        raise SettingsError(f"{text} is no size.", hint="Write it like 10GB or 500MB.")
    return round(float(match[1]) * _UNITS[match[2] or ""])


@contextmanager
def _keeping(data_dir: Path | None, principal: str | None, *, json_log: bool = False) -> Iterator[Keeping]:
    from catalog.objects import open_store
    from cli.preserving import Keeping
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    configure_logging(machine=json_log)
    settings, clock, stop = read_settings(data_dir), SystemClock(), threading.Event()
    refuse_missing_catalogue(settings)
    stop_on_signal(stop)
    with open_catalogue(settings) as catalogue:
        yield Keeping(
            settings=settings,
            catalogue=catalogue,
            store=open_store(settings.store_url, settings.store_dir, settings.store, clock),
            clock=clock,
            stop=stop,
            principal=principal or this_user(),
        )


def fixity(
    everything: Annotated[
        bool, typer.Option("--all", help="All objects, not only those that are due.")
    ] = False,
    bad: Annotated[
        bool, typer.Option("--bad", help="Only those in trouble, at once: after a repair.")
    ] = False,
    budget: Annotated[str, typer.Option(help="Begin no object behind so much: 10GB, 500MB.")] = "",
    follow: Annotated[bool, typer.Option(help="Go on for ever with what becomes due.")] = False,
    as_json: _JSON = False,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
    json_log: MachineLog = False,
) -> None:
    """Read stored objects back and compare size and SHA-256, those first that were not read for longest.

    Without options only what is due. Takes no more than preservation.sweep_bytes_per_second, and ends at
    once on Ctrl-C; the next call goes on where it was. `archive --follow` does the same by itself. Nothing
    is repaired. Exit status 1 if a copy of
    an object is not as it should be, or a restore drill failed.

    Example: `jianzheng fixity --all --budget 10GB`
    """
    from cli.preservation_reports import print_state, run_fixity

    with _keeping(data_dir, principal, json_log=json_log) as keeping:
        limit = bytes_of(budget) if budget else None
        swept = run_fixity(keeping, everything=everything, bad=bad, budget_bytes=limit, follow=follow)
        raise typer.Exit(print_state(keeping, swept, as_json=as_json))


def copies(
    make: Annotated[bool, typer.Option("--make", help="Copy what is missing now.")] = False,
    project: Annotated[str, typer.Option(help="List packages of this project: its id.")] = "",
    as_json: _JSON = False,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Say which store holds what, how much of it was read back in time, and what is missing there.

    `archive --follow` makes missing copies by itself. With --project, says where each of its packages is and
    when it was last read back. Exit status 1 if a store of the settings does not hold everything.

    Example: `jianzheng copies --project P01`
    """
    from catalog.fixity import SweepStopped
    from cli.preservation_reports import print_media, print_stores

    with _keeping(data_dir, principal) as keeping:
        keeping.catalogue.preservation.enrol()
        if make:
            with suppress(SweepStopped):
                keeping.copies(keeping.shelves()).run()
        if project:
            print_media(keeping, project, as_json=as_json)
            return
        raise typer.Exit(print_stores(keeping, as_json=as_json))


def drill(
    project: Annotated[str, typer.Option(help="This project, instead of one that is drawn: its id.")] = "",
    seed: Annotated[str, typer.Option(help="Draw by this seed: the same draws the same.")] = "",
    listing: Annotated[bool, typer.Option("--list", help="Show the reports of past drills instead.")] = False,
    as_json: _JSON = False,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Fetch an archived project from the store, verify its packages and decode each file at three points.

    The project is drawn at random; the seed is recorded, so that the drawing can be repeated. `archive
    --follow` does it every preservation.drill_days. Exit status 1 if the drill failed.

    Example: `jianzheng drill --project P01`
    """
    from cli.preservation_reports import print_drills, run_drill

    with _keeping(data_dir, principal) as keeping:
        found = keeping.catalogue.preservation.drills() if listing else run_drill(keeping, project, seed)
        raise typer.Exit(print_drills(found, as_json=as_json))
