"""A camera's stream by RTSP: opens it, keeps it alive, hands out what it delivers (RFC 2326)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from capture.packets import Delivery
from capture.rtsp.auth import Credentials
from capture.rtsp.client import RtspClient
from capture.rtsp.formats import MediaFormat, media_format
from capture.rtsp.message import Response
from capture.rtsp.sdp import MediaDescription, SessionDescription, control_uri, parse_sdp
from capture.rtsp.track import RtpTrack
from kernel.clock import SECOND_US, Clock
from kernel.errors import CodecUnsupported, SourceHasNoVideo, SourceProtocolError, SourceUnreachable
from kernel.settings import CaptureSettings, SourceSpec

_DEFAULT_SESSION_S = 60  # RFC 2326, 12.37
_LONGEST_KEEP_ALIVE_S = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Chosen:
    """A media section that is to be recorded."""

    media: MediaDescription
    how: MediaFormat


class RtspStream:
    """A playing stream; a ``PacketSource``. Made by ``open_rtsp``."""

    def __init__(
        self,
        client: RtspClient,
        *,
        name: str,
        clock: Clock,
        silence_seconds: float,
        uri: str,
    ) -> None:
        self._client = client
        self._name = name
        self._clock = clock
        self._silence_seconds = silence_seconds
        self._uri = uri  # of the session as a whole
        self._keep_alive_method = "OPTIONS"
        self._keep_alive_us = _DEFAULT_SESSION_S * SECOND_US // 2
        self._next_keep_alive_us = 0
        self._video: RtpTrack | None = None
        self._tracks: dict[int, RtpTrack] = {}  # by the channel of its RTP
        self._last_picture_us = 0  # monotonic
        self._first: list[Delivery] = []

    async def start(self, uri: str) -> None:
        """OPTIONS, DESCRIBE, SETUP of each chosen track, PLAY."""
        self._uri = uri
        options = await self._client.request("OPTIONS", uri)
        if "GET_PARAMETER" in options.headers.get("public").upper():
            self._keep_alive_method = "GET_PARAMETER"
        answer = await self._client.request("DESCRIBE", uri, {"Accept": "application/sdp"})
        described = parse_sdp(answer.body.decode("utf-8", "replace"))
        base = _base(answer, uri)
        for chosen in choose_tracks(described, self._name):
            await self._set_up(chosen, control_uri(base, chosen.media.control))
        self._uri = control_uri(base, described.control)
        await self._client.request("PLAY", self._uri, {"Range": "npt=0.000-"})
        self._last_picture_us = self._clock.monotonic_us()
        self._next_keep_alive_us = self._last_picture_us + self._keep_alive_us

    async def _set_up(self, chosen: _Chosen, uri: str) -> None:
        channel = 2 * len(self._tracks)
        transport = f"RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
        answer = await self._client.request("SETUP", uri, {"Transport": transport})
        self._note_timeout(answer)
        track = RtpTrack(chosen.media, chosen.how)
        self._tracks[_channel(answer, channel)] = track
        self._first += track.started()
        if chosen.media.kind == "video":
            self._video = track

    def _note_timeout(self, answer: Response) -> None:
        """Keep alive at half the time after which the device forgets us."""
        _, _, rest = answer.headers.get("session").partition("timeout=")
        digits = rest.split(";")[0].strip()
        seconds = int(digits) if digits.isdecimal() and int(digits) else _DEFAULT_SESSION_S
        self._keep_alive_us = round(min(seconds / 2, _LONGEST_KEEP_ALIVE_S) * SECOND_US)

    async def read(self) -> Sequence[Delivery]:
        """See ``PacketSource``."""
        if self._first:
            first, self._first = self._first, []
            return first
        if self._video is not None and self._video.ended:
            raise SourceUnreachable(f"source {self._name}: the device ended the stream.")
        self._keep_alive()
        packets = await self._client.read()
        arrival_us = self._clock.now_us()
        deliveries: list[Delivery] = []
        for packet in packets:
            track = self._tracks.get(packet.channel)
            if track is not None:
                deliveries += self._take(track, packet.payload, arrival_us)
            elif (owner := self._tracks.get(packet.channel - 1)) is not None:
                owner.take_rtcp(packet.payload)
        if not packets:
            self._check_silence()
        return deliveries

    def _take(self, track: RtpTrack, payload: bytes, arrival_us: int) -> list[Delivery]:
        deliveries = track.take_rtp(payload, arrival_us)
        if track is self._video:
            if deliveries:
                self._last_picture_us = self._clock.monotonic_us()
        else:
            self._check_silence()  # sound alone does not keep a source alive
        return deliveries

    def _check_silence(self) -> None:
        silent_us = self._clock.monotonic_us() - self._last_picture_us
        if silent_us > self._silence_seconds * SECOND_US:
            message = f"source {self._name}: no picture for {self._silence_seconds:g} s."
            raise SourceUnreachable(message)

    def _keep_alive(self) -> None:
        now_us = self._clock.monotonic_us()
        if now_us >= self._next_keep_alive_us:
            self._next_keep_alive_us = now_us + self._keep_alive_us
            self._client.keep_alive(self._keep_alive_method, self._uri)

    async def close(self) -> None:
        await self._client.close(self._uri if self._client.session else "")


def _base(answer: Response, uri: str) -> str:
    """What relative control URIs are relative to (C.1.1), unless it names another place."""
    told = answer.headers.get("content-base") or answer.headers.get("content-location")
    return told if urlsplit(told).scheme == "rtsp" else uri


def _channel(answer: Response, asked: int) -> int:
    """The RTP channel that the device settled on; some choose their own."""
    _, _, rest = answer.headers.get("transport").partition("interleaved=")
    digits = rest.split(";")[0].split("-")[0].strip()
    return int(digits) if digits.isdecimal() else asked


def choose_tracks(described: SessionDescription, name: str) -> list[_Chosen]:
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
    chosen = [_Chosen(media=video, how=how)]
    for media in described.media:
        sound = _sound_format(media)
        if sound is not None:
            return [*chosen, _Chosen(media=media, how=sound)]
    return chosen


def _sound_format(media: MediaDescription) -> MediaFormat | None:
    if media.kind != "audio":
        return None
    try:
        return media_format(media)
    except SourceProtocolError:
        return None


async def open_rtsp(spec: SourceSpec, settings: CaptureSettings, clock: Clock) -> RtspStream:
    """A playing stream of that source.

    Raises:
        SourceError: it cannot be had; the message names the source and what to do.
    """
    credentials = Credentials(username=spec.username, password=spec.password.get_secret_value())
    client = await RtspClient.connect(
        spec.uri, name=spec.id, credentials=credentials, answer_seconds=settings.connect_seconds
    )
    stream = RtspStream(
        client, name=spec.id, clock=clock, silence_seconds=settings.silence_seconds, uri=spec.uri
    )
    try:
        await stream.start(spec.uri)
    except BaseException:
        await client.close()
        raise
    return stream
