"""Opus over RTP (RFC 7587, 4.2): every packet is one Opus packet."""

from __future__ import annotations

from capture.rtsp.access_unit import AccessUnit
from capture.rtsp.rtp import RtpPacket
from kernel.codec import opus
from kernel.errors import SourceProtocolError


class OpusDepacketizer:
    """See ``Depacketizer``."""

    def __init__(self) -> None:
        self.dropped = 0
        self._after_loss = False

    def push(self, packet: RtpPacket, lost: int) -> list[AccessUnit]:
        after_loss = self._after_loss or bool(lost)
        try:
            opus.samples(packet.payload)
        except SourceProtocolError:
            self.dropped += 1
            self._after_loss = True
            return []
        self._after_loss = False
        return [AccessUnit(timestamp=packet.timestamp, units=(packet.payload,), after_loss=after_loss)]
