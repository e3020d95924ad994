"""Where the page is served, and whom it believes about who the client is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from kernel.errors import ServerError
from kernel.settings import OidcSettings, ServerSettings, TlsSettings
from player_api.transport import LOOPBACK_NAMES, Reach, reach_of
from tests.support.desk import Desk

TLS = TlsSettings(certificate=Path("c.pem"), key=Path("k.pem"))
PROXY = "10.9.9.9"


# --- addresses and names


@pytest.mark.parametrize("accounts", [True, False])
@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_loopback_addresses_are_served(host: str, accounts: bool) -> None:
    assert reach_of(ServerSettings(), host, accounts=accounts).names == LOOPBACK_NAMES


OUTSIDE = [
    "0.0.0.0",
    "::",
    "",
    "10.0.0.5",
    "192.168.1.2",
    "8.8.8.8",
    "fe80::1",
    "::ffff:10.0.0.5",
    "::ffff:0.0.0.0",
    "example.org",
    "localhost.example.org",
    "127.0.0.1.example.org",
    "127.1",
    "2130706433",
    "0x7f000001",
    " 127.0.0.1",
    "127.0.0.1:80",
]


@pytest.mark.parametrize("host", OUTSIDE)
def test_without_accounts_whatever_could_be_reached_from_outside_is_refused(host: str) -> None:
    """Invariant 15: without accounts nobody but this machine's user may see anything."""
    for settings in (ServerSettings(), ServerSettings(tls=TLS, names=("a.example",))):
        with pytest.raises(ServerError, match="loopback"):
            reach_of(settings, host, accounts=False)


@pytest.mark.parametrize("host", OUTSIDE)
def test_without_https_nothing_is_served_beyond_this_machine(host: str) -> None:
    with pytest.raises(ServerError, match="Without HTTPS") as refused:
        reach_of(ServerSettings(names=("a.example",)), host, accounts=True)
    assert "server.tls.certificate" in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "host", "names"),
    [
        (ServerSettings(tls=TLS), "10.0.0.5", ("10.0.0.5",)),
        (ServerSettings(tls=TLS), "fd00::5", ("[fd00::5]",)),
        (ServerSettings(tls=TLS, names=("w.example",)), "0.0.0.0", ("w.example",)),
        (ServerSettings(behind_proxy=True, proxies=(PROXY,), names=("w.example",)), "::", ("w.example",)),
    ],
)
def test_with_accounts_and_https_it_is_served_by_its_names(
    settings: ServerSettings, host: str, names: tuple[str, ...]
) -> None:
    reach = reach_of(settings, host, accounts=True)
    assert reach.https
    assert set(names) <= set(reach.names)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_all_addresses_are_no_name_to_call_it_by(host: str) -> None:
    with pytest.raises(ServerError, match=r"server\.names"):
        reach_of(ServerSettings(tls=TLS), host, accounts=True)


WRONG: list[dict[str, Any]] = [
    {"behind_proxy": True},
    {"proxies": ["10.0.0.1"]},
    {"behind_proxy": True, "proxies": ["*"]},
    {"behind_proxy": True, "proxies": ["proxy.example"]},
    {"behind_proxy": True, "proxies": ["0.0.0.0/0"]},
    {"behind_proxy": True, "proxies": ["::/0"]},
    {"behind_proxy": True, "proxies": ["10.0.0.1"], "tls": {"certificate": "c", "key": "k"}},
    {"tls": {"certificate": "c"}},
    {"tls": {"key": "k"}},
    {"names": ["https://w.example"]},
    {"names": ["w.example:8480"]},
    {"names": ["*"]},
    {"names": [""]},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_settings_that_would_trust_too_many_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ServerSettings.model_validate(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://id.example", "client_id": "c"},  # whoever listens in could say who somebody is
        {"issuer": "https://id.example"},
        {"issuer": "https://user:word@id.example", "client_id": "c"},
        {"issuer": "https://id.example", "client_id": "c", "scope": "profile"},
    ],
)
def test_a_provider_that_cannot_be_trusted_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OidcSettings.model_validate(wrong)


