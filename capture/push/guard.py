"""Asks callers for the password of their source (RFC 7616; Digest only: the line may be in the clear)."""

from __future__ import annotations

import hmac
import secrets

from capture.rtsp.auth import Challenge, parse_challenges, proof
from capture.rtsp.message import Headers

_REALM = "Jianzheng"
_ALGORITHMS = ("SHA-256", "MD5")  # FFmpeg knows the latter only, and takes what stands last


class Guard:
    """The challenge of one connection, and whether it was answered."""

    def __init__(self) -> None:
        self._nonce = secrets.token_hex(16)

    def challenges(self) -> list[str]:
        """Values of the WWW-Authenticate fields."""
        return [
            f'Digest realm="{_REALM}", nonce="{self._nonce}", qop="auth", algorithm={algorithm}'
            for algorithm in _ALGORITHMS
        ]

    def admits(self, method: str, headers: Headers, username: str, password: str) -> bool:
        """Whether the Authorization field of a request proves name and password for its method."""
        answers = parse_challenges(headers.all("authorization"))
        return any(self._proves(one, method, username, password) for one in answers)

    def _proves(self, answer: Challenge, method: str, username: str, password: str) -> bool:
        told = answer.parameters
        if answer.scheme != "digest" or answer.algorithm not in _ALGORITHMS:
            return False
        named = hmac.compare_digest(told.get("username", "").encode(), username.encode())
        if not named or told.get("nonce") != self._nonce or told.get("realm") != _REALM:
            return False
        expected = proof(answer, method, username, password)
        return hmac.compare_digest(expected.encode(), told.get("response", "").encode())
