"""H.264 over RTP (RFC 6184): single NAL units, STAP-A and FU-A; packetization modes 0 and 1."""

from __future__ import annotations

from capture.rtsp.nal_builder import NalDepacketizer
from kernel.codec import h264

_STAP_A, _FU_A = 24, 28
ENDS = 0xC0
"""Start and end bit of a fragment's header, in both codecs; nine packets of ten have neither."""


class H264Depacketizer(NalDepacketizer):
    """See ``Depacketizer``."""

    head_bytes = 2

    def __init__(self) -> None:
        super().__init__(h264)

    def is_middle(self, head: bytes) -> bool:
        return len(head) == 2 and head[0] & 31 == _FU_A and not head[1] & ENDS

    def _take(self, payload: bytes) -> bool:
        kind = payload[0] & 31
        if kind == _FU_A:
            self._take_fragment(payload)
        elif kind == _STAP_A:
            for nal in aggregated(payload, 1):
                self._builder.add(nal)
        elif 1 <= kind < _STAP_A:
            self._builder.add(payload)
        else:
            return False
        return True

    def _take_fragment(self, payload: bytes) -> None:
        """5.8: the NAL unit's header is spread over indicator and FU header."""
        if len(payload) < 3:
            return
        indicator, head = payload[0], payload[1]
        nal_header = bytes((indicator & 0xE0 | head & 31,))
        self._builder.add_piece(nal_header, payload[2:], bool(head & 0x80), bool(head & 0x40))


def aggregated(payload: bytes, start: int) -> list[bytes]:
    """The NAL units of an aggregation packet, each behind its size in two bytes (5.7.1)."""
    units = []
    while start + 2 < len(payload):
        size = payload[start] << 8 | payload[start + 1]
        units.append(payload[start + 2 : start + 2 + size])
        start += 2 + size
    return units
