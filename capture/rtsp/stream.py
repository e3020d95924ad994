"""A camera's stream by RTSP: opens it, keeps it alive, hands out what it delivers (RFC 2326)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from capture.packets import Delivery
from capture.rtsp.auth import Credentials
from capture.rtsp.client import RtspClient
from capture.rtsp.formats import MediaFormat, media_format
from capture.rtsp.message import Response
from capture.rtsp.sdp import MediaDescription, SessionDescription, control_uri, parse_sdp
from capture.rtsp.track import RtpTrack
from capture.rtsp.tracks import Tracks
from capture.rtsp.udp import UdpPorts, open_ports
from kernel.clock import SECOND_US, Clock
from kernel.errors import CodecUnsupported, SourceError, SourceHasNoVideo, SourceProtocolError
from kernel.settings import CaptureSettings, SourceSpec, Transport

_DEFAULT_SESSION_S = 60  # RFC 2326, 12.37
_LONGEST_KEEP_ALIVE_S = 30.0
_FROM_NOW_ON = {"Range": "npt=0.000-"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """A media section that is to be recorded."""

    media: MediaDescription
    how: MediaFormat


MakeTrack = Callable[[MediaDescription, MediaFormat], RtpTrack]
"""A track of a media section."""


class RtspStream:
    """A playing stream; a ``PacketSource``. Made by ``open_rtsp``."""

    def __init__(
        self,
        client: RtspClient,
        *,
        name: str,
        clock: Clock,
        silence_seconds: float,
        transport: Transport = Transport.TCP,
        make_track: MakeTrack = RtpTrack,
    ) -> None:
        self._client = client
        self._name = name
        self._clock = clock
        self._transport = transport
        self._make_track = make_track
        self._uri = ""  # of the session as a whole
        self._keep_alive_method = "OPTIONS"
        self._keep_alive_us = _DEFAULT_SESSION_S * SECOND_US // 2
        self._next_keep_alive_us = 0
        self._tracks = Tracks(name=name, clock=clock, silence_seconds=silence_seconds)
        self._ports: dict[int, UdpPorts] = {}  # by the channel that stands for them
        self._first: list[Delivery] = []

    async def start(
        self, uri: str, *, require: Mapping[str, str] | None = None, play: Mapping[str, str] | None = None
    ) -> Response:
        """OPTIONS, DESCRIBE, SETUP of each chosen track, PLAY; the answer to the last.

        Args:
            require: header fields of SETUP and PLAY that ask for a feature.
            play: header fields of PLAY; from now on if there are none.
        """
        required = dict(require or {})
        self._uri = uri
        options = await self._client.request("OPTIONS", uri)
        if "GET_PARAMETER" in options.headers.get("public").upper():
            self._keep_alive_method = "GET_PARAMETER"
        answer = await self._client.request("DESCRIBE", uri, {"Accept": "application/sdp"})
        described = parse_sdp(answer.body.decode("utf-8", "replace"))
        base = _base(answer, uri)
        for chosen in choose_tracks(described, self._name):
            await self._set_up(chosen, control_uri(base, chosen.media.control), required)
        self._uri = control_uri(base, described.control)
        self._first = self._tracks.started()
        played = await self._client.request("PLAY", self._uri, {**required, **(play or _FROM_NOW_ON)})
        self._tracks.begin()
        self._next_keep_alive_us = self._clock.monotonic_us() + self._keep_alive_us
        return played

    async def _set_up(self, chosen: Chosen, uri: str, required: dict[str, str]) -> None:
        channel = 2 * len(self._tracks)
        by_datagrams = self._transport is Transport.UDP
        ports = self._open_ports(channel) if by_datagrams else None
        transport = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
        if ports is not None:
            transport = f"RTP/AVP;unicast;client_port={ports.port}-{ports.port + 1}"
        fields = {"Transport": transport, **required}
        if chosen.media.kind == "video":
            answer: Response | None = await self._client.request("SETUP", uri, fields)
        else:
            answer = await self._client.try_request("SETUP", uri, fields)
        if answer is None:  # invariant 7: without its sound, then
            if ports is not None:
                self._ports.pop(channel).close()
            return
        self._note_timeout(answer)
        if ports is not None:
            ports.expect(*_senders(answer, self._client.addresses[1]))
        else:
            channel = _channel(answer, channel)
        track = self._make_track(chosen.media, chosen.how)
        self._tracks.add(channel, track, video=chosen.media.kind == "video")

    def _open_ports(self, channel: int) -> UdpPorts:
        ports = open_ports(self._client.addresses[0], channel, name=self._name)
        self._ports[channel] = ports
        return ports

    def _note_timeout(self, answer: Response) -> None:
        """Keep alive at half the time after which the device forgets us."""
        _, _, rest = answer.headers.get("session").partition("timeout=")
        digits = rest.split(";")[0].strip()
        seconds = int(digits) if digits.isdecimal() and int(digits) else _DEFAULT_SESSION_S
        self._keep_alive_us = round(min(seconds / 2, _LONGEST_KEEP_ALIVE_S) * SECOND_US)

    def hurry(self, on: bool) -> None:
        """See ``packets.Hurries``."""
        self._client.hurry(on)

    async def read(self) -> Sequence[Delivery]:
        """See ``PacketSource``."""
        if self._first:
            first, self._first = self._first, []
            return first
        self._keep_alive()
        if self._ports:
            await self._take_datagrams()
        else:
            for at_us, data in await self._client.round() or ((None, b""),):
                self._tracks.look(at_us)
                self._client.sort(data, self._tracks)
        self._tracks.report(self._send_report)
        return self._tracks.found()

    async def _take_datagrams(self) -> None:
        """More often than at the beat: the system keeps few datagrams."""
        data = await self._client.glance()
        self._tracks.look()
        self._client.sort(data, self._tracks)
        for ports in self._ports.values():
            ports.take(self._tracks, self._clock.monotonic_us())

    @property
    def ended(self) -> bool:
        """Whether the device said that it sends no more pictures."""
        return self._tracks.ended

    def _send_report(self, channel: int, packet: bytes) -> None:
        ports = self._ports.get(channel - 1)
        if ports is not None:
            ports.report(packet)
        else:
            self._client.send_packet(channel, packet)

    def _keep_alive(self) -> None:
        now_us = self._clock.monotonic_us()
        if now_us >= self._next_keep_alive_us:
            self._next_keep_alive_us = now_us + self._keep_alive_us
            self._client.keep_alive(self._keep_alive_method, self._uri)

    async def close(self) -> None:
        await self._client.close(self._uri if self._client.session else "")
        for ports in self._ports.values():
            ports.close()


def _base(answer: Response, uri: str) -> str:
    """What relative control URIs are relative to (C.1.1), unless it names another place."""
    told = answer.headers.get("content-base") or answer.headers.get("content-location")
    return told if urlsplit(told).scheme in ("rtsp", "rtsps") else uri


def _channel(answer: Response, asked: int) -> int:
    """The RTP channel that the device settled on; some choose their own."""
    _, _, rest = answer.headers.get("transport").partition("interleaved=")
    digits = rest.split(";")[0].split("-")[0].strip()
    return int(digits) if digits.isdecimal() else asked


def _senders(answer: Response, peer: str) -> tuple[list[str], tuple[int, int] | None]:
    """From where a device sends datagrams: its addresses, and its ports if it tells them (12.39)."""
    told = dict(part.strip().partition("=")[::2] for part in answer.headers.get("transport").split(";"))
    first, _, second = told.get("server_port", "").partition("-")
    ports = None
    if first.isdecimal() and 0 < int(first) < 1 << 16:
        rtp = int(first)
        ports = rtp, int(second) if second.isdecimal() and 0 < int(second) < 1 << 16 else rtp + 1
    source = told.get("source", "")
    return [source, peer] if _is_address(source) else [peer], ports


def _is_address(text: str) -> bool:
    """Devices behind address translation tell 0.0.0.0, others a name: neither is one."""
    try:
        return not ip_address(text).is_unspecified
    except ValueError:
        return False


def choose_tracks(described: SessionDescription, name: str) -> list[Chosen]:
    """The first video track, and the first sound that can be recorded (invariant 7: or none).

    Raises:
        SourceHasNoVideo: there is no video.
        CodecUnsupported: its codec cannot be recorded.
    """
    video = next((media for media in described.media if media.kind == "video"), None)
    if video is None:
        raise SourceHasNoVideo(f"source {name}: the stream carries no video.")
    how = media_format(video)
    if how is None:
        codec = "".join(c for c in video.encoding if c.isalnum() or c in "-.")[:32] or "unnamed"
        raise CodecUnsupported(f"source {name}: its codec {codec} cannot be recorded.")
    chosen = [Chosen(media=video, how=how)]
    for media in described.media:
        sound = _sound_format(media)
        if sound is not None:
            return [*chosen, Chosen(media=media, how=sound)]
    return chosen


def _sound_format(media: MediaDescription) -> MediaFormat | None:
    if media.kind != "audio":
        return None
    try:
        return media_format(media)
    except SourceProtocolError:
        return None


async def connect(
    spec: SourceSpec,
    settings: CaptureSettings,
    clock: Clock,
    *,
    uri: str = "",
    make_track: MakeTrack = RtpTrack,
) -> RtspStream:
    """A stream of that source that has not been started, by its own uri or another one of the device.

    Raises:
        SourceError: the device cannot be reached or is not the right one.
    """
    credentials = Credentials(username=spec.username, password=spec.password.get_secret_value())
    where = uri or spec.uri
    if spec.transport is Transport.UDP and where.startswith("rtsps:"):
        raise SourceError(f"source {spec.id}: rtsps cannot come by UDP.", hint="Set its transport to tcp.")
    client = await RtspClient.connect(
        where,
        name=spec.id,
        credentials=credentials,
        answer_seconds=settings.connect_seconds,
        clock=clock,
        pin=spec.certificate_sha256,
    )
    return RtspStream(
        client,
        name=spec.id,
        clock=clock,
        silence_seconds=settings.silence_seconds,
        transport=spec.transport,
        make_track=make_track,
    )


async def open_rtsp(spec: SourceSpec, settings: CaptureSettings, clock: Clock) -> RtspStream:
    """A playing stream of that source.

    Raises:
        SourceError: it cannot be had; the message names the source and what to do.
    """
    stream = await connect(spec, settings, clock)
    try:
        await stream.start(spec.uri)
    except BaseException:
        await stream.close()
        raise
    return stream
