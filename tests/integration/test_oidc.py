"""Signing in by a provider of identities: a real one over HTTP, and one that lies."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import RSAKey
from pydantic import SecretStr

from catalog.audit import AuditFilter
from kernel.clock import SystemClock
from kernel.errors import SettingsError
from kernel.settings import OidcSettings
from player_api.oidc import Provider, identity_of
from tests.support.desk import Desk
from tests.support.oidc import CLIENT, SECRET, LyingProvider, lying_provider
from tests.support.peers import free_port


@contextmanager
def desk_of(directory: Path, issuer: str, **more: Any) -> Iterator[Desk]:
    oidc = OidcSettings(issuer=issuer, client_id=CLIENT, client_secret=SecretStr(SECRET), **more)
    desk = Desk(directory, oidc=oidc, clock=SystemClock())
    yield desk
    desk.catalogue.close()


@pytest.fixture
def provider() -> Iterator[LyingProvider]:
    with lying_provider() as made:
        yield made


@pytest.fixture
def desk(tmp_path: Path, provider: LyingProvider) -> Iterator[Desk]:
    with desk_of(tmp_path, provider.issuer) as made:
        link(made, provider)
        yield made


def link(desk: Desk, provider: LyingProvider) -> None:
    desk.catalogue.accounts.link("w-zt-1", identity_of(provider.issuer, provider.subject), desk.by())


async def begun(browser: httpx.AsyncClient, to: str = "/") -> str:
    """Where the browser is sent."""
    answer = await browser.get("/api/oidc/start", params={"to": to})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def state_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["state"][0]


async def back(browser: httpx.AsyncClient, **told: str) -> str:
    """Where the browser is sent after the provider's answer."""
    answer = await browser.get("/api/oidc/back", params=told)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


async def signed_in(browser: httpx.AsyncClient) -> str | None:
    answer = await browser.get("/api/me")
    return answer.json()["account"] if answer.status_code == 200 else None


async def through(browser: httpx.AsyncClient, provider: LyingProvider) -> str:
    """All the way, and where it ends."""
    url = await begun(browser)
    return await back(browser, state=state_of(url), code=provider.authorized(url))


# --- a provider of others


