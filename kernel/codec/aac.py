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
_AAC_LC = 2
_SBR = frozenset({5, 29})  # HE-AAC: the kind of the core follows


def parse_config(config: bytes) -> tuple[int, int]:
    """Sample rate in Hz and channels of an AudioSpecificConfig.

    Raises:
        SourceProtocolError: it is cut off or names no known rate.
    """
    bits = BitReader(config)
    _object_type(bits)
    rate, channels = _rate(bits), bits.bits(4)
    return rate, 8 if channels == 7 else channels or 1


def frame_ticks(config: bytes, clock_rate: int) -> int:
    """RTP time of a frame. A clock may run at twice the core's rate (HE-AAC), or at any other.

    Raises:
        SourceProtocolError: as ``parse_config``.
    """
    rate, _ = parse_config(config)
    if not rate:
        raise SourceProtocolError("the sound's configuration names a sample rate of 0.")
    return SAMPLES_PER_FRAME * clock_rate // rate


def _object_type(bits: BitReader) -> int:
    kind = bits.bits(5)
    return 32 + bits.bits(6) if kind == 31 else kind


def _rate(bits: BitReader) -> int:
    index = bits.bits(4)
    if index != _ESCAPE and index >= len(_RATES):
        raise SourceProtocolError("the sound's configuration names no known sample rate.")
    return bits.bits(24) if index == _ESCAPE else _RATES[index]


def latm_config(stream_mux: bytes) -> bytes:
    """The AudioSpecificConfig inside a StreamMuxConfig (1.7.3.1): one program, one layer, AAC-LC or HE-AAC.

    Raises:
        SourceProtocolError: it is cut off, or of a kind that cameras do not send.
    """
    bits = BitReader(stream_mux)
    version, framing, _, programs, layers = (bits.bits(count) for count in (1, 1, 6, 4, 3))
    start = bits.position
    kind = _object_type(bits)
    _rate(bits)
    channels = bits.bits(4)
    if kind in _SBR:
        _rate(bits)
        kind = _object_type(bits)
    core = bits.bits(3)  # frame length, core coder, extension: GASpecificConfig
    if (version, framing, programs, layers, kind, core & 3) != (0, 1, 0, 0, _AAC_LC, 0) or not channels:
        raise SourceProtocolError("the sound's configuration is of an unusual kind.")
    length = bits.position - start
    value = int.from_bytes(stream_mux, "big") >> 8 * len(stream_mux) - bits.position & (1 << length) - 1
    size = (length + 7) // 8
    return (value << 8 * size - length).to_bytes(size, "big")


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
