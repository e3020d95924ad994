"""H.265 over RTP (RFC 7798): single NAL units, aggregation packets and fragmentation units; no DONL."""

from __future__ import annotations

from capture.rtsp.h264 import aggregated
from capture.rtsp.nal_builder import NalDepacketizer
from capture.rtsp.rows import ENDS, STARTS
from kernel.codec import h265

_AGGREGATION, _FRAGMENTATION = 48, 49


class H265Depacketizer(NalDepacketizer):
    """See ``Depacketizer``."""

    head_bytes = 3

    def __init__(self) -> None:
        super().__init__(h265)

    def is_fragment(self, first: int) -> bool:
        return first & 0xFE == _FRAGMENTATION << 1  # the forbidden bit is not set

    def unit_header(self, head: bytes) -> bytes:
        """4.4.3: the unit's type stands in the FU header."""
        return bytes((head[0] & 0x81 | (head[2] & 63) << 1, head[1]))

    def _take(self, payload: bytes) -> bool:
        if len(payload) < 3:
            return False
        kind = payload[0] >> 1 & 63
        if kind == _FRAGMENTATION:
            self._take_fragment(payload)
        elif kind == _AGGREGATION:
            for nal in aggregated(payload, 2):
                if len(nal) > 2:
                    self._builder.add(nal)
        elif kind < _AGGREGATION:
            self._builder.add(payload)
        else:
            return False
        return True

    def _take_fragment(self, payload: bytes) -> None:
        header, kind = self.unit_header(payload), payload[2]
        self._builder.add_pieces(header, (payload[3:],), bool(kind & STARTS), bool(kind & ENDS))
