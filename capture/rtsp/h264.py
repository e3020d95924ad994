"""H.264 over RTP (RFC 6184): single NAL units, STAP-A and FU-A; packetization modes 0 and 1."""

from __future__ import annotations

from capture.rtsp.nal_builder import NalDepacketizer
from capture.rtsp.rows import ENDS, STARTS
from kernel.codec import h264

_STAP_A, _FU_A = 24, 28


class H264Depacketizer(NalDepacketizer):
    """See ``Depacketizer``."""

    head_bytes = 2

    def __init__(self) -> None:
        super().__init__(h264)

    def is_fragment(self, first: int) -> bool:
        return first & 0x9F == _FU_A  # the forbidden bit is not set

    def unit_header(self, head: bytes) -> bytes:
        """5.8: it is spread over indicator and FU header."""
        return bytes((head[0] & 0xE0 | head[1] & 31,))

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
        if len(payload) < 3:
            return
        header, kind = self.unit_header(payload), payload[1]
        self._builder.add_pieces(header, (payload[2:],), bool(kind & STARTS), bool(kind & ENDS))


def aggregated(payload: bytes, start: int) -> list[bytes]:
    """The NAL units of an aggregation packet, each behind its size in two bytes (5.7.1)."""
    units = []
    while start + 2 < len(payload):
        size = payload[start] << 8 | payload[start + 1]
        units.append(payload[start + 2 : start + 2 + size])
        start += 2 + size
    return units
