"""The simulated camera by datagrams, from memory, under TLS, with every fault that it can have."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import struct
from collections.abc import AsyncIterator

import pytest

from kernel.clock import SECOND_US, FakeClock, SystemClock, to_datetime
from kernel.model.footage import Codec
from kernel.model.source import ContentKind
from simulator.broadcast import Broadcast
from simulator.certificate import self_signed
from simulator.digest import Guard, Scheme
from simulator.faults import Faults
from simulator.feed import SceneFeed, SpeechFeed
from simulator.media import MediaUnit, Track
from simulator.replay import parse_range
from simulator.rtsp_server import RtspServer
from simulator.source import SimulatedSource
from simulator.timeline import Timeline
from tests.support.rtsp_client import DEADLINE_S, TCP, Client

SOURCE = SimulatedSource(
    id="cam",
    content_kind=ContentKind.SEAT_FACE,
    label_zh="席位",
    fps=5,
    width=128,
    height=96,
    audio=Codec.G711A,
)
SPS, PPS = b"\x67\x42\xc0\x1e\x11", b"\x68\xce\x3c\x80"
NOW_US = FakeClock().now_us()


class Datagrams(asyncio.DatagramProtocol):
    """What arrives at a port."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.got.put_nowait(data)

    async def next(self) -> bytes:
        return await asyncio.wait_for(self.got.get(), DEADLINE_S)


class Camera:
    """One source that is served, and the hand that turns its crank."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.feeds = [SceneFeed(SOURCE), SpeechFeed(Codec.G711A, 1)]
        for feed in self.feeds:
            feed.start(NOW_US)
        self.broadcast = Broadcast(
            "cam",
            title="cam",
            tracks=[track for feed in self.feeds for track in feed.tracks],
            timeline=Timeline(self.clock),
            report_every_us=5 * SECOND_US,
            recall=lambda start_us: [feed.replay(start_us) for feed in self.feeds],
        )
        self.server = RtspServer(
            {"cam": self.broadcast},
            timeline=Timeline(self.clock),
            username="",
            password="",
            session_timeout_s=10,
        )
        self.clients: list[Client] = []
        self.ears: list[asyncio.DatagramTransport] = []

    async def listen(
        self, remote: tuple[str, int] | None = None
    ) -> tuple[asyncio.DatagramTransport, Datagrams]:
        """A port of a client."""
        local = None if remote else ("127.0.0.1", 0)
        loop = asyncio.get_running_loop()
        transport, ears = await loop.create_datagram_endpoint(Datagrams, local_addr=local, remote_addr=remote)
        self.ears.append(transport)
        return transport, ears

    async def connect(self) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port, limit=1 << 22)
        self.clients.append(Client(reader, writer, f"rtsp://127.0.0.1:{self.server.port}/"))
        return self.clients[-1]

    def publish(self, size: int = 100) -> None:
        """A picture of now, a key frame."""
        at_us = self.clock.now_us()
        ticks = (at_us - NOW_US) * 9 // 100
        unit = MediaUnit(video=True, key=True, at_us=at_us, ticks=ticks, parts=(b"\x65" + bytes(size),))
        self.broadcast.publish(unit)


@pytest.fixture
async def camera() -> AsyncIterator[Camera]:
    made = Camera()
    await made.server.start("127.0.0.1", 0)
    yield made
    for one in [*made.clients, *made.ears]:
        one.close()
    await made.server.stop()


async def play_by_datagrams(camera: Camera, client: Client) -> tuple[Datagrams, int]:
    """What comes to an RTP port, and the server's port for reports."""
    transport, ears = await camera.listen()
    port = transport.get_extra_info("sockname")[1]
    offer = f"RTP/AVP;unicast;client_port={port}-{port + 1}"
    status, headers, _ = await client.ask("SETUP", "cam/trackID=0", Transport=offer)
    assert status == 200
    assert f"client_port={port}-{port + 1}" in headers["transport"]
    reports = int(headers["transport"].split("server_port=")[1].split(";")[0].split("-")[1])
    await client.ask("PLAY", "cam", Session=headers["session"].split(";")[0])
    return ears, reports


async def test_media_comes_as_datagrams_where_they_are_asked_for(camera: Camera) -> None:
    ears, _ = await play_by_datagrams(camera, await camera.connect())
    camera.publish(size=3000)
    packets = [await ears.next() for _ in range(3)]
    assert [one[1] >> 7 for one in packets] == [0, 0, 1]


async def test_a_client_by_datagrams_that_stays_silent_is_given_up(camera: Camera) -> None:
    client = await camera.connect()
    ears, _ = await play_by_datagrams(camera, client)
    camera.clock.advance(9)
    await client.ask("GET_PARAMETER", "cam")
    camera.clock.advance(9)
    camera.publish()
    await ears.next()
    camera.clock.advance(9)
    camera.publish()
    assert ears.got.empty()


