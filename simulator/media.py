"""What flows from feeds to the server: tracks and media units."""

from __future__ import annotations

from dataclasses import dataclass

from kernel.model.footage import Codec


@dataclass(frozen=True, kw_only=True, slots=True)
class Track:
    """One track of a source, as its description names it."""

    codec: Codec
    clock_rate: int  # RTP ticks per second
    channels: int = 0  # audio only
    frame_rate: float = 0.0  # video only, for a person's information
    parameter_sets: tuple[bytes, ...] = ()  # H.264: SPS, PPS; H.265: VPS, SPS, PPS; without start codes
    config: bytes = b""  # AAC: AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1)


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaUnit:
    """One access unit of video or one packet's worth of audio."""

    video: bool
    key: bool  # decoding can start here; always True for audio
    at_us: int  # capture time: UTC microseconds on the centre's timeline
    ticks: int  # the same instant in RTP ticks since the source's origin
    parts: tuple[bytes, ...]  # NAL units without start codes, one JPEG picture or one audio frame


_H264_IDR = 5
_H265_IRAP = range(16, 24)  # Rec. ITU-T H.265, table 7-1: BLA, IDR and CRA pictures
_H264_SETS = (7, 8)
_H265_SETS = (32, 33, 34)


def nal_type(codec: Codec, nal: bytes) -> int:
    """The NAL unit's type, by the first byte of its header."""
    return nal[0] & 0x1F if codec is Codec.H264 else nal[0] >> 1 & 0x3F


def split_nals(annex_b: bytes) -> tuple[bytes, ...]:
    """NAL units of a byte stream (Rec. ITU-T H.264 | H.265, annex B), without start codes."""
    return tuple(nal for nal in (part.rstrip(b"\0") for part in annex_b.split(b"\0\0\1")) if nal)


def is_key(codec: Codec, nals: tuple[bytes, ...]) -> bool:
    """Whether decoding can start at this access unit."""
    if codec is Codec.MJPEG:
        return True
    types = {nal_type(codec, nal) for nal in nals}
    return _H264_IDR in types if codec is Codec.H264 else any(kind in _H265_IRAP for kind in types)


def parameter_sets(codec: Codec, nals: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The parameter sets of an access unit, one of each kind, in the order their types are numbered."""
    if codec is Codec.MJPEG:
        return ()
    kinds = _H264_SETS if codec is Codec.H264 else _H265_SETS
    found = {nal_type(codec, nal): nal for nal in reversed(nals)}
    return tuple(found[kind] for kind in kinds if kind in found)
