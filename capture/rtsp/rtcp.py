"""RTCP (RFC 3550, 6): sender reports, which tie RTP time to wall time, and goodbyes."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from kernel.isobmff.writer import NTP_UNIX_EPOCH_S

_SENDER_REPORT, _BYE = 200, 203
_ERA_S = 1 << 32
_ERA_PIVOT_S = 1 << 31  # NTP seconds below it are of the era that begins in 2036 (RFC 4330, 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class SenderReport:
    """At this wall time of the source its RTP clock showed this."""

    ssrc: int
    wall_us: int
    timestamp: int  # 32 bits


@dataclass(frozen=True, kw_only=True, slots=True)
class Goodbye:
    """The source ends this stream."""


def ntp_to_unix_us(ntp: int) -> int:
    """A 64-bit NTP time as microseconds since the Unix epoch."""
    seconds = ntp >> 32
    if seconds < _ERA_PIVOT_S:
        seconds += _ERA_S
    return (seconds - NTP_UNIX_EPOCH_S) * 1_000_000 + ((ntp & 0xFFFFFFFF) * 1_000_000 >> 32)


def parse_rtcp(data: bytes) -> list[SenderReport | Goodbye]:
    """What matters to us of a compound packet; a damaged rest is passed over.

    A report whose NTP time is zero says that the source has no wall clock (6.4.1) and is left out.
    """
    found: list[SenderReport | Goodbye] = []
    offset = 0
    while offset + 4 <= len(data) and data[offset] >> 6 == 2:
        kind, words = data[offset + 1], int.from_bytes(data[offset + 2 : offset + 4], "big")
        if kind == _SENDER_REPORT and offset + 20 <= len(data):
            ssrc, ntp, timestamp = struct.unpack_from(">IQI", data, offset + 4)
            if ntp:
                found.append(SenderReport(ssrc=ssrc, wall_us=ntp_to_unix_us(ntp), timestamp=timestamp))
        elif kind == _BYE:
            found.append(Goodbye())
        offset += 4 * (words + 1)
    return found
