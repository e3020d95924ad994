"""H.264: sequence parameter sets (ITU-T H.264 7.3.2.1, E.1.1) and the ``avc1`` entry (ISO/IEC 14496-15 5)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from kernel.codec.bits import BitReader, first_numbers, without_emulation
from kernel.codec.sample_entry import visual_sample_entry
from kernel.errors import SourceProtocolError
from kernel.isobmff.boxes import box

_SLICE, _IDR, _SEI, _SPS, _PPS, _AUD = 1, 5, 6, 7, 8, 9
_RECOVERY_POINT = 6
_BASELINE = 66
_WITH_CHROMA_INFO = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_EXTENDED_SAR = 255
_DEFAULT_REORDER = 4
"""Frames of look-ahead where the stream does not say how far it reorders; cameras never go beyond."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SequenceParameters:
    """What we need of a sequence parameter set."""

    id: int
    width: int  # pixels, after cropping
    height: int
    profile: int
    reorder: int  # frames that may precede one in decoding and follow it in presentation
    chroma_format: int
    bit_depth_luma: int
    bit_depth_chroma: int


def is_picture(nal: bytes) -> bool:
    """A coded slice."""
    return 1 <= nal[0] & 31 <= 5


def starts_picture(nal: bytes) -> bool:
    """The first slice of a picture: first_mb_in_slice is 0, written as a single 1 bit."""
    return len(nal) > 1 and bool(nal[1] & 0x80)


def is_key(nal: bytes) -> bool:
    """A picture from which decoding can start: IDR, or what an exact recovery point announces."""
    kind = nal[0] & 31
    return kind == _IDR or (kind == _SEI and _is_recovery_point(nal))


def _is_recovery_point(sei: bytes) -> bool:
    """Recovery at once: message of type 6 with recovery_frame_cnt 0 (D.1.8), as open-GOP encoders send."""
    return len(sei) > 3 and sei[1] == _RECOVERY_POINT and bool(sei[3] & 0x80)


def parameter_set_kind(nal: bytes) -> str | None:
    """``sps``, ``pps`` or None."""
    return {_SPS: "sps", _PPS: "pps"}.get(nal[0] & 31)


def parameter_set_id(nal: bytes) -> int:
    """The id under which other units refer to it."""
    body = without_emulation(nal[:64])
    return BitReader(body[4:] if nal[0] & 31 == _SPS else body[1:]).ue()


def slice_set(nal: bytes) -> int | None:
    """Id of the picture parameter set that a slice refers to (7.3.3); None for one that makes no sense.

    Strict only where a decoder can do nothing with it: the forbidden bit, a slice type beyond 9, an IDR
    picture that refers to others (7.4.1, 7.4.3). Partitions B and C carry no header and refer to none.
    """
    kind = nal[0] & 31
    if nal[0] & 0x80 or kind not in (_SLICE, 2, _IDR):
        return None
    numbers = first_numbers(without_emulation(nal[1:17]), 3)
    if len(numbers) < 3:
        return None
    _, slice_type, parameter_set = numbers  # behind first_mb_in_slice
    impossible = slice_type > 9 or (kind == _IDR and slice_type % 5 not in (2, 4))
    return None if impossible else parameter_set


def is_delimiter(nal: bytes) -> bool:
    """Access unit delimiters and fillers, which an MP4 sample does not need."""
    return nal[0] & 31 in (_AUD, 10, 11, 12)


def parse_sps(nal: bytes) -> SequenceParameters:
    """Raises: SourceProtocolError: it is cut off or makes no sense."""
    bits = BitReader(without_emulation(nal)[1:])
    profile = bits.bits(8)
    bits.bits(16)  # constraint flags, level
    sps_id = bits.ue()
    chroma, luma_depth, chroma_depth = _chroma(bits) if profile in _WITH_CHROMA_INFO else (1, 8, 8)
    bits.ue()  # log2_max_frame_num_minus4
    order_type = _picture_order(bits)
    bits.ue()  # max_num_ref_frames
    bits.flag()  # gaps_in_frame_num_value_allowed_flag
    width, height = _size(bits, chroma)
    reorder = 0 if profile == _BASELINE or order_type == 2 else _reorder(bits)
    if not (0 < width < 1 << 16 and 0 < height < 1 << 16):
        raise SourceProtocolError(f"the stream claims pictures of {width}x{height} pixels.")
    return SequenceParameters(
        id=sps_id,
        width=width,
        height=height,
        profile=profile,
        reorder=reorder,
        chroma_format=chroma,
        bit_depth_luma=luma_depth,
        bit_depth_chroma=chroma_depth,
    )