async def test_a_device_may_want_receiver_reports_for_a_sign_of_life(camera: Camera) -> None:
    camera.server.demands_reports = True
    client = await camera.connect()
    ears, port = await play_by_datagrams(camera, client)
    speaker, _ = await camera.listen(("127.0.0.1", port))
    camera.clock.advance(9)
    speaker.sendto(struct.pack(">BBHI", 0x80, 201, 1, 7))
    await asyncio.sleep(0.05)
    camera.clock.advance(9)
    camera.publish()
    await ears.next()
    camera.clock.advance(9)
    await client.ask("GET_PARAMETER", "cam")
    camera.publish()
    assert ears.got.empty()


async def test_datagrams_are_lost_and_overtake_each_other_as_told(camera: Camera) -> None:
    ears, _ = await play_by_datagrams(camera, await camera.connect())
    camera.broadcast.faults.lose_every, camera.broadcast.faults.swap_every = 5, 3
    camera.publish(size=1388 * 7)
    numbers = [int.from_bytes((await ears.next())[2:4], "big") for _ in range(6)]
    first = numbers[0]
    assert [(one - first) & 0xFFFF for one in numbers] == [0, 1, 3, 2, 6, 5]


async def play(camera: Camera) -> Client:
    client = await camera.connect()
    await client.play()
    return client


async def test_a_frozen_camera_sends_nothing_and_still_answers(camera: Camera) -> None:
    client = await play(camera)
    camera.broadcast.faults.frozen = True
    camera.publish()
    assert (await client.ask("OPTIONS", "cam"))[0] == 200
    camera.broadcast.faults.heal()
    camera.publish()
    assert (await client.packet())[0] == 1


async def test_a_hanging_camera_takes_the_connection_and_says_nothing(camera: Camera) -> None:
    camera.broadcast.faults.hanging = True
    client = await camera.connect()
    client.writer.write(b"OPTIONS rtsp://h/cam RTSP/1.0\r\nCSeq: 1\r\n\r\n")
    camera.broadcast.faults.hanging = False
    await asyncio.sleep(0.05)
    assert (await client.ask("OPTIONS", "cam"))[0] == 200


async def test_garbage_is_packets_of_the_same_size_with_random_payload(camera: Camera) -> None:
    client = await play(camera)
    camera.broadcast.faults.garbage = True
    camera.publish()
    await client.packet()
    _, packet = await client.packet()
    assert len(packet) == 12 + 101
    assert packet[12:] != b"\x65" + bytes(100)


def told_us(report: bytes) -> int:
    seconds, fraction = struct.unpack(">II", report[8:16])
    return (seconds - 2_208_988_800) * SECOND_US + (fraction * SECOND_US >> 32)


async def test_the_clock_of_reports_is_skewed_drifts_and_steps(camera: Camera) -> None:
    camera.broadcast.set_clock(skew_us=3 * SECOND_US, drift_ppm=100_000)
    client = await play(camera)
    found = []
    for _ in range(3):
        camera.publish()
        while (got := await client.packet())[0] != 1:
            pass
        found.append(told_us(got[1]) - camera.clock.now_us())
        camera.clock.advance(6)
    assert found == [3_000_000, 3_600_000, 4_200_000]
    camera.broadcast.set_clock(skew_us=-3600 * SECOND_US)
    camera.publish()
    while (got := await client.packet())[0] != 1:
        pass
    assert told_us(got[1]) - camera.clock.now_us() == -3600 * SECOND_US


async def test_a_mute_camera_sends_no_reports(camera: Camera) -> None:
    camera.broadcast.faults.mute = True
    client = await play(camera)
    camera.publish()
    assert (await client.packet())[0] == 0


async def test_time_stamps_jump(camera: Camera) -> None:
    camera.broadcast.faults.mute = True
    client = await play(camera)
    camera.publish()
    camera.broadcast.jump(-30)
    camera.publish()
    stamps = [int.from_bytes((await client.packet())[1][4:8], "big") for _ in range(2)]
    assert (stamps[1] - stamps[0]) & 0xFFFFFFFF == -30 * 90_000 & 0xFFFFFFFF


def clock(us: int) -> str:
    return to_datetime(us).strftime("%Y%m%dT%H%M%S.%f") + "Z"


