"""The RTSP server: sources over interleaved TCP, as the cameras of a centre offer them (RFC 2326).

One task per connection reads requests; media is written by the broadcasts and never waits for anybody. UDP is
refused (461): recorders ask cameras for TCP, and a lost datagram would only blur what the tests look at.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Mapping

import structlog

from simulator import sdp
from simulator.broadcast import Broadcast, Listener
from simulator.digest import DigestGuard
from simulator.rtsp_message import MalformedRequest, Request, Response, read_request
from simulator.timeline import Timeline

SESSION_TIMEOUT_S = 60  # announced; a TCP session really ends with its connection
GOODBYE_TIMEOUT_S = 1.0  # how long a client may take to read what was still on its way to it
_METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN"
_CHANNELS = re.compile(r"interleaved=(\d+)")

_log = structlog.get_logger(__name__)


class _Lost(Exception):
    """The source asked for is switched off."""


class RtspServer:
    """Listens, and keeps the connections so that a source can be lost."""

    def __init__(
        self, broadcasts: Mapping[str, Broadcast], *, timeline: Timeline, username: str, password: str
    ) -> None:
        self.broadcasts = broadcasts
        self.timeline = timeline
        self.guard = DigestGuard(username, password)
        self.port = 0
        self._server: asyncio.Server | None = None
        self._connections: dict[_Connection, asyncio.Task[None]] = {}

    async def start(self, host: str, port: int) -> None:
        """Listen. ``port`` 0 takes any free one; ``self.port`` then tells which.

        Raises:
            OSError: the address cannot be used.
        """
        self._server = await asyncio.start_server(self._accept, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Say goodbye to every client and close."""
        if self._server is None:
            return
        self._server.close()
        tasks = list(self._connections.values())
        for connection in tuple(self._connections):
            connection.end()
        if tasks:
            await asyncio.wait(tasks, timeout=GOODBYE_TIMEOUT_S)
        for connection in tuple(self._connections):
            connection.abort()
        if tasks:
            await asyncio.wait(tasks)
        await self._server.wait_closed()
        self._server = None

    def lose(self, source_id: str) -> None:
        """Cut the source's connections as a power cut does: no goodbye, and nothing new until restored."""
        self.broadcasts[source_id].lost = True
        for connection in tuple(self._connections):
            connection.abort_if_on(source_id)

    def restore(self, source_id: str) -> None:
        """Switch a lost source on again."""
        self.broadcasts[source_id].lost = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:  # never inside a server's callback; keeps the type honest
            return
        connection = _Connection(self, reader, writer)
        self._connections[connection] = task
        try:
            await connection.run()
        finally:
            del self._connections[connection]


