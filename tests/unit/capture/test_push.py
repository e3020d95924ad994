"""Devices that push by RTSP: who is let in, what is taken, and what the recorder hears of it."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from capture.memory_rows import MemoryRows
from capture.packets import Delivery, TrackStarted
from capture.push.listener import PushListener
from capture.push.session import PushSession
from kernel.clock import SECOND_US, FakeClock, SystemClock
from kernel.errors import (
    CodecUnsupported,
    NotCalling,
    ServerError,
    SourceError,
    SourceHasNoVideo,
    SourceRefused,
    SourceUnreachable,
)
from kernel.model.footage import Codec, GapCause, Packet
from kernel.settings import CaptureSettings, SourceSpec
from tests.support.peers import free_port
from tests.support.rtsp_client import Client
from tests.unit.capture.conftest import EncodedVideo
from tests.unit.capture.test_recorder import Script, batches, later, play

VIDEO = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:streamid=0\r\n"
SETS = "a=fmtp:96 sprop-parameter-sets=Z2QAKKzZQHgCJ+XARAAAAwAEAAADAMg8YMZY,aO48gA==\r\n"
SOUND = "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\na=control:streamid=1\r\n"
SDP = "v=0\r\n" + VIDEO.replace("a=control", SETS + "a=control") + SOUND
TCP = "RTP/AVP/TCP;unicast;interleaved={0}-{1};mode=record"
PASSWORD = "s3cr3t-Pa55"


class ShiftingClock(SystemClock):
    """The machine's clock, put on by a test."""

    def __init__(self) -> None:
        self.ahead_us = 0

    def monotonic_us(self) -> int:
        return super().monotonic_us() + self.ahead_us


class Site:
    """A listener and what calls it."""

    def __init__(self) -> None:
        self.clock = ShiftingClock()
        self.settings = CaptureSettings(push_host="127.0.0.1", push_port=0)
        self.listener = PushListener(self.settings, self.clock)
        self.clients: list[Client] = []
        self.opened: list[PushSession] = []

    def spec(self, path: str = "hall/1", username: str = "") -> SourceSpec:
        return SourceSpec(
            id="hall",
            content_kind="room",
            uri=f"push+rtsp:///{path}",
            username=username,
            password=PASSWORD,
            label_zh="x",
        )

    async def open(self, spec: SourceSpec | None = None) -> PushSession:
        session = await self.listener.open_source(spec or self.spec(), self.settings, self.clock)
        self.opened.append(session)
        return session

    async def wanted(self, spec: SourceSpec | None = None) -> None:
        """The recorder asks for the source, and nobody has called."""
        hasty = self.settings.model_copy(update={"connect_seconds": 0.05})
        with pytest.raises(SourceUnreachable, match="waiting for the device to call"):
            await self.listener.open_source(spec or self.spec(), hasty, self.clock)

    async def call(self) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.listener.port)
        self.clients.append(Client(reader, writer, f"rtsp://127.0.0.1:{self.listener.port}/"))
        return self.clients[-1]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    await made.listener.start()
    yield made
    for session in made.opened:
        await session.close()
    await made.listener.stop()
    for client in made.clients:
        client.close()


async def announced(client: Client, path: str = "hall/1", sdp: str = SDP, **headers: str) -> int:
    kind = "application/sdp"
    return (await client.ask("ANNOUNCE", path, body=sdp, Content_Type=kind, **headers))[0]


async def set_up(client: Client, path: str = "hall/1", tracks: int = 2) -> str:
    session = ""
    for index in range(tracks):
        offer = TCP.format(2 * index, 2 * index + 1)
        headers = {"Session": session} if session else {}
        status, told, _ = await client.ask("SETUP", f"{path}/streamid={index}", Transport=offer, **headers)
        assert status == 200
        assert f"interleaved={2 * index}-{2 * index + 1}" in told["transport"]
        session = told["session"].split(";")[0]
    return session


async def pushing(site: Site, path: str = "hall/1") -> tuple[Client, str]:
    """A client that may send media, and its session."""
    client = await site.call()
    assert await announced(client, path) == 200
    session = await set_up(client, path)
    assert (await client.ask("RECORD", path, Session=session))[0] == 200
    return client, session


def rtp(channel: int, sequence: int, payload: bytes, payload_type: int = 96, timestamp: int = 0) -> bytes:
    packet = struct.pack(">BBHII", 0x80, 0x80 | payload_type, sequence, timestamp, 7) + payload
    return struct.pack(">BBH", 0x24, channel, len(packet)) + packet


