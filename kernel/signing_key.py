"""Ed25519 keys of this machine's programs: made at the first start, never overwritten."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from kernel.durable import storage_error, write_new
from kernel.errors import StorageError
from kernel.log import logger
from kernel.model.footage import RecorderKey

_OTHERS = 0o077  # permission bits of group and others

_log = logger("kernel")


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningKey:
    """A private key and what may be known of it."""

    private: Ed25519PrivateKey
    public: RecorderKey

    def sign(self, text: str) -> str:
        """Ed25519 (RFC 8032) over the UTF-8 bytes, lower-case hex."""
        return self.private.sign(text.encode("utf-8")).hex()

    def public_pem(self) -> bytes:
        """The public key as auditors' tools read it."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def key_id(raw: bytes) -> str:
    """What a public key is called: SHA-256 of its raw bytes, lower-case hex."""
    return hashlib.sha256(raw).hexdigest()


def public_name(path: Path) -> Path:
    """Where the public key lies: beside the private one, for auditors; made again where missing."""
    return path.with_name(f"{path.stem}.pub.pem")


def signing_key(path: Path) -> SigningKey:
    """The key of a file, made now if there is none.

    Raises:
        StorageError: it cannot be read or made. One that is damaged is left as it is.
    """
    try:
        if not path.exists():
            _make(path)
        told = path.stat()
        if told.st_mode & _OTHERS:
            _log.warning(f"others may read {path}: chmod 600 it", action="key.open_to_others")
        key = _loaded(path, told.st_mtime_ns // 1000)
        if not public_name(path).exists():
            write_new(public_name(path), key.public_pem(), 0o644)
    except OSError as error:
        raise storage_error(error) from error
    return key


def _loaded(path: Path, made_us: int) -> SigningKey:
    try:
        private = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        raise StorageError(
            f"{path} holds no Ed25519 key.",
            hint="Restore it from a copy, or move it away: a new one is made, and 'jianzheng check' says so.",
        )
    raw = private.public_key().public_bytes_raw()
    public = RecorderKey(id=key_id(raw), public_key=raw.hex(), made_us=made_us)
    return SigningKey(private=private, public=public)


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_new(path, pem, 0o600)
    _log.info(f"a key was made: {path.name}", action="key.made", directory=str(path.parent))
