"""Access units out of packets that are whole, split, gathered, lost and reordered."""

from __future__ import annotations

import struct

import pytest

from capture.rtsp.aac import AacDepacketizer
from capture.rtsp.g711 import G711Depacketizer
from capture.rtsp.h264 import H264Depacketizer
from capture.rtsp.h265 import H265Depacketizer
from capture.rtsp.rtp import RtpPacket

IDR = b"\x65\x88" + bytes(range(100))
P = b"\x41\x9a" + bytes(range(50))
SECOND_SLICE = b"\x41\x5a" + bytes(20)  # first_mb_in_slice is not 0
SPS, PPS, SEI = b"\x67\x64\x00", b"\x68\xee", b"\x06\x05\x01\x00\x80"


def packet(payload: bytes, timestamp: int, *, marker: bool = False) -> RtpPacket:
    return RtpPacket(96, 0, timestamp, 1, marker, payload)


def fu_a(nal: bytes, timestamp: int, pieces: int, *, marker: bool = True) -> list[RtpPacket]:
    body, size = nal[1:], -(-len(nal[1:]) // pieces)
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    made = []
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        head = nal[0] & 31 | (0x80 if index == 0 else 0) | (0x40 if last else 0)
        made.append(packet(bytes((nal[0] & 0xE0 | 28, head)) + part, timestamp, marker=last and marker))
    return made


def stap(*nals: bytes) -> bytes:
    return b"\x78" + b"".join(struct.pack(">H", len(nal)) + nal for nal in nals)


def feed(depacketizer, packets, lost_before=()):
    units = []
    for index, one in enumerate(packets):
        units += depacketizer.push(one, 1 if index in lost_before else 0)
    return units


def test_single_aggregated_and_fragmented_units() -> None:
    packets = [packet(stap(SPS, PPS), 0), *fu_a(IDR, 0, 4), packet(P, 3600, marker=True)]
    units = feed(H264Depacketizer(), packets)
    assert [unit.units for unit in units] == [(SPS, PPS, IDR), (P,)]
    assert not any(unit.after_loss for unit in units)


def test_a_new_time_stamp_ends_a_unit_without_marker() -> None:
    units = feed(H264Depacketizer(), [packet(IDR, 0), packet(P, 3600), packet(P, 7200)])
    assert [unit.timestamp for unit in units] == [0, 3600]


@pytest.mark.parametrize("missing", range(4))
def test_a_unit_that_lost_a_piece_is_dropped_and_counted(missing: int) -> None:
    pieces = fu_a(IDR, 3600, 4)
    del pieces[missing]
    packets = [packet(P, 0, marker=True), *pieces, packet(P, 7200, marker=True)]
    depacketizer = H264Depacketizer()
    units = feed(depacketizer, packets, lost_before=(1 + missing,))
    assert [unit.timestamp for unit in units] == [0, 7200]
    assert [unit.after_loss for unit in units] == [False, True]
    assert depacketizer.dropped == 1


def test_a_loss_between_units_drops_none_and_is_told() -> None:
    units = feed(H264Depacketizer(), [packet(P, 0, marker=True), packet(P, 7200, marker=True)], (1,))
    assert [unit.after_loss for unit in units] == [False, True]


def test_a_picture_without_its_first_slice_is_dropped() -> None:
    depacketizer = H264Depacketizer()
    packets = [packet(SECOND_SLICE, 0, marker=True), packet(P, 3600, marker=True)]
    assert [unit.timestamp for unit in feed(depacketizer, packets, (0,))] == [3600]
    assert depacketizer.dropped == 1


def test_parameter_sets_behind_a_marker_of_their_own_lead_the_next_picture() -> None:
    packets = [
        packet(stap(SPS, PPS), 0, marker=True),
        packet(SEI, 0, marker=True),
        packet(IDR, 0, marker=True),
    ]
    assert [unit.units for unit in feed(H264Depacketizer(), packets)] == [(SPS, PPS, SEI, IDR)]


def test_h265_aggregation_and_fragments() -> None:
    vps, sps, idr = b"\x40\x01\x0c", b"\x42\x01\x01", b"\x26\x01\xaf" + bytes(range(90))
    gathered = b"\x60\x01" + b"".join(struct.pack(">H", len(nal)) + nal for nal in (vps, sps))
    first = b"\x62\x01" + bytes((0x80 | 19,)) + idr[2:40]
    last = b"\x62\x01" + bytes((0x40 | 19,)) + idr[40:]
    packets = [packet(gathered, 0), packet(first, 0), packet(last, 0, marker=True)]
    assert [unit.units for unit in feed(H265Depacketizer(), packets)] == [(vps, sps, idr)]
    depacketizer = H265Depacketizer()
    assert feed(depacketizer, [packets[0], packets[2]], (1,)) == []
    assert depacketizer.dropped == 1


def aac(*frames: bytes) -> bytes:
    headers = b"".join(struct.pack(">H", len(frame) << 3) for frame in frames)
    return struct.pack(">H", 16 * len(frames)) + headers + b"".join(frames)


def test_aac_frames_follow_each_other_by_1024_samples() -> None:
    units = feed(AacDepacketizer(), [packet(aac(b"one", b"second"), 500, marker=True)])
    assert [(unit.timestamp, unit.units) for unit in units] == [(500, (b"one",)), (1524, (b"second",))]


def test_an_aac_frame_over_two_packets() -> None:
    frame = bytes(range(200))
    head = struct.pack(">HH", 16, len(frame) << 3)
    packets = [packet(head + frame[:120], 0), packet(head + frame[120:], 0, marker=True)]
    assert [unit.units for unit in feed(AacDepacketizer(), packets)] == [(frame,)]
    assert feed(AacDepacketizer(), packets, (1,)) == []


@pytest.mark.parametrize(
    "payload", [b"", b"\0", b"\xff\xff", struct.pack(">HH", 16, 8 << 3) + b"x", aac(b"")]
)
def test_damaged_aac_is_dropped_without_an_error(payload: bytes) -> None:
    depacketizer = AacDepacketizer()
    depacketizer.push(packet(payload, 0, marker=True), 0)
    good = depacketizer.push(packet(aac(b"good"), 2048, marker=True), 1)
    assert [unit.units for unit in good] == [(b"good",)]


def test_g711_packets_are_units() -> None:
    units = feed(G711Depacketizer(), [packet(bytes(160), 0), packet(b"", 160), packet(bytes(80), 320)], (2,))
    assert [(unit.timestamp, len(unit.units[0]), unit.after_loss) for unit in units] == [
        (0, 160, False),
        (320, 80, True),
    ]