async def replayed(camera: Camera, start_us: int, end_us: int, **headers: str) -> list[tuple[int, bytes]]:
    """All packets of a range, by channel, to the goodbye."""
    client = await camera.connect()
    _, told, _ = await client.ask("SETUP", "cam/trackID=0", Transport=TCP, Require="onvif-replay")
    session = told["session"].split(";")[0]
    await client.ask(
        "SETUP", "cam/trackID=1", Transport=TCP.replace("0-1", "2-3"), Require="onvif-replay", Session=session
    )
    status, told, _ = await client.ask(
        "PLAY",
        "cam",
        Require="onvif-replay",
        Session=session,
        Rate_Control="no",
        Range=f"clock={clock(start_us)}-{clock(end_us)}",
        **headers,
    )
    assert status == 200
    assert told["range"].startswith(f"clock={clock(start_us)}-")
    packets = []
    while (got := await client.packet())[0] not in (1, 3):
        packets.append(got)
    return packets


def extension(packet: bytes) -> tuple[int, int, int, int]:
    """Wall time, C E D bits and CSeq of the ONVIF header extension; its length."""
    assert packet[0] & 0x10
    profile, words, seconds, fraction, flags, cseq = struct.unpack_from(">HHIIBB", packet, 12)
    assert profile == 0xABAC
    return (
        (seconds - 2_208_988_800) * SECOND_US + (fraction * SECOND_US >> 32),
        flags >> 5,
        cseq,
        4 + 4 * words,
    )


async def test_what_is_replayed_is_what_was_sent_with_the_time_of_each_picture(camera: Camera) -> None:
    live, sound = (
        [feed.make(feed.due_us) for _ in range(count)]
        for feed, count in zip(camera.feeds, (25, 250), strict=True)
    )
    camera.clock.advance(10)
    start_us, end_us = NOW_US + 1_500_000, NOW_US + 3_500_000
    packets = await replayed(camera, start_us, end_us)
    firsts = [one for channel, one in packets if channel == 0 and one[0] & 0x10]
    times = [extension(one)[0] for one in firsts]
    expected = [unit.at_us for unit in live if unit and start_us - 200_000 < unit.at_us < end_us]
    assert times == expected
    stamps = {unit.at_us: camera.broadcast.timestamp(0, unit.ticks) for unit in live if unit}
    assert [int.from_bytes(one[4:8], "big") for one in firsts] == [stamps[at_us] for at_us in times]
    assert [extension(one)[1] & 4 for one in firsts] == [4, 0, 0, 0, 0, 4, 0, 0, 0, 0, 4]
    assert extension(packets[0][1])[1] & 1  # discontinuous
    assert extension([one for _, one in packets if one[0] & 0x10][-1])[1] & 2  # the end
    heard = [one[12 + extension(one)[3] :] for channel, one in packets if channel == 2]
    said = [unit.parts[0] for unit in sound if unit and start_us - 20_000 < unit.at_us < end_us]
    assert heard == said


async def test_a_second_range_in_a_session_takes_the_place_of_the_first(camera: Camera) -> None:
    camera.clock.advance(3600)
    client = await camera.connect()
    _, told, _ = await client.ask("SETUP", "cam/trackID=0", Transport=TCP)
    session = told["session"].split(";")[0]
    ranges = [(NOW_US, NOW_US + 3000 * SECOND_US), (NOW_US + 60 * SECOND_US, NOW_US + 61 * SECOND_US)]
    for number, (start_us, end_us) in enumerate(ranges):
        wanted = f"clock={clock(start_us)}-{clock(end_us)}"
        fields = {"Session": session, "Rate_Control": "no", "Range": wanted}
        assert (await client.ask("PLAY", "cam", **fields))[0] == 200
        if number == 0:
            await client.packet()
    last = b""
    while (got := await client.packet())[0] == 0:
        last = got[1] if got[1][0] & 0x10 else last
    assert NOW_US + 60 * SECOND_US < extension(last)[0] < NOW_US + 61 * SECOND_US


async def test_a_bare_replay_has_no_extension(camera: Camera) -> None:
    camera.clock.advance(10)
    camera.broadcast.faults.bare_replay = True
    packets = await replayed(camera, NOW_US, NOW_US + SECOND_US)
    assert not any(one[0] & 0x10 for _, one in packets)


async def test_the_future_and_unknown_features_are_refused(camera: Camera) -> None:
    client = await camera.connect()
    assert (await client.ask("DESCRIBE", "cam", Require="time-travel"))[0] == 551
    _, told, _ = await client.ask("SETUP", "cam/trackID=0", Transport=TCP)
    session = told["session"].split(";")[0]
    ahead = f"clock={clock(NOW_US + SECOND_US)}-"
    assert (await client.ask("PLAY", "cam", Session=session, Range=ahead))[0] == 457


