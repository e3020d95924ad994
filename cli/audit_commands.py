"""Commands about the audit chain: who did what, and whether it is as it was written (invariant 14)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import DataDir, PrincipalOption, read_settings, this_user
from kernel.clock import SystemClock

audit_app = typer.Typer(no_args_is_help=True, help="Who did what, in a chain that shows every change.")

_ANCHOR = typer.Option(help="File of signed heads that was kept elsewhere. [default: audit.anchor_file]")


@audit_app.command("list")
def audit_list(
    by: Annotated[str | None, typer.Option(help="Who acted.")] = None,
    subject: Annotated[str | None, typer.Option(help="Id of what it was done to.")] = None,
    action: Annotated[str | None, typer.Option(help="All that begin with it: hold. or hold.made.")] = None,
    since: Annotated[str, typer.Option(help="With its zone: 2026-03-02T09:00+08:00.")] = "",
    until: Annotated[str, typer.Option(help="With its zone.")] = "",
    limit: Annotated[int, typer.Option(help="Most records, the newest.", min=1)] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")] = False,
    data_dir: DataDir = None,
) -> None:
    """List who did what, when, on what and from where, the newest first.

    Example: `jianzheng audit list --by wit-1 --action hold. --since 2026-03-01T00:00+08:00`
    """
    from catalog.audit import AuditFilter
    from cli.audit_check import print_records
    from cli.moments import moment_us
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    narrowed = AuditFilter(
        principal=by,
        subject=subject,
        action=action,
        since_us=moment_us(since) if since else None,
        until_us=moment_us(until) if until else None,
    )
    with open_catalogue(settings) as catalogue:
        print_records(catalogue, narrowed, limit, as_json=as_json)


@audit_app.command("head")
def audit_head(
    to: Annotated[str, typer.Option(metavar="FILE|URL", help="Append it there, or post it.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Print the chain's newest link, signed: kept elsewhere, it shows that nothing before it was changed.

    `serve` and `archive --follow` do so by themselves where audit.anchor_file or audit.anchor_url is set.

    Example: `jianzheng audit head --to /mnt/authority/heads.jsonl`
    """
    from cli.audit_anchor import export_head, place_of
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        places = [place_of(to)] if to else []
        line = export_head(catalogue, settings, SystemClock().now_us(), *places)
    typer.echo(line or "尚无记录 There is no record yet.")


@audit_app.command("check")
def audit_check(
    anchor: Annotated[list[Path] | None, _ANCHOR] = None,
    epoch: Annotated[
        list[Path] | None, typer.Option(help="File of a closed epoch, to be checked with it.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Walk the whole chain; name every record that was changed, removed, put in or exchanged.

    A chain that was rewritten as a whole shows only against heads that were kept elsewhere. Exit status 1
    if anything is wrong.

    Example: `jianzheng audit check --anchor /mnt/authority/heads.jsonl`
    """
    from cli.audit_check import check_audit
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        raise typer.Exit(check_audit(catalogue, settings, anchor or (), epoch or ()))


@audit_app.command("close-epoch")
def audit_close_epoch(
    until: Annotated[str, typer.Option(help="Records before it leave: 2026-01-01T00:00+08:00.")],
    to: Annotated[Path, typer.Option(metavar="FILE", help="New file; keep it as long as the archives.")],
    anchor: Annotated[list[Path] | None, _ANCHOR] = None,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Let old records leave the catalogue, whole, into a file that is written, synced and read back first.

    Refused while they are younger than audit.keep_days, while no head that was kept elsewhere anchors them,
    and while anything is wrong with the chain. `audit check --epoch FILE` verifies the file for ever.

    Example: `jianzheng audit close-epoch --until 2026-01-01T00:00+08:00 --to audit-2025.jsonl`
    """
    from cli.audit_check import anchors_of
    from cli.audit_epochs import close_epoch
    from cli.moments import moment_us
    from cli.wiring import open_catalogue, refuse_missing_catalogue

    settings = read_settings(data_dir)
    refuse_missing_catalogue(settings)
    with open_catalogue(settings) as catalogue:
        closed = close_epoch(
            catalogue,
            settings.audit,
            to,
            until_us=moment_us(until),
            heads=anchors_of(settings, anchor or ()),
            principal=principal or this_user(),
            now_us=SystemClock().now_us(),
        )
    typer.echo(f"已移出 records {closed.first} to {closed.last} are in {to}, SHA-256 {closed.sha256}.")
