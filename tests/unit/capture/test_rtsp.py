"""RTSP messages, descriptions, credentials and the client against a device that misbehaves."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from capture.packets import TrackStarted
from capture.rtsp.auth import Credentials, parse_challenges, strongest
from capture.rtsp.line import Line, unreachable
from capture.rtsp.message import Headers, Interleaved, MessageParser, Request, Response
from capture.rtsp.sdp import control_uri, parse_sdp
from capture.rtsp.stream import open_rtsp
from kernel.clock import SystemClock
from kernel.errors import (
    CodecUnsupported,
    NetworkDown,
    SourceError,
    SourceHasNoVideo,
    SourceNotFound,
    SourceProtocolError,
    SourceRefused,
    SourceSendsGarbage,
    SourceUnreachable,
)
from kernel.model.footage import Codec, Packet
from kernel.settings import CaptureSettings, SourceSpec

ANSWER = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Length: 5\r\n\r\nhello"
FRAME = b"$\x00\x00\x03abc"
ASKED = b"OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n"


@given(st.lists(st.integers(1, 40), max_size=20))
def test_messages_are_found_however_the_bytes_come(cuts: list[int]) -> None:
    data, parser, found = FRAME + ANSWER + FRAME + b"\r\n" + ASKED + FRAME, MessageParser(), []
    for cut in cuts:
        found += parser.feed(data[:cut])
        data = data[cut:]
    found += parser.feed(data)
    kinds = [type(one) for one in found]
    assert kinds == [Interleaved, Response, Interleaved, Request, Interleaved]
    assert found[1].body == b"hello"
    assert found[0] == Interleaved(0, b"abc")


@pytest.mark.parametrize(
    "data", [b"\x00\x01\x02\x03", b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 70_000, b"RTSP/1.0 huh\r\n\r\n"]
)
def test_other_bytes_are_an_error(data: bytes) -> None:
    with pytest.raises(SourceProtocolError):
        MessageParser().feed(data)


@pytest.mark.parametrize(
    "data",
    [
        b"OPTIONS * RTSP/1.0\r\nA: " + b"a" * 20_000,
        b"OPTIONS * RTSP/1.0\r\nA: " + b"a" * 20_000 + b"\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nContent-Length: 300000\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"RTSP/1.0 " + b"2" * 5000 + b" OK\r\n\r\n",
    ],
)
def test_messages_are_bounded(data: bytes) -> None:
    with pytest.raises(SourceProtocolError):
        MessageParser().feed(data)


def test_header_names_have_no_case() -> None:
    headers = Headers(fields=(("session", "1"),))
    assert headers.get("Session") == "1"
    assert headers.get("nothing", "x") == "x"


SDP = """v=0
a=control:*
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z2QAKKzZQHgCJ+XARAAAAwAEAAADAMg8YMZY,aO48gA==
a=control:trackID=1
m=audio 0 RTP/AVP 8
a=control:rtsp://other/track2
m=application 0 RTP/AVP 107
"""


def test_description_of_a_camera() -> None:
    told = parse_sdp(SDP)
    video, audio, _ = told.media
    assert (video.encoding, video.clock_rate, video.control) == ("H264", 90_000, "trackID=1")
    assert video.parameters["packetization-mode"] == "1"
    assert (audio.encoding, audio.clock_rate) == ("PCMA", 8000)  # static, without rtpmap


@given(st.text(max_size=200))
def test_no_description_breaks_the_parser(text: str) -> None:
    parse_sdp(text)
    parse_sdp("m=" + text)


def test_control_uris() -> None:
    assert control_uri("rtsp://h/a?x=1", "trackID=1") == "rtsp://h/a?x=1/trackID=1"
    assert control_uri("rtsp://h/a/", "t") == "rtsp://h/a/t"
    assert control_uri("rtsp://h/a", "*") == "rtsp://h/a"
    assert control_uri("rtsp://h/a", "rtsp://h/b") == "rtsp://h/b"


def test_the_strongest_challenge_is_answered() -> None:
    fields = [
        'Basic realm="x"',
        'Digest realm="x", nonce="n", algorithm=MD5, qop="auth", '
        'Digest realm="x", nonce="m", algorithm=SHA-256',
    ]
    found = strongest(parse_challenges(fields))
    assert found is not None
    assert (found.scheme, found.algorithm, found.parameters["nonce"]) == ("digest", "SHA-256", "m")


def test_digest_as_rfc_2617_computes_it() -> None:
    who = Credentials(username="Mufasa", password="Circle Of Life")
    assert who.accept(['Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'])
    line = who.authorization("GET", "/dir/index.html") or ""
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in line
    assert "Circle" not in line
    assert "Circle" not in repr(who)


def test_digest_with_qop_counts_its_uses() -> None:
    who = Credentials(username="u", password="p")
    assert who.accept(['Digest realm="r", nonce="n", qop="auth,auth-int", algorithm=SHA-256'])
    who.authorization("PLAY", "rtsp://h/")
    line = who.authorization("PLAY", "rtsp://h/") or ""
    nonce = re.search(r'cnonce="(\w+)"', line).group(1)
    sha = lambda text: hashlib.sha256(text.encode()).hexdigest()  # noqa: E731
    expected = sha(f"{sha('u:r:p')}:n:00000002:{nonce}:auth:{sha('PLAY:rtsp://h/')}")
    assert "nc=00000002" in line
    assert expected in line


def test_the_same_nonce_again_means_refused_a_stale_one_does_not() -> None:
    who = Credentials(username="u", password="p")
    assert who.accept(['Digest realm="r", nonce="n"'])
    assert not who.accept(['Digest realm="r", nonce="n"'])
    assert who.accept(['Digest realm="r", nonce="n2", stale=true'])
    assert not Credentials(username="", password="").accept(['Basic realm="r"'])


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SECRET = "s3cr3t-Pa55"


class Device:
    """A scripted device: answers by method, then does what the test wants."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, str] = {}
        self.sdp = SDP
        self.before_play = b""
        self.after_play: list[bytes] = []
        self.reports: list[tuple[int, bytes]] = []
        self.mute = False
        self.hang_up = False
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not self.mute:
                text = await self._request(reader)
                method = text.split(" ")[0]
                self.asked.append(text)
                await self._answer(method, re.search(r"CSeq: (\d+)", text).group(1), writer)
            await asyncio.sleep(30)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader) -> str:
        """The next request; reports that lie between are kept."""
        while (first := await reader.readexactly(1)) == b"$":
            channel, size = struct.unpack(">BH", await reader.readexactly(3))
            self.reports.append((channel, await reader.readexactly(size)))
        return (first + await reader.readuntil(b"\r\n\r\n")).decode()

    async def _answer(self, method: str, cseq: str, writer: asyncio.StreamWriter) -> None:
        status = self.answers.get(method, "200 OK")
        if method == "SETUP" and "track2" in self.asked[-1]:
            status = self.answers.get("SETUP of sound", status)
        body = self.sdp if method == "DESCRIBE" and status == "200 OK" else ""
        head = f"RTSP/1.0 {status}\r\nCSeq: {cseq}\r\nSession: 77;timeout=2\r\nPublic: GET_PARAMETER\r\n"
        writer.write(self.before_play if method == "PLAY" else b"")
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        if method == "PLAY":
            for piece in self.after_play:
                writer.write(piece)
            if self.hang_up:
                writer.close()


