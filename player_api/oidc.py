"""Signing in by a provider of identities: OpenID Connect Core 1.0, authorization code with PKCE (RFC 7636).

The provider only says who somebody is. What that person may do stands with the account here, which an
administrator linked to that identity before; no account is made by signing in.
"""

from __future__ import annotations

import hmac
import ssl
import threading
from dataclasses import dataclass
from typing import Any

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from kernel.clock import SECOND_US, Clock
from kernel.errors import AccountError, SettingsError
from kernel.settings import OidcSettings
from player_api.passwords import new_token, token_hash

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""With a public key only: what is signed with a shared secret, or not at all, is refused (RFC 8725, 3.1)."""
_SECONDS = 10  # for the provider to answer
_LEEWAY_SECONDS = 60  # clocks differ
_KEPT_US = 3600 * SECOND_US  # what the provider says of itself
PENDING_SECONDS = 600
"""How long somebody may take at the provider."""
_MOST_PENDING = 1000


class NotVouched(AccountError):
    """The provider of identities does not vouch for this."""

    hint = "Sign in again from the beginning; if this goes on, ask the system administrator."


class NotBegun(NotVouched):
    """This answer of the provider belongs to nothing that was begun in this browser, or was used already."""


class ProviderUnreachable(NotVouched):
    """The provider of identities does not answer as it should."""

    hint = "Sign in with account and password, or try again later."
    retryable = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Begun:
    """Somebody is sent to the provider."""

    url: str
    browser: str  # secret for a cookie of the browser: the answer has to come back in the same one


@dataclass(frozen=True, kw_only=True, slots=True)
class Vouched:
    """Who came back."""

    identity: str  # issuer and subject: what an account is linked to
    to: str  # page that was asked for before


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pending:
    browser_sha256: str
    nonce: str
    verifier: str
    back: str
    to: str
    ends_us: int


class Provider:
    """The provider of identities."""

    def __init__(self, settings: OidcSettings, clock: Clock) -> None:
        """Raises: SettingsError: the client's secret or the authority cannot be read."""
        self._settings = settings
        self._clock = clock
        self._secret = _secret(settings)
        self._tls = _tls(settings)
        self._pending: dict[str, _Pending] = {}
        self._said: dict[str, tuple[int, dict[str, Any]]] = {}  # by address: until when, what
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self._settings.name

    def begin(self, back: str, to: str) -> Begun:
        """Send somebody to the provider.

        Args:
            back: address here to which the provider sends its answer.
            to: page that is shown afterwards.

        Raises:
            ProviderUnreachable: it does not say where.
        """
        endpoint = str(self._metadata().get("authorization_endpoint", ""))
        state, browser, verifier, nonce = (new_token() for _ in range(4))
        pending = _Pending(
            browser_sha256=token_hash(browser),
            nonce=nonce,
            verifier=verifier,
            back=back,
            to=to,
            ends_us=self._clock.now_us() + PENDING_SECONDS * SECOND_US,
        )
        with self._lock:
            self._forget()
            self._pending[state] = pending
        url = prepare_grant_uri(
            endpoint,
            client_id=self._settings.client_id,
            response_type="code",
            redirect_uri=back,
            scope=self._settings.scope,
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return Begun(url=url, browser=browser)

    def _forget(self) -> None:
        """What nobody came back for."""
        now_us = self._clock.now_us()
        self._pending = {state: one for state, one in self._pending.items() if one.ends_us > now_us}
        while len(self._pending) >= _MOST_PENDING:
            del self._pending[next(iter(self._pending))]

    def finish(self, state: str, code: str, browser: str) -> Vouched:
        """Who came back from the provider; each answer is good once.

        Raises:
            NotBegun: it was used, took too long, or came to another browser.
            NotVouched: the provider refused, or what it says does not hold.
            ProviderUnreachable: it does not answer.
        """
        with self._lock:
            self._forget()
            pending = self._pending.pop(state, None)
        if pending is None or not hmac.compare_digest(pending.browser_sha256, token_hash(browser)):
            raise NotBegun
        if not code:
            raise NotVouched("The provider of identities refused to sign in.")
        claims = self._claims(self._id_token(code, pending), pending.nonce)
        subject = claims.get(self._settings.claim)
        if not isinstance(subject, str) or not subject:
            raise NotVouched(f"The provider of identities tells no {self._settings.claim}.")
        return Vouched(identity=identity_of(self._settings.issuer, subject), to=pending.to)

    def _id_token(self, code: str, pending: _Pending) -> str:
        """RFC 6749, 4.1.3; the client shows who it is by HTTP Basic, or is public and has only PKCE."""
        told = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": pending.back,
            "code_verifier": pending.verifier,
            "client_id": self._settings.client_id,
        }
        auth = httpx.BasicAuth(self._settings.client_id, self._secret) if self._secret else None
        answer = self._ask("POST", str(self._metadata().get("token_endpoint", "")), data=told, auth=auth)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise NotVouched
        return token

    def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        """What an ID token says, if it is right: OpenID Connect Core 1.0, 3.1.3.7."""
        try:
            decoded = self._decoded(token)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": self._settings.issuer},
                    "aud": {"essential": True, "value": self._settings.client_id},
                },
                {"nonce": nonce, "client_id": self._settings.client_id},
            )
            claims.validate(now=self._clock.now_us() // SECOND_US, leeway=_LEEWAY_SECONDS)
        except (JoseError, AuthlibBaseError, ValueError, TypeError):
            raise NotVouched from None
        return dict(claims)

    def _decoded(self, token: str) -> jwt.Token:
        """Its keys may have changed since they were read: with another key it is tried once more."""
        try:
            return jwt.decode(token, self._keys(), algorithms=_ALGORITHMS)
        except (JoseError, ValueError):
            self._said.pop(self._keys_address(), None)
            return jwt.decode(token, self._keys(), algorithms=_ALGORITHMS)

    def _keys_address(self) -> str:
        return str(self._metadata().get("jwks_uri", ""))

    def _keys(self) -> KeySet:
        told = self._kept(self._keys_address())
        return KeySet.import_key_set(told)  # type: ignore[arg-type]

    def _metadata(self) -> dict[str, Any]:
        """OpenID Connect Discovery 1.0, 4."""
        told = self._kept(get_well_known_url(self._settings.issuer, external=True))
        if told.get("issuer") != self._settings.issuer:
            raise ProviderUnreachable("The provider of identities calls itself otherwise than oidc.issuer.")
        return told

    def _kept(self, address: str) -> dict[str, Any]:
        until_us, said = self._said.get(address, (0, {}))
        if until_us <= self._clock.now_us():
            said = self._ask("GET", address)
            self._said[address] = self._clock.now_us() + _KEPT_US, said
        return said

    def _ask(self, method: str, address: str, **told: Any) -> dict[str, Any]:
        try:
            with httpx.Client(verify=self._tls, timeout=_SECONDS, follow_redirects=False) as client:
                answer = client.request(method, address, **told)
            said = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            raise ProviderUnreachable from None
        if answer.is_server_error or not isinstance(said, dict):
            raise ProviderUnreachable
        if not answer.is_success:
            raise NotVouched
        return said


def identity_of(issuer: str, subject: str) -> str:
    """As accounts are linked to it."""
    return f"{issuer}|{subject}"


def _secret(settings: OidcSettings) -> str:
    if settings.client_secret_file is None:
        return settings.client_secret.get_secret_value()
    try:
        return settings.client_secret_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"oidc.client_secret_file {settings.client_secret_file} cannot be read ({type(error).__name__})."
        ) from None


def _tls(settings: OidcSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"oidc.ca_file {settings.ca_file} cannot be used ({type(error).__name__})."
        ) from None
