"""What a device recorded itself, fetched by RTSP (ONVIF Streaming Specification, 6; RFC 2326, 3.7 and 12.29).

How it is used::

    replay = await open_rtsp_replay(spec, settings, clock, uri=uri, wall=TimeRange(...))
    try:
        async for deliveries in replay:  # as from ``PacketSource.read``; empty while nothing comes
            ...
    finally:
        await replay.close()

``Packet.wall_us`` is the time that the device keeps with each picture; it is there from the first packet on.
It jumps where the device has a gap, whatever ``pts`` does: begin a new run there. ``arrival_us`` is of no
use, as it all comes as fast as device and line allow. The first picture is a key frame, usually from before
the range; pictures behind its end are handed out up to the next key frame, as those before may lean on them.
The iteration ends when the range has been played; a connection that ends before that raises ``SourceError``.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from capture.packets import Delivery
from capture.rtsp.formats import MediaFormat
from capture.rtsp.message import Response
from capture.rtsp.rtcp import ntp_to_unix_us
from capture.rtsp.sdp import MediaDescription
from capture.rtsp.stream import RtspStream, connect
from capture.rtsp.track import RtpTrack
from kernel.clock import SECOND_US, Clock, from_datetime, to_datetime
from kernel.errors import SourceUnreachable
from kernel.model.footage import Packet
from kernel.settings import CaptureSettings, SourceSpec, Transport
from kernel.timerange import TimeRange

_FEATURE = {"Require": "onvif-replay"}
_EXTENSION = 0xABAC
_MARKS = 64  # time stamps whose wall times are kept: more than a picture and its neighbours
_NEARLY_US = 2 * SECOND_US  # a device that hangs up so near to the end has played it all
_SEARCH_SECONDS = 15.0  # a device may search its disk for so long
_BEHIND_US = SECOND_US  # pictures are presented out of decoding order by less
_CLOCK = re.compile(r"clock=(\d{8}T\d{6})(?:\.(\d{1,6}))?Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """What the header extension of a replayed packet says (ONVIF Streaming Specification, 6.3)."""

    wall_us: int
    clean: bool  # decoding can start with this unit
    end: bool  # it is the last of an unbroken stretch of recording
    discontinuous: bool  # what came before it was not recorded before it


def read_mark(data: bytes) -> Mark | None:
    """The mark of an RTP packet; None where it has none. JPEG's own extension may follow in it."""
    if len(data) < 12 or not data[0] & 0x10:
        return None
    at = 12 + 4 * (data[0] & 15)
    if len(data) < at + 16:
        return None
    profile, words, ntp, flags = struct.unpack_from(">HHQB", data, at)
    if profile != _EXTENSION or words < 3:
        return None
    wall_us = ntp_to_unix_us(ntp)
    return Mark(
        wall_us=wall_us, clean=bool(flags & 0x80), end=bool(flags & 0x40), discontinuous=bool(flags & 0x20)
    )


class ReplayTrack(RtpTrack):
    """A track whose wall time comes from marks, or from where the range begins."""

    def __init__(self, media: MediaDescription, how: MediaFormat) -> None:
        super().__init__(media, how)
        self._marks: dict[int, int] = {}  # wall time by unwrapped time stamp
        self._begins_us = 0
        self.last_mark: Mark | None = None

    def begin(self, wall_us: int, timestamp: int | None) -> None:
        """Where there are no marks, this time stamp (or that of the first packet) is of this wall time."""
        self._begins_us = wall_us
        if timestamp is not None:
            self._report = (wall_us, self._timestamps.unwrap(timestamp))

    def take_rtp(self, data: bytes, arrival_us: int) -> Sequence[Delivery]:
        if len(data) >= 12:
            timestamp = self._timestamps.near(int.from_bytes(data[4:8], "big"))
            mark = read_mark(data)
            if mark is not None:
                self._remember(mark, timestamp)
            elif self._report is None:
                self._report = (self._begins_us, timestamp)
        return super().take_rtp(data, arrival_us)

    def _remember(self, mark: Mark, timestamp: int) -> None:
        self.last_mark = mark
        self._marks[timestamp] = mark.wall_us
        self._report = (mark.wall_us, timestamp)
        if len(self._marks) > _MARKS:
            del self._marks[next(iter(self._marks))]

    def take_rtcp(self, data: bytes, now_us: int) -> None:
        """A replaying device's reports may tell the time of now: only its goodbye counts."""
        report = self._report
        super().take_rtcp(data, now_us)
        self._report = report

    def _wall_us(self, timestamp: int) -> int | None:
        """By the mark of its own; without one (later frames of a packet of sound) by the one before it."""
        own = self._marks.get(timestamp)
        return super()._wall_us(timestamp) if own is None else own


