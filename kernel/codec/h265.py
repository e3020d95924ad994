"""H.265: sequence parameter sets (ITU-T H.265 7.3.2.2) and the ``hvc1`` entry (ISO/IEC 14496-15 8)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from kernel.codec.bits import BitReader, first_numbers, without_emulation
from kernel.codec.sample_entry import visual_sample_entry
from kernel.errors import SourceProtocolError
from kernel.isobmff.boxes import box

_VPS, _SPS, _PPS = 32, 33, 34
_DELIMITERS = frozenset({35, 36, 37, 38})  # AUD, end of sequence, end of bitstream, filler


@dataclass(frozen=True, kw_only=True, slots=True)
class SequenceParameters:
    """What we need of a sequence parameter set."""

    id: int
    width: int  # pixels, after cropping
    height: int
    profile_tier_level: bytes  # the 12 bytes of the general profile, tier and level
    sub_layers: int
    temporal_nesting: bool
    chroma_format: int
    bit_depth_luma: int
    bit_depth_chroma: int
    reorder: int  # frames that may precede one in decoding and follow it in presentation


def nal_type(nal: bytes) -> int:
    return nal[0] >> 1 & 63


def is_picture(nal: bytes) -> bool:
    """A coded slice segment."""
    return nal_type(nal) < 32


def starts_picture(nal: bytes) -> bool:
    """first_slice_segment_in_pic_flag."""
    return len(nal) > 2 and bool(nal[2] & 0x80)


def is_key(nal: bytes) -> bool:
    """A picture from which decoding can start: IRAP (BLA, IDR, CRA)."""
    return 16 <= nal_type(nal) <= 21


def parameter_set_kind(nal: bytes) -> str | None:
    """``vps``, ``sps``, ``pps`` or None."""
    return {_VPS: "vps", _SPS: "sps", _PPS: "pps"}.get(nal_type(nal))


def parameter_set_id(nal: bytes) -> int:
    """The id under which other units refer to it."""
    kind = nal_type(nal)
    if kind == _VPS:
        return nal[2] >> 4
    if kind == _SPS:
        return parse_sps(nal).id
    return BitReader(without_emulation(nal[:16])[2:]).ue()


def slice_set(nal: bytes) -> int | None:
    """Id of the picture parameter set that a slice segment refers to (7.3.6.1); None for one that makes no
    sense: the forbidden bit, a temporal id of 0 (7.4.2.2).
    """
    if nal[0] & 0x80 or not nal[1] & 7:
        return None
    flags = 2 if 16 <= nal_type(nal) <= 23 else 1  # first_slice_segment_in_pic, no_output_of_prior_pics
    numbers = first_numbers(without_emulation(nal[2:18]), 1, behind=flags)
    return numbers[0] if numbers else None


def is_delimiter(nal: bytes) -> bool:
    """Access unit delimiters and fillers, which an MP4 sample does not need."""
    return nal_type(nal) in _DELIMITERS


def parse_sps(nal: bytes) -> SequenceParameters:
    """Raises: SourceProtocolError: it is cut off or makes no sense."""
    body = without_emulation(nal)[2:]
    bits = BitReader(body)
    bits.bits(4)  # sps_video_parameter_set_id
    sub_layers = bits.bits(3) + 1
    nesting = bits.flag()
    _skip_profile(bits, sub_layers)
    sps_id, chroma = bits.ue(), bits.ue()
    if chroma == 3:
        bits.flag()  # separate_colour_plane_flag
    width, height = _size(bits, chroma)
    depths = 8 + bits.ue(), 8 + bits.ue()
    bits.ue()  # log2_max_pic_order_cnt_lsb_minus4
    reorder = _reorder(bits, sub_layers)
    if not (0 < width < 1 << 16 and 0 < height < 1 << 16):
        raise SourceProtocolError(f"the stream claims pictures of {width}x{height} pixels.")
    return SequenceParameters(
        id=sps_id,
        width=width,
        height=height,
        profile_tier_level=body[1:13],
        sub_layers=sub_layers,
        temporal_nesting=nesting,
        chroma_format=chroma,
        bit_depth_luma=depths[0],
        bit_depth_chroma=depths[1],
        reorder=reorder,
    )


def _skip_profile(bits: BitReader, sub_layers: int) -> None:
    bits.bits(96)
    present = [(bits.flag(), bits.flag()) for _ in range(sub_layers - 1)]
    if sub_layers > 1:
        bits.bits(2 * (9 - sub_layers))
    for profile, level in present:
        bits.bits(88 * profile + 8 * level)


def _size(bits: BitReader, chroma: int) -> tuple[int, int]:
    """Pixels inside the conformance window (7.4.3.2.1)."""
    width, height = bits.ue(), bits.ue()
    left, right, top, bottom = (bits.ue() for _ in range(4)) if bits.flag() else (0, 0, 0, 0)
    unit_x, unit_y = (2 if chroma in (1, 2) else 1), (2 if chroma == 1 else 1)
    return width - unit_x * (left + right), height - unit_y * (top + bottom)


def _reorder(bits: BitReader, sub_layers: int) -> int:
    """sps_max_num_reorder_pics of the highest sub-layer."""
    reorder = 0
    for _ in range(sub_layers if bits.flag() else 1):
        bits.ue()
        reorder = bits.ue()
        bits.ue()
    return min(reorder, 16)


def hvc1(vps: Sequence[bytes], sps: Sequence[bytes], pps: Sequence[bytes]) -> bytes:
    """The sample entry of pictures that refer to these parameter sets."""
    first = parse_sps(sps[0])
    config = b"\1" + first.profile_tier_level + struct.pack(">HB", 0xF000, 0xFC)
    config += bytes((0xFC | first.chroma_format, 0xF8 | first.bit_depth_luma - 8))
    config += bytes((0xF8 | first.bit_depth_chroma - 8, 0, 0))  # average frame rate unknown
    config += bytes((first.sub_layers << 3 | first.temporal_nesting << 2 | 3, 3))  # four-byte lengths
    for kind, units in ((_VPS, vps), (_SPS, sps), (_PPS, pps)):
        config += struct.pack(">BH", 0x80 | kind, len(units))
        config += b"".join(struct.pack(">H", len(one)) + one for one in units)
    return visual_sample_entry("hvc1", first.width, first.height, box("hvcC", config))