PICTURE = b"\x65\x88\x80rest"


async def packets(session: PushSession, count: int) -> list[Delivery]:
    found: list[Delivery] = []
    async with asyncio.timeout(5):
        while sum(isinstance(one, Packet) for one in found) < count:
            found += await session.read()
    return found


async def recorded(site: Site) -> tuple[Client, PushSession, str]:
    """A device that is being recorded."""
    opening = asyncio.create_task(site.open())
    await asyncio.sleep(0)
    client, name = await pushing(site)
    return client, await opening, name


async def test_what_is_pushed_is_delivered_with_its_tracks(site: Site) -> None:
    client, session, _ = await recorded(site)
    client.writer.write(rtp(0, 1, PICTURE) + rtp(2, 1, b"\xfcopus", 97) + rtp(0, 2, PICTURE, timestamp=3600))
    found = await packets(session, 3)
    started = [one.info.codec for one in found if isinstance(one, TrackStarted)]
    assert started == [Codec.H264, Codec.OPUS]
    assert [one.codec for one in found if isinstance(one, Packet)] == [Codec.H264, Codec.OPUS, Codec.H264]
    report = struct.pack(">BBHIQIII", 0x80, 200, 6, 7, (2_208_988_800 + 1_772_420_400) << 32, 3600, 1, 2)
    client.writer.write(
        struct.pack(">BBH", 0x24, 1, len(report)) + report + rtp(0, 3, PICTURE, timestamp=7200)
    )
    (told,) = [one for one in await packets(session, 1) if isinstance(one, Packet)]
    assert told.wall_us == 1_772_420_400 * SECOND_US + 40_000


async def test_requests_are_answered_while_it_records(site: Site) -> None:
    client, session, name = await recorded(site)
    client.writer.write(rtp(0, 1, PICTURE))
    await packets(session, 1)
    asking = asyncio.create_task(client.ask("GET_PARAMETER", "hall/1", Session=name))
    while not asking.done():
        await session.read()
    assert asking.result()[0] == 200
    channel, report = client.reports[0]
    assert (channel, report[1]) == (1, 201)


async def test_nobody_calls_and_health_says_what_is_waited_for(site: Site) -> None:
    hasty = site.settings.model_copy(update={"connect_seconds": 0.05})
    with pytest.raises(SourceUnreachable, match="source hall: waiting for the device to call") as caught:
        await site.listener.open_source(site.spec(), hasty, site.clock)
    assert "push by RTSP" in caught.value.remedy


async def test_a_device_that_calls_while_nobody_waits_is_taken_up_later(site: Site) -> None:
    await site.wanted()
    client, _ = await pushing(site)
    client.writer.write(rtp(0, 1, PICTURE))
    found = await packets(await site.open(), 1)
    assert found


async def test_an_unknown_path_is_not_found(site: Site) -> None:
    await site.wanted()
    client = await site.call()
    assert await announced(client, "hall/2") == 404
    assert await announced(client, "hall") == 404
    assert (await client.ask("OPTIONS", "hall/2"))[0] == 200


async def test_a_path_within_another_ones_is_its_own(site: Site) -> None:
    await site.wanted(site.spec("hall", username="cam"))
    await site.wanted(site.spec("hall/1"))
    client, _ = await pushing(site, "hall/1")
    client.writer.write(rtp(0, 1, PICTURE))
    assert await packets(await site.open(site.spec("hall/1")), 1)


async def test_a_source_that_is_no_longer_wanted_is_not_found(site: Site) -> None:
    await site.wanted()
    site.clock.ahead_us = 120 * SECOND_US
    assert await announced(await site.call()) == 404


def proof(challenge: str, method: str, url: str, password: str) -> str:
    told = dict(part.split("=", 1) for part in challenge.removeprefix("Digest ").split(", "))
    realm, nonce = told["realm"].strip('"'), told["nonce"].strip('"')

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    answer = md5(f"{md5(f'cam:{realm}:{password}')}:{nonce}:{md5(f'{method}:{url}')}")
    return f'Digest username="cam", realm="{realm}", nonce="{nonce}", uri="{url}", response="{answer}"'


