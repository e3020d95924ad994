"""One RTSP connection: requests and answers, credentials, time-outs, and the data between them.

Every wait has an end: a device that accepts and says nothing is as lost as one that refuses the connection.
No message of an error carries credentials or what the device wrote (invariant 16).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

from capture.rtsp.auth import Credentials
from capture.rtsp.line import Line, open_line, unreachable
from capture.rtsp.message import (
    EarlyData,
    Frames,
    Interleaved,
    Message,
    MessageParser,
    Request,
    Response,
    encode_answer,
    encode_interleaved,
    encode_request,
)
from capture.rtsp.tls import Patience, open_tls_line
from kernel.clock import Clock
from kernel.errors import (
    NetworkDown,
    NotAnswering,
    SourceError,
    SourceNotFound,
    SourceProtocolError,
    SourceRefused,
    SourceUnreachable,
)
from kernel.settings import public_uri

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322}
_AGENT = "Jianzheng"
_MAX_ATTEMPTS = 3  # unauthorized, answered, answered again with a fresh nonce


class RtspClient:
    """An open connection. Made by ``connect``."""

    def __init__(
        self,
        line: Line,
        *,
        name: str,
        credentials: Credentials,
        answer_seconds: float,
    ) -> None:
        self._line = line
        self._name = name  # of the source, for messages
        self._credentials = credentials
        self._answer_seconds = answer_seconds
        self._parser = MessageParser()
        self._cseq = 0
        self._early = EarlyData(name)
        self._unanswered: dict[str, tuple[str, str]] = {}  # CSeq -> method and URI of a keep-alive
        self.session = ""

    @classmethod
    async def connect(
        cls,
        uri: str,
        *,
        name: str,
        credentials: Credentials,
        answer_seconds: float,
        clock: Clock,
        pin: str = "",
    ) -> RtspClient:
        """``pin``: SHA-256 of the certificate that a device of ``rtsps`` must show; empty for a trusted one.

        Raises:
            NetworkDown: nothing comes back from there in time.
            SourceUnreachable: it is refused.
            SourceRefused: the device's certificate is not the right one.
            SourceProtocolError: it does not speak TLS.
        """
        parts = urlsplit(uri)
        # Without the path: some devices tell one with a password in it (invariant 16).
        where = public_uri(parts._replace(path="").geturl())
        try:
            host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
            if parts.scheme == "rtsps":
                wait = Patience(clock=clock, seconds=answer_seconds)
                line: Line = await open_tls_line(host, port, name=name, wait=wait, pin=pin)
            else:
                async with asyncio.timeout(answer_seconds):
                    line = await open_line(host, port, name=name, clock=clock)
        except TimeoutError:
            message = f"source {name}: nothing answers at {where} within {answer_seconds:g} s."
            raise NetworkDown(message) from None
        except OSError as error:
            raise unreachable(error, f"source {name}: {where} cannot be reached") from None
        return cls(line, name=name, credentials=credentials, answer_seconds=answer_seconds)

    async def request(self, method: str, uri: str, headers: dict[str, str] | None = None) -> Response:
        """The device's answer of status 200.

        Raises:
            SourceError: it refuses, does not know the URI, does not answer in time or breaks the protocol.
        """
        response = await self._exchange(method, uri, headers)
        if response.status != 200:
            raise self._refusal(method, response.status)
        return response

    async def try_request(self, method: str, uri: str, headers: dict[str, str]) -> Response | None:
        """The same for what the stream can do without; None where the device refuses it.

        Raises:
            SourceError: it does not answer in time or breaks the protocol.
        """
        response = await self._exchange(method, uri, headers)
        return response if response.status == 200 else None

    async def _exchange(self, method: str, uri: str, headers: dict[str, str] | None) -> Response:
        """The device's answer, after credentials where it asks for them."""
        for _ in range(_MAX_ATTEMPTS):
            response = await self._ask(method, uri, headers or {})
            if response.status != 401:
                break
            if not self._credentials.accept(response.headers.all("www-authenticate")):
                break
        if response.status == 200:
            self.session = response.headers.get("session", self.session).split(";")[0].strip()
        return response

    async def _ask(self, method: str, uri: str, headers: dict[str, str]) -> Response:
        cseq = self._send(method, uri, headers)
        try:
            async with asyncio.timeout(self._answer_seconds):
                while True:
                    for response in self._responses(self._parser.feed(await self._line.next())):
                        if response.cseq in (cseq, ""):
                            return response
        except TimeoutError:
            message = f"source {self._name}: no answer to {method} within {self._answer_seconds:g} s."
            raise NotAnswering(message) from None

    def _send(self, method: str, uri: str, headers: dict[str, str]) -> str:
        self._cseq += 1
        cseq = str(self._cseq)
        fields = {"CSeq": cseq, "User-Agent": _AGENT, **headers}
        if self.session:
            fields["Session"] = self.session
        authorization = self._credentials.authorization(method, uri)
        if authorization:
            fields["Authorization"] = authorization
        self._line.write(encode_request(method, uri, fields))
        return cseq

    @property
    def addresses(self) -> tuple[str, str]:
        """See ``Line.addresses``."""
        return self._line.addresses

    def send_packet(self, channel: int, packet: bytes) -> None:
        """Send RTCP between the messages."""
        self._line.write(encode_interleaved(channel, packet))

    def keep_alive(self, method: str, uri: str) -> None:
        """Ask without waiting; the answer is taken when it comes."""
        self._unanswered = {self._send(method, uri, {}): (method, uri)}

    async def glance(self) -> bytes:
        """What has come, after a moment, to be given to ``sort``; empty where nothing has.

        Raises:
            SourceUnreachable: the connection is over.
        """
        return await self._line.glance()

    def hurry(self, on: bool) -> None:
        """Whether somebody watches live: what comes is then looked for more often."""
        self._line.hurried = on

    async def round(self) -> list[tuple[int, bytes]]:
        """What has come at several beats, each with its wall time.

        Raises:
            SourceUnreachable: the connection is over.
        """
        return await self._line.round()

    def sort(self, data: bytes, frames: Frames) -> None:
        """Hand out the packets in these bytes; those that came between answers first.

        Raises:
            SourceError: what comes is not RTSP, or the device forgot the session.
        """
        self._early.hand_out(frames)
        others: list[Message] = []
        self._parser.sort(data, frames, others)
        for response in self._responses(others):
            self._take_late_answer(response)

    def _responses(self, messages: list[Message]) -> list[Response]:
        """Put data aside, answer the device's own requests, hand out its answers."""
        responses = []
        for message in messages:
            if isinstance(message, Interleaved):
                self._early.add(message)
            elif isinstance(message, Response):
                responses.append(message)
            else:
                self._answer(message)
        return responses

    def _answer(self, request: Request) -> None:
        known = request.method in ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER")
        status = "200 OK" if known else "501 Not Implemented"
        self._line.write(encode_answer(request.headers.get("cseq"), status))

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
        with suppress(SourceUnreachable):
            if farewell:
                self._send("TEARDOWN", farewell, {})
        self._line.close()
