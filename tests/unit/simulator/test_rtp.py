"""RTP payloads as their RFCs lay them out."""

from __future__ import annotations

import struct

import pytest

from kernel.model.footage import Codec
from simulator import rtp
from simulator.media import MediaUnit, is_key, parameter_sets, split_nals


def _unit(*parts: bytes, video: bool = True) -> MediaUnit:
    return MediaUnit(video=video, key=True, at_us=0, ticks=0, parts=parts)


def test_a_small_nal_unit_travels_alone() -> None:
    nal = b"\x67" + bytes(20)
    assert rtp.payloads(Codec.H264, _unit(nal)) == [nal]


@pytest.mark.parametrize("size", [1389, 2774, 5000, 100_000])
def test_a_large_h264_nal_unit_is_put_together_again_from_its_fragments(size: int) -> None:
    nal = b"\x65" + bytes(index % 251 for index in range(size - 1))
    pieces = rtp.payloads(Codec.H264, _unit(nal))
    assert all(len(piece) <= rtp.MAX_PAYLOAD_BYTES for piece in pieces)
    assert all(piece[0] == 0x60 | 28 for piece in pieces)
    assert [piece[1] >> 6 for piece in pieces] == [2, *[0] * (len(pieces) - 2), 1]
    header = bytes((pieces[0][0] & 0xE0 | pieces[0][1] & 0x1F,))
    assert header + b"".join(piece[2:] for piece in pieces) == nal


@pytest.mark.parametrize("size", [1389, 5000])
def test_a_large_h265_nal_unit_is_put_together_again_from_its_fragments(size: int) -> None:
    nal = bytes((19 << 1, 1)) + bytes(index % 251 for index in range(size - 2))
    pieces = rtp.payloads(Codec.H265, _unit(nal))
    assert all(len(piece) <= rtp.MAX_PAYLOAD_BYTES for piece in pieces)
    assert all(piece[0] >> 1 & 0x3F == 49 for piece in pieces)
    assert [piece[2] >> 6 for piece in pieces] == [2, *[0] * (len(pieces) - 2), 1]
    header = bytes((pieces[0][0] & 0x81 | (pieces[0][2] & 0x3F) << 1, pieces[0][1]))
    assert header + b"".join(piece[3:] for piece in pieces) == nal


def test_an_aac_frame_carries_its_size() -> None:
    (payload,) = rtp.payloads(Codec.AAC, _unit(bytes(300), video=False))
    assert struct.unpack(">HH", payload[:4]) == (16, 300 << 3)
    assert len(payload) == 304


def test_the_header_wraps_sequence_and_time_stamp() -> None:
    head = rtp.header(payload_type=96, marker=True, sequence=65_537, timestamp=(1 << 32) + 7, ssrc=9)
    assert struct.unpack(">BBHII", head) == (0x80, 0x80 | 96, 1, 7, 9)


def test_a_sender_report_gives_one_instant_in_both_clocks() -> None:
    now_us = 1_772_420_400_250_000
    packet = rtp.sender_report(ssrc=5, now_us=now_us, timestamp=77, packets=3, octets=400, cname="hall")
    _, kind, words, ssrc, seconds, fraction, stamp, packets, octets = struct.unpack(">BBHIIIIII", packet[:28])
    assert (kind, words, ssrc, stamp, packets, octets) == (200, 6, 5, 77, 3, 400)
    assert seconds - rtp.NTP_EPOCH_OFFSET_S == now_us // 1_000_000
    assert fraction == 1 << 30
    description = packet[28:]
    assert description[1] == 202
    assert len(description) == 4 * (int.from_bytes(description[2:4], "big") + 1)


def test_a_goodbye_names_its_source() -> None:
    packet = rtp.bye(ssrc=0x01020304)
    assert packet[9] == 203
    assert packet[12:] == bytes((1, 2, 3, 4))


def test_nal_units_are_told_apart_whatever_their_start_codes() -> None:
    stream = b"\0\0\0\1\x67abc\0\0\1\x68de\0\0\0\1\x65fg"
    nals = split_nals(stream)
    assert nals == (b"\x67abc", b"\x68de", b"\x65fg")
    assert is_key(Codec.H264, nals)
    assert parameter_sets(Codec.H264, nals) == (b"\x67abc", b"\x68de")
    assert not is_key(Codec.H264, (b"\x41x",))


def test_an_h265_key_frame_is_known_by_its_type() -> None:
    assert is_key(Codec.H265, (bytes((20 << 1, 1)),))
    assert not is_key(Codec.H265, (bytes((1 << 1, 1)),))
