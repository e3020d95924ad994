"""H.265 over RTP (RFC 7798): single NAL units, aggregation packets and fragmentation units; no DONL."""

from __future__ import annotations

from capture.rtsp.access_unit import AccessUnit
from capture.rtsp.h264 import aggregated
from capture.rtsp.nal_builder import NalBuilder
from capture.rtsp.rtp import RtpPacket
from kernel.codec import h265

_AGGREGATION, _FRAGMENTATION = 48, 49


class H265Depacketizer:
    """See ``Depacketizer``."""

    def __init__(self) -> None:
        self._builder = NalBuilder(syntax=h265)

    @property
    def dropped(self) -> int:
        return self._builder.dropped

    def push(self, packet: RtpPacket, lost: int) -> list[AccessUnit]:
        before = self._builder.begin(packet.timestamp, lost)
        if len(packet.payload) > 2:
            self._take(packet.payload)
        whole = self._builder.finish() if packet.marker else None
        return [unit for unit in (before, whole) if unit is not None]

    def _take(self, payload: bytes) -> None:
        kind = payload[0] >> 1 & 63
        if kind == _FRAGMENTATION:
            self._take_fragment(payload)
        elif kind == _AGGREGATION:
            for nal in aggregated(payload, 2):
                if len(nal) > 2:
                    self._builder.add(nal)
        elif kind < _AGGREGATION:
            self._builder.add(payload)

    def _take_fragment(self, payload: bytes) -> None:
        """4.4.3: the unit's type stands in the FU header."""
        head = payload[2]
        nal_header = bytes((payload[0] & 0x81 | (head & 63) << 1, payload[1]))
        self._builder.add_piece(nal_header, payload[3:], bool(head & 0x80), bool(head & 0x40))
