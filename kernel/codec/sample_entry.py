"""The fields that all sample entries share (ISO/IEC 14496-12, 12.1.3 and 12.2.3)."""

from __future__ import annotations

import struct

from kernel.isobmff.boxes import box

_72_DPI = 0x00480000


def visual_sample_entry(kind: str, width: int, height: int, *extensions: bytes) -> bytes:
    """A video sample entry: pixels, then the codec's own boxes."""
    head = struct.pack(">6xH16xHHIIIH32sHh", 1, width, height, _72_DPI, _72_DPI, 0, 1, bytes(32), 0x18, -1)
    return box(kind, head, *extensions)


def audio_sample_entry(
    kind: str, sample_rate: int, channels: int, *extensions: bytes, sample_size: int = 16
) -> bytes:
    """A sound sample entry: Hz, channels and bits a sample, then the codec's own boxes."""
    rate = sample_rate if sample_rate < 1 << 16 else 0  # 16.16 fixed point; the codec's box says the rest
    head = struct.pack(">6xH8xHHHHI", 1, channels, sample_size, 0, 0, rate << 16)
    return box(kind, head, *extensions)
