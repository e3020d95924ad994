"""Sources that send what no decoder can use, or nothing from which decoding could begin."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterable

import pytest

from capture.packets import PacketsLost
from capture.rtsp.formats import media_format
from capture.rtsp.sdp import parse_sdp
from capture.rtsp.track import RtpTrack
from capture.rtsp.tracks import Tracks
from kernel.clock import FakeClock
from kernel.codec import h264, h265
from kernel.errors import SourceSendsGarbage, SourceUnreachable
from kernel.model.footage import Packet

SDP = """v=0
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z2QAKKzZQHgCJ+XARAAAAwAEAAADAMg8YMZY,aO48gA==
"""
KEY = b"\x65\x88\x80" + bytes(range(60))  # first_mb 0, slice_type 7 (I), parameter set 0
PLAIN = b"\x41\x9a\x20" + bytes(range(60))  # first_mb 0, slice_type 5 (P), parameter set 0


class Camera:
    """Sends a payload as one packet, 25 pictures a second."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.tracks = Tracks(name="seat-1", clock=clock, silence_seconds=5)
        media = parse_sdp(SDP).media[0]
        how = media_format(media)
        assert how is not None
        self.track = RtpTrack(media, how)
        self.tracks.add(0, self.track, video=True)
        self.tracks.begin()
        self.sent = 0

    def send(self, payload: bytes, *, marker: bool = True) -> list[object]:
        head = struct.pack(">BBHII", 0x80, 96 | marker << 7, self.sent & 0xFFFF, self.sent * 3600, 7)
        self.sent += 1
        self.clock.advance(0.04)
        self.tracks.look()
        self.tracks.take(0, head + payload)
        return list(self.tracks.found())

    def send_all(self, payloads: Iterable[bytes]) -> list[object]:
        return [one for payload in payloads for one in self.send(payload)]


@pytest.fixture
def camera(clock: FakeClock) -> Camera:
    return Camera(clock)


def random_bytes() -> Callable[[], bytes]:
    source = random.Random(7)
    return lambda: source.randbytes(1200)


def unknown_set() -> Callable[[], bytes]:
    return lambda: b"\x41\x98\xc0" + bytes(40)  # refers to parameter set 5


def impossible_slices() -> Callable[[], bytes]:
    return lambda: b"\x41\x8b\x80" + bytes(40)  # slice_type 10


@pytest.mark.parametrize("kind", [random_bytes, unknown_set, impossible_slices])
def test_garbage_is_noticed_within_ten_seconds(camera: Camera, kind) -> None:
    camera.send_all([KEY, PLAIN, PLAIN])
    began_us, make = camera.clock.now_us(), kind()
    with pytest.raises(SourceSendsGarbage, match=r"seat-1.*decoded") as caught:
        for _ in range(1000):
            camera.send(make())
    assert camera.clock.now_us() - began_us < 10_000_000
    assert caught.value.remedy


def test_garbage_from_the_beginning_is_told_from_silence(camera: Camera) -> None:
    with pytest.raises(SourceSendsGarbage):
        for _ in range(1000):
            camera.send(b"\x1f" + bytes(100))  # a NAL unit of a type that does not exist
    quiet = Camera(FakeClock())
    with pytest.raises(SourceUnreachable, match="no picture"):
        for _ in range(1000):
            quiet.clock.advance(0.1)
            quiet.tracks.found()


def test_garbage_is_no_footage_and_the_next_good_picture_says_so(camera: Camera) -> None:
    camera.send_all([KEY, PLAIN])
    assert camera.send(unknown_set()()) == []
    word, picture = camera.send(PLAIN)
    assert isinstance(word, PacketsLost)
    assert isinstance(picture, Packet)


def test_a_single_good_picture_among_garbage_does_not_keep_a_source_alive(camera: Camera) -> None:
    """But it is kept: a decoder could use it."""
    camera.send_all([KEY, PLAIN])
    bad, kept = unknown_set()(), 0
    with pytest.raises(SourceSendsGarbage):
        for _ in range(1000):
            kept += sum(isinstance(one, Packet) for one in camera.send_all([*[bad] * 20, PLAIN]))
    assert kept >= 5


def test_a_bad_unit_now_and_then_ends_nothing(camera: Camera) -> None:
    bad = unknown_set()()
    for _ in range(50):
        camera.send_all([KEY, *[PLAIN] * 10, bad])


def test_a_picture_of_several_slices_is_kept_if_one_of_them_can_be_decoded(camera: Camera) -> None:
    camera.send(KEY)
    camera.send(unknown_set()(), marker=False)
    camera.sent -= 1  # the same time stamp, the next number
    media, expected = camera.track, camera.sent + 1
    head = struct.pack(">BBHII", 0x80, 0xE0, expected, camera.sent * 3600, 7)
    assert any(isinstance(one, Packet) for one in media.take_rtp(head + PLAIN, 0))


def test_what_a_slice_refers_to() -> None:
    assert h264.slice_set(KEY) == 0
    assert h264.slice_set(PLAIN) == 0
    assert h264.slice_set(unknown_set()()) == 5
    assert h264.slice_set(b"\x65\x9a\x20") is None  # an IDR picture that refers to others
    assert h264.slice_set(b"\xe5\x88\x80") is None  # the forbidden bit
    assert h264.slice_set(b"\x41\0") is None  # cut off
    assert h265.slice_set(b"\x26\x01\xaf\x00") == 0  # IRAP: a flag more
    assert h265.slice_set(b"\x02\x01\xd0\x00") == 0
    assert h265.slice_set(b"\x02\x00\xd0\x00") is None  # temporal id 0