def test_ranges_are_read_to_the_microsecond_and_end_now_at_the_latest() -> None:
    found = parse_range("clock=20260302T030000.25Z-20260302T030001Z", NOW_US + 10 * SECOND_US)
    assert found is not None
    assert (found.start_us, found.end_us) == (NOW_US + 250_000, NOW_US + SECOND_US)
    open_end = parse_range("clock=20260302T030000Z-", NOW_US + 5)
    assert open_end is not None
    assert open_end.end_us == NOW_US + 5
    for wrong in ("npt=0-", "clock=20260302T250000Z-", "clock=20260302T030001Z-20260302T030000Z", ""):
        assert parse_range(wrong, NOW_US + 10 * SECOND_US) is None


def proof(challenge: str, method: str, password: str) -> str:
    fields = dict(part.split("=", 1) for part in challenge.removeprefix("Digest ").split(", "))
    realm, nonce = fields["realm"].strip('"'), fields["nonce"].strip('"')
    digest = hashlib.sha256 if "SHA-256" in fields["algorithm"] else hashlib.md5
    h = lambda text: digest(text.encode()).hexdigest()  # noqa: E731
    middle = f"{nonce}:00000001:abc:auth" if "qop" in fields else nonce
    answer = h(f"{h(f'viewer:{realm}:{password}')}:{middle}:{h(f'{method}:rtsp://h/cam')}")
    extra = ', qop=auth, nc=00000001, cnonce="abc"' if "qop" in fields else ""
    return (
        f'Digest username="viewer", realm="{realm}", nonce="{nonce}", uri="rtsp://h/cam", '
        f'response="{answer}", algorithm={fields["algorithm"]}{extra}'
    )


@pytest.mark.parametrize("scheme", [Scheme.MD5, Scheme.MD5_QOP, Scheme.SHA256])
def test_digests_of_all_kinds_prove_the_password_for_one_method(scheme: Scheme) -> None:
    guard = Guard("viewer", "secret", [Scheme.BASIC, scheme])
    challenge = guard.challenges(None)[1]
    right = proof(challenge, "PLAY", "secret")
    assert guard.admits("PLAY", right)
    assert not guard.admits("DESCRIBE", right)
    assert not guard.admits("PLAY", proof(challenge, "PLAY", "wrong"))
    guard.expire()
    assert not guard.admits("PLAY", right)
    assert "stale=true" in guard.challenges(right)[1]
    assert "stale" not in guard.challenges(None)[1]


def test_basic_is_taken_where_it_is_offered() -> None:
    header = "Basic dmlld2VyOnNlY3JldA=="
    assert Guard("viewer", "secret", [Scheme.BASIC]).admits("PLAY", header)
    assert not Guard("viewer", "secret", [Scheme.MD5]).admits("PLAY", header)
    assert not Guard("viewer", "other", [Scheme.BASIC]).admits("PLAY", header)


async def test_under_tls_with_a_certificate_of_its_own() -> None:
    camera = Camera()
    signed = self_signed("127.0.0.1", SystemClock().now_us())
    await camera.server.start("127.0.0.1", 0, signed.context)
    trusting = ssl.create_default_context(cadata=signed.pem.decode())
    reader, writer = await asyncio.open_connection("127.0.0.1", camera.server.port, ssl=trusting)
    client = Client(reader, writer, f"rtsps://127.0.0.1:{camera.server.port}/")
    assert (await client.ask("DESCRIBE", "cam"))[0] == 200
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    assert hashlib.sha256(der).hexdigest() == signed.sha256
    client.close()
    await camera.server.stop()


def test_a_scene_goes_on_with_another_size_and_its_times() -> None:
    feed = SceneFeed(SOURCE)
    feed.start(NOW_US)
    before = [feed.make(feed.due_us) for _ in range(3)]
    feed.become(
        SceneFeed(
            SimulatedSource(
                id="cam", content_kind=ContentKind.SEAT_FACE, label_zh="席位", fps=10, width=192, height=96
            )
        )
    )
    after = [feed.make(feed.due_us) for _ in range(3)]
    assert before[-1] is not None
    assert [unit.at_us - before[-1].at_us for unit in after if unit] == [200_000, 300_000, 400_000]
    assert after[0] is not None
    assert after[0].key
    assert feed.tracks[0].frame_rate == 10


def test_faults_heal() -> None:
    faults = Faults(frozen=True, skew_us=5, lose_every=3)
    faults.heal()
    assert faults == Faults()


def test_changing_the_tracks_changes_the_description(camera: Camera) -> None:
    tracks = [Track(codec=Codec.H265, clock_rate=90_000, parameter_sets=(b"a", b"b", b"c"))]
    camera.broadcast.change(tracks)
    assert camera.broadcast.tracks == tuple(tracks)
