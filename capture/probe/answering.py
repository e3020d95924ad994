"""Which protocol answers at an address, where it is not the one that the address names."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

from kernel.errors import SourceError, SourceProtocolError
from kernel.settings import SourceSpec

_QUESTIONS = {
    "HTTP": b"GET / HTTP/1.0\r\n\r\n",
    "RTSP": b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n",
}
_MIXED_UP = {"rtsp": "HTTP", "onvif": "RTSP"}
_PATIENCE_S = 2.0


async def mixed_up(spec: SourceSpec, port: int, error: SourceError) -> SourceError:
    """That the port is of another service, where it is; else the error as it was.

    Web pages and ONVIF answer by HTTP, usually on port 80, streams by RTSP, usually on port 554, and people
    mistake one for the other.
    """
    parts = urlsplit(spec.uri)
    other = _MIXED_UP.get(parts.scheme)
    if other is None or not await _speaks(other, parts.hostname or "", port):
        return error
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    if other == "HTTP":
        said = "speaks HTTP, not RTSP: that is the device's web page, or ONVIF."
        hint = f"RTSP is usually on port 554: rtsp://{host}/PATH; ONVIF tells it: onvif://{host}:{port}."
    else:
        said = "speaks RTSP, not HTTP, which ONVIF needs."
        hint = f"ONVIF is usually on port 80: onvif://{host}; the stream itself is rtsp://{host}:{port}/PATH."
    return SourceProtocolError(f"source {spec.id}: port {port} of {host} {said}", hint=hint)


async def _speaks(protocol: str, host: str, port: int) -> bool:
    """Whether it answers a question of that protocol in it."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(_QUESTIONS[protocol])
                return (await reader.read(64)).startswith(protocol.encode() + b"/")
            finally:
                writer.close()
    return False
