"""The RTSP server: sources by TCP and UDP, live and from memory, as cameras offer them (RFC 2326).

One task per connection reads requests; live media is written by the broadcasts and never waits for anybody,
what is replayed goes as fast as its client takes it.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from simulator import sdp
from simulator.broadcast import Broadcast, Listener
from simulator.digest import Guard, Scheme
from simulator.outlet import DatagramOutlet, InterleavedOutlet, Outlet
from simulator.replay import Replay, parse_range
from simulator.rtsp_message import MalformedRequest, Request, Response, read_request
from simulator.timeline import Timeline

SESSION_TIMEOUT_S = 60  # a TCP session really ends with its connection
REPLAY_FEATURE = "onvif-replay"  # ONVIF Streaming Specification, 6.4
GOODBYE_TIMEOUT_S = 1.0  # how long a client may take to read what was still on its way to it
_METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, SET_PARAMETER, TEARDOWN"
_CHANNELS = re.compile(r"interleaved=(\d+)")
_CLIENT_PORT = re.compile(r"client_port=(\d+)")

_log = structlog.get_logger(__name__)


class _Lost(Exception):
    """The source asked for is switched off."""


class RtspServer:
    """Listens, and keeps the connections so that a source can be lost."""

    def __init__(
        self,
        broadcasts: Mapping[str, Broadcast],
        *,
        timeline: Timeline,
        username: str,
        password: str,
        schemes: Sequence[Scheme] = (Scheme.MD5,),
        session_timeout_s: int = SESSION_TIMEOUT_S,
    ) -> None:
        self.broadcasts = broadcasts
        self.timeline = timeline
        self.guard = Guard(username, password, schemes)
        self.session_timeout_s = session_timeout_s
        self.demands_reports = False  # whether only RTCP, and no request, keeps a session by UDP alive
        self.port = 0
        self._server: asyncio.Server | None = None
        self._connections: dict[_Connection, asyncio.Task[None]] = {}

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listen. ``port`` 0 takes any free one; ``self.port`` then tells which.

        Raises:
            OSError: the address cannot be used.
        """
        self._server = await asyncio.start_server(self._accept, host, port, ssl=tls)
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
        self.drop(source_id)

    def drop(self, source_id: str) -> None:
        """Cut the source's connections; new ones are welcome at once."""
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
        self._replay: Replay | None = None  # what the next PLAY answer is followed by
        self._replaying: asyncio.Task[None] | None = None
        self._handlers: dict[str, Callable[[Request, Broadcast], Awaitable[Response]]] = {
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
                await self._answer(await read_request(self._reader, self._heard_rtcp))
                await self._writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass  # the client is gone
        except MalformedRequest as error:
            _log.info("a client does not speak RTSP", action="rtsp_malformed", reason=str(error))
            self._writer.write(Response(status=400).to_bytes("0"))
        except _Lost:
            self._writer.transport.abort()
        finally:
            await self._stop_replaying()
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

    def _heard_rtcp(self) -> None:
        """The client reports what it received: it is there."""
        if self._listener is not None:
            self._listener.alive_us = self._server.timeline.now_us()

    async def _answer(self, request: Request) -> None:
        """Answer one request; after PLAY the media starts behind the answer."""
        response = await self._respond(request)
        if response is None:
            return
        self._writer.write(response.to_bytes(request.headers.get("cseq", "0")))
        if request.method == "PLAY" and response.status == 200 and self._listener is not None:
            self._playing = True
            replay, self._replay = self._replay, None
            if replay is not None:
                await self._stop_replaying()
                work = replay.run(self._server.timeline, self._writer.drain)
                self._replaying = asyncio.create_task(work)
            elif self._replaying is None:
                self._listener.broadcast.join(self._listener)

    async def _respond(self, request: Request) -> Response | None:
        """None for no answer at all."""
        if request.version != "RTSP/1.0":
            return Response(status=505)
        broadcast = self._server.broadcasts.get(request.path[0]) if request.path else None
        if broadcast is not None and broadcast.lost:
            raise _Lost
        if broadcast is not None and broadcast.faults.hanging:
            return None
        if not self._server.demands_reports:
            self._heard_rtcp()
        if "cseq" not in request.headers:
            return Response(status=400)
        if request.method == "OPTIONS":
            return Response(status=200, headers={"Public": _METHODS})
        handler = self._handlers.get(request.method)
        if handler is None:
            return Response(status=501, headers={"Public": _METHODS})
        authorization = request.headers.get("authorization")
        if not self._server.guard.admits(request.method, authorization):
            return Response(status=401, challenges=tuple(self._server.guard.challenges(authorization)))
        if broadcast is None:
            return Response(status=404)
        if unknown := _unknown_feature(request, broadcast):
            return Response(status=551, headers={"Unsupported": unknown})
        return await handler(request, broadcast)

    async def _describe(self, request: Request, broadcast: Broadcast) -> Response:
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

    async def _set_up(self, request: Request, broadcast: Broadcast) -> Response:
        if request.session is not None and request.session != self._session:
            return Response(status=454)
        if self._playing:
            return Response(status=455)
        if self._listener is not None and self._listener.broadcast is not broadcast:
            return Response(status=459)
        index = _track_index(request, broadcast)
        if index is None:
            return Response(status=404)
        return await self._set_up_track(broadcast, index, request.headers.get("transport", ""))

    async def _set_up_track(self, broadcast: Broadcast, index: int, offers: str) -> Response:
        """The first of the transports offered that we speak."""
        for offer in offers.split(","):
            chosen = await self._outlet(offer.strip(), broadcast, index)
            if chosen is not None:
                break
        else:
            return Response(status=461)
        outlet, transport = chosen
        timeout_s = self._server.session_timeout_s
        if self._listener is None:
            self._listener = Listener(broadcast, self._writer.transport)
            self._session = secrets.token_hex(8)
        self._listener.set_up(index, outlet)
        if isinstance(outlet, DatagramOutlet):
            self._listener.patience_us = timeout_s * 1_000_000
            self._listener.alive_us = self._server.timeline.now_us()
        ssrc = self._listener.senders[index].ssrc
        return Response(
            status=200,
            headers={
                "Transport": f"{transport};ssrc={ssrc:08X}",
                "Session": f"{self._session};timeout={timeout_s}",
            },
        )

    async def _outlet(self, offer: str, broadcast: Broadcast, index: int) -> tuple[Outlet, str] | None:
        """Where to send, and the transport as it is agreed on; None for an offer that we cannot meet."""
        kind = offer.split(";")[0].upper()
        if kind == "RTP/AVP/TCP":
            asked = _CHANNELS.search(offer)
            channel = min(int(asked.group(1)), 254) if asked else 2 * index
            agreed = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
            return InterleavedOutlet(self._writer.transport, channel), agreed
        port = _CLIENT_PORT.search(offer)
        if kind not in ("RTP/AVP", "RTP/AVP/UDP") or port is None or "multicast" in offer:
            return None
        client = int(port.group(1))
        host, peer = (self._writer.get_extra_info(name)[0] for name in ("sockname", "peername"))
        outlet = DatagramOutlet((peer, client), broadcast.faults)
        try:
            await outlet.open(host, self._heard_rtcp)
        except OSError:
            return None
        ports = f"client_port={client}-{client + 1};server_port={outlet.port}-{outlet.port + 1}"
        return outlet, f"RTP/AVP;unicast;{ports};source={host}"

    async def _play(self, request: Request, broadcast: Broadcast) -> Response:
        if request.session is not None and request.session != self._session:
            return Response(status=454)
        if self._listener is None or self._listener.broadcast is not broadcast:
            return Response(status=455)
        live = self._playing and self._replaying is None
        if request.headers.get("range", "").startswith("clock=") and not live:
            return self._play_again(request, broadcast, self._listener)
        if self._playing:
            return Response(status=200, headers={"Session": self._session})
        now_us = self._server.timeline.now_us()
        return self._playing_from(request, self._listener, "npt=now-", now_us)

    def _play_again(self, request: Request, broadcast: Broadcast, listener: Listener) -> Response:
        """PLAY of a range of the past; a second one in the same session takes the place of the first."""
        wanted = parse_range(request.headers["range"], self._server.timeline.now_us())
        if wanted is None or broadcast.recall is None:
            return Response(status=457)
        cseq = request.headers.get("cseq", "0")
        self._replay = Replay(
            broadcast,
            listener,
            wanted,
            paced=request.headers.get("rate-control", "yes").lower() != "no",
            play=int(cseq) if cseq.isdecimal() else 0,
        )
        return self._playing_from(request, listener, wanted.text(), wanted.start_us)

    def _playing_from(self, request: Request, listener: Listener, playing: str, at_us: int) -> Response:
        """The answer to PLAY of a range that begins then."""
        base = request.url.rstrip("/")
        infos = [
            f"url={base}/{sdp.control(index)};seq={sender.sequence}"
            + _rtptime(listener.broadcast, index, at_us)
            for index, sender in listener.senders.items()
        ]
        headers = {"Session": self._session, "Range": playing, "RTP-Info": ",".join(infos)}
        return Response(status=200, headers=headers)

    async def _stop_replaying(self) -> None:
        task, self._replaying = self._replaying, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep_alive(self, request: Request, broadcast: Broadcast) -> Response:
        if request.session is not None and request.session != self._session:
            return Response(status=454)
        return Response(status=200, headers={"Session": self._session} if self._session else {})

    async def _tear_down(self, request: Request, broadcast: Broadcast) -> Response:
        if self._listener is None or (request.session or self._session) != self._session:
            return Response(status=454)
        if self._playing:
            self._listener.say_goodbye()
        session = self._session
        await self._stop_replaying()
        self._forget_session()
        return Response(status=200, headers={"Session": session})

    def _forget_session(self) -> None:
        if self._listener is not None:
            self._listener.broadcast.leave(self._listener)
            self._listener.close()
        self._listener = None
        self._replay = None
        self._playing = False
        self._session = ""


def _track_index(request: Request, broadcast: Broadcast) -> int | None:
    """The track that SETUP names; a source with one track needs no name."""
    names = [sdp.control(index) for index in range(len(broadcast.tracks))]
    if len(request.path) == 1 and len(names) == 1:
        return 0
    return names.index(request.path[1]) if len(request.path) == 2 and request.path[1] in names else None


def _unknown_feature(request: Request, broadcast: Broadcast) -> str:
    """What the client requires and the source does not have (RFC 2326, 12.32); empty where there is none."""
    known = {REPLAY_FEATURE} if broadcast.recall is not None else set()
    required = {one.strip() for one in request.headers.get("require", "").split(",")} - {""}
    return ", ".join(sorted(required - known))


def _rtptime(broadcast: Broadcast, index: int, now_us: int) -> str:
    """The time stamp of "now", where the range starts (RFC 2326, 12.33); media starts at a key frame."""
    ticks = broadcast.ticks_now(index, now_us)
    return "" if ticks is None else f";rtptime={ticks}"
