"""The chain of hashes over a source's segments, in the order of sealing (``docs/design/segments.md``)."""

from __future__ import annotations

import hashlib

GENESIS_CHAIN = "0" * 64
"""Chain value before a source's first segment."""

CHAIN_LOCK = "chain"
"""Whoever adds a link holds this lock of the ring: two programs may seal for one source at a time."""


def chain_value(previous: str, sha256: bytes) -> str:
    """SHA-256 over the previous chain value's bytes and a segment's hash, lower-case hex."""
    return hashlib.sha256(bytes.fromhex(previous) + sha256).hexdigest()
