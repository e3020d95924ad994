"""RTCP (RFC 3550, 6): sender reports, which tie RTP time to wall time, goodbyes, and our own reports."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from kernel.isobmff.writer import NTP_UNIX_EPOCH_S

_SENDER_REPORT, _RECEIVER_REPORT, _DESCRIPTION, _BYE = 200, 201, 202, 203
_CNAME = 1
_ERA_S = 1 << 32
_ERA_PIVOT_S = 1 << 31  # NTP seconds below it are of the era that begins in 2036 (RFC 4330, 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class SenderReport:
    """At this wall time of the source its RTP clock showed this."""

    ssrc: int
    wall_us: int
    timestamp: int  # 32 bits
    ntp: int  # 64 bits, as it was sent


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
                found.append(
                    SenderReport(ssrc=ssrc, wall_us=ntp_to_unix_us(ntp), timestamp=timestamp, ntp=ntp)
                )
        elif kind == _BYE:
            found.append(Goodbye())
        offset += 4 * (words + 1)
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Reception:
    """What became of a source's packets (6.4.1)."""

    ssrc: int  # of the source
    lost_share: float  # of the packets expected since the report before
    lost: int  # packets, since the beginning
    highest: int  # sequence number with the count of its wraps, 32 bits
    last_report_ntp: int = 0  # of the newest sender report; 0 before the first
    since_report_us: int = 0  # since it came


def receiver_report(ssrc: int, cname: str, received: Reception) -> bytes:
    """A receiver report with the CNAME that every compound packet needs (6.1, 6.4.2, 6.5).

    Jitter is said to be none: packets are looked at together, not as they arrive.
    """
    told = received.last_report_ntp
    block = struct.pack(
        ">IIIIII",
        received.ssrc,
        min(255, int(received.lost_share * 256)) << 24 | min(received.lost, 0x7FFFFF),
        received.highest & 0xFFFFFFFF,
        0,
        told >> 16 & 0xFFFFFFFF,
        received.since_report_us * 65_536 // 1_000_000 & 0xFFFFFFFF if told else 0,
    )
    name = cname.encode("ascii", "replace")[:255]
    chunk = struct.pack(">IBB", ssrc, _CNAME, len(name)) + name
    chunk += bytes(4 - len(chunk) % 4)  # at least one null ends the items
    described = struct.pack(">BBH", 0x81, _DESCRIPTION, len(chunk) // 4) + chunk
    return struct.pack(">BBHI", 0x81, _RECEIVER_REPORT, 7, ssrc) + block + described