@pytest.fixture
def real_provider() -> Iterator[str]:
    """``oidc-provider-mock``, a program of its own."""
    port = free_port()
    program = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock"]
    process = subprocess.Popen(
        [*program, "--port", str(port), "--require-nonce", "true"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                httpx.get(f"{url}/jwks", timeout=5)
            except httpx.TransportError:
                assert process.poll() is None
                time.sleep(0.1)
            else:
                break
        yield url
    finally:
        process.terminate()
        process.wait(20)


async def test_whoever_a_real_provider_vouches_for_is_signed_in_by_the_linked_account(
    tmp_path: Path, real_provider: str
) -> None:
    with desk_of(tmp_path, real_provider) as desk:
        desk.catalogue.accounts.link("w-zt-1", identity_of(real_provider, "witness-7"), desk.by())
        async with desk.browser() as browser:
            assert (await browser.get("/api/sign-in")).json()["provider"] == "统一身份认证"
            url = await begun(browser, "/projects/P06?tab=1")
            async with httpx.AsyncClient() as elsewhere:
                assert (await elsewhere.get(url)).status_code == 200  # its form
                agreed = await elsewhere.post(url, data={"sub": "witness-7"})
            came = httpx.URL(agreed.headers["location"])
            assert came.path == "/api/oidc/back"
            assert await back(browser, **dict(came.params)) == "/projects/P06?tab=1"
            assert await signed_in(browser) == "w-zt-1"


# --- what is asked, and what is refused


async def test_the_provider_is_asked_for_a_code_with_pkce_state_and_nonce(
    desk: Desk, provider: LyingProvider
) -> None:
    async with desk.browser() as browser:
        first, second = parse_qs(urlsplit(await begun(browser)).query), parse_qs(await begun(browser))
        assert (first["response_type"], first["code_challenge_method"]) == (["code"], ["S256"])
        assert first["redirect_uri"] == ["http://127.0.0.1/api/oidc/back"]
        assert all(first[name] != second[name] for name in ("state", "nonce", "code_challenge"))
        assert await through(browser, provider) == "/"
        assert await signed_in(browser) == "w-zt-1"


LIES: list[dict[str, Any]] = [
    {"nonce": "of another time"},
    {"nonce": None},
    {"aud": "another-client"},
    {"aud": ["another-client", "a-third"]},
    {"aud": [CLIENT, "another-client"], "azp": "another-client"},
    {"aud": None},
    {"iss": "https://evil.example"},
    {"iss": None},
    {"exp": 1_700_000_000},
    {"exp": None},
    {"iat": 4_000_000_000},
    {"sub": ""},
    {"sub": None},
    {"sub": 7},
    {"alg": "none"},
    {"alg": "HS256"},
    {"key": RSAKey.generate_key(2048, {"kid": "1"})},
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: "-".join(f"{name}" for name in lie))
async def test_what_is_not_right_about_an_id_token_is_refused(
    desk: Desk, provider: LyingProvider, lie: dict[str, Any]
) -> None:
    """OpenID Connect Core 1.0, 3.1.3.7."""
    provider.lies = lie
    async with desk.browser() as browser:
        assert await through(browser, provider) == "/sign-in?why=not_vouched"
        assert await signed_in(browser) is None


async def test_an_answer_is_good_once(desk: Desk, provider: LyingProvider) -> None:
    async with desk.browser() as browser:
        url = await begun(browser)
        cookie = browser.cookies["jianzheng-oidc"]
        assert await back(browser, state=state_of(url), code=provider.authorized(url)) == "/"
        browser.cookies.clear()
        browser.cookies.set("jianzheng-oidc", cookie)
        again = await back(browser, state=state_of(url), code=provider.authorized(url))
        assert again == "/sign-in?why=not_begun"
        assert await signed_in(browser) is None


async def test_an_answer_in_another_browser_signs_nobody_in(desk: Desk, provider: LyingProvider) -> None:
    """Or somebody would be made to act in another's account."""
    async with desk.browser() as browser, desk.browser() as victim:
        url = await begun(browser)
        assert await back(victim, state=state_of(url), code=provider.authorized(url)) == (
            "/sign-in?why=not_begun"
        )
        assert await signed_in(victim) is None


@pytest.mark.parametrize(
    "told", [{}, {"state": "made up", "code": "x"}, {"code": "x"}, {"error": "access_denied"}]
)
async def test_an_answer_to_nothing_is_refused(desk: Desk, told: dict[str, str]) -> None:
    async with desk.browser() as browser:
        assert await back(browser, **told) == "/sign-in?why=not_begun"


async def test_whoever_does_not_agree_is_not_signed_in(desk: Desk) -> None:
    async with desk.browser() as browser:
        url = await begun(browser)
        assert await back(browser, state=state_of(url), error="access_denied") == "/sign-in?why=not_vouched"


async def test_a_code_that_the_provider_does_not_know_is_refused(desk: Desk) -> None:
    async with desk.browser() as browser:
        url = await begun(browser)
        assert await back(browser, state=state_of(url), code="guessed") == "/sign-in?why=not_vouched"


async def test_nobody_has_an_account_only_because_a_provider_vouches(
    desk: Desk, provider: LyingProvider
) -> None:
    provider.subject = "somebody-else"
    async with desk.browser() as browser:
        assert await through(browser, provider) == "/sign-in?why=not_linked"
        assert await signed_in(browser) is None
    refused = desk.catalogue.audit.records(AuditFilter(action="login.refused"))[0]
    assert refused.details["identity"].endswith("|somebody-else")


async def test_a_closed_account_is_closed_for_the_provider_too(desk: Desk, provider: LyingProvider) -> None:
    desk.catalogue.accounts.change("w-zt-1", desk.by(), disabled_us=1)
    async with desk.browser() as browser:
        assert await through(browser, provider) == "/sign-in?why=not_linked"


async def test_the_same_name_at_another_provider_is_somebody_else(
    desk: Desk, provider: LyingProvider
) -> None:
    other = identity_of("https://other.example", provider.subject)
    desk.catalogue.accounts.link("w-zt-1", other, desk.by())
    async with desk.browser() as browser:
        assert await through(browser, provider) == "/sign-in?why=not_linked"


async def test_keys_that_the_provider_changed_are_read_anew(desk: Desk, provider: LyingProvider) -> None:
    async with desk.browser() as browser:
        assert await through(browser, provider) == "/"
        provider.key = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})
        assert await through(browser, provider) == "/"


@pytest.mark.parametrize("to", ["https://evil.example", "//evil.example", "/\\evil.example"])
async def test_nobody_is_sent_to_another_site_afterwards(
    desk: Desk, provider: LyingProvider, to: str
) -> None:
    async with desk.browser() as browser:
        url = await begun(browser, to)
        assert await back(browser, state=state_of(url), code=provider.authorized(url)) == "/"


async def test_a_provider_that_is_not_there_is_said(tmp_path: Path, provider: LyingProvider) -> None:
    with desk_of(tmp_path, f"http://127.0.0.1:{free_port()}") as desk:
        async with desk.browser() as browser:
            assert await begun(browser) == "/sign-in?why=unreachable"
    provider.lies = {"issuer": "https://another.example"}
    with desk_of(tmp_path / "other", provider.issuer) as desk:
        async with desk.browser() as browser:
            assert await begun(browser) == "/sign-in?why=unreachable"


async def test_the_cookie_of_the_way_is_for_no_script_and_only_for_it(desk: Desk) -> None:
    async with desk.browser() as browser:
        told = (await browser.get("/api/oidc/start")).headers["set-cookie"].lower()
    parts = {part.strip() for part in told.split(";")}
    assert {"httponly", "samesite=lax", "path=/api/oidc", "max-age=600"} <= parts


def test_a_secret_file_that_cannot_be_read_is_named_and_nothing_of_the_secret(tmp_path: Path) -> None:
    """Invariant 16."""
    settings = OidcSettings(
        issuer="https://id.example",
        client_id=CLIENT,
        client_secret=SecretStr(SECRET),
        client_secret_file=tmp_path / "none",
    )
    with pytest.raises(SettingsError, match="client_secret_file") as refused:
        Provider(settings, SystemClock())
    assert SECRET not in f"{refused.value}{settings!r}"