@pytest.mark.parametrize(
    ("password", "method", "status"),
    [
        (PASSWORD, "ANNOUNCE", 200),
        ("wrong", "ANNOUNCE", 401),
        (PASSWORD, "RECORD", 401),
    ],
)
async def test_only_the_right_password_announces(site: Site, password: str, method: str, status: int) -> None:
    await site.wanted(site.spec(username="cam"))
    client = await site.call()
    refused, told, _ = await client.ask("ANNOUNCE", "hall/1", body=SDP)
    assert refused == 401
    authorization = proof(told["www-authenticate"], method, f"{client.base}hall/1", password)
    assert await announced(client, Authorization=authorization) == status
    if status == 200:
        assert (await client.ask("SETUP", "hall/1/streamid=0", Transport=TCP.format(0, 1)))[0] == 401


async def turned_away(site: Site, told: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What was said of who called; its call is over then."""
    async with asyncio.timeout(5):
        while site.listener._callers:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    lines = [line for line in capsys.readouterr().out.splitlines() if "push.refused" in line]
    assert all(told in line for line in lines)
    return "\n".join(lines)


async def call_with(site: Site, password: str, path: str = "hall/1") -> int:
    """A device that calls with that password, and hangs up where it is refused."""
    client = await site.call()
    refused, told, _ = await client.ask("ANNOUNCE", path, body=SDP)
    if refused == 401 and password:
        authorization = proof(told["www-authenticate"], "ANNOUNCE", f"{client.base}{path}", password)
        refused = await announced(client, path, Authorization=authorization)
    if refused != 200:
        client.close()
    return refused


@pytest.mark.parametrize("password", ["wr0ng-Pa55", ""])
async def test_a_wrong_password_leaves_a_trace_in_log_and_health(
    site: Site, password: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once in ten minutes, with the caller's address and never with a password (invariant 16)."""
    spec = site.spec(username="cam")
    await site.wanted(spec)
    for _ in range(3):
        assert await call_with(site, password) == 401
    said = await turned_away(site, "source hall: a device at 127.0.0.1 calls without", capsys)
    assert len(said.splitlines()) == 1
    assert "cameras.yaml" in said
    hasty = site.settings.model_copy(update={"connect_seconds": 0.005})
    with pytest.raises(SourceRefused, match="a device at 127") as caught:
        await site.listener.open_source(spec, hasty, site.clock)
    for secret in (PASSWORD, password):
        assert not secret or secret not in said + str(caught.value)
    await site.wanted(spec)  # told once: whoever called may be gone


async def test_a_stranger_does_not_keep_the_device_waiting(site: Site) -> None:
    spec = site.spec(username="cam")
    opening = asyncio.create_task(site.open(spec))
    await asyncio.sleep(0)
    assert await call_with(site, "wrong") == 401
    client = await site.call()
    _, told, _ = await client.ask("ANNOUNCE", "hall/1", body=SDP)
    challenge, base = told["www-authenticate"], client.base

    def proven(method: str, path: str) -> str:
        return proof(challenge, method, base + path, PASSWORD)

    assert await announced(client, Authorization=proven("ANNOUNCE", "hall/1")) == 200
    track, offer = "hall/1/streamid=0", TCP.format(0, 1)
    _, told, _ = await client.ask("SETUP", track, Transport=offer, Authorization=proven("SETUP", track))
    headers = {"Session": told["session"].split(";")[0], "Authorization": proven("RECORD", "hall/1")}
    assert (await client.ask("RECORD", "hall/1", **headers))[0] == 200
    assert await opening


async def test_a_path_that_nobody_knows_is_told_on_one_line_without_its_query(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    await site.wanted()
    for path in ("hall/2?password=hunter2", "hall/2?x", "hall%0a2\u200b" + "x" * 500):
        assert await call_with(site, "", path) == 404
    said = await turned_away(site, "which no source of cameras.yaml has", capsys)
    assert len(said.splitlines()) == 2
    assert "a device at 127.0.0.1 pushes to the path 'hall/2'" in said
    assert "hunter2" not in said
    assert "x" * 90 not in said


async def test_who_tries_path_after_path_does_not_fill_the_log(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(40):
        client = await site.call()
        await announced(client, f"guess/{number}")
        client.close()
    assert len((await turned_away(site, "guess", capsys)).splitlines()) == 20


async def test_the_device_of_a_source_that_is_not_wanted_now_is_no_fault(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    await site.listener.stop()
    site.listener = PushListener(site.settings, site.clock, [site.spec("hall/1")])
    await site.listener.start()
    assert await call_with(site, "") == 404
    assert await turned_away(site, "", capsys) == ""


async def test_what_to_do_about_a_lost_push_is_about_pushes(site: Site) -> None:
    client, session, _ = await recorded(site)
    client.close()
    with pytest.raises(NotCalling, match="source hall: the device closed") as caught:
        async with asyncio.timeout(5):
            while True:
                await session.read()
    for words in ("push by RTSP to rtsp://THIS-MACHINE", "/hall/1", "username", "firewall"):
        assert words in caught.value.remedy
    assert "cable" not in caught.value.remedy


async def test_basic_is_not_taken(site: Site) -> None:
    await site.wanted(site.spec(username="cam"))
    client = await site.call()
    assert await announced(client, Authorization="Basic Y2FtOnMzY3IzdC1QYTU1") == 401


async def test_a_second_device_on_a_path_is_refused_until_the_first_is_silent(site: Site) -> None:
    client, session, _ = await recorded(site)
    client.writer.write(rtp(0, 1, PICTURE))
    await packets(session, 1)
    assert await announced(await site.call()) == 453
    site.clock.ahead_us = 3 * SECOND_US
    second, _ = await pushing(site)
    with pytest.raises(SourceUnreachable, match="called again"):
        async with asyncio.timeout(5):
            while True:
                await session.read()
    await session.close()
    second.writer.write(rtp(0, 9, PICTURE))
    assert await packets(await site.open(), 1)


async def test_of_two_devices_that_announce_at_once_the_first_is_recorded(site: Site) -> None:
    await site.wanted()
    slow = await site.call()
    assert await announced(slow) == 200
    name = await set_up(slow)
    quick, _ = await pushing(site)
    assert (await slow.ask("RECORD", "hall/1", Session=name))[0] == 453
    quick.writer.write(rtp(0, 1, PICTURE))
    assert await packets(await site.open(), 1)


async def test_a_device_that_says_goodbye_is_lost_and_may_come_back(site: Site) -> None:
    client, session, name = await recorded(site)
    client.writer.write(rtp(0, 1, PICTURE))
    await packets(session, 1)
    asking = asyncio.create_task(client.ask("TEARDOWN", "hall/1", Session=name))
    with pytest.raises(SourceUnreachable, match="source hall: the device ended its push"):
        async with asyncio.timeout(5):
            while True:
                await session.read()
    assert (await asking)[0] == 200
    await session.close()
    _, again, _ = await recorded(site)
    assert again is not session


async def test_silence_and_a_broken_connection_are_told_by_the_sources_name(site: Site) -> None:
    _, session, _ = await recorded(site)
    site.clock.ahead_us += 10 * SECOND_US
    with pytest.raises(SourceUnreachable, match="source hall: no picture"):
        async with asyncio.timeout(5):
            while True:
                await session.read()
    await session.close()
    client, session, _ = await recorded(site)
    client.close()
    with pytest.raises(SourceUnreachable, match="source hall: the device closed"):
        async with asyncio.timeout(5):
            while True:
                await session.read()


@pytest.mark.parametrize(
    ("sdp", "error"),
    [
        ("v=0\r\n" + SOUND, SourceHasNoVideo),
        ("v=0\r\n" + VIDEO.replace("H264", "MP4V-ES"), CodecUnsupported),
    ],
)
async def test_what_cannot_be_recorded_is_refused_and_told(
    site: Site, sdp: str, error: type[SourceError]
) -> None:
    opening = asyncio.create_task(site.open())
    await asyncio.sleep(0)
    assert await announced(await site.call(), sdp=sdp) == 415
    with pytest.raises(error, match="source hall"):
        await opening
    await site.wanted()
    assert await announced(await site.call(), sdp=sdp) == 415
    await asyncio.sleep(0.05)
    with pytest.raises(error):
        await site.open()


async def test_unknown_sound_costs_the_sound_only(site: Site) -> None:
    opening = asyncio.create_task(site.open())
    await asyncio.sleep(0)
    client = await site.call()
    assert await announced(client, sdp=SDP.replace("opus/48000/2", "SPEEX/16000")) == 200
    session = await set_up(client)
    assert (await client.ask("RECORD", "hall/1", Session=session))[0] == 200
    client.writer.write(rtp(2, 1, b"speech", 97) + rtp(0, 1, PICTURE))
    found = await packets(await opening, 1)
    assert [one.info.codec for one in found if isinstance(one, TrackStarted)] == [Codec.H264]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("SETUP", "hall/1/streamid=0", {"Transport": TCP.format(0, 1)}, 455),
        ("RECORD", "hall/1", {"Session": "x"}, 455),
        ("PLAY", "hall/1", {}, 501),
        ("DESCRIBE", "hall/1", {}, 501),
        ("OPTIONS", "*", {}, 200),
    ],
)
async def test_each_request_out_of_turn_gets_the_status_it_deserves(
    site: Site, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    await site.wanted()
    assert (await (await site.call()).ask(method, path, **headers))[0] == status


async def test_transports_and_tracks_that_are_not_there_are_refused(site: Site) -> None:
    await site.wanted()
    client = await site.call()
    assert await announced(client) == 200
    assert await announced(client) == 455
    ask = client.ask
    assert (await ask("SETUP", "hall/1/streamid=7", Transport=TCP.format(0, 1)))[0] == 404
    assert (await ask("SETUP", "hall/1/streamid=0", Transport="RTP/AVP;multicast"))[0] == 461
    assert (await ask("RECORD", "hall/1", Session="x"))[0] == 455
    await set_up(client)
    assert (await ask("RECORD", "hall/1", Session="other"))[0] == 454


async def test_by_datagrams(site: Site) -> None:
    opening = asyncio.create_task(site.open())
    await asyncio.sleep(0)
    client = await site.call()
    await announced(client, sdp="v=0\r\n" + VIDEO.replace("a=control", SETS + "a=control"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as speaker:
        speaker.bind(("127.0.0.1", 0))
        port = speaker.getsockname()[1]
        offer = f"RTP/AVP/UDP;unicast;client_port={port}-{port + 1};mode=record"
        _, told, _ = await client.ask("SETUP", "hall/1/streamid=0", Transport=offer)
        await client.ask("RECORD", "hall/1", Session=told["session"].split(";")[0])
        server = int(told["transport"].split("server_port=")[1].split("-")[0])
        for sequence in (1, 3, 2):
            speaker.sendto(rtp(0, sequence, PICTURE, timestamp=sequence)[4:], ("127.0.0.1", server))
        found = await packets(await opening, 3)
    assert [one.pts for one in found if isinstance(one, Packet)] == [1, 2, 3]


async def test_what_is_no_rtsp_ends_the_call_and_nothing_else(site: Site) -> None:
    client = await site.call()
    client.writer.write(b"\x16\x03\x01nonsense\r\n\r\n")
    assert await asyncio.wait_for(client.reader.read(), 5) == b""
    await site.wanted()


async def test_a_device_that_nobody_takes_is_hung_up_on() -> None:
    site = Site()
    site.settings = site.settings.model_copy(update={"silence_seconds": 0.1})
    site.listener = PushListener(site.settings, site.clock)
    await site.listener.start()
    await site.wanted()
    client, _ = await pushing(site)
    assert await client.gone()
    client.close()
    await site.listener.stop()


async def test_footage_of_another_time_is_not_taken_up(site: Site) -> None:
    """It would be dated by when it is read (invariant 6)."""
    await site.wanted()
    old, _ = await pushing(site)
    old.writer.write(rtp(0, 1, PICTURE))
    site.clock.ahead_us = 3 * 3600 * SECOND_US
    await site.wanted()
    assert await old.gone()


async def test_a_device_that_hung_up_while_it_waited_is_not_taken_up(site: Site) -> None:
    await site.wanted()
    client, _ = await pushing(site)
    client.writer.write(rtp(0, 1, PICTURE))
    client.close()
    await client.writer.wait_closed()
    await site.wanted()


async def test_a_device_whose_source_was_released_is_hung_up_on_and_not_found(site: Site) -> None:
    opening = asyncio.create_task(site.open())
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    assert await announced(await site.call()) == 404


async def test_a_source_released_in_mid_recording_is_not_found_until_it_is_asked_for(site: Site) -> None:
    taken = asyncio.Event()

    async def record() -> None:
        session = await site.open()
        taken.set()
        try:
            while True:
                await session.read()
        finally:
            await session.close()

    recording = asyncio.create_task(record())
    await asyncio.sleep(0)
    client, _ = await pushing(site)
    await taken.wait()
    recording.cancel()
    await asyncio.gather(recording, return_exceptions=True)
    assert await client.gone()
    assert await announced(await site.call()) == 404
    opening = asyncio.create_task(site.open())
    await asyncio.sleep(0)
    await pushing(site)
    assert await opening


async def test_a_device_lost_after_hours_may_call_back_before_it_is_asked_for(site: Site) -> None:
    client, session, _ = await recorded(site)
    site.clock.ahead_us = 3 * 3600 * SECOND_US
    client.writer.write(rtp(0, 1, PICTURE))
    while session.silent_us > 60 * SECOND_US:
        with suppress(SourceUnreachable):  # no picture for hours, by this clock
            await session.read()
    await session.close()
    assert await announced(await site.call()) == 200


async def test_who_was_waited_for_in_vain_is_waited_for_longer(site: Site) -> None:
    """So that few devices call in the pauses between, in which they are hung up on."""
    hasty = site.settings.model_copy(update={"connect_seconds": 0.5})
    with pytest.raises(SourceUnreachable):
        await site.listener.open_source(site.spec(), hasty, site.clock)
    opening = asyncio.create_task(site.listener.open_source(site.spec(), hasty, site.clock))
    await asyncio.sleep(0.6)
    await pushing(site)
    site.opened.append(await opening)


async def test_media_without_a_password_ends_the_call(site: Site) -> None:
    await site.wanted(site.spec(username="cam"))
    client = await site.call()
    assert await announced(client) == 401
    client.writer.write(rtp(0, 1, PICTURE))
    assert await client.gone()


async def test_media_before_record_is_kept_within_bounds(site: Site) -> None:
    await site.wanted()
    client = await site.call()
    await announced(client)
    await set_up(client)
    with suppress(ConnectionError):
        for sequence in range(100):
            client.writer.write(rtp(0, sequence, bytes(60_000)))
            await client.writer.drain()
    assert await client.gone()


async def test_a_track_is_set_up_once_so_that_ports_are_bounded(site: Site) -> None:
    await site.wanted()
    client = await site.call()
    await announced(client)
    offer = "RTP/AVP/UDP;unicast;client_port=40000-40001;mode=record"
    assert (await client.ask("SETUP", "hall/1/streamid=0", Transport=offer))[0] == 200
    assert (await client.ask("SETUP", "hall/1/streamid=0", Transport=offer))[0] == 455


async def test_callers_of_one_address_that_do_not_record_are_few(site: Site) -> None:
    callers = [await site.call() for _ in range(8)]
    assert [(await one.ask("OPTIONS", "*"))[0] for one in callers] == [200] * 8
    assert await (await site.call()).gone()
    callers[0].close()
    await callers[0].writer.wait_closed()
    await asyncio.wait(set(site.listener._callers), return_when=asyncio.FIRST_COMPLETED)
    assert (await (await site.call()).ask("OPTIONS", "*"))[0] == 200


async def test_a_port_in_use_is_told() -> None:
    with socket.socket() as taken:
        port = free_port()
        taken.bind(("127.0.0.1", port))
        taken.listen()
        listener = PushListener(CaptureSettings(push_host="127.0.0.1", push_port=port), SystemClock())
        with pytest.raises(ServerError, match=str(port)):
            await listener.start()


async def test_the_time_before_the_first_call_is_a_gap_over_restarts(
    tmp_path: Path, clock: FakeClock, video: EncodedVideo
) -> None:
    """Invariant 5: of a device that never called, from the moment on at which it is wanted."""
    rows, wanted_us = MemoryRows(), clock.now_us()
    waiting = NotCalling("source seat-1: waiting for the device to call.")
    await play(Script(clock, waiting, waiting), rows, tmp_path, clock)
    clock.advance(60)
    arrives_s = (clock.now_us() - wanted_us) / SECOND_US + 60
    called = [[video.started], *batches(later(video.packets(60), arrives_s))]
    await play(Script(clock, waiting, called), rows, tmp_path, clock)
    (segment,) = rows.segments
    gaps = sorted(rows.gaps, key=lambda gap: gap.start_us)
    edges = [wanted_us, *(gap.end_us for gap in gaps[:-1])]
    assert [gap.start_us for gap in gaps[:-1]] == edges[:-1]
    assert edges[-1] == segment.wall.start_us
    assert [gap.cause for gap in gaps] == [
        GapCause.CAMERA_LOST,
        GapCause.STOPPED,
        GapCause.CAMERA_LOST,
        GapCause.STOPPED,
    ]