@pytest.fixture
async def device() -> AsyncIterator[Device]:
    made = Device()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


async def open_device(device: Device, **settings: float):
    spec = SourceSpec(
        id="seat-1",
        content_kind="room",
        uri=f"rtsp://127.0.0.1:{device.port}/stream?token={SECRET}",
        username="admin",
        password=SecretStr(SECRET),
        label_zh="x",
    )
    return await open_rtsp(spec, CaptureSettings(**{"connect_seconds": 5, **settings}), SystemClock())


def interleaved(channel: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0x24, channel, len(payload)) + payload


def picture(sequence: int, timestamp: int) -> bytes:
    return interleaved(0, struct.pack(">BBHII", 0x80, 0xE0, sequence, timestamp, 7) + b"\x65\x88\x80rest")


async def test_data_before_the_answer_to_play_is_kept(device: Device) -> None:
    device.before_play = picture(1, 0)
    device.after_play = [picture(2, 3600), ASKED, picture(3, 7200)]
    stream = await open_device(device)
    packets: list[Packet] = []
    while len(packets) < 3:
        packets += [one for one in await stream.read() if isinstance(one, Packet)]
    assert [one.pts for one in packets] == [0, 3600, 7200]
    await stream.close()


async def test_a_device_that_floods_instead_of_answering_is_given_up(device: Device) -> None:
    over = asyncio.Event()

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while True:
                writer.write(interleaved(0, bytes(65_535)))
                await writer.drain()
        writer.close()
        over.set()

    async with await asyncio.start_server(flood, "127.0.0.1", 0) as server:
        device.port = server.sockets[0].getsockname()[1]
        with pytest.raises(
            SourceSendsGarbage, match="source seat-1: the device sends data instead of answers"
        ):
            await open_device(device, connect_seconds=60)
        await over.wait()


