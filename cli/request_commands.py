"""``jianzheng request``: ask to see archives or to take copies out, decide on it, and who ever asked."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape

from cli.moments import shown, shown_range, time_range
from cli.options import DataDir, PrincipalOption, read_settings, this_user
from cli.printing import console
from kernel.clock import SECOND_US, SystemClock
from kernel.errors import RequestError, SettingsError
from kernel.ids import new_id
from kernel.model.account import Role
from kernel.model.use import RequestState, Scope, UseKind, UseRequest
from kernel.timerange import TimeRange

request_app = typer.Typer(no_args_is_help=True, help="Requests to see archives or to take copies out.")
_Request = Annotated[str, typer.Argument(metavar="REQUEST", help="Its id.")]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")]
_DAY_US = 24 * 3600 * SECOND_US
_WORDS = {
    RequestState.ASKED: "待审批 asked",
    RequestState.APPROVED: "已批准 approved",
    RequestState.REFUSED: "已拒绝 refused",
    RequestState.USED: "已使用 used",
    RequestState.EXPIRED: "已过期 expired",
}


@request_app.command("ask")
def ask(
    project: Annotated[str, typer.Argument(help="Id of the project.")],
    reason: Annotated[str, typer.Option(help="Why; stays on record.")],
    role: Annotated[Role, typer.Option(help="In which capacity.")],
    basis: Annotated[str, typer.Option(help="Number of the letter, case or form it rests on.")] = "",
    kind: Annotated[UseKind, typer.Option(help="To see it, or to take a copy out.")] = UseKind.EXPORT,
    session: Annotated[list[str] | None, typer.Option(help="Only this session; may be repeated.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only this source; may be repeated.")] = None,
    start: Annotated[str, typer.Option("--from", help="Such as 2026-03-09T11:10+08:00.")] = "",
    end: Annotated[str, typer.Option("--to", help="Such as 2026-03-09T11:40+08:00.")] = "",
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Ask for a project's recordings, or a part of them; somebody else decides.

    Without a basis number it is refused, and the attempt stays on record.

    Example: `jianzheng request ask P06 --role inspector --basis "letter 1" --reason "lead" --session P06-E`
    """
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    if bool(start) != bool(end):
        raise SettingsError("a range has a start and an end.", hint="Give --from and --to, or neither.")
    wall = time_range(start, end) if start else None
    made = UseRequest(
        id=new_id("request"),
        project_id=project,
        kind=kind,
        role=role,
        scope=Scope(
            session_ids=tuple(session or ()),
            source_ids=tuple(source or ()),
            start_us=wall.start_us if wall else None,
            end_us=wall.end_us if wall else None,
        ),
        reason=reason,
        basis_no=basis,
        principal=principal or this_user(),
        asked_us=SystemClock().now_us(),
    )
    with open_catalogue(settings) as catalogue:
        catalogue.requests.ask(made)
    typer.echo(f"已提出 {made.id} is asked for.")


@request_app.command("approve")
def approve(request: _Request, data_dir: DataDir = None, principal: PrincipalOption = None) -> None:
    """Approve a request that somebody else made; it may be used for use.request_days.

    Example: `jianzheng request approve REQUEST --as boss-1`
    """
    decided = _decide(request, data_dir, principal, approved=True)
    typer.echo(f"已批准 {decided.id} is approved.")


@request_app.command("refuse")
def refuse(
    request: _Request,
    reason: Annotated[str, typer.Option(help="Why; stays on record.")],
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Refuse a request that somebody else made.

    Example: `jianzheng request refuse REQUEST --reason "an agency gets the opening only" --as boss-1`
    """
    decided = _decide(request, data_dir, principal, approved=False, reason=reason)
    typer.echo(f"已拒绝 {decided.id} is refused.")


def _decide(
    request_id: str, data_dir: DataDir, principal: str | None, *, approved: bool, reason: str = ""
) -> UseRequest:
    from catalog.requests import Decision
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings, now_us = read_settings(data_dir), SystemClock().now_us()
    refuse_missing_catalogue(settings)
    decision = Decision(
        approved=approved,
        principal=principal or this_user(),
        reason=reason,
        at_us=now_us,
        expires_us=now_us + round(settings.use.request_days * _DAY_US),
    )
    with open_catalogue(settings) as catalogue:
        return catalogue.requests.decide(request_id, decision)


@request_app.command("list")
def list_requests(
    project: Annotated[str, typer.Option(help="Of this project: its id.")] = "",
    as_json: _Json = False,
    data_dir: DataDir = None,
) -> None:
    """List requests, the newest first, with what became of them.

    Example: `jianzheng request list --project P06`
    """
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings, now_us = read_settings(data_dir), SystemClock().now_us()
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        for one in catalogue.requests.all(project_id=project or None):
            if as_json:
                typer.echo(json.dumps({**asdict(one), "state": one.state(now_us)}, ensure_ascii=False))
            else:
                console().print(_told(one, now_us))


def _told(one: UseRequest, now_us: int) -> str:
    decided = f"; {one.decided_by}: {one.decision_reason or '–'}" if one.decided_by else ""
    return escape(
        f"{one.id}  {_WORDS[one.state(now_us)]}  {one.project_id} {_scope(one.scope)}  {one.kind}  "
        f"{one.principal} ({one.role}, {one.basis_no}) {shown(one.asked_us)}: {one.reason}{decided}"
    )


def _scope(scope: Scope) -> str:
    parts = [*scope.session_ids, *scope.source_ids]
    if scope.start_us is not None and scope.end_us is not None:
        parts.append(shown_range(TimeRange(start_us=scope.start_us, end_us=scope.end_us)))
    return ", ".join(parts) or "全部 whole"


@request_app.command("uses")
def uses(
    project: Annotated[str, typer.Argument(help="Id of the project.")],
    as_json: _Json = False,
    data_dir: DataDir = None,
) -> None:
    """Say who ever asked for anything of a project, decided on it or took it out, from the audit chain.

    Example: `jianzheng request uses P06`
    """
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        if catalogue.projects.project(project) is None:
            raise RequestError(f"there is no project {project}.", hint="Name it by its id.")
        for one in catalogue.requests.uses(project, limit=1_000_000):
            if as_json:
                typer.echo(json.dumps({**asdict(one), "details": dict(one.details)}, ensure_ascii=False))
            else:
                details = one.details
                said = (
                    f"{details.get('request', '')} {details.get('basis_no', '')} {details.get('denied', '')}"
                )
                line = (
                    f"{one.number}  {shown(one.at_us)}  {one.principal}  {one.action}  {one.result}  {said}"
                )
                console().print(escape(line.rstrip()))
