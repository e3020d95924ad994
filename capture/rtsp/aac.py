"""AAC over RTP (RFC 3640, 3.2): several whole frames a packet, or one frame over several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from capture.rtsp.access_unit import AccessUnit
from capture.rtsp.rtp import RtpPacket
from kernel.codec.aac import SAMPLES_PER_FRAME


@dataclass(frozen=True, kw_only=True, slots=True)
class AuHeaders:
    """How the frames of a packet are announced (4.1); the defaults are those of mode AAC-hbr."""

    size_bits: int = 13
    index_bits: int = 3  # of the first header
    delta_bits: int = 3  # of the others
    frame_ticks: int = SAMPLES_PER_FRAME  # RTP time of a frame


class AacDepacketizer:
    """See ``Depacketizer``."""

    def __init__(self, headers: AuHeaders | None = None) -> None:
        self._how = headers or AuHeaders()
        self._partial: list[bytes] = []  # of a frame that needs several packets
        self._partial_size = 0
        self.dropped = 0
        self._after_loss = False
        header_bits = self._how.size_bits + self._how.index_bits
        self._one_header = b"\0\x10" if header_bits == 16 else b""  # one header of 16 bits

    def push(self, packet: RtpPacket, lost: int) -> Sequence[AccessUnit]:
        payload = packet.payload
        if payload[:2] == self._one_header and not (lost or self._after_loss or self._partial):
            size = (payload[2] << 8 | payload[3]) >> self._how.index_bits if len(payload) > 4 else 0
            if size == len(payload) - 4:  # the usual packet: one frame behind one header of two bytes
                return (AccessUnit(packet.timestamp, (payload[4:],)),)
        if lost:
            self._after_loss = True
            self._drop_partial()
        parsed = self._headers(payload)
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
        if end > len(payload):
            return None
        value, left = int.from_bytes(payload[2:end], "big") >> 8 * (end - 2) - bits, bits
        sizes: list[int] = []
        header_bits = self._how.size_bits + self._how.index_bits
        while left >= header_bits:
            sizes.append(value >> left - self._how.size_bits & (1 << self._how.size_bits) - 1)
            left -= header_bits
            header_bits = self._how.size_bits + self._how.delta_bits
        return (sizes, payload[end:]) if sizes else None

    def _frames(self, timestamp: int, sizes: list[int], data: bytes) -> list[AccessUnit]:
        units, offset = [], 0
        for index, size in enumerate(sizes):
            if size == 0 or offset + size > len(data):
                self.dropped += 1
                self._after_loss = True
                break
            when = timestamp + index * self._how.frame_ticks
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