async def test_who_has_much_to_say_does_not_stop_the_others() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    line = Line(ours, name="seat-1", clock=SystemClock())
    theirs.sendall(bytes(100))
    gone_on: list[int] = []
    other = asyncio.get_running_loop().call_soon(gone_on.append, 1)
    assert await line.next() == bytes(100)
    assert gone_on
    other.cancel()
    line.close()
    theirs.close()


def test_that_the_other_end_hung_up_is_seen_before_all_is_read() -> None:
    ours, theirs = socket.socketpair()
    line = Line(ours, name="seat-1", clock=SystemClock())
    theirs.sendall(b"still unread")
    assert not line.hung_up
    theirs.close()
    assert line.hung_up
    line.close()


async def test_goodbye_ends_the_stream(device: Device) -> None:
    device.after_play = [interleaved(1, struct.pack(">BBHI", 0x81, 203, 1, 7))]
    stream = await open_device(device)
    with pytest.raises(SourceUnreachable, match=r"seat-1.*ended"):
        while True:
            await stream.read()
    await stream.close()


async def test_sound_alone_does_not_keep_a_source_alive(device: Device) -> None:
    sound = interleaved(2, struct.pack(">BBHII", 0x80, 8, 1, 0, 9) + bytes(160))
    device.after_play = [sound] * 3
    stream = await open_device(device, silence_seconds=0.2)
    with pytest.raises(SourceUnreachable, match="no picture"):
        while True:
            await stream.read()
    await stream.close()


async def test_the_session_is_kept_alive_within_its_time_out(device: Device) -> None:
    device.after_play = [picture(1, 0)]
    stream = await open_device(device, silence_seconds=3)
    while not any(text.startswith("GET_PARAMETER") for text in device.asked):
        await stream.read()
    await stream.close()


async def test_what_was_received_is_reported(device: Device) -> None:
    told = struct.pack(">BBHIQIII", 0x80, 200, 6, 7, 0x1122_3344_5566_7788, 0, 1, 2)
    device.after_play = [picture(1, 0), interleaved(1, told), picture(4, 3600)]
    stream = await open_device(device)
    while not device.reports:
        await stream.read()
        await asyncio.sleep(0)
    channel, report = device.reports[0]
    assert (channel, report[1]) == (1, 201)
    ssrc, lost, highest, _, newest = struct.unpack_from(">IIIII", report, 8)
    assert (ssrc, lost, highest, newest) == (7, 128 << 24 | 2, 4, 0x3344_5566)
    await stream.close()


