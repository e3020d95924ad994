"""The RTSP server answers as a camera does, also when clients misbehave."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from kernel.clock import SECOND_US, FakeClock
from kernel.model.footage import Codec
from simulator import broadcast as broadcast_module
from simulator.broadcast import Broadcast
from simulator.media import MediaUnit, Track
from simulator.rtsp_server import RtspServer
from simulator.timeline import Timeline
from tests.support.rtsp_client import DEADLINE_S, TCP, Client

SPS, PPS = b"\x67\x42\xc0\x1e\x11", b"\x68\xce\x3c\x80"


Connect = Callable[[], Awaitable[Client]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def broadcasts(clock: FakeClock) -> dict[str, Broadcast]:
    tracks = [Track(codec=Codec.H264, clock_rate=90_000, frame_rate=10, parameter_sets=(SPS, PPS))]
    timeline = Timeline(clock)
    return {
        name: Broadcast(name, title=name, tracks=tracks, timeline=timeline, report_every_us=5 * SECOND_US)
        for name in ("cam", "other")
    }


async def _serve(
    broadcasts: dict[str, Broadcast], clock: FakeClock, username: str
) -> AsyncIterator[tuple[RtspServer, Connect]]:
    server = RtspServer(broadcasts, timeline=Timeline(clock), username=username, password="secret")
    await server.start("127.0.0.1", 0)
    clients: list[Client] = []

    async def connect() -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 22)
        clients.append(Client(reader, writer, f"rtsp://127.0.0.1:{server.port}/"))
        return clients[-1]

    yield server, connect
    await server.stop()
    for client in clients:
        client.close()


@pytest.fixture
async def serving(
    broadcasts: dict[str, Broadcast], clock: FakeClock
) -> AsyncIterator[tuple[RtspServer, Connect]]:
    async for pair in _serve(broadcasts, clock, ""):
        yield pair


@pytest.fixture
async def guarded(
    broadcasts: dict[str, Broadcast], clock: FakeClock
) -> AsyncIterator[tuple[RtspServer, Connect]]:
    async for pair in _serve(broadcasts, clock, "viewer"):
        yield pair


Serving = tuple[RtspServer, Connect]


def _unit(clock: FakeClock, *, key: bool, size: int = 100) -> MediaUnit:
    nal = bytes((0x65 if key else 0x41,)) + bytes(size)
    at_us = clock.now_us()
    ticks = (at_us - FakeClock().now_us()) * 9 // 100
    return MediaUnit(video=True, key=key, at_us=at_us, ticks=ticks, parts=(nal,))


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - the server offers no event for it
            await asyncio.sleep(0.005)


async def test_describe_carries_the_parameter_sets(serving: Serving) -> None:
    client = await serving[1]()
    status, headers, body = await client.ask("DESCRIBE", "cam")
    assert status == 200
    assert headers["content-base"].endswith("/cam/")
    assert "sprop-parameter-sets=Z0LAHhE=,aM48gA==" in body
    assert "profile-level-id=42C01E" in body


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("DESCRIBE", "nothing", {}, 404),
        ("SETUP", "cam/trackID=7", {"Transport": TCP}, 404),
        ("SETUP", "cam/trackID=0", {"Transport": "RTP/AVP;multicast;client_port=5000-5001"}, 461),
        ("SETUP", "cam/trackID=0", {"Transport": TCP, "Session": "unknown"}, 454),
        ("PLAY", "cam", {}, 455),
        ("PLAY", "cam", {"Session": "unknown"}, 454),
        ("TEARDOWN", "cam", {"Session": "unknown"}, 454),
        ("RECORD", "cam", {}, 501),
        ("OPTIONS", "cam", {}, 200),
        ("GET_PARAMETER", "cam", {}, 200),
    ],
)
async def test_each_request_gets_the_status_it_deserves(
    serving: Serving, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    client = await serving[1]()
    assert (await client.ask(method, path, **headers))[0] == status


async def test_a_session_stays_on_its_source(serving: Serving) -> None:
    client = await serving[1]()
    _, headers, _ = await client.ask("SETUP", "cam/trackID=0", Transport=TCP)
    session = headers["session"].partition(";")[0]
    assert (await client.ask("SETUP", "other/trackID=0", Transport=TCP, Session=session))[0] == 459


async def test_what_is_not_rtsp_is_answered_and_cut(serving: Serving) -> None:
    client = await serving[1]()
    client.writer.write(b"nonsense\r\n\r\n")
    assert b"400" in await asyncio.wait_for(client.reader.read(-1), DEADLINE_S)


def _authorization(challenge: str, method: str, url: str, password: str) -> str:
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    secret = md5(f"viewer:{fields['realm']}:{password}")
    response = md5(f"{secret}:{fields['nonce']}:{md5(f'{method}:{url}')}")
    return (
        f'Digest username="viewer", realm="{fields["realm"]}", nonce="{fields["nonce"]}", '
        f'uri="{url}", response="{response}"'
    )


@pytest.mark.parametrize(("password", "status"), [("secret", 200), ("wrong", 401)])
async def test_only_the_right_password_describes(guarded: Serving, password: str, status: int) -> None:
    client = await guarded[1]()
    refused, headers, _ = await client.ask("DESCRIBE", "cam")
    assert refused == 401
    proof = _authorization(headers["www-authenticate"], "DESCRIBE", f"{client.base}cam", password)
    assert (await client.ask("DESCRIBE", "cam", Authorization=proof))[0] == status


async def test_a_proof_for_one_method_does_not_open_another(guarded: Serving) -> None:
    client = await guarded[1]()
    _, headers, _ = await client.ask("DESCRIBE", "cam")
    proof = _authorization(headers["www-authenticate"], "OPTIONS", f"{client.base}cam", "secret")
    assert (await client.ask("DESCRIBE", "cam", Authorization=proof))[0] == 401


async def test_a_sender_report_comes_before_the_first_picture(
    serving: Serving, broadcasts: dict[str, Broadcast], clock: FakeClock
) -> None:
    client = await serving[1]()
    await client.play()
    broadcasts["cam"].publish(_unit(clock, key=True))
    channel, report = await client.packet()
    assert (channel, report[1]) == (1, 200)
    channel, packet = await client.packet()
    assert (channel, packet[1] & 0x7F) == (0, 96)
    assert int.from_bytes(report[16:20], "big") == int.from_bytes(packet[4:8], "big")


async def test_a_new_client_starts_at_a_key_frame(
    serving: Serving, broadcasts: dict[str, Broadcast], clock: FakeClock
) -> None:
    client = await serving[1]()
    await client.play()
    broadcasts["cam"].publish(_unit(clock, key=False))
    broadcasts["cam"].publish(_unit(clock, key=True))
    await client.packet()
    _, packet = await client.packet()
    assert packet[12] == 0x65


async def test_sender_reports_come_again_when_they_are_due(
    serving: Serving, broadcasts: dict[str, Broadcast], clock: FakeClock
) -> None:
    client = await serving[1]()
    await client.play()
    for _ in range(12):
        broadcasts["cam"].publish(_unit(clock, key=True))
        clock.advance(0.5)
    channels = [(await client.packet())[0] for _ in range(14)]
    assert [index for index, channel in enumerate(channels) if channel == 1] == [0, 11]


async def test_teardown_says_goodbye_and_ends_the_media(
    serving: Serving, broadcasts: dict[str, Broadcast], clock: FakeClock
) -> None:
    client = await serving[1]()
    session = await client.play()
    client.writer.write(
        f"TEARDOWN {client.base}cam RTSP/1.0\r\nCSeq: 9\r\nSession: {session}\r\n\r\n".encode()
    )
    channel, goodbye = await client.packet()
    assert (channel, goodbye[9]) == (1, 203)
    assert b"200 OK" in await client.reader.readuntil(b"\r\n\r\n")
    broadcasts["cam"].publish(_unit(clock, key=True))
    assert (await client.ask("OPTIONS", "cam"))[0] == 200


async def test_a_lost_source_cuts_its_clients_and_nobody_elses(
    serving: Serving, broadcasts: dict[str, Broadcast], clock: FakeClock
) -> None:
    server, connect = serving
    hit, spared, late = await connect(), await connect(), await connect()
    await hit.play()
    await spared.play("other")
    server.lose("cam")
    assert await hit.gone()
    broadcasts["other"].publish(_unit(clock, key=True))
    assert (await spared.packet())[0] == 1
    late.writer.write(f"DESCRIBE {late.base}cam RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
    assert await late.gone()


async def test_a_restored_source_answers_again(serving: Serving) -> None:
    server, connect = serving
    server.lose("cam")
    server.restore("cam")
    client = await connect()
    assert (await client.ask("DESCRIBE", "cam"))[0] == 200


async def test_a_slow_client_does_not_delay_others(
    serving: Serving,
    broadcasts: dict[str, Broadcast],
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broadcast_module, "BACKLOG_LIMIT_BYTES", 100_000)
    slow, quick = await serving[1](), await serving[1]()
    await slow.play()
    await quick.play()
    pictures = 0
    for _ in range(300):
        broadcasts["cam"].publish(_unit(clock, key=True, size=50_000))
        while True:
            channel, packet = await quick.packet()
            if channel == 0 and packet[1] & 0x80:
                break
        pictures += 1
        clock.advance(0.01)
    assert pictures == 300


async def test_a_client_that_takes_nothing_is_cut_in_the_end(
    serving: Serving,
    broadcasts: dict[str, Broadcast],
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broadcast_module, "BACKLOG_LIMIT_BYTES", 100_000)
    client = await serving[1]()
    await client.play()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    listeners = broadcasts["cam"]._listeners
    async with asyncio.timeout(DEADLINE_S):
        while listeners:
            broadcasts["cam"].publish(_unit(clock, key=True, size=500_000))
            clock.advance(1)
            await asyncio.sleep(0)
    assert not listeners


async def test_pictures_left_out_show_as_missing_numbers(
    serving: Serving,
    broadcasts: dict[str, Broadcast],
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = await serving[1]()
    await client.play()
    broadcasts["cam"].publish(_unit(clock, key=True))
    monkeypatch.setattr(broadcast_module, "BACKLOG_LIMIT_BYTES", -1)
    broadcasts["cam"].publish(_unit(clock, key=False))
    monkeypatch.undo()
    broadcasts["cam"].publish(_unit(clock, key=False))
    broadcasts["cam"].publish(_unit(clock, key=True))
    await client.packet()
    numbers = [int.from_bytes((await client.packet())[1][2:4], "big") for _ in range(2)]
    assert (numbers[1] - numbers[0]) & 0xFFFF == 3


async def test_stopping_does_not_wait_for_a_client_that_reads_nothing(
    broadcasts: dict[str, Broadcast], clock: FakeClock
) -> None:
    serving = _serve(broadcasts, clock, "")
    server, connect = await anext(serving)
    client = await connect()
    await client.play()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    for _ in range(60):
        broadcasts["cam"].publish(_unit(clock, key=True, size=500_000))
    async with asyncio.timeout(DEADLINE_S):
        await server.stop()
    client.close()
    await serving.aclose()  # type: ignore[attr-defined]


async def test_clients_that_go_are_forgotten(serving: Serving, broadcasts: dict[str, Broadcast]) -> None:
    client = await serving[1]()
    await client.play()
    assert len(broadcasts["cam"]._listeners) == 1
    client.close()
    await _until(lambda: not broadcasts["cam"]._listeners)
