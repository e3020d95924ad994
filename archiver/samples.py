"""From what encoders give to what MP4 samples hold."""

from __future__ import annotations

import re
import struct

_START_CODE = re.compile(rb"\x00\x00\x00?\x01")
_TEMPORAL_DELIMITER = b"\x12\x00"  # OBU type 2 with a size field of zero


def av1_sample(unit: bytes) -> bytes:
    """An AV1 temporal unit without its temporal delimiter, which a sample must not hold (AV1-ISOBMFF 2.4)."""
    return unit.removeprefix(_TEMPORAL_DELIMITER)


def h264_sample(unit: bytes) -> bytes:
    """An access unit in byte-stream form (ITU-T H.264 Annex B) as NAL units behind four-byte lengths."""
    starts = list(_START_CODE.finditer(unit))
    ends = [found.start() for found in starts[1:]] + [len(unit)]
    nals = (unit[found.end() : end] for found, end in zip(starts, ends, strict=True))
    return b"".join(struct.pack(">I", len(nal)) + nal for nal in nals)


SAMPLE_OF = {"libsvtav1": av1_sample, "libx264": h264_sample}
"""By FFmpeg's name of the encoder."""
