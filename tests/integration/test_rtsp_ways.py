"""Our client against the simulated camera: datagrams, TLS, its memory, and what can go wrong with each."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import pytest

from capture.memory_rows import MemoryRows
from capture.packets import Delivery, PacketsLost, PacketSource, TrackStarted
from capture.rtsp import tls
from capture.rtsp.replay import open_rtsp_replay
from capture.rtsp.stream import RtspStream, open_rtsp
from capture.worker import record
from kernel.clock import SECOND_US, SystemClock
from kernel.errors import SourceError, SourceProtocolError, SourceRefused, SourceUnreachable
from kernel.isobmff.sample_entry import decoder_config
from kernel.model.footage import Codec, EndReason, GapCause, Packet, Segment
from kernel.model.source import ContentKind
from kernel.settings import CaptureSettings, RingSettings, Settings, SourceSpec, Transport
from kernel.timerange import TimeRange
from simulator import timestrip
from simulator.centre import SimulatedCentre, SimulatedSource
from simulator.certificate import self_signed
from simulator.digest import Scheme

CLOCK = SystemClock()
SOURCE = SimulatedSource(
    id="cam",
    content_kind=ContentKind.SEAT_FACE,
    label_zh="席位",
    width=320,
    height=180,
    fps=15,
    audio=Codec.G711A,
)
PATIENT = CaptureSettings(connect_seconds=3, silence_seconds=1)


@asynccontextmanager
async def centre(**options: object) -> AsyncIterator[SimulatedCentre]:
    made = SimulatedCentre([SOURCE], clock=CLOCK, username="viewer", password="secret", **options)  # type: ignore[arg-type]
    async with made:
        yield made


def spec(served: SimulatedCentre, **values: object) -> SourceSpec:
    fields: dict[str, object] = {
        "id": "seat-1",
        "content_kind": "seat_face",
        "uri": served.url("cam", with_credentials=False),
        "username": "viewer",
        "password": "secret",
        "label_zh": "x",
    }
    return SourceSpec.model_validate(fields | values)


async def read_until(source: PacketSource, enough: Callable[[list[Delivery]], bool]) -> list[Delivery]:
    found: list[Delivery] = []
    async with asyncio.timeout(20):
        while not enough(found):
            found += await source.read()
    return found


def pictures(deliveries: Sequence[Delivery]) -> list[Packet]:
    return [one for one in deliveries if isinstance(one, Packet) and one.codec.is_video]


def at_least(count: int) -> Callable[[list[Delivery]], bool]:
    return lambda found: len(pictures(found)) >= count


async def failing(source: PacketSource) -> None:
    async with asyncio.timeout(20):
        while True:
            await source.read()


async def test_by_datagrams_all_comes_in_order_whatever_overtakes_what() -> None:
    async with centre() as served:
        served.faults("cam").swap_every = 3
        stream = await open_rtsp(spec(served, transport=Transport.UDP), PATIENT, CLOCK)
        found = await read_until(stream, at_least(40))
        await stream.close()
    assert not any(isinstance(one, PacketsLost) for one in found)
    stamps = [one.pts for one in pictures(found)]
    assert {b - a for a, b in pairwise(stamps)} <= {5940, 6030}  # 66 and 67 ms
    assert any(isinstance(one, Packet) and one.codec is Codec.G711A for one in found)
    assert all(one.wall_us is not None for one in pictures(found)[20:])


async def test_lost_datagrams_are_counted_and_cost_their_pictures_only() -> None:
    async with centre() as served:
        served.faults("cam").lose_every = 20
        stream = await open_rtsp(spec(served, transport=Transport.UDP), PATIENT, CLOCK)
        found = await read_until(stream, at_least(40))
        await stream.close()
    assert sum(one.count for one in found if isinstance(one, PacketsLost)) > 0
    stamps = [one.pts for one in pictures(found)]
    assert stamps == sorted(stamps)
    assert len(set(stamps)) == len(stamps)


async def test_a_camera_that_wants_receiver_reports_gets_them_by_either_way() -> None:
    async with centre() as served:
        served.server.demands_reports = True
        for transport in Transport:
            stream = await open_rtsp(spec(served, transport=transport), PATIENT, CLOCK)
            (listener,) = served._broadcasts["cam"]._listeners
            before_us = listener.alive_us

            def reported(_: object, listener: object = listener, before_us: int = before_us) -> bool:
                return listener.alive_us > before_us  # type: ignore[attr-defined]

            await read_until(stream, reported)
            await stream.close()
            while served._broadcasts["cam"]._listeners:  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.01)


async def test_the_end_of_the_control_connection_is_the_end_of_a_source_by_datagrams() -> None:
    async with centre() as served:
        stream = await open_rtsp(spec(served, transport=Transport.UDP), PATIENT, CLOCK)
        await read_until(stream, at_least(5))
        served.drop("cam")
        with pytest.raises(SourceUnreachable, match="seat-1"):
            await failing(stream)
        await stream.close()


@pytest.mark.parametrize("schemes", [[Scheme.SHA256, Scheme.MD5], [Scheme.MD5_QOP], [Scheme.BASIC]])
async def test_tls_with_a_pinned_certificate_and_every_kind_of_proof(schemes: list[Scheme]) -> None:
    async with centre(tls=True, schemes=schemes) as served:
        assert served.certificate is not None
        pinned = spec(served, certificate_sha256=served.certificate.sha256)
        assert pinned.scheme == "rtsps"
        stream = await open_rtsp(pinned, PATIENT, CLOCK)
        found = await read_until(stream, at_least(20))
        assert not any(isinstance(one, PacketsLost) for one in found)
        served.drop("cam")
        with pytest.raises(SourceUnreachable, match="seat-1"):
            await failing(stream)
        await stream.close()


@pytest.mark.parametrize("pin", ["", "ab" * 32])
async def test_another_certificate_is_refused_with_what_to_compare(pin: str) -> None:
    async with centre(tls=True) as served:
        assert served.certificate is not None
        with pytest.raises(SourceRefused) as caught:
            await open_rtsp(spec(served, certificate_sha256=pin), PATIENT, CLOCK)
        assert served.certificate.sha256 in caught.value.remedy
        assert "certificate_sha256" in caught.value.remedy
        assert "secret" not in str(caught.value)


async def test_a_certificate_of_a_trusted_authority_needs_no_pin_but_the_right_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with centre(tls=True) as served:
        assert served.certificate is not None
        trusted = tmp_path / "authorities.pem"
        trusted.write_bytes(served.certificate.pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        monkeypatch.setattr(tls, "_context", tls._context.__wrapped__)  # read them at each connection
        stream = await open_rtsp(spec(served), PATIENT, CLOCK)
        await read_until(stream, at_least(1))
        await stream.close()
    other = self_signed("192.0.2.7", CLOCK.now_us())
    monkeypatch.setattr("simulator.centre.self_signed", lambda *_: other)
    async with centre(tls=True) as served:
        trusted.write_bytes(other.pem)
        with pytest.raises(SourceRefused, match="cannot be verified"):
            await open_rtsp(spec(served), PATIENT, CLOCK)


async def test_a_camera_without_tls_is_told_as_such() -> None:
    async with centre() as served:
        uri = served.url("cam", with_credentials=False).replace("rtsp:", "rtsps:")
        with pytest.raises(SourceProtocolError, match="does not speak TLS"):
            await open_rtsp(spec(served, uri=uri), CaptureSettings(connect_seconds=0.3), CLOCK)

    async def complain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"RTSP/1.0 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(complain, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(SourceProtocolError, match="does not speak TLS"):
            await open_rtsp(spec(served, uri=f"rtsps://127.0.0.1:{port}/cam"), PATIENT, CLOCK)


async def test_a_camera_that_does_not_show_its_certificate_again_is_told_as_such() -> None:
    """The second connection is to tell what to pin; the gap must not say that we crashed."""
    made, calls = self_signed("127.0.0.1", CLOCK.now_us()), 0
    over = asyncio.Event()

    async def first_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            with suppress(ssl.SSLError):
                await writer.start_tls(made.context)
        else:
            await reader.read(-1)
            over.set()
        writer.close()

    async with await asyncio.start_server(first_only, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with centre() as served:
            at = spec(served, uri=f"rtsps://127.0.0.1:{port}/cam")
        with pytest.raises(SourceProtocolError, match="does not answer within"):
            await open_rtsp(at, CaptureSettings(connect_seconds=0.5), CLOCK)
        await over.wait()


def test_authorities_are_read_once() -> None:
    """It takes 25 ms, in which no other source is read."""
    for trusting in (False, True):
        assert tls._context(trusting=trusting) is tls._context(trusting=trusting)
    assert tls._context(trusting=False).verify_mode is ssl.CERT_REQUIRED


async def test_tls_never_comes_by_datagrams_in_the_clear() -> None:
    async with centre(tls=True) as served:
        with pytest.raises(SourceError, match="UDP"):
            await open_rtsp(spec(served, transport=Transport.UDP), PATIENT, CLOCK)


async def test_a_nonce_that_goes_stale_in_mid_stream_costs_nothing() -> None:
    async with centre(session_timeout_s=2) as served:
        stream = await open_rtsp(spec(served), PATIENT, CLOCK)
        await read_until(stream, at_least(1))
        served.server.guard.expire()
        answered = stream._client._credentials.challenge
        await read_until(stream, lambda _: stream._client._credentials.challenge is not answered)
        await stream.close()


async def test_a_hanging_camera_is_given_up() -> None:
    async with centre() as served:
        served.faults("cam").hanging = True
        with pytest.raises(SourceUnreachable, match="no answer"):
            await open_rtsp(spec(served), CaptureSettings(connect_seconds=0.3), CLOCK)


@pytest.mark.parametrize("transport", list(Transport))
async def test_a_frozen_camera_is_noticed(transport: Transport) -> None:
    async with centre() as served:
        stream = await open_rtsp(spec(served, transport=transport), PATIENT, CLOCK)
        await read_until(stream, at_least(3))
        served.faults("cam").frozen = True
        with pytest.raises(SourceUnreachable, match="no picture for 1 s"):
            await failing(stream)
        await stream.close()


async def test_another_size_in_mid_stream_is_told_before_its_first_picture() -> None:
    async with centre() as served:
        stream = await open_rtsp(spec(served), PATIENT, CLOCK)
        await read_until(stream, at_least(3))
        await served.become(
            SimulatedSource(
                id="cam", content_kind=ContentKind.SEAT_FACE, label_zh="席位", width=192, height=96, fps=15
            )
        )

        def changed(found: list[Delivery]) -> bool:
            return any(isinstance(one, TrackStarted) for one in found) and bool(pictures(found[-1:]))

        found = await read_until(stream, changed)
        await stream.close()
    at = next(number for number, one in enumerate(found) if isinstance(one, TrackStarted))
    news = found[at]
    assert isinstance(news, TrackStarted)
    assert (news.info.width, news.info.height) == (192, 96)
    assert pictures(found[at:])[0].key


@pytest.mark.parametrize("sound", [Codec.OPUS, Codec.G726])
async def test_jpeg_and_the_rarer_sounds_come_whole_and_with_their_time(sound: Codec) -> None:
    rare = replace(SOURCE, codec=Codec.MJPEG, audio=sound)
    async with SimulatedCentre([rare], clock=CLOCK, username="viewer", password="secret") as served:
        stream = await open_rtsp(spec(served), PATIENT, CLOCK)
        found = await read_until(stream, at_least(20))
        await served.become(replace(rare, width=192, height=96))
        found += await read_until(stream, lambda got: any(isinstance(one, TrackStarted) for one in got))
        await stream.close()
    assert not any(isinstance(one, PacketsLost) for one in found)
    sizes = [one.info.width for one in found if isinstance(one, TrackStarted) and one.info.codec.is_video]
    assert sizes == [320, 192]
    context = av.CodecContext.create("mjpeg", "r")
    for one in pictures(found):
        (frame,) = context.decode(av.Packet(one.data))  # type: ignore[attr-defined]
        strip = timestrip.read(frame.to_ndarray(format="gray"))
        assert strip is not None
        assert one.wall_us is not None
        assert abs(one.wall_us - strip * 1000) <= 20
    heard = [one for one in found if isinstance(one, Packet) and one.codec is sound]
    step = 960 if sound is Codec.OPUS else 160
    assert {after.pts - before.pts for before, after in pairwise(heard)} == {step}


async def test_another_codec_cuts_the_connection_and_is_there_afterwards() -> None:
    async with centre() as served:
        stream = await open_rtsp(spec(served), PATIENT, CLOCK)
        await read_until(stream, at_least(3))
        await served.become(
            SimulatedSource(
                id="cam",
                content_kind=ContentKind.SEAT_FACE,
                label_zh="席位",
                codec=Codec.H265,
                width=192,
                height=96,
                fps=15,
            )
        )
        with pytest.raises(SourceUnreachable):
            await failing(stream)
        await stream.close()
        stream = await open_rtsp(spec(served), PATIENT, CLOCK)
        found = await read_until(stream, at_least(2))
        assert {one.codec for one in pictures(found)} == {Codec.H265}
        await stream.close()


async def replayed(served: SimulatedCentre, wall: TimeRange, clock: SystemClock = CLOCK) -> list[Delivery]:
    one = spec(served)
    replay = await open_rtsp_replay(one, PATIENT, clock, uri=one.uri, wall=wall)
    found: list[Delivery] = []
    async with asyncio.timeout(30):
        async for deliveries in replay:
            found += deliveries
    await replay.close()
    return found


@pytest.mark.parametrize("bare", [False, True])
async def test_a_range_of_the_cameras_memory_has_the_time_of_every_picture(bare: bool) -> None:
    async with centre() as served:
        served.faults("cam").bare_replay = bare
        end_us = CLOCK.now_us() - 5 * SECOND_US
        wall = TimeRange(start_us=end_us - 8 * SECOND_US, end_us=end_us)
        found = await replayed(served, wall)
    shown = pictures(found)
    tolerance_us = 100 if bare else 0  # RTP time is told in ticks
    read = strips(found)
    assert all(
        abs(one.wall_us - strip * 1000) <= tolerance_us for one, strip in zip(shown, read, strict=True)
    )
    assert shown[0].wall_us <= wall.start_us + tolerance_us
    assert wall.end_us - shown[-1].wall_us < 70_000
    assert len(shown) == 8 * 15 + 1
    sound = [one for one in found if isinstance(one, Packet) and one.codec is Codec.G711A]
    assert {b.wall_us - a.wall_us for a, b in pairwise(sound)} <= {20_000, 19_999, 20_001}


def strips(found: Sequence[Delivery]) -> list[int]:
    """The times of the strips, decoded with the parameter sets that the description told."""
    started = next(one for one in found if isinstance(one, TrackStarted) and one.info.width)
    context = av.CodecContext.create("h264", "r")
    context.extradata = decoder_config(started.info.sample_entry).extradata
    frames = [
        frame
        for one in [*(av.Packet(one.data) for one in pictures(found)), None]
        for frame in context.decode(one)  # type: ignore[attr-defined]
    ]
    read = [timestrip.read(frame.to_ndarray(format="gray")) for frame in frames]
    assert None not in read
    return [one for one in read if one is not None]


async def test_a_replay_that_breaks_off_is_an_error_and_not_the_end() -> None:
    async with centre() as served:
        one = spec(served)
        end_us = CLOCK.now_us()
        wall = TimeRange(start_us=end_us - 3600 * SECOND_US, end_us=end_us)
        replay = await open_rtsp_replay(one, PATIENT, CLOCK, uri=one.uri, wall=wall)
        seen = 0
        with pytest.raises(SourceUnreachable):
            async for deliveries in replay:
                seen += len(pictures(deliveries))
                if seen > 10:
                    served.drop("cam")
        await replay.close()


async def test_a_range_that_is_not_there_is_an_error() -> None:
    async with centre() as served:
        one = spec(served)
        ahead = TimeRange(
            start_us=CLOCK.now_us() + SECOND_US * 3600, end_us=CLOCK.now_us() + SECOND_US * 3700
        )
        with pytest.raises(SourceProtocolError, match="457"):
            await open_rtsp_replay(one, PATIENT, CLOCK, uri=one.uri, wall=ahead)


async def test_a_stream_closes_what_it_opened() -> None:
    async with centre() as served:
        stream = await open_rtsp(spec(served, transport=Transport.UDP), PATIENT, CLOCK)
        assert isinstance(stream, RtspStream)
        await stream.close()
        await stream.close()


async def recorded(
    served: SimulatedCentre, root: Path, until: Callable[[MemoryRows], bool], **values: object
) -> tuple[MemoryRows, Path]:
    """What the recorder makes of the camera until then."""
    rows, stop = MemoryRows(), asyncio.Event()
    settings = Settings(
        data_dir=root,
        ring=RingSettings(segment_seconds=2, reserve_bytes=0),
        capture=CaptureSettings(retry_seconds=0.2, retry_max_seconds=0.5, report_seconds=1),
    )
    work = asyncio.create_task(record([spec(served, **values)], settings, rows, CLOCK, stop))
    async with asyncio.timeout(40):
        while not until(rows):  # noqa: ASYNC110 - rows change on another thread
            await asyncio.sleep(0.1)
        stop.set()
        await work
    return rows, settings.ring_dir


def decoded_sizes(ring: Path, segments: Sequence[Segment]) -> set[tuple[int, int]]:
    sizes = set()
    for one in segments:
        with av.open(str(ring / one.path)) as container:
            sizes |= {(frame.width, frame.height) for frame in container.decode(video=0)}
    return sizes


@pytest.mark.parametrize("codec", [Codec.MJPEG, Codec.H264])
async def test_another_size_is_another_run_and_no_picture_is_lost_by_it(codec: Codec, tmp_path: Path) -> None:
    small, large = (
        replace(SOURCE, codec=codec, width=192, height=96),
        replace(SOURCE, codec=codec, height=192),
    )
    async with SimulatedCentre([large], clock=CLOCK, username="viewer", password="secret") as served:
        changed: list[asyncio.Task[None]] = []

        def enough(rows: MemoryRows) -> bool:
            if not changed and rows.segments:
                changed.append(asyncio.create_task(served.become(small)))
            return len(rows.runs) == 2 and any(one.run_id == list(rows.runs)[1] for one in rows.segments)

        rows, ring = await recorded(served, tmp_path, enough)
        await changed[0]
    before, after = rows.runs.values()
    assert (before.end_reason, after.end_reason) == (EndReason.FORMAT_CHANGE, EndReason.STOPPED)
    runs = [[one for one in rows.segments if one.run_id == run.id] for run in (before, after)]
    assert [decoded_sizes(ring, segments) for segments in runs] == [{(320, 192)}, {(192, 96)}]
    assert after.started_us - before.ended_us < 70_000  # the next picture, 66 ms later at most


async def test_lost_datagrams_are_gaps_and_the_run_goes_on(tmp_path: Path) -> None:
    async with centre() as served:

        def enough(rows: MemoryRows) -> bool:
            served.faults("cam").lose_every = 100 if rows.segments else 0
            return len(rows.segments) >= 3

        rows, _ = await recorded(served, tmp_path, enough, transport=Transport.UDP)
    assert len(rows.runs) == 1
    lost = [gap for gap in rows.gaps if gap.cause is GapCause.DISCONTINUITY]
    assert lost
    assert all("lost" in gap.detail for gap in lost), {gap.detail for gap in lost}