class RtspReplay:
    """A range of a device's memory, being played. Made by ``open_rtsp_replay``."""

    def __init__(self, stream: RtspStream, tracks: Sequence[ReplayTrack], wall: TimeRange, name: str) -> None:
        self._stream = stream
        self._tracks = tracks
        self._wall = wall
        self._name = name
        self._last_us = 0  # wall time of the newest picture
        self._over = False

    def __aiter__(self) -> RtspReplay:
        return self

    async def __anext__(self) -> Sequence[Delivery]:
        """Raises: SourceError: it broke off before the end of the range."""
        if self._over:
            raise StopAsyncIteration
        try:
            deliveries = await self._stream.read()
        except SourceUnreachable:
            if self._stream.ended or self._played_all():
                raise StopAsyncIteration from None
            raise
        return self._within(deliveries)

    def _within(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        """Those up to the first key frame behind the range, which ends it."""
        for number, one in enumerate(deliveries):
            if not isinstance(one, Packet) or not one.codec.is_video or one.wall_us is None:
                continue
            behind_us = one.wall_us - self._wall.end_us
            if behind_us >= 0 and (one.key or behind_us >= _BEHIND_US):
                self._over = True
                return deliveries[:number]
            self._last_us = max(self._last_us, one.wall_us)
        return deliveries

    def _played_all(self) -> bool:
        """Whether a device that says no goodbye may well have come to the end."""
        marked = any(track.last_mark is not None and track.last_mark.end for track in self._tracks)
        return self._last_us > 0 and (marked or self._last_us >= self._wall.end_us - _NEARLY_US)

    async def close(self) -> None:
        """End the connection; never raises for what the other end does."""
        await self._stream.close()


async def open_rtsp_replay(
    spec: SourceSpec, settings: CaptureSettings, clock: Clock, *, uri: str, wall: TimeRange
) -> RtspReplay:
    """What the device of that source recorded between two times, from the key frame before on.

    Args:
        uri: where it replays, as ONVIF's GetReplayUri tells it or as the source's own; without credentials.

    Raises:
        SourceError: it cannot be had. A device without such a recording answers with an error, too.
    """
    made: list[ReplayTrack] = []

    def track(media: MediaDescription, how: MediaFormat) -> ReplayTrack:
        made.append(ReplayTrack(media, how))
        return made[-1]

    by_tcp = spec.model_copy(update={"transport": Transport.TCP})  # as fast as it goes, datagrams get lost
    silence_seconds = max(settings.silence_seconds, _SEARCH_SECONDS)
    patient = settings.model_copy(update={"silence_seconds": silence_seconds})
    stream = await connect(by_tcp, patient, clock, uri=uri, make_track=track)
    try:
        answer = await stream.start(
            uri,
            require=_FEATURE,
            play={"Range": clock_range(wall), "Rate-Control": "no", "Immediate": "yes"},
        )
    except BaseException:
        await stream.close()
        raise
    begins_us, stamps = _beginning(answer, wall.start_us)
    for number, one in enumerate(made):
        one.begin(begins_us, stamps[number] if len(stamps) == len(made) else None)
    return RtspReplay(stream, made, wall, spec.id)


def clock_range(wall: TimeRange) -> str:
    """A range of absolute time (RFC 2326, 3.7); fractions only where there are any."""
    return f"clock={_moment(wall.start_us)}-{_moment(wall.end_us)}"


def _moment(us: int) -> str:
    fraction = f"{us % SECOND_US:06d}".rstrip("0")
    return to_datetime(us).strftime("%Y%m%dT%H%M%S") + (f".{fraction}" if fraction else "") + "Z"


def _beginning(answer: Response, asked_us: int) -> tuple[int, list[int]]:
    """Wall time at which the device says that it begins, and the time stamps of that for each track."""
    found = _CLOCK.search(answer.headers.get("range"))
    begins_us = asked_us
    if found is not None:
        try:
            at = datetime.strptime(found.group(1), "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            return asked_us, []
        begins_us = from_datetime(at) + int((found.group(2) or "0").ljust(6, "0"))
    stamps = re.findall(r"rtptime=(\d{1,10})", answer.headers.get("rtp-info"))
    return begins_us, [int(one) & 0xFFFFFFFF for one in stamps]
