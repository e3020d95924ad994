"""HTTP whose answers are bounded: a device, or who answers in its place, may send without end, or a few
kilobytes that unpack to gigabytes. What is too much is refused while it comes, challenges for a password too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx


class UnboundedAnswerError(httpx.TransportError):
    """The answer is longer than allowed, or packed."""


class BoundedTransport(httpx.AsyncBaseTransport):
    """Asks for answers as they are and takes no others."""

    def __init__(self, within: httpx.AsyncBaseTransport, most_bytes: int) -> None:
        self._within = within
        self._most_bytes = most_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises: UnboundedAnswerError: the answer is packed; its reader, that it is too long."""
        request.headers["Accept-Encoding"] = "identity"
        response = await self._within.handle_async_request(request)
        if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("identity", ""):
            await response.aclose()
            raise UnboundedAnswerError("the answer is packed", request=request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _BoundedStream(response.stream, self._most_bytes)
        return response

    async def aclose(self) -> None:
        await self._within.aclose()


class _BoundedStream(httpx.AsyncByteStream):
    def __init__(self, within: httpx.AsyncByteStream, most_bytes: int) -> None:
        self._within = within
        self._most_bytes = most_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._within:
            size += len(piece)
            if size > self._most_bytes:
                raise UnboundedAnswerError("the answer is too long")
            yield piece

    async def aclose(self) -> None:
        await self._within.aclose()