def _chroma(bits: BitReader) -> tuple[int, int, int]:
    chroma = bits.ue()
    if chroma == 3:
        bits.flag()  # separate_colour_plane_flag
    luma_depth, chroma_depth = 8 + bits.ue(), 8 + bits.ue()
    bits.flag()  # qpprime_y_zero_transform_bypass_flag
    if bits.flag():  # seq_scaling_matrix_present_flag
        for index in range(12 if chroma == 3 else 8):
            if bits.flag():
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return chroma, luma_depth, chroma_depth


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _picture_order(bits: BitReader) -> int:
    order_type = bits.ue()
    if order_type == 0:
        bits.ue()
    elif order_type == 1:
        bits.flag()
        bits.se()
        bits.se()
        for _ in range(min(bits.ue(), 255)):
            bits.se()
    return order_type


def _size(bits: BitReader, chroma: int) -> tuple[int, int]:
    """Pixels after cropping (7-19 to 7-22)."""
    width_mbs, height_units = bits.ue() + 1, bits.ue() + 1
    frames_only = bits.flag()
    if not frames_only:
        bits.flag()  # mb_adaptive_frame_field_flag
    bits.flag()  # direct_8x8_inference_flag
    left, right, top, bottom = (bits.ue() for _ in range(4)) if bits.flag() else (0, 0, 0, 0)
    unit_x = 2 if chroma in (1, 2) else 1
    unit_y = (2 if chroma == 1 else 1) * (2 - frames_only)
    height = 16 * height_units * (2 - frames_only)
    return 16 * width_mbs - unit_x * (left + right), height - unit_y * (top + bottom)


def _reorder(bits: BitReader) -> int:
    """max_num_reorder_frames of the VUI; a cautious number where the stream does not say it."""
    try:
        return _vui_reorder(bits) if bits.flag() else _DEFAULT_REORDER
    except SourceProtocolError:
        return _DEFAULT_REORDER  # cameras write broken VUIs; the picture size above is what matters


def _vui_reorder(bits: BitReader) -> int:
    if bits.flag() and bits.bits(8) == _EXTENDED_SAR:
        bits.bits(32)
    if bits.flag():  # overscan_info_present_flag
        bits.flag()
    if bits.flag():  # video_signal_type_present_flag
        bits.bits(4)
        if bits.flag():
            bits.bits(24)
    if bits.flag():  # chroma_loc_info_present_flag
        bits.ue()
        bits.ue()
    if bits.flag():  # timing_info_present_flag
        bits.bits(65)
    has_hrd = [_skip_hrd(bits) for _ in range(2) if bits.flag()]
    if has_hrd:
        bits.flag()  # low_delay_hrd_flag
    bits.flag()  # pic_struct_present_flag
    if not bits.flag():  # bitstream_restriction_flag
        return _DEFAULT_REORDER
    bits.flag()
    for _ in range(4):
        bits.ue()
    return min(bits.ue(), 16)  # max_num_reorder_frames


def _skip_hrd(bits: BitReader) -> bool:
    count = bits.ue() + 1
    bits.bits(8)
    for _ in range(min(count, 32)):
        bits.ue()
        bits.ue()
        bits.flag()
    bits.bits(20)
    return True


def avc1(sps: Sequence[bytes], pps: Sequence[bytes]) -> bytes:
    """The sample entry of pictures that refer to these parameter sets."""
    first = parse_sps(sps[0])
    config = bytes((1, *sps[0][1:4], 0xFF, 0xE0 | len(sps)))  # NAL lengths of four bytes
    config += b"".join(struct.pack(">H", len(one)) + one for one in sps)
    config += bytes((len(pps),)) + b"".join(struct.pack(">H", len(one)) + one for one in pps)
    if first.profile in (100, 110, 122, 144):
        depths = (0xF8 | first.bit_depth_luma - 8, 0xF8 | first.bit_depth_chroma - 8)
        config += bytes((0xFC | first.chroma_format, *depths, 0))
    return visual_sample_entry("avc1", first.width, first.height, box("avcC", config))
