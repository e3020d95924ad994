"""A key for tests that make packages."""

from __future__ import annotations

from pathlib import Path

from archiver.signing import PackageSigner
from kernel.clock import Clock
from kernel.signing_key import signing_key


def signer(directory: Path, clock: Clock) -> PackageSigner:
    """Signs with a key that is made in a directory; no time stamps."""
    return PackageSigner(key=signing_key(directory / "keys" / "archiver.pem"), clock=clock)
