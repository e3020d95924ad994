"""Digest authentication as RTSP cameras ask for it (RFC 2617, 3.2; MD5, no qop)."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

REALM = "Jianzheng simulator"
_FIELD = re.compile(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))')


class DigestGuard:
    """Checks one user's credentials. An empty user name lets everybody in."""

    def __init__(self, username: str, password: str) -> None:
        self._username = username
        self._secret = _md5(f"{username}:{REALM}:{password}")
        self._nonce = secrets.token_hex(16)

    @property
    def challenge(self) -> str:
        """Value of the WWW-Authenticate header."""
        return f'Digest realm="{REALM}", nonce="{self._nonce}", algorithm="MD5"'

    def admits(self, method: str, authorization: str | None) -> bool:
        """Whether this Authorization header proves the password for this request method."""
        if not self._username:
            return True
        scheme, _, rest = (authorization or "").partition(" ")
        if scheme.lower() != "digest":
            return False
        fields = {name.lower(): quoted or plain for name, quoted, plain in _FIELD.findall(rest)}
        if fields.get("username") != self._username or fields.get("nonce") != self._nonce:
            return False
        request = _md5(f"{method}:{fields.get('uri', '')}")
        expected = _md5(f"{self._secret}:{self._nonce}:{request}")
        return hmac.compare_digest(expected.encode(), fields.get("response", "").encode())


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
