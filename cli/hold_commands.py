"""Commands that hold what must not be removed, list what is held, and let go of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from catalog.catalogue import Catalogue
from cli.options import DataDir, PrincipalOption, read_settings, this_user
from kernel.clock import Clock, SystemClock
from kernel.model.footage import HoldKind

hold_app = typer.Typer(
    no_args_is_help=True,
    help="Hold what must not be removed: footage, sessions, projects and their archives.",
)
_Reason = Annotated[str, typer.Option(help="Why; stays on record.")]
_Tag = Annotated[str, typer.Option(help="Id of the mark that gave rise to it.")]
_DAYS = ["%Y-%m-%d"]


def _hold(data_dir: Path | None, made: Callable[[Catalogue, Clock], object]) -> None:
    """Hold something, then tell the store, which may take its time."""
    from cli.holding import tell_store
    from cli.stores import own_store
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings, clock = read_settings(data_dir), SystemClock()
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        made(catalogue, clock)
        tell_store(catalogue, own_store(settings, clock), clock)


@hold_app.command("source")
def hold_source(
    start: Annotated[str, typer.Argument(metavar="FROM", help="Such as 2026-03-02T09:00+08:00.")],
    end: Annotated[str, typer.Argument(metavar="TO", help="Such as 2026-03-02T12:00+08:00.")],
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE...", help="Ids of sources, or patterns such as 'SH1-04-*'.")
    ],
    reason: _Reason,
    tag: _Tag = "",
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Hold a range of time of sources: nothing of it is removed until it is released.

    Says how much footage it keeps, which seconds of it are gaps, and what is gone already or still to come.
    Archives of sessions that show it are held, too.

    Example: `jianzheng hold source 2026-03-02T09:00+08:00 2026-03-02T12:00+08:00 cam-1 --reason case`
    """
    from cli.holding import hold_sources

    who = principal or this_user()
    _hold(
        data_dir,
        lambda catalogue, clock: hold_sources(catalogue, sources, (start, end), reason, who, clock, tag),
    )


@hold_app.command("session")
def hold_session(
    sessions: Annotated[list[str], typer.Argument(metavar="SESSION...", help="Their ids.")],
    reason: _Reason,
    tag: _Tag = "",
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Hold sessions: their footage, and their projects' archives.

    Example: `jianzheng hold session P06-E --reason "complaint 17"`
    """
    from cli.holding import hold_whole

    who = principal or this_user()
    _hold(
        data_dir,
        lambda catalogue, clock: hold_whole(catalogue, HoldKind.SESSION, sessions, reason, who, clock, tag),
    )


@hold_app.command("project")
def hold_project(
    projects: Annotated[list[str], typer.Argument(metavar="PROJECT...", help="Their ids.")],
    reason: _Reason,
    tag: _Tag = "",
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Hold projects: all their sessions, present and to come, footage and archives.

    Example: `jianzheng hold project P09 --reason "re-evaluation"`
    """
    from cli.holding import hold_whole

    who = principal or this_user()
    _hold(
        data_dir,
        lambda catalogue, clock: hold_whole(catalogue, HoldKind.PROJECT, projects, reason, who, clock, tag),
    )


@hold_app.command("agency")
def hold_agency_command(
    agency: Annotated[str, typer.Argument(help="As the trading system writes it.")],
    first: Annotated[datetime, typer.Argument(metavar="FIRST", formats=_DAYS, help="First Beijing day.")],
    last: Annotated[datetime, typer.Argument(metavar="LAST", formats=_DAYS, help="Last Beijing day.")],
    reason: _Reason,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Hold all projects of an agency that have a session on one of these days, those to come included.

    One act: `release` with its id lets go of all of them.

    Example: `jianzheng hold agency 样例代理机构乙 2026-03-01 2026-03-31 --reason "case 4"`
    """
    from cli.holding import hold_agency

    who, days = principal or this_user(), (first.date(), last.date())
    _hold(data_dir, lambda catalogue, clock: hold_agency(catalogue, agency, days, reason, who, clock))


@hold_app.command("apply")
def hold_apply(data_dir: DataDir = None) -> None:
    """Tell the store what is held: legal holds in the bucket, and the records from which holds are rebuilt.

    Every hold and release does it by itself, and `archive --follow` once a minute.

    Example: `jianzheng hold apply`
    """
    _hold(data_dir, lambda _catalogue, _clock: None)


def holds(
    released: Annotated[bool, typer.Option("--all", help="Those that were released, too.")] = False,
    data_dir: DataDir = None,
) -> None:
    """List what is held, by whom and why.

    Example: `jianzheng holds --all`
    """
    from cli.holding import print_holds
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        print_holds(catalogue, released=released)


def release(
    hold_id: Annotated[str, typer.Argument(metavar="HOLD", help="Its id, or that of an act.")],
    reason: _Reason,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Let go of a hold, or of all that one act holds. That it was, who released it and why, stays on record.

    Example: `jianzheng release HOLD --reason "complaint 17 is settled"`
    """

    def let_go(catalogue: Catalogue, clock: Clock) -> None:
        who, now_us = principal or this_user(), clock.now_us()
        catalogue.holds.release(hold_id, at_us=now_us, principal=who, reason=reason)
        typer.echo(f"已解除 {hold_id} is released.")

    _hold(data_dir, let_go)
