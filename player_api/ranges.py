"""Byte ranges of an object over HTTP (RFC 9110, section 14)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from fastapi import Response
from fastapi.responses import StreamingResponse

_RANGE = re.compile(r"^bytes=(\d{0,18})-(\d{0,18})$")
BLOCK_BYTES = 256 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class ByteRange:
    """Bytes from ``start`` (included) to ``end`` (excluded)."""

    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


class UnsatisfiableRange(ValueError):
    """The range lies outside the object."""


def requested_range(header: str | None, size: int) -> ByteRange | None:
    """The range that a request asks for; None for the whole object.

    A header that is no single byte range is ignored, as RFC 9110 (14.2) allows.

    Raises:
        UnsatisfiableRange: it starts behind the object's end, or asks for its last zero bytes.
    """
    found = _RANGE.match(header or "")
    if found is None or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    if start >= size or (last and first and int(last) < int(first)):
        raise UnsatisfiableRange(f"bytes */{size}")
    return ByteRange(start=start, end=end)


def read_range(file: BinaryIO, wanted: ByteRange) -> Iterator[bytes]:
    """The bytes of a range in blocks; closes the file at the end."""
    with file:
        file.seek(wanted.start)
        left = wanted.size
        while left > 0 and (block := file.read(min(BLOCK_BYTES, left))):
            left -= len(block)
            yield block


def video_response(
    open_file: Callable[[], BinaryIO], size: int, sha256: str, range_header: str | None
) -> Response:
    """An MP4 file, whole or the part that is asked for; opened only if some part of it is sent.

    Raises:
        Whatever opening raises.
    """
    return ranged_response(lambda part: read_range(open_file(), part), size, sha256, range_header)


def ranged_response(
    read: Callable[[ByteRange], Iterator[bytes]], size: int, etag: str, range_header: str | None
) -> Response:
    """An MP4 file, whole or the part that is asked for, of which ``read`` gives any part."""
    try:
        wanted = requested_range(range_header, size)
    except UnsatisfiableRange as error:
        return Response(status_code=416, headers={"Content-Range": str(error)})
    part = wanted or ByteRange(start=0, end=size)
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(part.size), "ETag": f'"{etag}"'}
    if wanted is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{size}"
    return StreamingResponse(
        read(part), status_code=206 if wanted else 200, media_type="video/mp4", headers=headers
    )
