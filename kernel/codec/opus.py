"""Opus: what its packets say (RFC 6716, 3) and the ``Opus`` entry (Opus in ISOBMFF, 4.3)."""

from __future__ import annotations

import struct

from kernel.codec.sample_entry import audio_sample_entry
from kernel.errors import SourceProtocolError
from kernel.isobmff.boxes import box

RATE = 48_000
"""Hz: of its time stamps, whatever the sound was sampled with (RFC 7587, 4.1)."""

_LONGEST = RATE * 120 // 1000  # 120 ms, RFC 6716, 3.2.5, requirement R5
_MOST_FRAMES = 48
_SILK_SAMPLES = (480, 960, 1920, 2880)  # 10, 20, 40, 60 ms: configurations 0 to 11
_HYBRID_SAMPLES = (480, 960)  # 12 to 15
_CELT_SAMPLES = (120, 240, 480, 960)  # 2.5, 5, 10, 20 ms: 16 to 31


def samples(packet: bytes) -> int:
    """Samples a channel of one packet, at 48 kHz (RFC 6716, 3.1 and 3.2).

    Raises:
        SourceProtocolError: it is no Opus packet.
    """
    if not packet:
        raise SourceProtocolError("an Opus packet is empty.")
    total = _frame_samples(packet[0] >> 3) * _frames(packet)
    if not 0 < total <= _LONGEST:
        raise SourceProtocolError("an Opus packet claims to last longer than one can.")
    return total


def _frame_samples(configuration: int) -> int:
    """Table 2."""
    if configuration < 12:
        return _SILK_SAMPLES[configuration % 4]
    if configuration < 16:
        return _HYBRID_SAMPLES[configuration % 2]
    return _CELT_SAMPLES[configuration % 4]


def _frames(packet: bytes) -> int:
    """3.2: one frame, two, or as many as the byte behind the TOC says."""
    code = packet[0] & 3
    if code == 0:
        return 1
    if code < 3:
        return 2
    count = packet[1] & 63 if len(packet) > 1 else 0
    return count if count <= _MOST_FRAMES else 0


def opus_entry(channels: int) -> bytes:
    """The sample entry of a live stream: nothing to skip at the start, no gain, mapping family 0."""
    configuration = struct.pack(">BBHIhB", 0, channels, 0, RATE, 0, 0)
    return audio_sample_entry("Opus", RATE, channels, box("dOps", configuration))
