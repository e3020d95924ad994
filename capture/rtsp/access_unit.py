"""Access units: what one RTP time stamp carries, put together from the payloads of its packets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from capture.rtsp.rtp import RtpPacket


class AccessUnit(NamedTuple):
    """One picture as NAL units, or one frame of sound. A tuple: made 7000 times a second for 100 sources."""

    timestamp: int  # RTP ticks; unwrapped if those of the packets were
    units: tuple[bytes, ...]
    after_loss: bool = False  # packets before it, since the last unit handed out, are missing


class Depacketizer(Protocol):
    """Payloads of one track in, whole access units out. Damaged ones are dropped and counted."""

    @property
    def dropped(self) -> int:
        """Access units begun but not whole, since the beginning."""

    def push(self, packet: RtpPacket, lost: int) -> Sequence[AccessUnit]:
        """The units that this packet completes; ``lost`` packets are missing right before it.

        The packet is the caller's and holds something else after the call.
        """
