"""What a sample entry tells a decoder and a browser (ISO/IEC 14496-12, 14496-14, 14496-15; AV1-ISOBMFF)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from kernel.errors import BoxError
from kernel.isobmff.boxes import children

_VISUAL_FIELDS = 78  # bytes of a VisualSampleEntry before its boxes
_AUDIO_FIELDS = 28  # bytes of an AudioSampleEntry before its boxes
_VISUAL = frozenset({"avc1", "avc3", "hvc1", "hev1", "av01", "jpeg"})
_CONFIG_BOXES = frozenset({"avcC", "hvcC", "av1C", "esds", "dOps"})
_DECODER_SPECIFIC_INFO = 0x05
_NESTED_DESCRIPTORS = {
    0x03: 3,
    0x04: 13,
}  # ES and DecoderConfig descriptors: fixed bytes before what they hold


@dataclass(frozen=True, kw_only=True, slots=True)
class DecoderConfig:
    """What a decoder needs before the first sample."""

    kind: str  # the sample entry's type: avc1, hvc1, av01, jpeg, mp4a, Opus, alaw, ulaw, ...
    extradata: bytes  # payload of avcC, hvcC or av1C; AudioSpecificConfig; OpusHead; empty for the others


def decoder_config(entry: bytes) -> DecoderConfig:
    """The decoder configuration of a sample entry box.

    Raises:
        BoxError: the entry is damaged.
    """
    kind = entry[4:8].decode("latin-1")
    fields = _VISUAL_FIELDS if kind in _VISUAL else _AUDIO_FIELDS
    for child in children(entry, 8 + fields):
        if child.type in _CONFIG_BOXES:
            return DecoderConfig(
                kind=kind, extradata=_extradata(child.type, entry[child.payload : child.end])
            )
    return DecoderConfig(kind=kind, extradata=b"")


def _extradata(kind: str, payload: bytes) -> bytes:
    if kind == "esds":
        return _audio_specific_config(payload[4:])
    return _opus_head(payload) if kind == "dOps" else payload


def _opus_head(payload: bytes) -> bytes:
    """The identification header (RFC 7845, 5.1) that says what ``dOps`` says, least byte first."""
    if len(payload) < 11:
        raise BoxError("a dOps box is cut off.")
    _, channels, pre_skip, rate, gain = struct.unpack_from(">BBHIh", payload)
    return b"OpusHead" + struct.pack("<BBHIh", 1, channels, pre_skip, rate, gain) + payload[10:]


def _audio_specific_config(descriptors: bytes) -> bytes:
    """The DecoderSpecificInfo inside an ES descriptor (ISO/IEC 14496-1, 7.2.6)."""
    offset = 0
    while offset < len(descriptors):
        tag = descriptors[offset]
        length, offset = _descriptor_length(descriptors, offset + 1)
        if tag == _DECODER_SPECIFIC_INFO:
            return descriptors[offset : offset + length]
        offset += _NESTED_DESCRIPTORS.get(tag, length)
    return b""


def _descriptor_length(data: bytes, offset: int) -> tuple[int, int]:
    """Length of a descriptor, seven bits a byte, and the offset behind it."""
    length = 0
    while offset < len(data):
        byte = data[offset]
        length = length << 7 | byte & 0x7F
        offset += 1
        if not byte & 0x80:
            return length, offset
    raise BoxError("an esds descriptor is cut off.")


def channel_count(entry: bytes) -> int:
    """Channels that an AudioSampleEntry names (ISO/IEC 14496-12, 12.2.3)."""
    return int.from_bytes(entry[24:26], "big")


def sample_size(entry: bytes) -> int:
    """Bits a sample that an AudioSampleEntry names; of meaning for G.726."""
    return int.from_bytes(entry[26:28], "big")


def codec_string(entry: bytes) -> str:
    """The codec as browsers want it named (RFC 6381; AV1-ISOBMFF section 5).

    Raises:
        BoxError: no string is known for this kind of entry.
    """
    config = decoder_config(entry)
    data = config.extradata
    if config.kind == "avc1":
        return "avc1." + data[1:4].hex().upper()
    if config.kind == "hvc1":
        return _hevc_string(data)
    if config.kind == "av01":
        profile, level, tier = data[1] >> 5, data[1] & 0x1F, "H" if data[2] & 0x80 else "M"
        depth = (12 if data[2] & 0x20 else 10) if data[2] & 0x40 else 8
        return f"av01.{profile}.{level:02d}{tier}.{depth:02d}"
    if config.kind == "mp4a":
        return f"mp4a.40.{data[0] >> 3}"
    if config.kind == "Opus":
        return "opus"
    raise BoxError(f"no codec string is known for a sample entry of type {config.kind}.")


def _hevc_string(config: bytes) -> str:
    """Profile, compatibility, tier, level and constraints of an ``hvcC`` (ISO/IEC 14496-15, annex E.3)."""
    if len(config) < 13:
        raise BoxError("an hvcC box is cut off.")
    space, tier, profile = config[1] >> 6, "H" if config[1] & 0x20 else "L", config[1] & 0x1F
    compatible = int(f"{int.from_bytes(config[2:6], 'big'):032b}"[::-1], 2)
    constraints = "".join(f".{byte:X}" for byte in config[6:12].rstrip(b"\0"))
    return f"hvc1.{['', 'A', 'B', 'C'][space]}{profile}.{compatible:X}.{tier}{config[12]}{constraints}"
