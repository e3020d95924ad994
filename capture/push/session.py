"""One calling device: its requests, and what it pushes (RFC 2326, 10.3, 10.4, 10.11)."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from capture.packets import Delivery
from capture.push.guard import Guard
from capture.push.refusals import Refused
from capture.rtsp.line import Line
from capture.rtsp.message import (
    EarlyData,
    Headers,
    Interleaved,
    Message,
    MessageParser,
    Request,
    encode_interleaved,
)
from capture.rtsp.sdp import control_uri, parse_sdp
from capture.rtsp.stream import choose_tracks
from capture.rtsp.track import RtpTrack
from capture.rtsp.tracks import Tracks
from capture.rtsp.udp import UdpPorts, open_ports
from kernel.clock import Clock
from kernel.errors import NotCalling, SourceError, SourceProtocolError, SourceUnreachable
from kernel.settings import CaptureSettings, SourceSpec

_METHODS = "OPTIONS, ANNOUNCE, SETUP, RECORD, TEARDOWN, GET_PARAMETER, SET_PARAMETER"
_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    415: "Unsupported Media Type",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    501: "Not Implemented",
}
_SESSION_S = 60
_CHANNELS = re.compile(r"interleaved=(\d{1,3})-")
_CLIENT_PORTS = re.compile(r"client_port=(\d{1,5})-(\d{1,5})")
_MOST_TRACKS = 8

Admit = Callable[[str], SourceSpec | int]
"""Whose path this is, or the status to refuse the caller with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What is answered to a request."""

    status: int = 200
    fields: tuple[tuple[str, str], ...] = ()

    def to_bytes(self, cseq: str) -> bytes:
        lines = [f"RTSP/1.0 {self.status} {_REASONS[self.status]}", f"CSeq: {cseq}", "Server: Jianzheng"]
        lines += [f"{name}: {value}" for name, value in self.fields]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")


class PushSession:
    """A connection of a device: the listener drives it to RECORD, then the recorder as a ``PacketSource``."""

    def __init__(
        self, line: Line, peer: str, local: str, settings: CaptureSettings, clock: Clock, admit: Admit
    ) -> None:
        self._line = line
        self._peer = peer
        self._local = local
        self._settings = settings
        self._clock = clock
        self._admit = admit
        self._guard = Guard()
        self._parser = MessageParser()
        self._early = EarlyData(f"calling from {peer}")  # media that came right behind RECORD
        self._session = secrets.token_hex(8)
        self._controls: dict[str, tuple[RtpTrack, bool] | None] = {}  # by URI; None: not to be recorded
        self._set_up_uris: set[str] = set()
        self._tracks: Tracks | None = None
        self._ports: list[UdpPorts] = []
        self._first: list[Delivery] = []
        self._heard_us = clock.monotonic_us()
        self._over = ""  # why it ended
        self.spec: SourceSpec | None = None
        self.recording = False
        self.refused: Refused | None = None  # how its last request was, if it was
        self.released = False  # whoever recorded it was told to stop, and does not want it back

    async def greet(self) -> None:
        """Answer requests up to RECORD.

        Raises:
            SourceError: the device went away, does not speak RTSP, or announced what cannot be recorded.
        """
        while not self.recording:
            for message in self._parser.feed(await self._line.next()):
                if isinstance(message, Request):
                    self._answer(message)
                elif isinstance(message, Interleaved):
                    self._keep(message)
            self._go_on()

    def _keep(self, media: Interleaved) -> None:
        """Raises: SourceProtocolError: nothing was set up, for which a password may be needed."""
        if not self._tracks:
            raise SourceProtocolError(f"{self._name}: the device sends media that was not announced.")
        self._early.add(media)

    async def read(self) -> Sequence[Delivery]:
        """See ``PacketSource``."""
        try:
            return await self._read()
        except SourceUnreachable as error:
            if self.spec is None or type(error) is not SourceUnreachable:
                raise  # it says itself what to do
            raise NotCalling(error.message, hint=push_remedy(self.spec, self._settings)) from None

    async def _read(self) -> Sequence[Delivery]:
        self._go_on()
        if self._first:
            first, self._first = self._first, []
            return first
        tracks = self._tracks
        if tracks is None:
            raise SourceUnreachable(f"{self._name}: nothing was set up.")
        data = await (self._line.glance() if self._ports else self._line.gathered())
        tracks.look()
        self._early.hand_out(tracks)
        others: list[Message] = []
        self._parser.sort(data, tracks, others)
        now_us = self._clock.monotonic_us()
        datagrams = sum(ports.take(tracks, now_us) for ports in self._ports)
        if data or datagrams:
            self._heard_us = now_us
        for message in others:
            if isinstance(message, Request):
                self._answer(message)
        tracks.report(self._send_report)
        return tracks.found()

    @property
    def silent_us(self) -> int:
        """For how long nothing has come."""
        return self._clock.monotonic_us() - self._heard_us

    def supersede(self) -> None:
        """Another connection takes its place."""
        self._over = "the device called again"

    def _go_on(self) -> None:
        if self._over:
            raise SourceUnreachable(f"{self._name}: {self._over}.")

    @property
    def _name(self) -> str:
        return f"source {self.spec.id}" if self.spec is not None else "a calling device"

    def _answer(self, request: Request) -> None:
        """Carry a request out and answer it.

        Raises:
            SourceError: what the device announced cannot be recorded; it has been told.
        """
        failed: SourceError | None = None
        try:
            answer = self._carry_out(request)
        except SourceError as error:
            failed, answer = error, Answer(status=415)
        self._line.write(answer.to_bytes(request.headers.get("cseq", "0")))
        if failed is not None:
            raise failed

    def _carry_out(self, request: Request) -> Answer:
        if request.method == "OPTIONS":
            return Answer(fields=(("Public", _METHODS),))
        handlers = {"ANNOUNCE": self._announce, "SETUP": self._set_up, "RECORD": self._record}
        handler = handlers.get(request.method)
        if handler is not None:
            return self._unauthorized(request) or handler(request)
        if request.method in ("GET_PARAMETER", "SET_PARAMETER"):
            return Answer(fields=self._session_field())
        if request.method == "TEARDOWN":
            self._over = "the device ended its push"
            return Answer(fields=self._session_field())
        return Answer(status=501, fields=(("Public", _METHODS),))

    def _unauthorized(self, request: Request) -> Answer | None:
        """The refusal of a request that must prove the source's password and does not."""
        spec = self.spec
        if spec is None:
            path = path_of(request.uri)
            found = self._admit(path)
            if isinstance(found, int):
                self.refused = Refused(status=found, path=path)
                return Answer(status=found)
            spec = found
        password = spec.password.get_secret_value()
        if spec.username and not self._guard.admits(request.method, request.headers, spec.username, password):
            self.refused = Refused(status=401, path=path_of(spec.uri), source_id=spec.id)
            fields = tuple(("WWW-Authenticate", one) for one in self._guard.challenges())
            return Answer(status=401, fields=fields)
        self.spec, self.refused = spec, None
        self._line.rename(spec.id)
        return None

    def _announce(self, request: Request) -> Answer:
        if self._controls or self.spec is None:
            return Answer(status=455)
        described = parse_sdp(request.body.decode("utf-8", "replace"))
        if len(described.media) > _MOST_TRACKS:
            raise SourceProtocolError(f"{self._name}: the device announces too many tracks.")
        base = _base(request)
        chosen = {id(one.media): one for one in choose_tracks(described, self.spec.id)}
        for media in described.media:
            found = chosen.get(id(media))
            track = RtpTrack(media, found.how) if found else None
            uri = control_uri(base, media.control)
            self._controls[_plain(uri)] = (track, media.kind == "video") if track else None
        self._tracks = Tracks(
            name=self.spec.id, clock=self._clock, silence_seconds=self._settings.silence_seconds
        )
        return Answer()

    def _set_up(self, request: Request) -> Answer:
        tracks, uri = self._tracks, _plain(request.uri)
        if tracks is None or self.recording:
            return Answer(status=455)
        if uri not in self._controls:
            return Answer(status=404)
        if uri in self._set_up_uris:  # each may open ports
            return Answer(status=455)
        track = self._controls[uri]
        free_channel = 2 * (len(self._controls) + len(self._ports))
        transport = self._transport(request.headers, free_channel)
        if transport is None:
            return Answer(status=461)
        channel, agreed = transport
        self._set_up_uris.add(uri)
        if track is not None:
            tracks.add(channel, track[0], video=track[1])
        return Answer(fields=(("Transport", agreed), *self._session_field()))

    def _transport(self, headers: Headers, free_channel: int) -> tuple[int, str] | None:
        """The channel of a track's packets and the transport agreed on; None for none that we know."""
        for offer in headers.get("transport").split(","):
            kind = offer.split(";")[0].strip().upper()
            channels, ports = _CHANNELS.search(offer), _CLIENT_PORTS.search(offer)
            if kind == "RTP/AVP/TCP" and channels is not None:
                channel = int(channels.group(1))
                agreed = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1};mode=record"
                return channel, agreed
            if kind in ("RTP/AVP", "RTP/AVP/UDP") and ports is not None:
                return free_channel, self._open_ports(free_channel, int(ports.group(1)), int(ports.group(2)))
        return None

    def _open_ports(self, channel: int, rtp: int, rtcp: int) -> str:
        opened = open_ports(self._local, channel, name=self.spec.id if self.spec else "")
        self._ports.append(opened)
        opened.expect([self._peer], (rtp, rtcp))
        server = f"server_port={opened.port}-{opened.port + 1}"
        return f"RTP/AVP;unicast;client_port={rtp}-{rtcp};{server};mode=record"

    def _record(self, request: Request) -> Answer:
        if not self._tracks or self.spec is None or self.recording:
            return Answer(status=455)
        if request.headers.get("session").split(";")[0].strip() != self._session:
            return Answer(status=454)
        found = self._admit(path_of(self.spec.uri))
        if isinstance(found, int):  # another one was faster
            return Answer(status=found)
        self._first = self._tracks.started()
        self._tracks.begin()
        self._heard_us = self._clock.monotonic_us()
        self.recording = True
        return Answer(fields=self._session_field())

    def _session_field(self) -> tuple[tuple[str, str], ...]:
        return (("Session", f"{self._session};timeout={_SESSION_S}"),)

    def _send_report(self, channel: int, packet: bytes) -> None:
        for ports in self._ports:
            if ports.channel + 1 == channel:
                ports.report(packet)
                return
        with suppress(SourceUnreachable):
            self._line.write(encode_interleaved(channel, packet))

    async def close(self) -> None:
        """End the connection; never raises for what the other end does."""
        task = asyncio.current_task()
        self.released = task is not None and task.cancelling() > 0
        self._over = self._over or "it was closed"
        for ports in self._ports:
            ports.close()
        self._line.close()

    @property
    def closed(self) -> bool:
        """Whether it is over, by us or by the device."""
        return bool(self._over) or self._line.hung_up

    @property
    def heard_us(self) -> int:
        """When something came last (monotonic)."""
        return self._heard_us


def push_remedy(spec: SourceSpec, settings: CaptureSettings) -> str:
    """What to do where the device of a source does not call, or went away."""
    address = f"rtsp://THIS-MACHINE:{settings.push_port}/{path_of(spec.uri)}"
    return (
        f"See whether the device is on and set to push by RTSP to {address} with the source's username and "
        "password, and whether a firewall is in its way; recording begins by itself."
    )


def path_of(uri: str) -> str:
    """The path of a URI without the slashes at its ends, as ``push+rtsp:///PATH`` names it."""
    try:
        return unquote(urlsplit(uri).path).strip("/")
    except ValueError:
        return ""


def _plain(uri: str) -> str:
    """A URI to compare by: devices write the host in more than one way, and slashes too many."""
    parts = urlsplit(uri)
    return parts.path.strip("/") + ("?" + parts.query if parts.query else "")


def _base(request: Request) -> str:
    return request.headers.get("content-base") or request.uri
