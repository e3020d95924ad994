"""``jianzheng accounts``: who may sign in, from the command line of the machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from catalog.accounts import By
from cli.moments import shown
from cli.options import DataDir, PrincipalOption, read_settings, this_user
from cli.printing import console
from kernel.clock import SystemClock
from kernel.model.account import Account, LoginEnd, Role

if TYPE_CHECKING:
    from catalog.catalogue import Catalogue

accounts_app = typer.Typer(
    no_args_is_help=True, help="Who may sign in: accounts, their one-time links, who is signed in."
)
_Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Its id.")]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object a line, for machines.")]


@contextmanager
def _opened(data_dir: Path | None) -> Iterator[Catalogue]:
    from cli.wiring import open_catalogue

    with open_catalogue(read_settings(data_dir)) as catalogue:
        yield catalogue


def _by(principal: str | None) -> By:
    return By(principal=principal or this_user(), at_us=SystemClock().now_us())


@accounts_app.command("list")
def list_accounts(as_json: _Json = False, data_dir: DataDir = None) -> None:
    """List all accounts with role, scope and state.

    Example: `jianzheng accounts list`
    """
    with _opened(data_dir) as catalogue:
        standings = catalogue.accounts.standings()
        for one in catalogue.accounts.all():
            if as_json:
                typer.echo(json.dumps(asdict(one) | asdict(standings[one.id]), ensure_ascii=False))
            else:
                console().print(_told(one, begun=standings[one.id].begun), markup=False)


def _told(one: Account, *, begun: bool) -> str:
    industries = "全部行业 all" if one.all_industries else ",".join(one.industries)
    scope = "  ".join(part for part in (",".join(one.regions), industries, one.agency) if part)
    state = "已停用 closed" if not one.active else "" if begun else "未启用 not begun"
    parts = (one.id, one.role, one.label_zh, scope, state)
    return "  ".join(part for part in parts if part)


@accounts_app.command("add")
def add(
    account: _Account,
    label: Annotated[str, typer.Option(help="What screens call it, in Chinese.")],
    role: Annotated[
        Role, typer.Option(help="What it is; unassigned: the security administrator says so.")
    ] = (Role.UNASSIGNED),
    region: Annotated[
        list[str] | None, typer.Option(help="Code of a region, with all below; may be repeated.")
    ] = None,
    industry: Annotated[
        list[str] | None, typer.Option(help="Code of an industry, or '*' for all; may be repeated.")
    ] = None,
    agency: Annotated[str, typer.Option(help="Of an agency's account: its name as projects have it.")] = "",
    department: Annotated[str, typer.Option(help="Department of its holder.")] = "",
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Make an account; its holder begins with the link of `accounts invite`.

    Example: `jianzheng accounts add s-zj-2 --label 住建监督员02 --role supervisor --region 530600`
    """
    industries = industry or []
    made = Account(
        id=account,
        role=role,
        label_zh=label,
        department=department,
        regions=tuple(region or ()),
        industries=tuple(code for code in industries if code != "*"),
        all_industries="*" in industries,
        agency=agency,
    )
    with _opened(data_dir) as catalogue:
        catalogue.accounts.add(made, _by(principal))
    typer.echo(f"已建立 {escape(account)} is made.")


@accounts_app.command("invite")
def invite(
    account: _Account,
    address: Annotated[
        str, typer.Option(metavar="https://HOST", help="Of the page. [default: by the settings]")
    ] = "",
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Print a one-time link with which its holder sets password and second factor; older links end.

    Whoever has the link has the account: bring it by a way that nobody else can read.

    Example: `jianzheng accounts invite admin`
    """
    from cli.serving import address_of
    from cli.wiring import open_catalogue
    from player_api.accounts import begin_link
    from player_api.people import sign_in_of

    settings = read_settings(data_dir)
    with open_catalogue(settings) as catalogue:
        sign_in = sign_in_of(catalogue, settings.keys_dir, SystemClock(), settings.accounts)
        token = sign_in.invite(account, principal or this_user())
    typer.echo(begin_link(address.rstrip("/") or address_of(settings.server), token))


@accounts_app.command("disable")
def disable(account: _Account, data_dir: DataDir = None, principal: PrincipalOption = None) -> None:
    """Close an account; who is signed in with it is signed out at once.

    Example: `jianzheng accounts disable w-zt-2`
    """
    with _opened(data_dir) as catalogue:
        by = _by(principal)
        catalogue.accounts.change(account, by, disabled_us=by.at_us)
    typer.echo(f"已停用 {account} is closed.")


@accounts_app.command("enable")
def enable(account: _Account, data_dir: DataDir = None, principal: PrincipalOption = None) -> None:
    """Open an account again that was closed.

    Example: `jianzheng accounts enable w-zt-2`
    """
    with _opened(data_dir) as catalogue:
        catalogue.accounts.change(account, _by(principal), disabled_us=None)
    typer.echo(f"已启用 {account} is open.")


@accounts_app.command("link")
def link(
    account: _Account,
    subject: Annotated[str, typer.Argument(help="What the provider of oidc.issuer calls its holder.")] = "",
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """Let its holder sign in by the provider of identities; without a subject, no longer.

    Example: `jianzheng accounts link w-zt-1 248289761001`
    """
    from cli.wiring import open_catalogue
    from kernel.errors import SettingsError
    from player_api.oidc import identity_of

    settings = read_settings(data_dir)
    if subject and not settings.oidc.there:
        raise SettingsError("there is no provider of identities.", hint="Set oidc.issuer and oidc.client_id.")
    with open_catalogue(settings) as catalogue:
        identity = identity_of(settings.oidc.issuer, subject) if subject else None
        catalogue.accounts.link(account, identity, _by(principal))
    typer.echo(f"已更新 {account} is {'linked' if subject else 'no longer linked'}.")


@accounts_app.command("sessions")
def sessions(
    account: _Account,
    end: Annotated[str, typer.Option(metavar="LOGIN", help="Sign out there: an id, or 'all'.")] = "",
    as_json: _Json = False,
    data_dir: DataDir = None,
    principal: PrincipalOption = None,
) -> None:
    """List where an account is signed in, or end that.

    Example: `jianzheng accounts sessions w-zt-1 --end all`
    """
    with _opened(data_dir) as catalogue:
        by = _by(principal)
        for one in catalogue.logins.of_account(account, by.at_us):
            if end in (one.id, "all"):
                catalogue.logins.end(one.id, LoginEnd.ENDED, by)
                typer.echo(f"已结束 {one.id} is ended.")
            elif as_json:
                typer.echo(json.dumps(asdict(one), ensure_ascii=False))
            elif not end:
                told = f"{one.id}  {shown(one.made_us)}  {shown(one.seen_us)}  {one.origin}  {one.agent}"
                console().print(told, markup=False)
