"""Readers of objects that are fetched piece by piece."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO

FIRST_BYTES = 256 << 10
MOST_BYTES = 16 << 20
_GROWTH = 4
_BUFFER_BYTES = 64 << 10

Fetch = Callable[[int, int], bytes]
"""Exactly ``size`` bytes from ``start`` of an object."""


class _Ranged(io.RawIOBase):
    """Reads by ranges: small ones where somebody jumps about, larger and larger ones where they read on."""

    def __init__(self, fetch: Fetch, size: int) -> None:
        self._fetch = fetch
        self._size = size
        self._position = 0
        self._block = b""
        self._block_start = 0
        self._ahead = FIRST_BYTES

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("before the start of the object")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: bytearray, /) -> int:  # type: ignore[override]
        if not len(buffer) or self._position >= self._size:
            return 0
        offset = self._position - self._block_start
        if not 0 <= offset < len(self._block):
            self._load(len(buffer))
            offset = 0
        piece = memoryview(self._block)[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _load(self, wanted: int) -> None:
        goes_on = bool(self._block) and self._position == self._block_start + len(self._block)
        self._ahead = min(MOST_BYTES, self._ahead * _GROWTH) if goes_on else FIRST_BYTES
        size = min(max(wanted, self._ahead), MOST_BYTES, self._size - self._position)
        self._block = self._fetch(self._position, size)
        self._block_start = self._position


def ranged_reader(fetch: Fetch, size: int) -> BinaryIO:
    """A seekable reader over an object of ``size`` bytes."""
    return io.BufferedReader(_Ranged(fetch, size), _BUFFER_BYTES)  # type: ignore[type-var]
