"""The server with accounts, over the sample's month up to a moment, for tests in a browser.

Its clock begins at that moment and goes on as fast as ours. Who signs in does so by a login that is made in
the catalogue: passwords and codes have tests of their own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, Page

from catalog.catalogue import Catalogue
from cli.sample.accounts import load_accounts
from kernel.clock import SECOND_US, SystemClock
from kernel.ids import new_id
from kernel.model.account import Login
from kernel.settings import AccountSettings, CutSettings, OidcSettings
from player_api.app import create_app
from player_api.gate import COOKIE
from player_api.passwords import new_token, token_hash
from player_api.people import people_of
from segmenter.worker import Segmenter
from tests.support.peers import free_port
from tests.support.sample_month import Month, at

_DAY_US = 24 * 3600 * SECOND_US


class LaterClock(SystemClock):
    """Goes on from a moment as fast as the machine's; can be put forward."""

    def __init__(self, now_us: int) -> None:
        self._ahead_us = now_us - super().now_us()

    def now_us(self) -> int:
        return super().now_us() + self._ahead_us

    def advance(self, seconds: float) -> None:
        self._ahead_us += round(seconds * SECOND_US)


@dataclass(frozen=True, kw_only=True)
class Served:
    """A server with accounts."""

    url: str
    catalogue: Catalogue
    clock: LaterClock
    month: Month
    application: FastAPI

    def token(self, account_id: str) -> str:
        """A login's token."""
        token, now_us = new_token(), self.clock.now_us()
        login = Login(
            id=new_id("login"),
            account_id=account_id,
            made_us=now_us,
            seen_us=now_us,
            ends_us=now_us + 40 * _DAY_US,
            origin="127.0.0.1",
            agent="test",
            second_factor=True,
        )
        self.catalogue.logins.open(login, token_hash(token))
        return token

    def client(self, account_id: str | None) -> httpx.Client:
        """A program that is signed in, or not."""
        cookies = {} if account_id is None else {COOKIE: self.token(account_id)}
        return httpx.Client(base_url=self.url, cookies=cookies, timeout=60)

    def page(self, browser: Browser, account_id: str, **more: Any) -> Page:
        """A window of a browser of its own, in which somebody is signed in."""
        size: Any = {"width": 1366, "height": 768}
        context = browser.new_context(base_url=self.url, viewport=size, locale="zh-CN", **more)
        context.add_cookies([{"name": COOKIE, "value": self.token(account_id), "url": self.url}])
        return context.new_page()

    @contextmanager
    def window(self, browser: Browser, account_id: str, path: str) -> Iterator[Page]:
        """Such a window on a page, closed afterwards."""
        page = self.page(browser, account_id)
        try:
            page.goto(path)
            yield page
        finally:
            page.context.close()


@contextmanager
def served(
    directory: Path, moment: str = "30 12:00", *, accounts: AccountSettings | None = None, **more: Any
) -> Iterator[Served]:
    """Build the month up to a moment (``09 11:20``: Beijing time, March 2026) and serve it.

    Args:
        more: what ``create_app`` takes; ``static`` for instance.
    """
    month = Month(directory)
    month.live(at(moment))
    load_accounts(month.catalogue, month.clock.now_us())
    clock = LaterClock(at(moment))
    application = create_app(
        month.catalogue,
        month.store,
        clock,
        people=people_of(
            month.catalogue, directory, clock, accounts=accounts or AccountSettings(), oidc=OidcSettings()
        ),
        timeline_of=Segmenter(month.catalogue, CutSettings(), clock).timeline_of,
        **more,
    )
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(application, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.02)
    try:
        yield Served(
            url=f"http://127.0.0.1:{port}",
            catalogue=month.catalogue,
            clock=clock,
            month=month,
            application=application,
        )
    finally:
        server.should_exit = True
        thread.join()
        month.catalogue.close()
