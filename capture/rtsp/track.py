"""One track of a connection: RTP and RTCP in, deliveries out, with times that never wrap."""

from __future__ import annotations

from collections.abc import Sequence

from capture.packets import Delivery, PacketsLost
from capture.rtsp.access_unit import AccessUnit
from capture.rtsp.formats import MediaFormat, VideoFormat
from capture.rtsp.judgement import Judgement
from capture.rtsp.nal_builder import NalDepacketizer
from capture.rtsp.rows import FRAME_BYTES, HEADERS, MARKER, PLAIN, RowReader
from capture.rtsp.rtcp import SenderReport, parse_rtcp
from capture.rtsp.rtp import RtpPacket, SequenceCounter, Unwrapper, read_rtp
from capture.rtsp.sdp import MediaDescription
from kernel.clock import SECOND_US
from kernel.errors import SourceProtocolError
from kernel.model.footage import Packet

_LEAST_IN_ROW = 64  # bytes of a packet; cameras send far larger ones


class RtpTrack:
    """Counts what is bad and hands on what is good."""

    def __init__(self, media: MediaDescription, how: MediaFormat) -> None:
        self._payload_type = media.payload_type
        self._rate = media.clock_rate
        self._depacketizer = how.depacketizer
        self._format = how.format
        self._sequence = SequenceCounter()
        self._timestamps = Unwrapper(32)
        self._fragments = how.depacketizer if isinstance(how.depacketizer, NalDepacketizer) else None
        self._rows = RowReader(self._fragments.head_bytes if self._fragments else 0)
        self._usual = PLAIN | media.payload_type  # flags of its packets
        self._judgement: Judgement | None = None
        if isinstance(how.format, VideoFormat) and self._fragments is not None:
            self._judgement = Judgement(how.format, self._fragments)
        self._left_out = False  # the newest unit was of no use to anybody
        self._delivered = 0
        self._packet = RtpPacket(0, 0, 0, 0, False, b"")  # the newest
        self._timestamp: int | None = None  # of the newest packet, as it was sent
        self._unwrapped = 0
        self._report: tuple[int, int] | None = None  # wall time of the source, unwrapped RTP time
        self._lost_reported = 0
        self.last_report = (0, 0)  # NTP time of the newest sender report, when it came (monotonic)
        self.ended = False  # the source said goodbye

    @property
    def lost(self) -> int:
        """Packets missing or damaged since the beginning."""
        return self._sequence.lost

    @property
    def sequences(self) -> tuple[int, int] | None:
        """Sequence numbers of the first and the newest packet; None while there is none."""
        first, expected = self._sequence.first, self._sequence.expected
        return None if first is None or expected is None else (first, expected - 1 & 0xFFFF)

    @property
    def ssrc(self) -> int:
        """Under which the device sends this track."""
        return self._packet.ssrc

    def take_rtp(self, data: bytes, arrival_us: int) -> Sequence[Delivery]:
        """What this packet completes."""
        packet = self._packet
        try:
            read_rtp(data, packet)
        except SourceProtocolError:
            return ()  # its number will be missing
        if packet.payload_type != self._payload_type:
            return ()
        missing = self._sequence.step(packet.sequence)
        if missing is None:
            return ()
        if packet.timestamp != self._timestamp:
            self._unwrap(packet.timestamp)
        packet.timestamp = self._unwrapped
        units = self._depacketizer.push(packet, missing)
        return self._deliver(units, arrival_us) if units else ()

    def take_usual(self, data: bytes, start: int, arrival_us: int, found: list[Delivery]) -> int:
        """What is as expected in everything (``Frames``): a row of fragments, or another packet. Whatever is
        not is left to ``take_rtp``.
        """
        packet, sequence = self._packet, self._sequence
        _, size, flags, number, timestamp, sender = HEADERS.unpack_from(data, start)
        payload = start + HEADERS.size
        behind: int = start + FRAME_BYTES + size
        if (
            number != sequence.expected
            or flags & ~MARKER != self._usual
            or sender != packet.ssrc
            or not payload <= behind <= len(data)
        ):
            return start
        packet.timestamp = self._unwrapped if timestamp == self._timestamp else self._unwrap(timestamp)
        fragments = self._fragments
        if (
            fragments is not None
            and size > _LEAST_IN_ROW
            and not flags & MARKER
            and fragments.begins_row(data, payload)
        ):
            row = self._rows.read(data, start)
            sequence.skip(len(row.pieces))
            units, behind = fragments.push_row(packet.timestamp, row), row.behind
        else:
            sequence.skip(1)
            packet.marker, packet.payload = bool(flags & MARKER), data[payload:behind]
            units = self._depacketizer.push(packet, 0)
        if units:
            found += self._deliver(units, arrival_us)
        return behind

    def _unwrap(self, timestamp: int) -> int:
        self._timestamp = timestamp
        self._unwrapped = self._timestamps.unwrap(timestamp)
        return self._unwrapped

    def take_rtcp(self, data: bytes, now_us: int) -> None:
        """Remember the newest sender report and when (monotonic) it came; note a goodbye."""
        for told in parse_rtcp(data):
            if isinstance(told, SenderReport):
                self._report = (told.wall_us, self._timestamps.near(told.timestamp))
                self.last_report = (told.ntp, now_us)
            else:
                self.ended = True

    def started(self) -> list[Delivery]:
        """What is known of the track before its first packet."""
        news = self._format.started()
        return [news] if news else []

    def _deliver(self, units: Sequence[AccessUnit], arrival_us: int) -> list[Delivery]:
        deliveries: list[Delivery] = []
        for unit in units:
            sample = self._format.sample(unit)
            if (news := self._format.started()) is not None:
                deliveries.append(news)
            if self._judgement is not None and not self._judgement.passes(unit, known=sample is not None):
                self._left_out = True
                continue
            if unit.after_loss or self._left_out:
                self._left_out = False
                lost = self.lost
                count, self._lost_reported = lost - self._lost_reported, lost
                deliveries.append(PacketsLost(codec=self._format.codec, count=count))
            if sample is not None:
                deliveries.append(self._sample(unit.timestamp, *sample, arrival_us))
        return deliveries

    @property
    def pictures(self) -> int:
        """Good ones since the beginning: what moves while all is well."""
        return self._delivered if self._judgement is None else self._judgement.pictures

    @property
    def rubbish(self) -> int:
        """What came since the last of them and no decoder can use."""
        return 0 if self._judgement is None else self._judgement.rubbish

    def _sample(self, timestamp: int, data: bytes, key: bool, arrival_us: int) -> Packet:
        self._delivered += 1
        return Packet(self._format.codec, timestamp, data, key, arrival_us, self._wall_us(timestamp))

    def _wall_us(self, timestamp: int) -> int | None:
        """By the newest report: its wall time, plus the RTP time since, over the clock rate (6.4.1)."""
        if self._report is None:
            return None
        wall_us, at = self._report
        return wall_us + (timestamp - at) * SECOND_US // self._rate
