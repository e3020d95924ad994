"""The fast way through RTP gives what the plain way gives, whatever comes and however it is cut."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from capture.packets import Delivery, PacketsLost, TrackStarted
from capture.rtsp.access_unit import AccessUnit
from capture.rtsp.formats import MediaFormat, media_format
from capture.rtsp.h265 import H265Depacketizer
from capture.rtsp.line import BEAT_US, Line
from capture.rtsp.message import Interleaved, MessageParser
from capture.rtsp.nal_builder import NalBuilder
from capture.rtsp.sdp import parse_sdp
from capture.rtsp.track import RtpTrack
from capture.rtsp.tracks import Tracks
from kernel.clock import FakeClock
from kernel.codec import h264
from kernel.errors import SourceUnreachable
from kernel.model.footage import Codec, Packet

SDP = """v=0
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z2QAKKzZQHgCJ+XARAAAAwAEAAADAMg8YMZY,aO48gA==
"""
PIECE = 300


def h264_payloads(size: int, seed: int, *, key: bool) -> list[bytes]:
    """A picture in fragments of one size, the last one shorter (RFC 6184, 5.8)."""
    head = b"\x65\x88\x80" if key else b"\x41\x9a\x20"
    body = (head + random.Random(seed).randbytes(size))[1:]
    pieces = [body[at : at + PIECE] for at in range(0, len(body), PIECE)]
    indicator, kind = head[0] & 0xE0 | 28, head[0] & 31
    ends = [(index == 0) << 7 | (index == len(pieces) - 1) << 6 for index in range(len(pieces))]
    return [bytes((indicator, kind | end)) + piece for end, piece in zip(ends, pieces, strict=True)]


def sent(
    pictures: Sequence[int],
    *,
    first: int,
    stamp: int,
    lost: Sequence[int] = (),
    sei: bool = False,
    ssrc: int = 7,
) -> list[bytes]:
    """Interleaved packets of pictures of these sizes, but for those that were lost."""
    packets, number = [], first
    for index, size in enumerate(pictures):
        payloads = [*([b"\x06\x01\x01\x12\x80"] if sei else []), *h264_payloads(size, index, key=index == 0)]
        for place, payload in enumerate(payloads):
            marker = place == len(payloads) - 1
            when = stamp + index * 3600 & 0xFFFFFFFF
            packet = struct.pack(">BBHII", 0x80, 96 | marker << 7, number & 0xFFFF, when, ssrc) + payload
            if number - first not in lost:
                packets.append(struct.pack(">BBH", 0x24, 0, len(packet)) + packet)
            number += 1
    return packets


def h265_packets(pictures: Sequence[int]) -> list[bytes]:
    """RTP packets of pictures in fragments (RFC 7798, 4.4.3)."""
    packets: list[bytes] = []
    for index, size in enumerate(pictures):
        body = b"\x80" + random.Random(index).randbytes(size)
        pieces = [body[at : at + PIECE] for at in range(0, len(body), PIECE)]
        for place, piece in enumerate(pieces):
            first, last = place == 0, place == len(pieces) - 1
            head = struct.pack(">BBHII", 0x80, 96 | last << 7, len(packets), index * 3600, 7)
            packets.append(head + bytes((49 << 1, 1, first << 7 | last << 6 | 1)) + piece)
    return packets


class Units:
    """A format that only notes the access units."""

    codec = Codec.H265

    def __init__(self, made: list[AccessUnit]) -> None:
        self._made = made

    def started(self) -> None:
        return None

    def sample(self, unit: AccessUnit) -> tuple[bytes, bool]:
        self._made.append(unit)
        return b"", True


def tracks() -> tuple[Tracks, RtpTrack]:
    media = parse_sdp(SDP).media[0]
    how = media_format(media)
    assert how is not None
    together, track = Tracks(name="seat-1", clock=FakeClock(), silence_seconds=5), RtpTrack(media, how)
    together.add(0, track, video=True)
    return together, track


def plainly(packets: Sequence[bytes]) -> tuple[list[Delivery], int, int]:
    together, track = tracks()
    for packet in packets:
        together.take(0, packet[4:])
    return together.found(), track.lost, track.ssrc


def fast(data: bytes, cuts: Sequence[int]) -> tuple[list[Delivery], int, int]:
    together, track = tracks()
    parser = MessageParser()
    for cut in (*cuts, len(data)):
        parser.sort(data[:cut], together, [])
        data = data[cut:]
    return together.found(), track.lost, track.ssrc


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 9000), min_size=1, max_size=6),
    st.integers(0, 0xFFFF),
    st.sets(st.integers(1, 60), max_size=4),
    st.lists(st.integers(1, 5000), max_size=8),
)
def test_runs_of_fragments_give_what_single_packets_give(
    pictures: list[int], first: int, lost: set[int], cuts: list[int]
) -> None:
    """With losses, with sequence numbers that wrap, with reads that end anywhere."""
    packets = sent(pictures, first=first, stamp=0xFFFFE000, lost=sorted(lost))
    assert fast(b"".join(packets), cuts) == plainly(packets)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.integers(0, 3000), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 15), st.integers(0, 7)), max_size=4),
    st.lists(st.integers(1, 3000), max_size=5),
    st.booleans(),
)
@example([2000, 10, 10], [(0, 1, 7)], [], False)  # a marker in the midst of a picture
@example([2000, 10, 10], [(2, 1, 7)], [], False)
def test_damaged_headers_give_what_single_packets_give(
    pictures: list[int], damages: list[tuple[int, int, int]], cuts: list[int], with_sei: bool
) -> None:
    """Any bit of any RTP or fragment header may be wrong; nothing is taken for usual that is not."""
    packets = sent(pictures, first=65_530, stamp=7, sei=with_sei)
    for number, offset, bit in damages:
        packet = bytearray(packets[number % len(packets)])
        packet[4 + offset % (len(packet) - 4)] ^= 1 << bit
        packets[number % len(packets)] = bytes(packet)
    assert fast(b"".join(packets), cuts) == plainly(packets)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(4, 3000), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2), st.integers(0, 7)), max_size=3),
)
def test_h265_in_rows_gives_what_single_packets_give(
    pictures: list[int], damages: list[tuple[int, int, int]]
) -> None:
    found = []
    for row_by_row in (True, False):
        track, made = H265Depacketizer(), list[AccessUnit]()
        packets = h265_packets(pictures)
        for number, offset, bit in damages:
            packet = bytearray(packets[number % len(packets)])
            packet[12 + offset] ^= 1 << bit
            packets[number % len(packets)] = bytes(packet)
        how = MediaFormat(depacketizer=track, format=Units(made))
        one = RtpTrack(parse_sdp(SDP).media[0], how)
        together = Tracks(name="seat-1", clock=FakeClock(), silence_seconds=5)
        together.add(0, one, video=True)
        if row_by_row:
            data = b"".join(struct.pack(">BBH", 0x24, 0, len(packet)) + packet for packet in packets)
            MessageParser().sort(data, together, [])
        else:
            for packet in packets:
                together.take(0, packet)
        found.append((made, one.lost, track.malformed, track.dropped))
    assert found[0] == found[1]


def test_packets_that_claim_to_be_shorter_than_their_header_are_lost_and_nothing_else_is() -> None:
    packets = sent([900] * 3, first=0, stamp=0, ssrc=0x8060_0005)  # how the sixth packet begins
    packets[4] = struct.pack(">BBHBBH", 0x24, 0, 4, 0x80, 96, 4)  # without stamp and sender
    assert fast(b"".join(packets), []) == plainly(packets)


def test_times_go_on_over_the_wrap_of_stamps_and_numbers_and_nothing_is_lost() -> None:
    packets = sent([4000] * 30, first=65_400, stamp=0xFFFFFFFF - 3600 * 10)
    found, lost, _ = fast(b"".join(packets), [])
    pictures = [one for one in found if isinstance(one, Packet)]
    assert (len(pictures), lost) == (30, 0)
    assert {after.pts - before.pts for before, after in pairwise(pictures)} == {3600}
    assert not [one for one in found if isinstance(one, PacketsLost)]


def test_every_lost_packet_is_told_once() -> None:
    packets = sent([4000] * 10, first=10, stamp=0, lost=[20, 21, 60])
    found, lost, _ = fast(b"".join(packets), [])
    assert lost == sum(one.count for one in found if isinstance(one, PacketsLost)) == 3


def test_a_device_that_counts_anew_is_followed() -> None:
    """The first packet of the new count cannot be told from an old one; the second proves it."""
    packets = sent([10] * 5, first=40_000, stamp=0) + sent([10] * 5, first=20_000, stamp=18_000)
    found, lost, _ = plainly(packets)
    assert (sum(isinstance(one, Packet) for one in found), lost) == (9, 1)


def test_a_new_parameter_set_in_mid_stream_is_told_before_its_picture() -> None:
    """Another size: the recorder begins another run with it."""
    together, _ = tracks()
    for packet in sent([10] * 2, first=0, stamp=0):
        together.take(0, packet[4:])
    before = together.found()
    other = bytes.fromhex("6742c00ad90507e84000000300400000030003c489e0")  # 320x240 by x264, baseline
    told = h264.parse_sps(other)
    for number, payload in ((2, other), (3, b"\x65\x88\x80" + bytes(9))):
        head = struct.pack(">BBHII", 0x80, 96 | (number == 3) << 7, number, 7200, 7)
        together.take(0, head + payload)
    started, picture = together.found()
    first = next(one for one in before if isinstance(one, TrackStarted))
    assert isinstance(started, TrackStarted) and isinstance(picture, Packet)
    assert (started.info.width, started.info.height) == (told.width, told.height)
    assert started.info.sample_entry != first.info.sample_entry


def test_a_picture_that_never_ends_does_not_fill_the_memory() -> None:
    builder = NalBuilder(syntax=h264)
    builder.begin(0, 0)
    builder.add_pieces(b"\x65", [b"\x88\x80"], True, False)
    taken = 0
    while builder.under_way and taken < 100:
        builder.add_pieces(b"\x65", [bytes(1 << 20)], False, False)
        taken += 1
    assert taken < 20
    assert builder.finish() is None
    assert builder.dropped == 1


def test_other_channels_and_messages_end_a_run() -> None:
    packets = sent([3000], first=0, stamp=0)
    sound = struct.pack(">BBH", 0x24, 2, 20) + bytes(20)
    answer = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\n\r\n"
    together, _ = tracks()
    others: list[object] = []
    data = b"".join([*packets[:4], sound, *packets[4:6], answer, *packets[6:]])
    MessageParser().sort(data, together, others)
    assert [one.pts for one in together.found() if isinstance(one, Packet)] == [0]
    assert len(others) == 1
    assert not isinstance(others[0], Interleaved)


async def test_what_came_before_a_connection_broke_is_handed_out_first() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    line = Line(ours, name="seat-1", clock=FakeClock())
    theirs.send(b"the last words")
    theirs.close()
    assert [data for _, data in await line.round()] == [b"the last words"]
    with pytest.raises(SourceUnreachable, match=r"seat-1.*closed"):
        await line.round()
    line.close()


async def test_a_round_keeps_the_time_of_each_find_even_if_the_clock_is_set_meanwhile() -> None:
    class Beats(FakeClock):
        """Sends something at each beat, and sets the wall clock in the middle of a round."""

        beats = 0

        async def wait(self, seconds: float) -> None:
            self.advance(seconds)
            self.beats += 1
            theirs.send(b"%d" % self.beats)
            if self.beats == 2:
                self.step_wall(-3600)

    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    clock = Beats()
    line = Line(ours, name="seat-1", clock=clock)
    found = await line.round()
    assert [data for _, data in found] == [b"1", b"2"]
    times = [at_us for at_us, _ in found]
    assert {after - before for before, after in pairwise(times)} == {BEAT_US}
    assert times[-1] == clock.now_us()
    line.close()
    theirs.close()
