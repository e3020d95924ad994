"""One track of a connection: RTP and RTCP in, deliveries out, with times that never wrap."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from capture.packets import Delivery, PacketsLost
from capture.rtsp.access_unit import AccessUnit
from capture.rtsp.formats import MediaFormat, VideoFormat
from capture.rtsp.judgement import Judgement
from capture.rtsp.nal_builder import NalDepacketizer
from capture.rtsp.rtcp import SenderReport, parse_rtcp
from capture.rtsp.rtp import RtpPacket, SequenceCounter, Unwrapper, read_rtp
from capture.rtsp.sdp import MediaDescription
from kernel.clock import SECOND_US
from kernel.errors import SourceProtocolError
from kernel.model.footage import Packet

_DOLLAR = 0x24
_HEADERS = 16  # bytes before a payload: interleaved 4 (RFC 2326, 10.12), RTP 12
_LEAST_IN_RUN = 64


class RtpTrack:
    """Counts what is bad and hands on what is good."""

    def __init__(self, media: MediaDescription, how: MediaFormat, channel: int = 0) -> None:
        """``channel``: of its packets, where they come interleaved."""
        self._payload_type = media.payload_type
        self._rate = media.clock_rate
        self._depacketizer = how.depacketizer
        self._format = how.format
        self._sequence = SequenceCounter()
        self._timestamps = Unwrapper(32)
        self._fragments = how.depacketizer if isinstance(how.depacketizer, NalDepacketizer) else None
        self._row = struct.Struct("")  # one of the packets of a run
        self._run_head = (_DOLLAR << 8 | channel) << 16
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
            self._timestamp = packet.timestamp
            self._unwrapped = self._timestamps.unwrap(packet.timestamp)
        packet.timestamp = self._unwrapped
        units = self._depacketizer.push(packet, missing)
        return self._deliver(units, arrival_us) if units else ()

    def take_run(self, data: bytes, start: int, size: int) -> int:
        """The middles of a fragmented NAL unit, many at once (``Frames``); nothing where there are none.

        Nine packets of ten are such: they lie one behind the other, are of one size, and their headers differ
        by the sequence number only. Whatever differs ends the run and goes the usual way.
        """
        fragments, expected = self._fragments, self._sequence.expected
        length = 4 + size
        whole = (len(data) - start) // length
        if fragments is None or expected is None or size < _LEAST_IN_RUN or not whole:
            return start
        head = data[start + _HEADERS : start + _HEADERS + fragments.head_bytes]
        if not fragments.is_middle(head):
            return start
        if self._row.size != length:
            self._row = struct.Struct(f">QQ{len(head)}s{length - _HEADERS - len(head)}s")
        number = (self._run_head | size) << 32 | (0x8000 | self._payload_type) << 16 | expected
        stamp = (self._timestamp or 0) << 32 | self._packet.ssrc
        pieces = []
        for one, other, its_head, piece in self._row.iter_unpack(
            memoryview(data)[start : start + whole * length]
        ):
            if one != number or other != stamp or its_head != head:
                break
            pieces.append(piece)
            number += 1  # beyond 65535 it becomes another payload type, and ends the run
        if not pieces or not fragments.goes_on(self._unwrapped, pieces):
            return start
        self._sequence.skip(len(pieces))
        return start + len(pieces) * length

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
        return Packet(
            codec=self._format.codec,
            pts=timestamp,
            data=data,
            key=key,
            arrival_us=arrival_us,
            wall_us=self._wall_us(timestamp),
        )

    def _wall_us(self, timestamp: int) -> int | None:
        """By the newest report: its wall time, plus the RTP time since, over the clock rate (6.4.1)."""
        if self._report is None:
            return None
        wall_us, at = self._report
        return wall_us + (timestamp - at) * SECOND_US // self._rate
