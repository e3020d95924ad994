"""G.726 over RTP (RFC 3551, 4.5.4): every packet is a stretch of codes, in one of two packings."""

from __future__ import annotations

from capture.rtsp.access_unit import AccessUnit
from capture.rtsp.rtp import RtpPacket
from kernel.codec import g726


class G726Depacketizer:
    """See ``Depacketizer``. Hands out the packing that the ring keeps (``kernel.codec.g726``)."""

    dropped = 0  # a packet is whole or lost

    def __init__(self, bits: int, *, little_endian: bool) -> None:
        self._bits = bits
        self._little_endian = little_endian

    def push(self, packet: RtpPacket, lost: int) -> list[AccessUnit]:
        data = bytes(packet.payload)
        if self._little_endian:
            data = g726.from_little_endian(data, self._bits)
        if not data:
            return []
        return [AccessUnit(timestamp=packet.timestamp, units=(data,), after_loss=bool(lost))]
