"""Passwords and second factors: made, checked, never shown (invariant 16).

Argon2id with the library's defaults (RFC 9106, second recommended option); codes by TOTP (RFC 6238) of thirty
seconds, the step before and after accepted for clocks that differ.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from kernel.clock import SECOND_US
from kernel.errors import AccountError

LEAST_CHARACTERS = 12
MOST_CHARACTERS = 256  # hashing takes as long as there are bytes
STEP_SECONDS = 30
_ISSUER = "见证 Jianzheng"

_hasher = PasswordHasher()
_NOBODYS = _hasher.hash(secrets.token_hex(16))
"""Compared with where there is no account: an answer then takes as long as one about an account."""


class WeakPassword(AccountError):
    """This password is too easy to guess."""

    hint = "Several words that do not belong together are easy to remember."


def password_hash(password: str, account_id: str) -> str:
    """Raises: WeakPassword: it is too short, too long, or holds the account's own name."""
    if not LEAST_CHARACTERS <= len(password) <= MOST_CHARACTERS:
        raise WeakPassword(f"A password has {LEAST_CHARACTERS} to {MOST_CHARACTERS} characters.")
    if len(set(password)) < 5 or account_id.casefold() in password.casefold():
        raise WeakPassword
    return _hasher.hash(password)


def fits(password: str, hashed: str) -> bool:
    """Whether it is the password; takes as long where there is none."""
    try:
        return _hasher.verify(hashed or _NOBODYS, password[:MOST_CHARACTERS]) and bool(hashed)
    except (VerificationError, InvalidHashError):
        return False


def new_token() -> str:
    """A secret for a cookie or a link: 256 bits."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What the catalogue keeps of a token: who reads it cannot sign in with it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class SecondFactor:
    """A secret that an authenticator program keeps, too."""

    secret: str  # base32

    @classmethod
    def of(cls, key: bytes) -> SecondFactor:
        """Of 20 random bytes (RFC 4226, 4)."""
        return cls(secret=base64.b32encode(key).decode())

    def uri(self, account_id: str) -> str:
        """What an authenticator reads from a QR code."""
        return pyotp.TOTP(self.secret, interval=STEP_SECONDS).provisioning_uri(
            name=account_id, issuer_name=_ISSUER
        )

    def step(self, code: str, now_us: int, after: int) -> int | None:
        """The time step of a code; None where it is wrong, or of a step that was used or is before that."""
        totp = pyotp.TOTP(self.secret, interval=STEP_SECONDS)
        current = now_us // (STEP_SECONDS * SECOND_US)
        for step in (current - 1, current, current + 1):
            if step > after and secrets.compare_digest(
                totp.generate_otp(step).encode(), code.strip().encode("utf-8", "surrogatepass")
            ):
                return step
        return None
