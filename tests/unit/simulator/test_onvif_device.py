"""The simulated ONVIF device: our client against it, and what it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

import pytest

from capture.onvif import device as asking
from capture.onvif import events, recordings
from capture.onvif.client import DeviceFault, OnvifClient
from capture.onvif.discovery import discover
from kernel.clock import SECOND_US, FakeClock, SystemClock
from kernel.errors import SourceNotFound, SourceRefused, SourceUnreachable
from kernel.model.footage import Codec
from kernel.settings import CaptureSettings, SourceSpec
from simulator.onvif_device import OnvifDevice, OnvifSettings
from simulator.onvif_discovery import answer_probes
from simulator.onvif_replies import Stream
from tests.support.peers import free_port

PLAIN = OnvifSettings(username="admin", password="secret")
STREAMS = tuple(
    Stream(token=token, name=token, codec=codec, audio=Codec.AAC, width=1280, height=720, fps=25)
    for token, codec in (("hall", Codec.H264), ("seat", Codec.H265))
)


@dataclass
class Served:
    """A device that listens, and how to reach it."""

    device: OnvifDevice
    clock: FakeClock

    def client(self, *, password: str = "secret", clock: FakeClock | None = None) -> OnvifClient:
        spec = SourceSpec(
            id="cam",
            content_kind="room",
            uri=f"onvif://127.0.0.1:{self.device.port}",
            username="admin",
            password=password,
            label_zh="cam",
        )
        return OnvifClient(spec, CaptureSettings(), clock or self.clock)


Serve = Callable[[OnvifSettings], Awaitable[Served]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    running: list[OnvifDevice] = []

    async def start(settings: OnvifSettings) -> Served:
        clock = FakeClock()
        made = OnvifDevice(
            STREAMS,
            stream_url=lambda token: f"rtsp://192.168.1.64:8554/{token}",
            replay_url=lambda token: f"rtsp://192.168.1.64:8554/{token}",
            now_us=clock.now_us,
            settings=settings,
        )
        await made.start("127.0.0.1", 0)
        running.append(made)
        return Served(made, clock)

    yield start
    for one in running:
        await one.stop()


@pytest.mark.parametrize("http_digest", [False, True])
@pytest.mark.parametrize("skew_s", [0.0, -7200.0, 86_400.0])
async def test_a_device_with_any_clock_and_either_login_tells_what_it_is(
    serve: Serve, skew_s: float, http_digest: bool
) -> None:
    served = await serve(replace(PLAIN, skew_s=skew_s, http_digest=http_digest))
    async with served.client() as client:
        assert (await asking.information(client)).manufacturer == "Jianzheng"
        assert abs((await client.clock()).offset_us - skew_s * SECOND_US) <= SECOND_US // 2


@pytest.mark.parametrize("http_digest", [False, True])
async def test_a_wrong_password_is_refused_and_not_repeated(serve: Serve, http_digest: bool) -> None:
    served = await serve(replace(PLAIN, http_digest=http_digest))
    async with served.client(password="wr0ng-word") as client:
        with pytest.raises(SourceRefused) as caught:
            await asking.information(client)
    assert "wr0ng-word" not in str(caught.value)


async def test_a_token_of_another_time_is_refused(serve: Serve) -> None:
    """So that the skew of a clock is really tested."""
    served = await serve(PLAIN)
    late = FakeClock(served.clock.now_us())
    async with served.client(clock=late) as client:
        await client.clock()
        late.step_wall(30)
        with pytest.raises(SourceRefused):
            await asking.information(client)


async def test_a_device_that_tells_its_time_to_users_only_is_asked_by_our_time(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.onvif_device._BEFORE_LOGIN", frozenset({"GetServices"}))
    served = await serve(PLAIN)
    async with served.client() as client:
        assert (await asking.information(client)).manufacturer == "Jianzheng"
        assert abs((await client.exact_clock()).offset_us) <= SECOND_US // 2


async def test_wrong_addresses_are_corrected_to_the_one_that_was_asked(serve: Serve) -> None:
    served = await serve(replace(PLAIN, told_host="0.0.0.0"))
    async with served.client() as client:
        profile, uri = await asking.chosen_stream(client, "hall")
    assert (profile.token, uri) == ("hall", "rtsp://127.0.0.1:8554/hall")


async def test_media2_is_preferred_since_only_that_knows_h265(serve: Serve) -> None:
    served = await serve(PLAIN)
    async with served.client() as client:
        service = await asking.media(client)
        picture = await asking.snapshot_uri(client, service, service.profiles[0])
    assert [one.codec for one in service.profiles] == [Codec.H264, Codec.H265]
    assert picture == f"http://127.0.0.1:{served.device.port}/snapshot/hall"


async def test_an_unknown_profile_is_named_with_those_that_there_are(serve: Serve) -> None:
    served = await serve(PLAIN)
    async with served.client() as client:
        with pytest.raises(SourceNotFound, match="it has: hall, seat"):
            await asking.chosen_stream(client, "nope")


async def test_an_operation_that_is_not_known_is_refused_by_name(serve: Serve) -> None:
    served = await serve(PLAIN)
    async with served.client() as client:
        with pytest.raises(DeviceFault, match=r"SetSystemFactoryDefault \(Sender, ActionNotSupported\)"):
            await client.device("SetSystemFactoryDefault")


async def test_what_happens_is_reported_to_subscribers(serve: Serve) -> None:
    served = await serve(PLAIN)
    async with served.client() as client:
        point = await events.subscribe(client)
        served.device.report("tns1:VideoSource/ImageTooDark", State="true")
        [event] = await point.pull(1)
        await point.renew()
        await point.end()
        with pytest.raises(DeviceFault):
            await point.pull(1)
    assert (event.kind, event.at_us) == (events.EventKind.TAMPER, served.clock.now_us())


async def test_what_it_kept_is_found_and_played_back_by_rtsp(serve: Serve) -> None:
    served = await serve(PLAIN)
    async with served.client() as client:
        kept = await recordings.search(client)
        uri = await recordings.replay_uri(client, "seat")
    assert [one.token for one in kept] == ["hall", "seat"]
    assert uri == "rtsp://127.0.0.1:8554/seat"


async def test_a_port_that_is_closed_is_a_device_that_cannot_be_reached(serve: Serve) -> None:
    served = await serve(PLAIN)
    client = served.client()
    await served.device.stop()
    async with client:
        with pytest.raises(SourceUnreachable, match="Connection refused"):
            await asking.information(client)


async def test_it_is_discovered_on_the_interface_that_was_asked() -> None:
    port = free_port()
    answers = await answer_probes(
        "127.0.0.1",
        address=f"http://127.0.0.1:{port}/onvif/device_service",
        scopes=["onvif://www.onvif.org/name/Hall"],
        name="Hall",
    )
    try:
        found = await discover(["127.0.0.1"], SystemClock(), seconds=1)
    finally:
        answers.close()
    assert [(one.uri, one.scope("name")) for one in found if str(port) in one.uri] == [
        (f"onvif://127.0.0.1:{port}", "Hall")
    ]
