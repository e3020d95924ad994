"""Handing one source's units to all its clients, each at its own pace."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence

import structlog

from kernel.model.footage import Codec
from simulator import rtp, sdp
from simulator.faults import Faults
from simulator.feed import Feed
from simulator.media import MediaUnit, Track
from simulator.outlet import Outlet
from simulator.timeline import Timeline

Recall = Callable[[int], Sequence[Feed]]
"""Feeds that begin at a past instant (UTC microseconds), as the memory of a device has it."""

BACKLOG_LIMIT_BYTES = 2_000_000
"""What may wait for a slow client; beyond it whole groups of pictures are left out."""
STALL_LIMIT_US = 15_000_000
"""A client that takes nothing for so long is disconnected."""

_log = structlog.get_logger(__name__)


class Broadcast:
    """One source: its tracks, and everybody who listens."""

    def __init__(
        self,
        source_id: str,
        *,
        title: str,
        tracks: Sequence[Track],
        timeline: Timeline,
        report_every_us: int,
        recall: Recall | None = None,
    ) -> None:
        self.source_id = source_id
        self.title = title
        self.tracks = tuple(tracks)
        self.lost = False
        self.faults = Faults()
        self.recall = recall  # None: it has no memory
        self._timeline = timeline
        self._report_every_us = report_every_us
        self._tick_origins = [secrets.randbits(32) for _ in self.tracks]
        self._newest: dict[int, MediaUnit] = {}
        self._listeners: set[Listener] = set()

    def publish(self, unit: MediaUnit) -> None:
        """Give a new unit to every listener. Never waits."""
        index = self.index(video=unit.video)
        self._newest[index] = unit
        if not self._listeners or self.lost or self.faults.frozen:
            return
        payloads = self.payloads(index, unit)
        now_us = self._timeline.now_us()
        for listener in tuple(self._listeners):
            listener.take(index, unit, payloads, now_us)

    def payloads(self, index: int, unit: MediaUnit) -> list[bytes]:
        """The RTP payloads of a unit of track ``index``."""
        payloads = rtp.payloads(self.tracks[index].codec, unit)
        if self.faults.garbage:
            return [secrets.token_bytes(len(payload)) for payload in payloads]
        return payloads

    def join(self, listener: Listener) -> None:
        """Start sending to a client: sender reports at once, media from the next key frame on."""
        self._listeners.add(listener)
        if not self.faults.frozen:
            listener.report(self._timeline.now_us())

    def jump(self, seconds: float) -> None:
        """Move all RTP time stamps on (or back) from here, as an encoder that starts anew does."""
        for index, track in enumerate(self.tracks):
            self._tick_origins[index] += round(seconds * track.clock_rate)

    def set_clock(self, *, skew_us: int, drift_ppm: float = 0.0) -> None:
        """Put the clock of its sender reports off by so much, and let it drift; for a device set by hand."""
        self.faults.set_clock(self._timeline.now_us(), skew_us=skew_us, drift_ppm=drift_ppm)

    def change(self, tracks: Sequence[Track]) -> None:
        """Describe other tracks from here on; their number and order stay."""
        self.tracks = tuple(tracks)
        self._newest.clear()

    def leave(self, listener: Listener) -> None:
        """Stop sending to a client; unknown ones are fine."""
        self._listeners.discard(listener)

    def ticks_now(self, index: int, now_us: int) -> int | None:
        """RTP time stamp of track ``index`` at ``now_us``; None before its first unit."""
        newest = self._newest.get(index)
        if newest is None:
            return None
        elapsed = (now_us - newest.at_us) * self.tracks[index].clock_rate // rtp.SECOND_US
        return self.timestamp(index, newest.ticks + elapsed)

    def timestamp(self, index: int, ticks: int) -> int:
        """RTP time stamp of an instant in the source's ticks: from a random origin (RFC 3550, 5.1)."""
        return (self._tick_origins[index] + ticks) & 0xFFFFFFFF

    def report_due(self, last_us: int, now_us: int) -> bool:
        return now_us - last_us >= self._report_every_us

    def index(self, *, video: bool) -> int:
        """Which track is the picture, or the sound."""
        return next(index for index, track in enumerate(self.tracks) if track.codec.is_video is video)


