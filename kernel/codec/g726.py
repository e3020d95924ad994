"""G.726: two to five bits a sample at 8 kHz, packed in one of two ways, and its entry in MP4.

The ring keeps the packing of ITU-T I.366.2 (first code in the most significant bits), which FFmpeg reads in
MP4 under QuickTime's name for the wave format 0x0045. RTP's own packing (RFC 3551, 4.5.4: first code in the
least significant bits) is turned into it without loss: the codes stay what they are.
"""

from __future__ import annotations

from functools import lru_cache

from kernel.codec.sample_entry import audio_sample_entry

RATE = 8_000  # Hz
ENTRY = "ms\x00\x45"
"""Type of the sample entry: QuickTime's form of a wave format tag, which is 0x0045 for G.726."""

_CODES = 8  # in a group of as many bytes as a code has bits


def g726_entry(bits: int, channels: int) -> bytes:
    """The sample entry of sound with codes of so many bits; decoders take the number from it."""
    return audio_sample_entry(ENTRY, RATE, channels, sample_size=bits)


def samples(data: bytes, bits: int) -> int:
    """Codes in a packet, one a sample."""
    return 8 * len(data) // bits


def from_little_endian(data: bytes, bits: int) -> bytes:
    """The codes of RTP's own packing in that of ITU-T I.366.2.

    Bytes behind the last whole group of eight codes, which RFC 3551 forbids, are left out.
    """
    if bits in (2, 4):  # codes end at bytes: a byte is a group
        return data.translate(_bytes_turned(bits))
    whole = len(data) // bits * bits
    groups = (data[at : at + bits] for at in range(0, whole, bits))
    return b"".join(_turned(group, bits, _CODES) for group in groups)


@lru_cache
def _bytes_turned(bits: int) -> bytes:
    return b"".join(_turned(bytes((value,)), bits, 8 // bits) for value in range(256))


def _turned(group: bytes, bits: int, codes: int) -> bytes:
    """The codes of a group in the opposite order: what was first at the low end is first at the high end."""
    value, turned = int.from_bytes(group, "little"), 0
    for _ in range(codes):
        turned = turned << bits | value & (1 << bits) - 1
        value >>= bits
    return turned.to_bytes(len(group), "big")
