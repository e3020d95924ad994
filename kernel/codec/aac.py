"""AAC: the AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1) and the ``mp4a`` entry (ISO/IEC 14496-14)."""

from __future__ import annotations

import struct

from kernel.codec.bits import BitReader
from kernel.codec.sample_entry import audio_sample_entry
from kernel.errors import SourceProtocolError
from kernel.isobmff.boxes import full_box

SAMPLES_PER_FRAME = 1024
_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_ESCAPE = 15


def parse_config(config: bytes) -> tuple[int, int]:
    """Sample rate in Hz and channels of an AudioSpecificConfig.

    Raises:
        SourceProtocolError: it is cut off or names no known rate.
    """
    bits = BitReader(config)
    if bits.bits(5) == 31:
        bits.bits(6)
    index = bits.bits(4)
    if index != _ESCAPE and index >= len(_RATES):
        raise SourceProtocolError("the sound's configuration names no known sample rate.")
    rate = bits.bits(24) if index == _ESCAPE else _RATES[index]
    channels = bits.bits(4)
    return rate, 8 if channels == 7 else channels or 1


def mp4a(config: bytes) -> bytes:
    """The sample entry of frames with this configuration."""
    rate, channels = parse_config(config)
    decoder = b"\x40\x15" + bytes(11) + _descriptor(5, config)  # AAC, audio stream; rates not said
    stream = struct.pack(">HB", 1, 0) + _descriptor(4, decoder) + _descriptor(6, b"\2")
    return audio_sample_entry("mp4a", rate, channels, full_box("esds", 0, 0, _descriptor(3, stream)))


def _descriptor(tag: int, body: bytes) -> bytes:
    """A descriptor with its size in four bytes of seven bits (ISO/IEC 14496-1, 8.3.3)."""
    size = len(body)
    return (
        bytes((tag, 0x80 | size >> 21 & 127, 0x80 | size >> 14 & 127, 0x80 | size >> 7 & 127, size & 127))
        + body
    )
