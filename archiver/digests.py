"""Several checksums of a file in one reading."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

BLOCK_BYTES = 1 << 20
SM3 = "sm3"
"""GB/T 32905-2016; an OpenSSL without it exists (FIPS builds)."""


def has_sm3() -> bool:
    """Whether this machine can compute SM3."""
    return SM3 in hashlib.algorithms_available


def digests_of(
    path: Path, algorithms: Sequence[str], advance: Callable[[int], None] = lambda _count: None
) -> dict[str, str]:
    """Lower-case hex by algorithm; ``advance`` hears of the bytes as they are read.

    Raises:
        OSError: it cannot be read.
    """
    digests = {name: hashlib.new(name) for name in algorithms}
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            for digest in digests.values():
                digest.update(block)
            advance(len(block))
    return {name: digest.hexdigest() for name, digest in digests.items()}
