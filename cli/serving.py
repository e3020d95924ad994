"""``jianzheng serve``: the page, with accounts or for this machine alone."""

from __future__ import annotations

import ssl
import sys
import threading
from dataclasses import dataclass
from typing import Any

import typer
import uvicorn

from catalog.catalogue import Catalogue
from cli.alerting import alerting
from cli.audit_anchor import anchoring
from cli.checkup import CheckerOnDemand
from cli.documents import document_intake
from cli.live_makers import ChildMakers
from cli.options import this_user
from cli.ports import PORT_TAKEN, refuse_busy_port
from cli.sample.accounts import load_accounts
from cli.stores import own_store
from cli.sweeping import sweeping
from cli.watch import open_watch
from cli.wiring import open_catalogue
from kernel.clock import Clock
from kernel.errors import SettingsError
from kernel.model.account import Role
from kernel.settings import ServerSettings, Settings, TlsSettings
from player_api.accounts import begin_link
from player_api.app import create_app
from player_api.people import People, people_of
from player_api.transport import reach_of
from segmenter.clip_originals import Originals
from segmenter.worker import Segmenter


@dataclass(frozen=True, kw_only=True, slots=True)
class Serving:
    """What was asked for."""

    settings: Settings  # its host and port as they shall be
    accounts: bool  # False: whoever connects is this user
    demo: bool = False


def run_server(asked: Serving, clock: Clock) -> None:
    """Serve until told to stop.

    Raises:
        JianzhengError: it cannot be served so.
    """
    settings, told = asked.settings, asked.settings.server
    reach = reach_of(told, told.host, accounts=asked.accounts and not asked.demo)
    certificate = tls_files(told.tls)
    with open_catalogue(settings) as catalogue:
        refuse_busy_port("The page cannot be served", told.host, told.port, PORT_TAKEN)
        people = _people(asked, catalogue, clock)
        watch = open_watch(settings, catalogue, clock)
        application = create_app(
            catalogue,
            own_store(settings, clock),
            clock,
            watch=watch,
            checker=CheckerOnDemand(settings, catalogue, clock),
            timeline_of=Segmenter(catalogue, settings.cut, clock).timeline_of,
            originals=Originals(catalogue, settings.ring_dir.absolute()),
            preservation=settings.preservation,
            use=settings.use,
            tags=settings.tags,
            documents=document_intake(settings, catalogue, clock),
            people=people,
            local_user=this_user(),
            reach=reach,
            makers=ChildMakers(settings.live),
        )
        if people is not None and not people.demo:
            _help_to_begin(people, catalogue, told)
        config = uvicorn.Config(
            application,
            host=told.host,
            port=told.port,
            log_level="warning",
            timeout_graceful_shutdown=2,
            ws_per_message_deflate=False,  # footage does not get smaller, only later
            ws_max_size=1 << 16,  # what a page says of its panes is short
            proxy_headers=False,  # by itself uvicorn believes whoever is on this machine
            **certificate,
        )
        # A province's catalogue takes seconds to read, which the first to search need not wait for.
        threading.Thread(target=catalogue.search.warm, name="search", daemon=True).start()
        with (
            anchoring(settings, catalogue, clock),
            alerting(settings, catalogue, watch, clock),
            sweeping(catalogue, clock),
        ):
            uvicorn.Server(config).run()


def _people(asked: Serving, catalogue: Catalogue, clock: Clock) -> People | None:
    if asked.demo:
        load_accounts(catalogue, clock.now_us())
    if not asked.accounts and not asked.demo:
        return None
    settings = asked.settings
    return people_of(
        catalogue,
        settings.keys_dir,
        clock,
        accounts=settings.accounts,
        oidc=settings.oidc,
        demo=asked.demo,
    )


def tls_files(tls: TlsSettings) -> dict[str, Any]:
    """What uvicorn is told; looked at first, for it says what is wrong in a traceback.

    Raises:
        SettingsError: certificate and key cannot be used.
    """
    if tls.certificate is None or tls.key is None:
        return {}
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate, tls.key)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"server.tls: {tls.certificate} and {tls.key} cannot be used ({type(error).__name__}).",
            hint="Both are PEM, belong together, and can be read by this user; the key has no password.",
        ) from None
    return {"ssl_certfile": str(tls.certificate), "ssl_keyfile": str(tls.key)}


def address_of(server: ServerSettings) -> str:
    """How a browser reaches it."""
    if server.behind_proxy:
        return f"https://{server.names[0]}" if server.names else f"http://127.0.0.1:{server.port}"
    name = server.names[0] if server.names else server.host
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(name, name)
    return f"{'https' if server.https else 'http'}://{f'[{host}]' if ':' in host else host}:{server.port}"


def _help_to_begin(people: People, catalogue: Catalogue, server: ServerSettings) -> None:
    """The first start makes an administrator; its link goes to a terminal only, never to a log."""
    link = people.sign_in.first_administrator()
    if link is not None and sys.stdout.isatty():
        typer.echo(
            f"首位系统管理员的一次性链接(24 小时内有效,仅显示这一次):\n{begin_link(address_of(server), link)}"
        )
        typer.echo("One-time link of the first administrator; it is shown once and ends after 24 hours.")
    elif nobody := _nobody_began(catalogue):
        typer.echo(
            f"尚无系统管理员启用账号 No administrator has begun yet: jianzheng accounts invite {nobody}",
            err=True,
        )


def _nobody_began(catalogue: Catalogue) -> str:
    """A system administrator to be invited, where none can sign in; empty where one can."""
    standings = catalogue.accounts.standings()
    open_ones = [one.id for one in catalogue.accounts.all() if one.role is Role.SYSTEM_ADMIN and one.active]
    begun = any(standings[one].begun or standings[one].identity for one in open_ones)
    return "" if begun else next(iter(open_ones), "")
