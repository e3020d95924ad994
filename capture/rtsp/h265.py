"""H.265 over RTP (RFC 7798): single NAL units, aggregation packets and fragmentation units; no DONL."""

from __future__ import annotations

from capture.rtsp.h264 import ENDS, aggregated
from capture.rtsp.nal_builder import NalDepacketizer
from kernel.codec import h265

_AGGREGATION, _FRAGMENTATION = 48, 49


class H265Depacketizer(NalDepacketizer):
    """See ``Depacketizer``."""

    head_bytes = 3

    def __init__(self) -> None:
        super().__init__(h265)

    def is_middle(self, head: bytes) -> bool:
        return len(head) == 3 and head[0] >> 1 & 63 == _FRAGMENTATION and not head[2] & ENDS

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
        """4.4.3: the unit's type stands in the FU header."""
        head = payload[2]
        nal_header = bytes((payload[0] & 0x81 | (head & 63) << 1, payload[1]))
        self._builder.add_piece(nal_header, payload[3:], bool(head & 0x80), bool(head & 0x40))
