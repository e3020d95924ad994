"""JPEG pictures: the headers that RTP leaves out (RFC 2435, 3.1, 4 and appendices A and B), and their entry.

The tables are those of ITU-T T.81, annex K.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from kernel.codec.sample_entry import visual_sample_entry
from kernel.errors import SourceProtocolError

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
_SOF, _DHT, _SOS, _DQT, _DRI, _APP0 = 0xC0, 0xC4, 0xDA, 0xDB, 0xDD, 0xE0
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive
_ENTROPY_TABLES = (
    (0x00, "00010501010101010100000000000000", bytes(range(12))),
    (
        0x10,
        "0002010303020403050504040000017d",
        bytes.fromhex(
            "01020300041105122131410613516107227114328191a1082342b1c11552d1f0"
            "2433627282090a161718191a25262728292a3435363738393a434445464748494a"
            "535455565758595a636465666768696a737475767778797a838485868788898a"
            "92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6"
            "c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
        ),
    ),
    (0x01, "00030101010101010101010000000000", bytes(range(12))),
    (
        0x11,
        "00020102040403040705040400010277",
        bytes.fromhex(
            "000102031104052131061241510761711322328108144291a1b1c109233352f0"
            "156272d10a162434e125f11718191a262728292a35363738393a434445464748"
            "494a535455565758595a636465666768696a737475767778797a828384858687"
            "88898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3"
            "c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa"
        ),
    ),
)
"""Class and number, codes of each length, values: tables K.3 to K.6."""

_ZIGZAG_LUMA = bytes.fromhex(
    "100b0c0e0c0a100e0d0e1211101318281a181616183123251d283a333d3c3933"
    "383740485c4e404457453738506d51575f626768673e4d71797064785c656763"
)
_ZIGZAG_CHROMA = bytes.fromhex("1112121815182f1a1a2f634238426363") + bytes([99]) * 48


@dataclass(frozen=True, kw_only=True, slots=True)
class JpegShape:
    """What the headers of a picture need."""

    width: int  # pixels
    height: int
    subsampling: int  # sampling factors of the first component: 0x21 (4:2:2) or 0x22 (4:2:0)
    tables: tuple[bytes, ...]  # quantization: of 64 bytes, or of 128 where an entry has two; zigzag order
    restart_interval: int = 0  # MCUs between restart markers; 0 for none


def quantization(quality: int) -> tuple[bytes, bytes]:
    """Luma and chroma tables of a quality of 1 to 99 (RFC 2435, 4.2 and appendix A)."""
    factor = max(1, min(99, quality))
    scale = 5000 // factor if factor < 50 else 200 - 2 * factor
    luma, chroma = (
        bytes(max(1, min(255, (one * scale + 50) // 100)) for one in table)
        for table in (_ZIGZAG_LUMA, _ZIGZAG_CHROMA)
    )
    return luma, chroma


def headers(shape: JpegShape) -> bytes:
    """Everything from SOI to the scan's header; the scan's data and EOI follow."""
    size = struct.pack(">BHHB", 8, shape.height, shape.width, 3)
    second = 1 if len(shape.tables) > 1 else 0
    components = bytes((1, shape.subsampling, 0, 2, 0x11, second, 3, 0x11, second))
    parts = [SOI, _segment(_APP0, b"JFIF\0" + struct.pack(">HBHHBB", 0x0101, 0, 1, 1, 0, 0))]
    parts += [_table(number, table) for number, table in enumerate(shape.tables)]
    if shape.restart_interval:
        parts.append(_segment(_DRI, struct.pack(">H", shape.restart_interval)))
    parts.append(_segment(_SOF, size + components))
    parts += [
        _segment(_DHT, bytes((kind,)) + bytes.fromhex(c) + values) for kind, c, values in _ENTROPY_TABLES
    ]
    parts.append(_segment(_SOS, bytes((3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0))))
    return b"".join(parts)


def _table(number: int, table: bytes) -> bytes:
    """A quantization table, its precision by its size."""
    return _segment(_DQT, bytes(((len(table) > 64) << 4 | number,)) + table)


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(body)) + body


def picture_size(jpeg: bytes) -> tuple[int, int]:
    """Width and height in pixels by the frame header.

    Raises:
        SourceProtocolError: the bytes are no JPEG picture.
    """
    for marker, body, _ in _segments(jpeg):
        if marker in _FRAMES and len(body) >= 6:
            height, width = struct.unpack_from(">HH", body, 1)
            if width and height:
                return width, height
    raise SourceProtocolError("a JPEG picture of the stream has no readable header.")


def scan_of(jpeg: bytes) -> tuple[tuple[bytes, ...], bytes]:
    """Quantization tables (of one byte an entry) and entropy-coded scan of a picture, as RTP carries them.

    Raises:
        SourceProtocolError: the bytes are no JPEG picture.
    """
    tables: list[bytes] = []
    for marker, body, behind in _segments(jpeg):
        if marker == _DQT:
            tables += [body[at + 1 : at + 65] for at in range(0, len(body), 65)]
        elif marker == _SOS:
            return tuple(tables), jpeg[behind:].removesuffix(EOI)
    raise SourceProtocolError("a JPEG picture has no scan.")


def _segments(jpeg: bytes) -> Iterator[tuple[int, bytes, int]]:
    """The marker segments up to the scan: marker, body, offset behind it."""
    offset = 2
    while jpeg[:2] == SOI and offset + 4 <= len(jpeg) and jpeg[offset] == 0xFF:
        marker, size = jpeg[offset + 1], int.from_bytes(jpeg[offset + 2 : offset + 4], "big")
        behind = offset + 2 + size
        yield marker, jpeg[offset + 4 : behind], behind
        if marker == _SOS:
            return
        offset = behind


def jpeg_entry(width: int, height: int) -> bytes:
    """The sample entry of JPEG pictures of this size, as QuickTime names them."""
    return visual_sample_entry("jpeg", width, height)
