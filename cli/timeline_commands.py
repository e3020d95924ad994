"""Commands about what happened: timelines, who reports them, the sample, and clips' originals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import CamerasOption, DataDir, PrincipalOption, read_settings, this_user
from kernel.clock import SystemClock
from kernel.settings import load_cameras
from kernel.timerange import EVER_US

timeline_app = typer.Typer(no_args_is_help=True, help="What happened in sessions: by file and by hand.")
system_app = typer.Typer(no_args_is_help=True, help="Trading systems that report by HTTP, and their keys.")
sample_app = typer.Typer(no_args_is_help=True, help="A month of twenty made-up projects.")


@timeline_app.command("import")
def timeline_import(
    file: Annotated[Path, typer.Argument(help="YAML, CSV or Excel; see docs/guide/timeline.md.")],
    zone: Annotated[
        str | None, typer.Option(help="Zone of times that say none, such as +08:00; else they are refused.")
    ] = None,
    cameras: CamerasOption = None,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Take in projects and events from a file; it may be read again.

    Only a file with projects needs cameras.yaml. Exit status 0 if all of it was taken in; 1 if an event was
    refused, which is named. What is odd about an event that was taken in is noted.

    Example: `jianzheng timeline import day.csv --zone +08:00`
    """
    from rich.console import Console

    from cli.timelines import import_file
    from cli.wiring import open_catalogue

    settings = read_settings(data_dir, cameras)
    with open_catalogue(settings) as catalogue:
        whole = import_file(
            catalogue,
            file,
            zone,
            principal or this_user(),
            SystemClock(),
            Console(soft_wrap=True),
            lambda: load_cameras(settings.cameras),
        )
    raise typer.Exit(0 if whole else 1)


@timeline_app.command("event")
def timeline_event(
    session: Annotated[str, typer.Argument(help="Id of the session.")],
    at: Annotated[str, typer.Argument(help="Such as 2026-03-02T12:20:00+08:00.")],
    kind: Annotated[str, typer.Argument(metavar="TYPE", help="Such as eval.pause, or 暂停.")],
    reason: Annotated[str, typer.Option(help="Why it is entered by hand; needed.")],
    replaces: Annotated[str | None, typer.Option(help="Id of the event that this one puts right.")] = None,
    withdraw: Annotated[bool, typer.Option(help="Only take back the event that is replaced.")] = False,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Enter an event by hand, or put one right; what was there before stays on record.

    Prints its id; what is odd about it goes to the standard error.

    Example: `jianzheng timeline event P01-E 2026-03-02T12:20:00+08:00 eval.pause --reason "by telephone"`
    """
    from cli.timelines import enter_event
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        made, notices = enter_event(
            catalogue,
            session,
            at,
            kind,
            reason=reason,
            replaces=replaces,
            withdraw=withdraw,
            principal=principal or this_user(),
            clock=SystemClock(),
        )
    typer.echo(made)
    for notice in notices:
        typer.secho(notice, fg="yellow", err=True)


@system_app.command("add")
def system_add(
    system: Annotated[str, typer.Argument(metavar="ID", help="Short name; its reports bear it.")],
    name: Annotated[str, typer.Option(help="Its name, for people.")] = "",
    instead_of: Annotated[
        str | None, typer.Option(help="System that it replaces: its projects go over, its key is revoked.")
    ] = None,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Let a trading system report, and print its key: once, nobody can read it again.

    A project belongs to the system that reported it first; no other one may report on it.

    Example: `jianzheng trading-system add etrade --name 电子交易系统`
    """
    from cli.wiring import open_catalogue

    with open_catalogue(read_settings(data_dir)) as catalogue:
        now_us = SystemClock().now_us()
        key = catalogue.trading_systems.add(
            system,
            name or system,
            principal=principal or this_user(),
            at_us=now_us,
            instead_of=instead_of,
        )
    typer.echo(key)


@system_app.command("list")
def system_list(data_dir: DataDir = None) -> None:
    """List the trading systems that may report, and those that might once.

    Example: `jianzheng trading-system list`
    """
    from rich.console import Console

    from cli.timelines import show_systems
    from cli.wiring import open_catalogue

    with open_catalogue(read_settings(data_dir)) as catalogue:
        show_systems(catalogue, Console())


@system_app.command("revoke")
def system_revoke(
    system: Annotated[str, typer.Argument(metavar="ID", help="Its id.")],
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Let a trading system's key hold no longer; what it reported stays.

    Example: `jianzheng trading-system revoke etrade`
    """
    from cli.wiring import open_catalogue

    with open_catalogue(read_settings(data_dir)) as catalogue:
        now_us = SystemClock().now_us()
        catalogue.trading_systems.revoke(system, principal=principal or this_user(), at_us=now_us)


@sample_app.command("load")
def sample_load(
    until: Annotated[
        str, typer.Option(help="Only what was known by then, such as 2026-03-09T12:00+08:00.")
    ] = "",
    data_dir: Annotated[Path, typer.Option(help="Where the catalogue of the sample is.")] = Path(
        "var/sample"
    ),
) -> None:
    """Fill a catalogue with the sample: places, projects, timelines, tags, holds, requests. No footage.

    Loading again changes nothing but what has become known since. Look at it with `serve --data-dir`.

    Example: `jianzheng sample load --until 2026-03-09T12:00+08:00`
    """
    from cli.moments import moment_us
    from cli.sample.load import run_load
    from cli.wiring import open_catalogue

    with open_catalogue(read_settings(data_dir)) as catalogue:
        run_load(catalogue, moment_us(until) if until else EVER_US)


def original_command(
    clip: Annotated[str, typer.Argument(help="Id of a clip.")],
    to: Annotated[Path, typer.Option(help="Directory to write into; made if it is not there.")],
    prove: Annotated[
        bool, typer.Option("--prove/--no-prove", help="Compare every segment with its hash on the way.")
    ] = True,
    data_dir: DataDir = None,
) -> None:
    """Write a clip without encoding anything anew: one MP4 file per unbroken stretch, and an index.

    Each file plays from exactly the start of its stretch to exactly its end. The index (JSON) names the files
    with their hashes, the segments that their bytes come from, and the gaps between them. Nothing is
    overwritten.

    Example: `jianzheng original P01-E.ZY-ER1-P1.1 --to /media/usb`
    """
    from cli.originals import write_originals
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        write_originals(catalogue, settings.ring_dir.absolute(), clip, to, prove=prove)
