"""A server with accounts over a small catalogue, for tests of signing in: no footage, a clock that stands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pyotp

from catalog.accounts import By
from catalog.objects import MemoryStore
from kernel.clock import SECOND_US, FakeClock
from kernel.model.account import Account, Role
from kernel.settings import AccountSettings, OidcSettings
from player_api.app import create_app
from player_api.people import people_of
from player_api.transport import Reach
from tests.support.catalogue import open_catalogue

NOW = 1_773_000_000 * SECOND_US
PASSWORD = "stone river lamp paper"
WITNESS = Account(id="w-zt-1", role=Role.WITNESS, label_zh="见证员", regions=("530600",), all_industries=True)
ADMINISTRATORS = (
    Account(id="sys-1", role=Role.SYSTEM_ADMIN, label_zh="系统管理员"),
    Account(id="sec-1", role=Role.SECURITY_ADMIN, label_zh="安全保密管理员"),
    Account(id="aud-1", role=Role.AUDIT_ADMIN, label_zh="安全审计员"),
)


class Desk:
    """The server, and what its people know."""

    def __init__(
        self,
        directory: Path,
        *,
        reach: Reach | None = None,
        oidc: OidcSettings | None = None,
        demo: bool = False,
        accounts: AccountSettings | None = None,
        clock: Any = None,
        people: tuple[Account, ...] = (WITNESS, *ADMINISTRATORS),
    ) -> None:
        self.clock = clock or FakeClock(NOW)
        self.catalogue = open_catalogue(directory)
        self.people = people_of(
            self.catalogue,
            directory / "keys",
            self.clock,
            accounts=accounts or AccountSettings(),
            oidc=oidc or OidcSettings(),
            demo=demo,
        )
        self.secrets: dict[str, str] = {}  # of second factors
        for account in people:
            self.catalogue.accounts.add(account, self.by())
        self.app = create_app(
            self.catalogue, MemoryStore(), self.clock, directory / "none", people=self.people, reach=reach
        )

    def by(self) -> By:
        return By(principal="test", at_us=self.clock.now_us())

    def begin(self, account_id: str) -> None:
        """Its holder begins; the code of that moment is used up."""
        link = self.people.sign_in.invite(account_id, "test")
        factor = self.people.sign_in.factor_of(link)
        self.secrets[account_id] = factor.secret
        self.people.sign_in.begin(link, PASSWORD, factor, self.code(account_id))
        if isinstance(self.clock, FakeClock):
            self.clock.advance(30)

    def code(self, account_id: str) -> str:
        """What its authenticator shows; its holder begins now at the latest."""
        if account_id not in self.secrets:
            self.begin(account_id)
        step = self.clock.now_us() // (30 * SECOND_US)
        return pyotp.TOTP(self.secrets[account_id]).generate_otp(step)

    def told(self, account_id: str, **changed: str) -> dict[str, str]:
        return {"account": account_id, "password": PASSWORD, "code": self.code(account_id), **changed}

    @asynccontextmanager
    async def browser(
        self, account_id: str | None = None, *, url: str = "http://127.0.0.1", address: str = "10.0.0.7"
    ) -> AsyncIterator[httpx.AsyncClient]:
        """A browser, in which somebody has signed in."""
        transport = httpx.ASGITransport(app=self.app, client=(address, 4711))
        async with httpx.AsyncClient(transport=transport, base_url=url) as client:
            if account_id is not None:
                answer = await client.post("/api/sign-in", json=self.told(account_id))
                assert answer.status_code == 204, answer.text
                if isinstance(self.clock, FakeClock):
                    self.clock.advance(30)
            yield client
