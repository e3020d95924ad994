"""RTP payloads and RTCP packets: pure functions from media to bytes.

RFC 3550 (RTP, RTCP), RFC 6184 (H.264), RFC 7798 (H.265), RFC 3640 (AAC),
RFC 3551 (G.711, G.726), RFC 7587 (Opus), RFC 2435 (JPEG).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from kernel.codec import mjpeg
from kernel.model.footage import Codec
from simulator.media import MediaUnit

MAX_PAYLOAD_BYTES = 1388  # 1400 bytes less the RTP header
NTP_EPOCH_OFFSET_S = 2_208_988_800  # 1900 to 1970
SECOND_US = 1_000_000

_H264_FU_A = 28  # RFC 6184, 5.8
_H265_FU = 49  # RFC 7798, 4.4.3
_JPEG_420 = 1  # RFC 2435, 4.1
_TABLES_IN_BAND = 255  # 4.2
_JPEG_PIECE_BYTES = 1200  # of the scan; tables and headers fit beside it
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
    if codec is Codec.MJPEG:
        return [payload for picture in unit.parts for payload in _jpeg(picture)]
    if codec is Codec.AAC:
        return [_aac(frame) for frame in unit.parts]
    return list(unit.parts)


def header(
    *,
    payload_type: int,
    marker: bool,
    sequence: int,
    timestamp: int,
    ssrc: int,
    extension: bool = False,
) -> bytes:
    """The fixed RTP header (RFC 3550, 5.1)."""
    first, second = 0x80 | extension << 4, marker << 7 | payload_type
    return struct.pack(">BBHII", first, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)


def replay_extension(*, at_us: int, clean: bool, end: bool, discontinuous: bool, play: int) -> bytes:
    """The header extension of replayed media (ONVIF Streaming Specification, 6.3).

    Args:
        at_us: when the unit was captured, UTC microseconds.
        clean: decoding can start with it.
        end: it is the last of an unbroken stretch of recording.
        discontinuous: what came before it is not what was recorded before it.
        play: the low byte of the CSeq of the PLAY request that it answers.
    """
    seconds, fraction = _ntp(at_us)
    flags = clean << 7 | end << 6 | discontinuous << 5
    return struct.pack(">HHIIBBH", 0xABAC, 3, seconds, fraction, flags, play & 0xFF, 0)


def sender_report(*, ssrc: int, now_us: int, timestamp: int, packets: int, octets: int, cname: str) -> bytes:
    """A sender report with the CNAME that every compound packet needs (RFC 3550, 6.1, 6.4.1, 6.5).

    ``now_us`` and ``timestamp`` are the same instant, in UTC microseconds and in RTP ticks.
    """
    seconds, fraction = _ntp(now_us)
    report = struct.pack(
        ">BBHIIIIII",
        0x80,
        _SENDER_REPORT,
        6,
        ssrc,
        seconds,
        fraction,
        timestamp & 0xFFFFFFFF,
        packets & 0xFFFFFFFF,
        octets & 0xFFFFFFFF,
    )
    return report + _description(ssrc, cname)


def _ntp(at_us: int) -> tuple[int, int]:
    """Seconds and fraction of an NTP time."""
    seconds, micros = divmod(at_us, SECOND_US)
    # Rounded up, so that a reader that rounds down finds the same microsecond again.
    return (seconds + NTP_EPOCH_OFFSET_S) & 0xFFFFFFFF, -(-(micros << 32) // SECOND_US)


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


def _jpeg(picture: bytes) -> list[bytes]:
    """Fragments of the scan, 4:2:0, the first one with the picture's own tables (RFC 2435, 3.1 and 3.1.8)."""
    tables, scan = mjpeg.scan_of(picture)
    blocks = [-(-side // 8) for side in mjpeg.picture_size(picture)]  # of 8 pixels
    in_band = struct.pack(">BBH", 0, 0, sum(map(len, tables))) + b"".join(tables)
    pieces = []
    for at in range(0, len(scan), _JPEG_PIECE_BYTES):
        head = struct.pack(">IBBBB", at, _JPEG_420, _TABLES_IN_BAND, *blocks)
        pieces.append(head + (in_band if at == 0 else b"") + scan[at : at + _JPEG_PIECE_BYTES])
    return pieces


def _aac(frame: bytes) -> bytes:
    """One access unit behind its AU header: 13 bits of size, 3 bits of index (RFC 3640, 3.3.6, AAC-hbr)."""
    return struct.pack(">HH", 16, len(frame) << 3) + frame
