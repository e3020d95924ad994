"""Seals secrets that the catalogue keeps: a copy of the database alone opens none of them."""

from __future__ import annotations

import hmac
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from kernel.durable import write_new
from kernel.errors import AccountError, StorageError


class Sealer:
    """A key of this machine (Fernet: AES-128-CBC with HMAC-SHA-256)."""

    def __init__(self, path: Path) -> None:
        """Raises: StorageError: the key cannot be read or made."""
        self._path = path
        try:
            if not path.exists():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_new(path, Fernet.generate_key(), 0o600)
            key = path.read_bytes()
            self._fernet = Fernet(key)
            self._derive = hmac.digest(key, b"jianzheng second factor", "sha256")
        except (OSError, ValueError) as error:
            raise StorageError(
                f"the key {path.name} cannot be used: {error}.", hint="Restore it from a copy."
            ) from None

    def derived(self, told: str) -> bytes:
        """20 bytes that only this machine can make of what it is told, always the same (HMAC-SHA-256)."""
        return hmac.digest(self._derive, told.encode("utf-8", "surrogatepass"), "sha256")[:20]

    def sealed(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    def opened(self, sealed: str) -> str:
        """Raises: AccountError: another key sealed it, or it was changed."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise AccountError(
                "a second factor was sealed with another key.",
                hint=f"Restore {self._path.name}, or invite the account anew.",
            ) from None
