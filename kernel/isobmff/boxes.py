"""Boxes of ISO/IEC 14496-12: size, four-letter type, payload. Pure bytes, no files."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kernel.errors import BoxError


@dataclass(frozen=True, kw_only=True, slots=True)
class BoxHeader:
    """Where a box lies in its container."""

    type: str  # four letters, latin-1
    start: int  # offset of its header
    payload: int  # offset of its payload
    end: int  # offset behind its last byte


def box(kind: str, *payload: bytes) -> bytes:
    """A box of that type around the given bytes."""
    body = b"".join(payload)
    return struct.pack(">I", 8 + len(body)) + kind.encode("latin-1") + body


def full_box(kind: str, version: int, flags: int, *payload: bytes) -> bytes:
    """A box with a version and 24 bits of flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *payload)


def header_at(data: bytes | memoryview, offset: int, end: int) -> BoxHeader:
    """The header of the box that starts at ``offset``.

    Raises:
        BoxError: fewer bytes are left than the header or the box claims.
    """
    if end - offset < 8:
        raise BoxError(f"a box header needs 8 bytes, {end - offset} are left at offset {offset}.")
    size, raw = struct.unpack_from(">I4s", data, offset)
    payload = offset + 8
    if size == 1:
        if end - offset < 16:
            raise BoxError(f"a large box header is cut off at offset {offset}.")
        (size,) = struct.unpack_from(">Q", data, offset + 8)
        payload = offset + 16
    elif size == 0:
        size = end - offset
    if size < payload - offset or offset + size > end:
        raise BoxError(f"the box at offset {offset} claims {size} bytes, {end - offset} are left.")
    return BoxHeader(type=raw.decode("latin-1"), start=offset, payload=payload, end=offset + size)


def children(data: bytes | memoryview, start: int = 0, end: int | None = None) -> Iterator[BoxHeader]:
    """The boxes that lie one behind the other between two offsets.

    Raises:
        BoxError: one of them is cut off.
    """
    stop = len(data) if end is None else end
    offset = start
    while offset < stop:
        found = header_at(data, offset, stop)
        yield found
        offset = found.end


def find(data: bytes | memoryview, *path: str) -> BoxHeader | None:
    """The first box at a path of types, such as ``find(moov, "trak", "mdia")``; None where there is none."""
    start, end = 0, len(data)
    found: BoxHeader | None = None
    for kind in path:
        found = next((child for child in children(data, start, end) if child.type == kind), None)
        if found is None:
            return None
        start, end = found.payload, found.end
    return found
