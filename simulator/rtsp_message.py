"""RTSP requests and responses as values (RFC 2326)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    457: "Invalid Range",
    459: "Aggregate Operation Not Allowed",
    461: "Unsupported Transport",
    501: "Not Implemented",
    505: "RTSP Version not supported",
    551: "Option not supported",
}
_MAX_BODY_BYTES = 65_536


class MalformedRequest(Exception):
    """What the client sent is not RTSP."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request, headers by lower-case name."""

    method: str
    url: str
    version: str
    headers: dict[str, str]

    @property
    def path(self) -> tuple[str, ...]:
        """The address's path in parts: the source's id, then perhaps the track."""
        return tuple(part for part in unquote(urlsplit(self.url).path).split("/") if part and part != "*")

    @property
    def session(self) -> str | None:
        value = self.headers.get("session")
        return value.partition(";")[0].strip() if value is not None else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """One response."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    challenges: tuple[str, ...] = ()  # WWW-Authenticate, once for each
    body: str = ""

    def to_bytes(self, cseq: str) -> bytes:
        lines = [
            f"RTSP/1.0 {self.status} {REASONS[self.status]}",
            f"CSeq: {cseq}",
            "Server: Jianzheng simulator",
        ]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"WWW-Authenticate: {challenge}" for challenge in self.challenges]
        body = self.body.encode()
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode() + body


async def read_request(reader: asyncio.StreamReader, heard: Callable[[], None]) -> Request:
    """The next request; interleaved data of the client (receiver reports) is only ``heard``.

    Raises:
        asyncio.IncompleteReadError: the client is gone.
        MalformedRequest: it does not speak RTSP.
    """
    first = await reader.readexactly(1)
    while first == b"$" or first in b"\r\n":
        if first == b"$":
            head = await reader.readexactly(3)
            await reader.readexactly(int.from_bytes(head[1:], "big"))
            heard()
        first = await reader.readexactly(1)
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise MalformedRequest("the header does not end") from error
    request = _parse((first + head).decode("utf-8", "replace"))
    await reader.readexactly(_body_length(request))
    return request


def _parse(text: str) -> Request:
    start, *lines = text.rstrip("\r\n").split("\r\n")
    words = start.split()
    if len(words) != 3 or not words[2].startswith("RTSP/"):
        raise MalformedRequest("the first line is no RTSP request")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    try:
        urlsplit(words[1])
    except ValueError as error:
        raise MalformedRequest("the address cannot be read") from error
    return Request(method=words[0].upper(), url=words[1], version=words[2], headers=headers)


def _body_length(request: Request) -> int:
    value = request.headers.get("content-length", "0")
    if not value.isdecimal() or int(value) > _MAX_BODY_BYTES:
        raise MalformedRequest(f"a body of {value[:20]} bytes")
    return int(value)