# --- what the application makes of it


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Desk]:
    reach = Reach(names=(*LOOPBACK_NAMES, "w.example"), https=True, proxies=(PROXY, "127.0.0.1"))
    made = Desk(tmp_path, reach=reach)
    yield made
    made.catalogue.close()


async def test_over_https_the_cookie_goes_by_https_only_and_belongs_to_this_host(behind: Desk) -> None:
    async with behind.browser(url="https://w.example", address=PROXY) as browser:
        answer = await browser.post("/api/sign-in", json=behind.told("w-zt-1"))
        told = answer.headers["set-cookie"]
        assert told.startswith("__Host-jianzheng=")
        assert "Secure" in told
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert (await browser.get("/api/me")).status_code == 200
        token = browser.cookies["__Host-jianzheng"]
        browser.cookies.clear()
        browser.cookies.set("jianzheng", token)  # one that a page without HTTPS could have planted
        assert (await browser.get("/api/me")).status_code == 401


async def test_without_https_nothing_is_promised_of_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    async with desk.browser() as browser:
        assert "strict-transport-security" not in (await browser.get("/api/sign-in")).headers
    desk.catalogue.close()


@pytest.mark.parametrize(
    ("peer", "told", "origin"),
    [
        (PROXY, "203.0.113.7", "203.0.113.7"),
        (PROXY, "127.0.0.1, 203.0.113.7", "203.0.113.7"),  # what the client itself claims stands before
        ("198.51.100.1", "203.0.113.7", "198.51.100.1"),  # no proxy of ours
        (PROXY, None, "unknown"),
        ("127.0.0.1", None, "unknown"),
    ],
)
async def test_only_a_trusted_proxy_says_who_the_client_is(
    behind: Desk, peer: str, told: str | None, origin: str
) -> None:
    headers = {} if told is None else {"X-Forwarded-For": told}
    async with behind.browser(url="https://w.example", address=peer) as browser:
        await browser.post("/api/sign-in", json=behind.told("w-zt-1"), headers=headers)
        (login,) = (await browser.get("/api/me/logins")).json()
    assert login["origin"] == origin


async def test_links_are_for_https_whatever_the_proxy_says(behind: Desk) -> None:
    headers = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "http"}
    async with behind.browser("sys-1", url="https://w.example", address=PROXY) as browser:
        answer = await browser.post("/api/accounts/w-zt-1/invite", headers=headers)
    assert answer.json()["link"].startswith("https://w.example/begin#")


async def test_nobody_behind_the_proxy_is_taken_for_a_program_on_this_machine(behind: Desk) -> None:
    for address in (PROXY, "127.0.0.1"):
        async with behind.browser(url="https://w.example", address=address) as browser:
            assert (await browser.get("/metrics")).status_code == 401
            lied = await browser.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1, 203.0.113.7"})
            assert lied.status_code == 401


async def test_guessing_through_the_proxy_is_counted_by_client(behind: Desk) -> None:
    async with behind.browser(url="https://w.example", address=PROXY) as browser:

        async def attempt(client: str, number: int) -> httpx.Response:
            told = {"account": f"a{number}", "password": "p"}
            return await browser.post("/api/sign-in", json=told, headers={"X-Forwarded-For": client})

        answers = [await attempt("203.0.113.7", number) for number in range(61)]
        assert [one.status_code for one in answers[-2:]] == [401, 429]
        assert (await attempt("203.0.113.8", 1)).status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "w.example.evil.example", "w.example@evil.example"])
async def test_another_name_is_not_answered(behind: Desk, host: str) -> None:
    """DNS rebinding, and links that would be made for another site."""
    async with behind.browser(url="https://w.example", address=PROXY) as browser:
        answer = await browser.get("/api/sign-in", headers={"Host": host})
        assert answer.status_code == 400
