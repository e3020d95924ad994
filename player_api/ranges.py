"""Byte ranges of an object over HTTP (RFC 9110, section 14)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from fastapi import Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

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
    """The bytes of a range in blocks."""
    file.seek(wanted.start)
    left = wanted.size
    while left > 0 and (block := file.read(min(BLOCK_BYTES, left))):
        left -= len(block)
        yield block


class _FileResponse(StreamingResponse):
    """A part of a file, which is closed however the sending ends: a client may leave before it begins."""

    def __init__(self, file: BinaryIO, part: ByteRange, status_code: int, headers: dict[str, str]) -> None:
        self._file = file
        super().__init__(read_range(file, part), status_code, headers, media_type="video/mp4")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


def video_response(
    open_file: Callable[[], BinaryIO], size: int, sha256: str, range_header: str | None
) -> Response:
    """An MP4 file, whole or the part that is asked for; opened only if some part of it is sent.

    Raises:
        Whatever opening raises.
    """
    asked = _asked(size, sha256, range_header)
    return asked if isinstance(asked, Response) else _FileResponse(open_file(), *asked)


def ranged_response(
    read: Callable[[ByteRange], Iterator[bytes]], size: int, etag: str, range_header: str | None
) -> Response:
    """An MP4 file, whole or the part that is asked for, of which ``read`` gives any part."""
    asked = _asked(size, etag, range_header)
    if isinstance(asked, Response):
        return asked
    part, status_code, headers = asked
    return StreamingResponse(read(part), status_code, headers, media_type="video/mp4")


def _asked(
    size: int, etag: str, range_header: str | None
) -> tuple[ByteRange, int, dict[str, str]] | Response:
    """The part that is asked for, with status and headers; or the answer that there is no such part."""
    try:
        wanted = requested_range(range_header, size)
    except UnsatisfiableRange as error:
        return Response(status_code=416, headers={"Content-Range": str(error)})
    part = wanted or ByteRange(start=0, end=size)
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(part.size), "ETag": f'"{etag}"'}
    if wanted is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{size}"
    return part, 206 if wanted else 200, headers
