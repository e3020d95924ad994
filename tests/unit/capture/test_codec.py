"""What parameter sets say, and the sample entries made of them."""

from __future__ import annotations

from fractions import Fraction

import av
import pytest

from kernel.codec import aac, g711, h264, h265
from kernel.codec.bits import BitReader, without_emulation
from kernel.errors import SourceProtocolError
from kernel.model.footage import Codec

SPS_1080P = bytes.fromhex("67640028acd940780227e5c044000003000400000300c83c60c658")
"""High profile, 120x68 macroblocks cropped to 1920x1080."""


def test_cropping_is_taken_off() -> None:
    told = h264.parse_sps(SPS_1080P)
    assert (told.width, told.height, told.profile) == (1920, 1080, 100)


def test_sizes_and_reorder_of_a_real_encoder(make_video) -> None:
    for size, bframes in (((64, 48), 0), ((70, 50), 2), ((1920, 1080), 0)):
        made = make_video(4, size=size, bframes=bframes)
        assert (made.started.info.width, made.started.info.height) == size
        assert (made.started.reorder > 0) == (bframes > 0)


@pytest.mark.parametrize("length", range(1, 10))
def test_a_cut_off_parameter_set_is_an_error_of_the_source(length: int) -> None:
    with pytest.raises(SourceProtocolError):
        h264.parse_sps(SPS_1080P[:length])


def test_emulation_prevention_is_taken_out() -> None:
    assert without_emulation(bytes.fromhex("000003000003010000030102")) == bytes.fromhex("000000000100000102")


def test_exp_golomb() -> None:
    bits = BitReader(bytes([0b1_010_011_0, 0b0100_0011, 0b1_0000000]))
    assert [bits.ue() for _ in range(4)] == [0, 1, 2, 3]
    assert BitReader(bytes([0b010_011_00])).se() == 1


def test_h265_size_and_entry_of_a_real_encoder() -> None:
    context = av.CodecContext.create("libx265", "w")
    context.width, context.height, context.pix_fmt = 72, 50, "yuv420p"
    context.framerate, context.time_base = 25, Fraction(1, 25)
    context.options = {
        "preset": "ultrafast",
        "x265-params": "log-level=none:pools=1:bframes=2:repeat-headers=1",
    }
    frames = [av.VideoFrame(72, 50, "yuv420p") for _ in range(3)]
    packets = []
    for number, frame in enumerate(frames):
        frame.pts = number
        packets += context.encode(frame)
    data = b"".join(bytes(packet) for packet in [*packets, *context.encode(None)])
    nals = [part for part in data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if part]
    sets = {h265.parameter_set_kind(nal): nal for nal in nals}
    told = h265.parse_sps(sets["sps"])
    assert (told.width, told.height, told.bit_depth_luma, told.chroma_format) == (72, 50, 8, 1)
    assert told.reorder == 2
    entry = h265.hvc1([sets["vps"]], [sets["sps"]], [sets["pps"]])
    assert entry[4:8] == b"hvc1"
    assert all(sets[kind] in entry for kind in ("vps", "sps", "pps"))


def test_key_pictures() -> None:
    assert h264.is_key(b"\x65\x88")
    assert not h264.is_key(b"\x41\x9a")
    assert h264.is_key(b"\x06\x06\x01\xc4\x80")  # recovery point, at once
    assert not h264.is_key(b"\x06\x05\x01\xc4\x80")
    assert h265.is_key(b"\x26\x01")
    assert not h265.is_key(b"\x02\x01")


def test_aac_configuration() -> None:
    assert aac.parse_config(bytes.fromhex("1408")) == (16_000, 1)
    assert aac.parse_config(bytes.fromhex("1190")) == (48_000, 2)
    assert bytes.fromhex("1190") in aac.mp4a(bytes.fromhex("1190"))
    with pytest.raises(SourceProtocolError):
        aac.parse_config(b"\x17")


def test_g711_entries() -> None:
    assert g711.g711_entry(Codec.G711A, 8000, 1)[4:8] == b"alaw"
    assert g711.g711_entry(Codec.G711U, 8000, 1)[4:8] == b"ulaw"
