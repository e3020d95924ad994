"""AAC over RTP as LATM (RFC 6416, 6; ISO/IEC 14496-3, 1.7.3), its configuration told by SDP (cpresent=0)."""

from __future__ import annotations

from capture.rtsp.access_unit import AccessUnit
from capture.rtsp.rtp import RtpPacket

_MOST_PIECES = 64  # packets of one time stamp; more is no sound but a device that never ends a frame
_MORE = 255  # a length goes on in the next byte (1.7.3.2, PayloadLengthInfo)


class LatmDepacketizer:
    """See ``Depacketizer``. Frames lie behind each other, each behind its length."""

    def __init__(self, frame_ticks: int) -> None:
        self._frame_ticks = frame_ticks
        self._pieces: list[bytes] = []
        self._timestamp = 0
        self._after_loss = False
        self.dropped = 0

    def push(self, packet: RtpPacket, lost: int) -> list[AccessUnit]:
        self._after_loss = self._after_loss or bool(lost)
        if self._pieces and (
            lost or packet.timestamp != self._timestamp or len(self._pieces) == _MOST_PIECES
        ):
            self._drop()
        self._timestamp = packet.timestamp
        self._pieces.append(bytes(packet.payload))
        if not packet.marker:
            return []
        frames = _frames(b"".join(self._pieces))
        if not frames:
            self._drop()
            return []
        self._pieces = []
        return [self._unit(index, frame) for index, frame in enumerate(frames)]

    def _unit(self, index: int, frame: bytes) -> AccessUnit:
        after_loss, self._after_loss = self._after_loss, False
        when = self._timestamp + index * self._frame_ticks
        return AccessUnit(timestamp=when, units=(frame,), after_loss=after_loss)

    def _drop(self) -> None:
        self._pieces = []
        self.dropped += 1
        self._after_loss = True


def _frames(data: bytes) -> list[bytes]:
    """The frames of whole audioMuxElements; none where their lengths make no sense."""
    frames, offset = [], 0
    while offset < len(data):
        size = 0
        while offset < len(data) and data[offset] == _MORE:
            size, offset = size + _MORE, offset + 1
        if offset == len(data):
            return []
        size, offset = size + data[offset], offset + 1
        if not size or offset + size > len(data):
            return []
        frames.append(data[offset : offset + size])
        offset += size
    return frames
