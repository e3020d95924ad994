"""G.711 over RTP (RFC 3551, 4.5.14): every packet is a stretch of samples, one byte each."""

from __future__ import annotations

from capture.rtsp.access_unit import AccessUnit
from capture.rtsp.rtp import RtpPacket


class G711Depacketizer:
    """See ``Depacketizer``."""

    dropped = 0  # a packet is whole or lost

    def push(self, packet: RtpPacket, lost: int) -> list[AccessUnit]:
        if not packet.payload:
            return []
        return [AccessUnit(timestamp=packet.timestamp, units=(packet.payload,), after_loss=bool(lost))]