async def test_a_device_that_hangs_up_is_lost(device: Device) -> None:
    device.hang_up = True
    stream = await open_device(device)
    with pytest.raises(SourceUnreachable, match="closed"):
        while True:
            await stream.read()
    await stream.close()


REFUSALS = [
    ("DESCRIBE", "401 Unauthorized", SourceRefused),
    ("DESCRIBE", "404 Not Found", SourceNotFound),
    ("SETUP", "461 Unsupported Transport", SourceProtocolError),
    ("PLAY", "503 Busy", SourceUnreachable),
]


@pytest.mark.parametrize(("method", "status", "error"), REFUSALS)
async def test_refusals_name_source_and_remedy_never_credentials(
    device: Device, method: str, status: str, error: type[SourceError]
) -> None:
    challenge = '\r\nWWW-Authenticate: Digest realm="r", nonce="n"' if "401" in status else ""
    device.answers[method] = f"{status} {SECRET}{challenge}"
    with pytest.raises(error) as caught:
        await open_device(device)
    said = str(caught.value)
    assert "seat-1" in said
    assert caught.value.remedy
    assert SECRET not in said + repr(caught.value)


async def test_a_mute_device_is_given_up(device: Device) -> None:
    device.mute = True
    with pytest.raises(SourceUnreachable, match="no answer to OPTIONS"):
        await open_device(device, connect_seconds=0.2)


async def test_a_closed_port_is_told(device: Device, unused_tcp_port_factory=None) -> None:
    device.port = 1
    with pytest.raises(SourceUnreachable, match="cannot be reached") as caught:
        await open_device(device)
    assert SECRET not in str(caught.value)


NO_WAY = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT)


@pytest.mark.parametrize("number", [*NO_WAY, errno.ECONNREFUSED, errno.ECONNRESET])
def test_nothing_comes_back_is_the_network_a_refusal_is_the_device(number: int) -> None:
    error = unreachable(OSError(number, "x"), "source seat-1: it cannot be reached")
    assert isinstance(error, NetworkDown) is (number in NO_WAY)
    assert isinstance(error, SourceUnreachable)
    assert "seat-1" in str(error)


async def test_an_address_from_which_nothing_comes_back_is_the_network(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(host: str, port: int) -> None:
        await asyncio.sleep(30)

    monkeypatch.setattr("capture.rtsp.line.connect", never)
    with pytest.raises(NetworkDown, match="nothing answers at"):
        await open_device(device)


async def test_no_video_and_unknown_codecs_are_told(device: Device) -> None:
    device.sdp = "v=0\nm=audio 0 RTP/AVP 8\n"
    with pytest.raises(SourceHasNoVideo, match="seat-1"):
        await open_device(device)
    device.sdp = "v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 MP4V-ES/90000\n"
    with pytest.raises(CodecUnsupported, match="MP4V-ES"):
        await open_device(device)


@pytest.mark.parametrize("status", ["404 Not Found", "461 Unsupported Transport", "500 Internal Error"])
async def test_sound_that_the_device_refuses_costs_the_sound_only(device: Device, status: str) -> None:
    device.answers["SETUP of sound"] = status
    device.after_play = [picture(1, 0)]
    stream = await open_device(device)
    codecs = [one.info.codec for one in await stream.read() if isinstance(one, TrackStarted)]
    assert codecs == [Codec.H264]
    assert sum(text.startswith("SETUP") for text in device.asked) == 2
    await stream.close()


async def test_broken_sound_costs_the_sound_only(device: Device) -> None:
    device.sdp = SDP.replace(
        "m=audio 0 RTP/AVP 8",
        "m=audio 0 RTP/AVP 97\na=rtpmap:97 MPEG4-GENERIC/16000\na=fmtp:97 mode=AAC-hbr; config=zz",
    )
    stream = await open_device(device)
    assert sum(text.startswith("SETUP") for text in device.asked) == 1
    await stream.close()