class Sender:
    """The RTP state of one track towards one client."""

    def __init__(self, codec: Codec, outlet: Outlet) -> None:
        self.outlet = outlet
        self.ssrc = secrets.randbits(32)
        self.sequence = secrets.randbits(16)
        self._codec = codec
        self._payload_type = sdp.payload_type(codec)
        self._packets = 0
        self._octets = 0
        self.reported_us: int | None = None

    def send(self, timestamp: int, payloads: Sequence[bytes], extension: bytes = b"") -> None:
        """A unit's packets; the extension goes into the first one's header."""
        marked = self._codec.is_video or self._codec is Codec.AAC  # RFC 3551, 4.1: silence is sent too
        last = len(payloads) - 1
        packets = []
        for index, payload in enumerate(payloads):
            first = extension if index == 0 else b""
            head = rtp.header(
                payload_type=self._payload_type,
                marker=marked and index == last,
                sequence=self.sequence,
                timestamp=timestamp,
                ssrc=self.ssrc,
                extension=bool(first),
            )
            packets.append(head + first + payload)
            self.sequence = (self.sequence + 1) & 0xFFFF
            self._packets += 1
            self._octets += len(payload)
        self.outlet.media(packets)

    def skip(self, payloads: Sequence[bytes]) -> None:
        """Leave packets out as a network would lose them: their numbers are missing."""
        self.sequence = (self.sequence + len(payloads)) & 0xFFFF

    def report(self, now_us: int, told_us: int, timestamp: int, cname: str) -> None:
        """A sender report: at ``told_us`` of the source's clock its RTP clock shows ``timestamp``."""
        self.reported_us = now_us
        packet = rtp.sender_report(
            ssrc=self.ssrc,
            now_us=told_us,
            timestamp=timestamp,
            packets=self._packets,
            octets=self._octets,
            cname=cname,
        )
        self.outlet.control(packet)

    def bye(self) -> None:
        self.outlet.control(rtp.bye(ssrc=self.ssrc))


class Listener:
    """One client's session on one source."""

    def __init__(self, broadcast: Broadcast, transport: asyncio.WriteTransport) -> None:
        self.broadcast = broadcast
        self.senders: dict[int, Sender] = {}  # by index of the track
        self._transport = transport
        self._flowing = False
        self._begun = False
        self._stalled_since_us: int | None = None
        self.alive_us = 0  # when the client last showed that it is there
        self.patience_us: int | None = None  # longest wait for such a sign; None: the connection is one

    def set_up(self, index: int, outlet: Outlet) -> None:
        self.senders[index] = Sender(self.broadcast.tracks[index].codec, outlet)

    def close(self) -> None:
        for sender in self.senders.values():
            sender.outlet.close()

    def take(self, index: int, unit: MediaUnit, payloads: Sequence[bytes], now_us: int) -> None:
        """Send a unit, or leave it out while the client waits for a key frame or is too slow."""
        sender = self.senders.get(index)
        if sender is None or self._given_up(now_us):
            return
        if self._congested(now_us):
            self._flowing = False
        elif not self._flowing:
            self._flowing = self._can_start_with(unit)
        if self._flowing:
            self._begun = True
            self.report(now_us)
            sender.send(self.broadcast.timestamp(index, unit.ticks), payloads)
        elif self._begun:
            sender.skip(payloads)

    def report(self, now_us: int) -> None:
        """Send the sender reports that are due, as of a whole millisecond: exact in all our clock rates."""
        now_us -= now_us % 1000
        faults = self.broadcast.faults
        for index, sender in self.senders.items():
            if sender.reported_us is not None and not self.broadcast.report_due(sender.reported_us, now_us):
                continue
            timestamp = self.broadcast.ticks_now(index, now_us)
            if timestamp is not None and not faults.mute:
                cname = f"{self.broadcast.source_id}@simulator"
                sender.report(now_us, faults.told_us(now_us), timestamp, cname)

    def say_goodbye(self) -> None:
        """RTCP BYE for every track."""
        for sender in self.senders.values():
            sender.bye()

    def _can_start_with(self, unit: MediaUnit) -> bool:
        has_video = any(self.broadcast.tracks[index].codec.is_video for index in self.senders)
        return unit.key and (unit.video or not has_video)

    def _given_up(self, now_us: int) -> bool:
        """Whether the client has been silent for too long; nothing more is sent to it (RFC 2326, 12.37)."""
        if self.patience_us is None or now_us - self.alive_us <= self.patience_us:
            return False
        self.broadcast.leave(self)
        return True

    def _congested(self, now_us: int) -> bool:
        """Whether too much waits in the client's connection; cuts it when that does not end."""
        if self._transport.get_write_buffer_size() <= BACKLOG_LIMIT_BYTES:
            self._stalled_since_us = None
            return False
        if self._stalled_since_us is None:
            self._stalled_since_us = now_us
            _log.warning("a client is too slow", action="client_slow", source=self.broadcast.source_id)
        elif now_us - self._stalled_since_us > STALL_LIMIT_US:
            self.broadcast.leave(self)
            self._transport.abort()
        return True
