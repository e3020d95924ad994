"""One track of a connection: RTP and RTCP in, deliveries out, with times that never wrap."""

from __future__ import annotations

from capture.packets import Delivery, PacketsLost
from capture.rtsp.access_unit import AccessUnit
from capture.rtsp.formats import MediaFormat
from capture.rtsp.rtcp import SenderReport, parse_rtcp
from capture.rtsp.rtp import SequenceCounter, Unwrapper, parse_rtp
from capture.rtsp.sdp import MediaDescription
from kernel.clock import SECOND_US
from kernel.errors import SourceProtocolError
from kernel.model.footage import Packet


class RtpTrack:
    """Counts what is bad and hands on what is good."""

    def __init__(self, media: MediaDescription, how: MediaFormat) -> None:
        self._payload_type = media.payload_type
        self._rate = media.clock_rate
        self._depacketizer = how.depacketizer
        self._format = how.format
        self._sequence = SequenceCounter()
        self._timestamps = Unwrapper(32)
        self._report: tuple[int, int] | None = None  # wall time of the source, unwrapped RTP time
        self._lost_reported = 0
        self.damaged = 0  # packets that are no RTP
        self.ended = False  # the source said goodbye

    @property
    def lost(self) -> int:
        """Packets missing or damaged and access units dropped, since the beginning."""
        return self._sequence.lost + self.damaged + self._depacketizer.dropped

    def take_rtp(self, data: bytes, arrival_us: int) -> list[Delivery]:
        """What this packet completes."""
        try:
            packet = parse_rtp(data)
        except SourceProtocolError:
            self.damaged += 1
            return []
        if packet.payload_type != self._payload_type:
            return []
        missing = self._sequence.step(packet.sequence)
        if missing is None:
            return []
        packet.timestamp = self._timestamps.unwrap(packet.timestamp)
        deliveries: list[Delivery] = []
        for unit in self._depacketizer.push(packet, missing):
            deliveries += self._deliver(unit, arrival_us)
        return deliveries

    def take_rtcp(self, data: bytes) -> None:
        """Remember the newest sender report; note a goodbye."""
        for told in parse_rtcp(data):
            if isinstance(told, SenderReport):
                self._report = (told.wall_us, self._timestamps.near(told.timestamp))
            else:
                self.ended = True

    def started(self) -> list[Delivery]:
        """What is known of the track before its first packet."""
        news = self._format.started()
        return [news] if news else []

    def _deliver(self, unit: AccessUnit, arrival_us: int) -> list[Delivery]:
        deliveries: list[Delivery] = []
        if unit.after_loss:
            lost = self.lost
            count, self._lost_reported = lost - self._lost_reported, lost
            deliveries.append(PacketsLost(codec=self._format.codec, count=count))
        sample = self._format.sample(unit)
        deliveries += self.started()
        if sample is None:
            return deliveries
        data, key = sample
        deliveries.append(
            Packet(
                codec=self._format.codec,
                pts=unit.timestamp,
                data=data,
                key=key,
                arrival_us=arrival_us,
                wall_us=self._wall_us(unit.timestamp),
            )
        )
        return deliveries

    def _wall_us(self, timestamp: int) -> int | None:
        """By the newest report: its wall time, plus the RTP time since, over the clock rate (6.4.1)."""
        if self._report is None:
            return None
        wall_us, at = self._report
        return wall_us + (timestamp - at) * SECOND_US // self._rate
