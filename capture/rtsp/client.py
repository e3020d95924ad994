"""One RTSP connection: requests and answers, credentials, time-outs, and the data between them.

Every wait has an end: a device that accepts and says nothing is as lost as one that refuses the connection.
No message of an error carries credentials or what the device wrote (invariant 16).
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from urllib.parse import urlsplit

from capture.rtsp.auth import Credentials
from capture.rtsp.message import (
    Interleaved,
    Message,
    MessageParser,
    Request,
    Response,
    encode_answer,
    encode_request,
)
from kernel.errors import (
    SourceError,
    SourceNotFound,
    SourceProtocolError,
    SourceRefused,
    SourceUnreachable,
)
from kernel.settings import public_uri

DEFAULT_PORT = 554
_AGENT = "Jianzheng"
_READ_BYTES = 256 * 1024
_BUFFER_BYTES = 1024 * 1024  # what may wait while the disk is slow; beyond it, TCP slows the device down
_MOMENT_S = 1.0  # longest wait of one read, so that the caller can look at its clock
_MAX_ATTEMPTS = 3  # unauthorized, answered, answered again with a fresh nonce


def _reason(error: OSError) -> str:
    """In the system's words; asyncio's name the address once more. Errors of names have no number of it."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or type(error).__name__


class RtspClient:
    """An open connection. Made by ``connect``."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        name: str,
        credentials: Credentials,
        answer_seconds: float,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._name = name  # of the source, for messages
        self._credentials = credentials
        self._answer_seconds = answer_seconds
        self._parser = MessageParser()
        self._cseq = 0
        self._early: list[Interleaved] = []  # data that came between the answers
        self._unanswered: dict[str, tuple[str, str]] = {}  # CSeq -> method and URI of a keep-alive
        self.session = ""

    @classmethod
    async def connect(
        cls, uri: str, *, name: str, credentials: Credentials, answer_seconds: float
    ) -> RtspClient:
        """Raises: SourceUnreachable: nothing answers there within the time."""
        parts = urlsplit(uri)
        where = public_uri(uri)
        try:
            async with asyncio.timeout(answer_seconds):
                streams = await asyncio.open_connection(
                    parts.hostname, parts.port or DEFAULT_PORT, limit=_BUFFER_BYTES
                )
        except TimeoutError:
            message = f"source {name}: nothing answers at {where} within {answer_seconds:g} s."
            raise SourceUnreachable(message) from None
        except OSError as error:
            raise SourceUnreachable(f"source {name}: {where} cannot be reached ({_reason(error)}).") from None
        return cls(*streams, name=name, credentials=credentials, answer_seconds=answer_seconds)

    async def request(self, method: str, uri: str, headers: dict[str, str] | None = None) -> Response:
        """The device's answer of status 200.

        Raises:
            SourceError: it refuses, does not know the URI, does not answer in time or breaks the protocol.
        """
        for _ in range(_MAX_ATTEMPTS):
            response = await self._ask(method, uri, headers or {})
            if response.status != 401:
                break
            if not self._credentials.accept(response.headers.all("www-authenticate")):
                break
        if response.status != 200:
            raise self._refusal(method, response.status)
        self.session = response.headers.get("session", self.session).split(";")[0].strip()
        return response

    async def _ask(self, method: str, uri: str, headers: dict[str, str]) -> Response:
        cseq = self._send(method, uri, headers)
        try:
            async with asyncio.timeout(self._answer_seconds):
                while True:
                    for response in self._sort(self._parser.feed(await self._receive())):
                        if response.cseq in (cseq, ""):
                            return response
        except TimeoutError:
            message = f"source {self._name}: no answer to {method} within {self._answer_seconds:g} s."
            raise SourceUnreachable(message) from None

    def _send(self, method: str, uri: str, headers: dict[str, str]) -> str:
        self._cseq += 1
        cseq = str(self._cseq)
        fields = {"CSeq": cseq, "User-Agent": _AGENT, **headers}
        if self.session:
            fields["Session"] = self.session
        authorization = self._credentials.authorization(method, uri)
        if authorization:
            fields["Authorization"] = authorization
        self._writer.write(encode_request(method, uri, fields))
        return cseq

    def keep_alive(self, method: str, uri: str) -> None:
        """Ask without waiting; the answer is taken when it comes."""
        self._unanswered = {self._send(method, uri, {}): (method, uri)}

    async def read(self) -> list[Interleaved]:
        """Data packets that have arrived; none when nothing arrives for a moment.

        Raises:
            SourceError: the connection ended, or what comes is not RTSP.
        """
        if self._early:
            early, self._early = self._early, []
            return early
        try:
            async with asyncio.timeout(_MOMENT_S):
                data = await self._receive()
        except TimeoutError:
            return []
        for response in self._sort(self._parser.feed(data)):
            self._take_late_answer(response)
        found, self._early = self._early, []
        return found

    async def _receive(self) -> bytes:
        try:
            data = await self._reader.read(_READ_BYTES)
        except OSError as error:
            raise SourceUnreachable(
                f"source {self._name}: the connection broke ({_reason(error)})."
            ) from None
        if not data:
            raise SourceUnreachable(f"source {self._name}: the device closed the connection.")
        return data

    def _sort(self, messages: list[Message]) -> list[Response]:
        """Put data aside, answer the device's own requests, hand out its answers."""
        responses = []
        for message in messages:
            if isinstance(message, Interleaved):
                self._early.append(message)
            elif isinstance(message, Response):
                responses.append(message)
            else:
                self._answer(message)
        return responses

    def _answer(self, request: Request) -> None:
        known = request.method in ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER")
        status = "200 OK" if known else "501 Not Implemented"
        self._writer.write(encode_answer(request.headers.get("cseq"), status))

    def _take_late_answer(self, response: Response) -> None:
        """A keep-alive whose nonce has gone stale is asked once more."""
        asked = self._unanswered.pop(response.cseq, None)
        if asked and response.status == 401:
            if self._credentials.accept(response.headers.all("www-authenticate")):
                self.keep_alive(*asked)
        elif asked and response.status == 454:
            raise SourceUnreachable(f"source {self._name}: the device forgot the session.")

    def _refusal(self, method: str, status: int) -> SourceError:
        name = self._name
        if status in (401, 403):
            return SourceRefused(f"source {name}: the device refuses username or password ({status}).")
        if status in (404, 410):
            return SourceNotFound(f"source {name}: the device has no such stream ({status}).")
        if status in (453, 500, 503):
            return SourceUnreachable(f"source {name}: the device cannot serve the stream now ({status}).")
        return SourceProtocolError(f"source {name}: the device answers {method} with {status}.")

    async def close(self, farewell: str = "") -> None:
        """Say TEARDOWN of that URI if one is given, and close; never raises for what the other end does."""
        with suppress(OSError):
            if farewell and not self._writer.is_closing():
                self._send("TEARDOWN", farewell, {})
            self._writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._writer.wait_closed()