class _Connection:
    """One client: its requests, and the one session it may have."""

    def __init__(
        self, server: RtspServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._session = ""
        self._listener: Listener | None = None
        self._playing = False
        self._handlers: dict[str, Callable[[Request, Broadcast], Response]] = {
            "DESCRIBE": self._describe,
            "SETUP": self._set_up,
            "PLAY": self._play,
            "GET_PARAMETER": self._keep_alive,
            "SET_PARAMETER": self._keep_alive,
            "TEARDOWN": self._tear_down,
        }

    async def run(self) -> None:
        """Answer requests until the client goes or its source is lost."""
        try:
            while True:
                self._answer(await read_request(self._reader))
                await self._writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass  # the client is gone
        except MalformedRequest as error:
            _log.info("a client does not speak RTSP", action="rtsp_malformed", reason=str(error))
            self._writer.write(Response(status=400).to_bytes("0"))
        except _Lost:
            self._writer.transport.abort()
        finally:
            self._forget_session()
            self._writer.close()

    def end(self) -> None:
        """Say goodbye and close; ``run`` ends by it."""
        if self._listener is not None and self._playing:
            self._listener.say_goodbye()
        self._forget_session()
        self._writer.close()

    def abort(self) -> None:
        """Cut the connection; ``run`` ends by it."""
        self._writer.transport.abort()

    def abort_if_on(self, source_id: str) -> None:
        """Cut the connection if its session is on this source."""
        if self._listener is not None and self._listener.broadcast.source_id == source_id:
            self._writer.transport.abort()

    def _answer(self, request: Request) -> None:
        """Answer one request; after PLAY the media starts behind the answer."""
        response = self._respond(request)
        self._writer.write(response.to_bytes(request.headers.get("cseq", "0")))
        if request.method == "PLAY" and response.status == 200 and self._listener is not None:
            self._playing = True
            self._listener.broadcast.join(self._listener)

    def _respond(self, request: Request) -> Response:
        if request.version != "RTSP/1.0":
            return Response(status=505)
        broadcast = self._server.broadcasts.get(request.path[0]) if request.path else None
        if broadcast is not None and broadcast.lost:
            raise _Lost
        if "cseq" not in request.headers:
            return Response(status=400)
        if request.method == "OPTIONS":
            return Response(status=200, headers={"Public": _METHODS})
        handler = self._handlers.get(request.method)
        if handler is None:
            return Response(status=501, headers={"Public": _METHODS})
        if not self._server.guard.admits(request.method, request.headers.get("authorization")):
            return Response(status=401, headers={"WWW-Authenticate": self._server.guard.challenge})
        if broadcast is None:
            return Response(status=404)
        return handler(request, broadcast)

    def _describe(self, request: Request, broadcast: Broadcast) -> Response:
        host, _ = self._writer.get_extra_info("sockname")[:2]
        body = sdp.describe(
            title=broadcast.title,
            host=host,
            session_number=self._server.timeline.now_us(),
            tracks=broadcast.tracks,
        )
        base = request.url.rstrip("/") + "/"
        return Response(
            status=200, headers={"Content-Base": base, "Content-Type": "application/sdp"}, body=body
        )

    def _set_up(self, request: Request, broadcast: Broadcast) -> Response:
        if request.session is not None and request.session != self._session:
            return Response(status=454)
        if self._playing:
            return Response(status=455)
        if self._listener is not None and self._listener.broadcast is not broadcast:
            return Response(status=459)
        index = _track_index(request, broadcast)
        if index is None:
            return Response(status=404)
        if (transport := _tcp_transport(request)) is None:
            return Response(status=461)
        return self._set_up_track(broadcast, index, transport)

    def _set_up_track(self, broadcast: Broadcast, index: int, transport: str) -> Response:
        if self._listener is None:
            self._listener = Listener(broadcast, self._writer.transport)
            self._session = secrets.token_hex(8)
        asked = _CHANNELS.search(transport)
        channel = min(int(asked.group(1)), 254) if asked else 2 * index
        self._listener.set_up(index, channel)
        ssrc = self._listener.senders[index].ssrc
        return Response(
            status=200,
            headers={
                "Transport": f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1};ssrc={ssrc:08X}",
                "Session": f"{self._session};timeout={SESSION_TIMEOUT_S}",
            },
        )

    def _play(self, request: Request, broadcast: Broadcast) -> Response:
        if request.session is not None and request.session != self._session:
            return Response(status=454)
        if self._listener is None or self._listener.broadcast is not broadcast:
            return Response(status=455)
        if self._playing:
            return Response(status=200, headers={"Session": self._session})
        now_us = self._server.timeline.now_us()
        base = request.url.rstrip("/")
        infos = [
            f"url={base}/{sdp.control(index)};seq={sender.sequence}" + _rtptime(broadcast, index, now_us)
            for index, sender in self._listener.senders.items()
        ]
        headers = {"Session": self._session, "Range": "npt=now-", "RTP-Info": ",".join(infos)}
        return Response(status=200, headers=headers)

    def _keep_alive(self, request: Request, broadcast: Broadcast) -> Response:
        if request.session is not None and request.session != self._session:
            return Response(status=454)
        return Response(status=200, headers={"Session": self._session} if self._session else {})

    def _tear_down(self, request: Request, broadcast: Broadcast) -> Response:
        if self._listener is None or (request.session or self._session) != self._session:
            return Response(status=454)
        if self._playing:
            self._listener.say_goodbye()
        session = self._session
        self._forget_session()
        return Response(status=200, headers={"Session": session})

    def _forget_session(self) -> None:
        if self._listener is not None:
            self._listener.broadcast.leave(self._listener)
        self._listener = None
        self._playing = False
        self._session = ""


def _track_index(request: Request, broadcast: Broadcast) -> int | None:
    """The track that SETUP names; a source with one track needs no name."""
    names = [sdp.control(index) for index in range(len(broadcast.tracks))]
    if len(request.path) == 1 and len(names) == 1:
        return 0
    return names.index(request.path[1]) if len(request.path) == 2 and request.path[1] in names else None


def _tcp_transport(request: Request) -> str | None:
    """The first transport offered that we speak."""
    offers = request.headers.get("transport", "").split(",")
    return next((offer for offer in offers if offer.strip().upper().startswith("RTP/AVP/TCP")), None)


def _rtptime(broadcast: Broadcast, index: int, now_us: int) -> str:
    """The time stamp of "now", where the range starts (RFC 2326, 12.33); media starts at a key frame."""
    ticks = broadcast.ticks_now(index, now_us)
    return "" if ticks is None else f";rtptime={ticks}"
