"""AAC over RTP (RFC 3640, mode AAC-hbr): several whole frames a packet, or one frame over several."""

from __future__ import annotations

from capture.rtsp.access_unit import AccessUnit
from capture.rtsp.rtp import RtpPacket
from kernel.codec.aac import SAMPLES_PER_FRAME


class AacDepacketizer:
    """See ``Depacketizer``."""

    def __init__(self, size_length: int = 13, index_length: int = 3) -> None:
        self._size_length = size_length
        self._header_bits = size_length + index_length
        self._partial: list[bytes] = []  # of a frame that needs several packets
        self._partial_size = 0
        self.dropped = 0
        self._after_loss = False

    def push(self, packet: RtpPacket, lost: int) -> list[AccessUnit]:
        if lost:
            self._after_loss = True
            self._drop_partial()
        parsed = self._headers(packet.payload)
        if parsed is None:
            self.dropped += 1
            return []
        sizes, data = parsed
        if self._partial or (len(sizes) == 1 and sizes[0] > len(data)):
            return self._continue(packet, sizes[0], data)
        return self._frames(packet.timestamp, sizes, data)

    def _headers(self, payload: bytes) -> tuple[list[int], bytes] | None:
        """Sizes of the AU headers (3.2.1) and the bytes behind them; None where they make no sense."""
        bits = int.from_bytes(payload[:2], "big")
        end = 2 + (bits + 7) // 8
        count = bits // self._header_bits
        if not count or end > len(payload):
            return None
        value = int.from_bytes(payload[2:end], "big") >> 8 * (end - 2) - bits
        sizes = []
        for index in range(count):
            header = value >> bits - (index + 1) * self._header_bits
            sizes.append(header >> self._header_bits - self._size_length & (1 << self._size_length) - 1)
        return sizes, payload[end:]

    def _frames(self, timestamp: int, sizes: list[int], data: bytes) -> list[AccessUnit]:
        units, offset = [], 0
        for index, size in enumerate(sizes):
            if size == 0 or offset + size > len(data):
                self.dropped += 1
                self._after_loss = True
                break
            when = timestamp + index * SAMPLES_PER_FRAME
            units.append(self._unit(when, data[offset : offset + size]))
            offset += size
        return units

    def _continue(self, packet: RtpPacket, size: int, data: bytes) -> list[AccessUnit]:
        self._partial.append(data)
        self._partial_size += len(data)
        if not packet.marker and self._partial_size < size:
            return []
        whole, exact = b"".join(self._partial), self._partial_size == size
        if not exact:
            self._drop_partial()
            return []
        self._partial, self._partial_size = [], 0
        return [self._unit(packet.timestamp, whole)]

    def _drop_partial(self) -> None:
        if self._partial:
            self.dropped += 1
            self._after_loss = True
        self._partial, self._partial_size = [], 0

    def _unit(self, timestamp: int, data: bytes) -> AccessUnit:
        unit = AccessUnit(timestamp=timestamp, units=(data,), after_loss=self._after_loss)
        self._after_loss = False
        return unit
