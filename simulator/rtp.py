"""RTP payloads and RTCP packets: pure functions from media to bytes.

RFC 3550 (RTP, RTCP), RFC 6184 (H.264), RFC 7798 (H.265), RFC 3640 (AAC), RFC 3551 (G.711).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from kernel.model.footage import Codec
from simulator.media import MediaUnit

MAX_PAYLOAD_BYTES = 1388  # 1400 bytes less the RTP header
NTP_EPOCH_OFFSET_S = 2_208_988_800  # 1900 to 1970
SECOND_US = 1_000_000

_H264_FU_A = 28  # RFC 6184, 5.8
_H265_FU = 49  # RFC 7798, 4.4.3
_SENDER_REPORT = 200  # RFC 3550, 6.4.1
_SOURCE_DESCRIPTION = 202
_BYE = 203
_CNAME = 1


def payloads(codec: Codec, unit: MediaUnit) -> list[bytes]:
    """The RTP payloads of a unit, in order; the last one of a video unit takes the marker."""
    if codec is Codec.H264:
        return [payload for nal in unit.parts for payload in _h264(nal)]
    if codec is Codec.H265:
        return [payload for nal in unit.parts for payload in _h265(nal)]
    if codec is Codec.AAC:
        return [_aac(frame) for frame in unit.parts]
    return list(unit.parts)


def header(*, payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int) -> bytes:
    """The fixed RTP header (RFC 3550, 5.1)."""
    return struct.pack(
        ">BBHII", 0x80, marker << 7 | payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc
    )


def sender_report(*, ssrc: int, now_us: int, timestamp: int, packets: int, octets: int, cname: str) -> bytes:
    """A sender report with the CNAME that every compound packet needs (RFC 3550, 6.1, 6.4.1, 6.5).

    ``now_us`` and ``timestamp`` are the same instant, in UTC microseconds and in RTP ticks.
    """
    seconds, micros = divmod(now_us, SECOND_US)
    fraction = (micros << 32) // SECOND_US
    report = struct.pack(
        ">BBHIIIIII",
        0x80,
        _SENDER_REPORT,
        6,
        ssrc,
        (seconds + NTP_EPOCH_OFFSET_S) & 0xFFFFFFFF,
        fraction,
        timestamp & 0xFFFFFFFF,
        packets & 0xFFFFFFFF,
        octets & 0xFFFFFFFF,
    )
    return report + _description(ssrc, cname)


def bye(*, ssrc: int) -> bytes:
    """A goodbye behind an empty receiver report (RFC 3550, 6.1, 6.6)."""
    return struct.pack(">BBHI", 0x80, 201, 1, ssrc) + struct.pack(">BBHI", 0x81, _BYE, 1, ssrc)


def interleaved(channel: int, packet: bytes) -> bytes:
    """A packet as it goes over the RTSP connection (RFC 2326, 10.12)."""
    return struct.pack(">cBH", b"$", channel, len(packet)) + packet


def _description(ssrc: int, cname: str) -> bytes:
    name = cname.encode()[:255]
    chunk = struct.pack(">IBB", ssrc, _CNAME, len(name)) + name
    chunk += bytes(4 - len(chunk) % 4)  # at least one null ends the items, then to a multiple of four
    return struct.pack(">BBH", 0x81, _SOURCE_DESCRIPTION, len(chunk) // 4) + chunk


def _h264(nal: bytes) -> Sequence[bytes]:
    """Single NAL unit packet or FU-A fragments (RFC 6184, 5.6 and 5.8)."""
    if len(nal) <= MAX_PAYLOAD_BYTES:
        return (nal,)
    indicator, kind = nal[0] & 0xE0 | _H264_FU_A, nal[0] & 0x1F
    return _fragments(bytes((indicator,)), kind, nal[1:])


def _h265(nal: bytes) -> Sequence[bytes]:
    """Single NAL unit packet or fragmentation units (RFC 7798, 4.4.1 and 4.4.3)."""
    if len(nal) <= MAX_PAYLOAD_BYTES:
        return (nal,)
    kind = nal[0] >> 1 & 0x3F
    indicator = bytes((nal[0] & 0x81 | _H265_FU << 1, nal[1]))
    return _fragments(indicator, kind, nal[2:])


def _fragments(indicator: bytes, kind: int, body: bytes) -> list[bytes]:
    """Fragments with start and end bits; both codecs share their layout."""
    room = MAX_PAYLOAD_BYTES - len(indicator) - 1
    pieces = [body[at : at + room] for at in range(0, len(body), room)]
    last = len(pieces) - 1
    return [
        indicator + bytes((kind | (index == 0) << 7 | (index == last) << 6,)) + piece
        for index, piece in enumerate(pieces)
    ]


def _aac(frame: bytes) -> bytes:
    """One access unit behind its AU header: 13 bits of size, 3 bits of index (RFC 3640, 3.3.6, AAC-hbr)."""
    return struct.pack(">HH", 16, len(frame) << 3) + frame
