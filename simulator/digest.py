"""Authentication as RTSP cameras ask for it: Digest (RFC 2617, 3.2; RFC 7616) or Basic (RFC 7617)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from enum import StrEnum

REALM = "Jianzheng simulator"
_FIELD = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))')


class Scheme(StrEnum):
    """How a password is proven."""

    MD5 = "MD5"
    """Digest without qop, as most cameras have it."""
    MD5_QOP = "MD5-qop"
    SHA256 = "SHA-256"
    """Digest with qop, as new cameras have it."""
    BASIC = "Basic"


class Guard:
    """Checks one user's credentials. An empty user name lets everybody in."""

    def __init__(self, username: str, password: str, schemes: Sequence[Scheme] = (Scheme.MD5,)) -> None:
        self._username = username
        self._password = password
        self._schemes = tuple(schemes)
        self._nonce = secrets.token_hex(16)
        self._stale = ""  # the nonce before, whose proofs are asked for once more

    def expire(self) -> None:
        """Take another nonce: the next proof by the old one is stale."""
        self._stale, self._nonce = self._nonce, secrets.token_hex(16)

    def challenges(self, authorization: str | None) -> list[str]:
        """Values of the WWW-Authenticate headers that answer this Authorization header."""
        stale = bool(self._stale) and f'"{self._stale}"' in (authorization or "")
        return [self._challenge(scheme, stale) for scheme in self._schemes]

    def _challenge(self, scheme: Scheme, stale: bool) -> str:
        if scheme is Scheme.BASIC:
            return f'Basic realm="{REALM}"'
        qop = "" if scheme is Scheme.MD5 else ', qop="auth"'
        again = ", stale=true" if stale else ""
        return f'Digest realm="{REALM}", nonce="{self._nonce}", algorithm="{_algorithm(scheme)}"{qop}{again}'

    def admits(self, method: str, authorization: str | None) -> bool:
        """Whether this Authorization header proves the password for this request method."""
        if not self._username:
            return True
        kind, _, rest = (authorization or "").partition(" ")
        if kind.lower() == "basic":
            return Scheme.BASIC in self._schemes and self._admits_basic(rest)
        return kind.lower() == "digest" and self._admits_digest(method, rest)

    def _admits_basic(self, proof: str) -> bool:
        expected = base64.b64encode(f"{self._username}:{self._password}".encode())
        return hmac.compare_digest(expected, proof.strip().encode())

    def _admits_digest(self, method: str, rest: str) -> bool:
        fields = {name.lower(): quoted or plain for name, quoted, plain in _FIELD.findall(rest)}
        if fields.get("username") != self._username or fields.get("nonce") != self._nonce:
            return False
        scheme = self._scheme_of(fields)
        if scheme is None:
            return False
        secret = _hash(scheme, f"{self._username}:{REALM}:{self._password}")
        request = _hash(scheme, f"{method}:{fields.get('uri', '')}")
        middle = self._nonce
        if scheme is not Scheme.MD5:
            middle = f"{self._nonce}:{fields.get('nc', '')}:{fields.get('cnonce', '')}:auth"
        expected = _hash(scheme, f"{secret}:{middle}:{request}")
        return hmac.compare_digest(expected.encode(), fields.get("response", "").encode())

    def _scheme_of(self, fields: dict[str, str]) -> Scheme | None:
        """Which of our schemes these fields answer."""
        algorithm, with_qop = fields.get("algorithm", "MD5").upper(), "qop" in fields
        for scheme in self._schemes:
            answers = _algorithm(scheme) == algorithm and with_qop is not (scheme is Scheme.MD5)
            if scheme is not Scheme.BASIC and answers:
                return scheme
        return None


def _algorithm(scheme: Scheme) -> str:
    return "SHA-256" if scheme is Scheme.SHA256 else "MD5"


def _hash(scheme: Scheme, text: str) -> str:
    if scheme is Scheme.SHA256:
        return hashlib.sha256(text.encode()).hexdigest()
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
