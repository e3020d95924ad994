"""RTP and RTCP: headers, counters that wrap, reports."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.rtsp.rtcp import Goodbye, Reception, SenderReport, ntp_to_unix_us, parse_rtcp, receiver_report
from capture.rtsp.rtp import SequenceCounter, Unwrapper, parse_rtp
from kernel.errors import SourceProtocolError


def rtp(payload: bytes, *, sequence=1, timestamp=0, marker=False, first=0x80, extra=b"") -> bytes:
    return struct.pack(">BBHII", first, 96 | marker << 7, sequence, timestamp, 7) + extra + payload


def test_header_fields() -> None:
    packet = parse_rtp(rtp(b"abc", sequence=65535, timestamp=0xFFFFFFFF, marker=True))
    assert (packet.sequence, packet.timestamp, packet.marker) == (65535, 0xFFFFFFFF, True)
    assert (packet.payload_type, packet.ssrc, packet.payload) == (96, 7, b"abc")


def test_extension_contributors_and_padding_are_taken_off() -> None:
    extra = bytes(8) + struct.pack(">HH", 0xABAC, 2) + bytes(8)  # two CSRCs, an ONVIF extension
    assert parse_rtp(rtp(b"abc\0\0\3", first=0x80 | 0x20 | 0x10 | 2, extra=extra)).payload == b"abc"


@pytest.mark.parametrize(
    "data", [b"", b"\x80" * 11, rtp(b"", first=0x40), rtp(b"", first=0x8F), rtp(b"\xff", first=0xA0)]
)
def test_damaged_packets_are_refused(data: bytes) -> None:
    with pytest.raises(SourceProtocolError):
        parse_rtp(data)


@given(st.binary(max_size=60))
def test_no_bytes_break_the_parsers(data: bytes) -> None:
    parse_rtcp(data)
    with suppress(SourceProtocolError):
        parse_rtp(data)


def test_time_stamps_go_on_over_the_wrap_and_back() -> None:
    times = Unwrapper(32)
    values = [0xFFFFFF00, 0xFFFFFFFF, 0x100, 0xFFFFFFF0, 0x200]
    assert [times.unwrap(one) - 0xFFFFFF00 for one in values] == [0, 255, 512, 240, 768]


def test_every_lost_packet_is_counted_over_the_wrap() -> None:
    counter = SequenceCounter()
    assert [counter.step(one) for one in (65533, 65534, 1, 2)] == [0, 0, 2, 0]
    assert counter.lost == 2


def test_late_and_repeated_packets_are_left_out() -> None:
    counter = SequenceCounter()
    assert [counter.step(one) for one in (10, 12, 11, 12, 13)] == [0, 1, None, None, 0]


def test_sender_report_and_goodbye() -> None:
    ntp = (2_208_988_800 + 1_772_420_400) << 32 | 1 << 31
    report = struct.pack(">BBHIQIII", 0x80, 200, 6, 7, ntp, 90_000, 1, 2)
    bye = struct.pack(">BBHI", 0x81, 203, 1, 7)
    found = parse_rtcp(report + bye)
    told = SenderReport(ssrc=7, wall_us=1_772_420_400_500_000, timestamp=90_000, ntp=ntp)
    assert found == [told, Goodbye()]


def test_a_receiver_report_says_what_became_of_the_packets() -> None:
    received = Reception(
        ssrc=7,
        lost_share=0.25,
        lost=12,
        highest=0x1_0005,
        last_report_ntp=0x1122_3344_5566_7788,
        since_report_us=1_500_000,
    )
    packet = receiver_report(9, "me", received)
    version, kind, words, ssrc, of, lost, highest, jitter, told, since = struct.unpack_from(
        ">BBHIIIIIII", packet
    )
    assert (version, kind, words, ssrc, of) == (0x81, 201, 7, 9, 7)
    assert (lost >> 24, lost & 0xFFFFFF, highest, jitter) == (64, 12, 0x1_0005, 0)
    assert (told, since) == (0x3344_5566, 3 << 15)
    assert packet[33] == 202
    assert len(packet) == 32 + 4 + 4 * int.from_bytes(packet[34:36], "big")


def test_a_report_without_a_wall_clock_is_left_out() -> None:
    assert parse_rtcp(struct.pack(">BBHIQIII", 0x80, 200, 6, 7, 0, 90_000, 1, 2)) == []


def test_ntp_goes_on_after_2036() -> None:
    assert ntp_to_unix_us(16 << 32) == ((1 << 32) - 2_208_988_800 + 16) * 1_000_000
