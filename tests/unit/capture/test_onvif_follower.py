"""What a device reports by itself while its stream is recorded: told, and never in the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from structlog.testing import capture_logs

from capture.health import HealthBoard
from capture.onvif.events import DeviceEvent, EventKind
from capture.onvif.follower import EventFollower, WithEvents, is_about
from capture.onvif.profiles import Profile
from capture.openers import openers
from capture.packets import Delivery
from kernel.clock import FakeClock, SystemClock
from kernel.model.footage import Codec, SourceState
from kernel.settings import CaptureSettings, SourceSpec
from simulator.onvif_device import OnvifDevice, OnvifSettings
from simulator.onvif_replies import Stream

SETTINGS = CaptureSettings(connect_seconds=2)
TAMPER = "tns1:RuleEngine/TamperDetector/Tamper"
STREAMS = [
    Stream(token=token, name=token, codec=Codec.H264, audio=None, width=1280, height=720, fps=25)
    for token in ("hall", "seat")
]


@pytest.fixture
async def device() -> AsyncIterator[OnvifDevice]:
    made = OnvifDevice(
        STREAMS,
        stream_url=lambda token: f"rtsp://127.0.0.1:9/{token}",
        replay_url=lambda token: f"rtsp://127.0.0.1:9/{token}",
        now_us=FakeClock().now_us,
        settings=OnvifSettings(),
    )
    await made.start("127.0.0.1", 0)
    yield made
    await made.stop()


def spec(port: int) -> SourceSpec:
    return SourceSpec(id="cam", content_kind="room", uri=f"onvif://127.0.0.1:{port}/hall", label_zh="cam")


class Silent:
    """A stream that plays."""

    def __init__(self) -> None:
        self.closed = False

    async def read(self) -> Sequence[Delivery]:
        return []

    async def close(self) -> None:
        self.closed = True


async def until(what) -> None:
    async with asyncio.timeout(10):
        while not what():  # noqa: ASYNC110 - it looks at a device that nobody signals
            await asyncio.sleep(0.01)


class Board:
    """Notes as a source's health shows them."""

    def __init__(self) -> None:
        self.board = HealthBoard(FakeClock())
        self.board.say("cam", SourceState.RECORDING)

    @property
    def detail(self) -> str:
        self.board.say("cam", SourceState.RECORDING)
        self.board.still_here()
        return self.board.take_changed()[0].detail


async def test_what_lasts_stands_beside_the_health_until_it_is_over_or_the_stream_ends(
    device: OnvifDevice,
) -> None:
    shown, stream = Board(), Silent()
    follower = EventFollower(spec(device.port), SETTINGS, FakeClock(), shown.board.note)
    source = WithEvents(stream, follower)
    await until(lambda: device.subscribers)
    assert await source.read() == []
    with capture_logs() as logged:
        device.report(TAMPER, IsTamper="true")
        await until(lambda: shown.detail)
        assert shown.detail == "The device reports: tamper (RuleEngine/TamperDetector/Tamper)."
        device.report(TAMPER, IsTamper="false")
        await until(lambda: not shown.detail)
        device.report(TAMPER, IsTamper="true")
        await until(lambda: shown.detail)
    said = [(one["source"], one["kind"], one["lasts"]) for one in logged if one["action"] == "onvif.event"]
    assert said == [("cam", "tamper", True), ("cam", "tamper", False), ("cam", "tamper", True)]
    await source.close()
    assert stream.closed
    assert shown.detail == ""
    await until(lambda: not device.subscribers)  # the device's memory is given back


async def test_an_event_of_another_sensor_is_not_told_of_this_source(device: OnvifDevice) -> None:
    shown = Board()
    source = WithEvents(Silent(), EventFollower(spec(device.port), SETTINGS, FakeClock(), shown.board.note))
    await until(lambda: device.subscribers)
    device.report("tns1:VideoSource/SignalLoss", sensor="seat", State="true")
    device.report(TAMPER, sensor="hall", IsTamper="true")
    await until(lambda: shown.detail)
    assert shown.detail == "The device reports: tamper (RuleEngine/TamperDetector/Tamper)."
    await source.close()
    await until(lambda: not device.subscribers)


async def test_a_device_that_dies_costs_its_stream_nothing(device: OnvifDevice) -> None:
    shown, stream = Board(), Silent()
    follower = EventFollower(spec(device.port), SETTINGS, FakeClock(), shown.board.note)
    source = WithEvents(stream, follower)
    await until(lambda: device.subscribers)
    device.report(TAMPER, IsTamper="true")
    await until(lambda: shown.detail)
    await device.stop()
    await until(lambda: not shown.detail)  # what lasts is not known any more
    assert await source.read() == []
    await source.close()
    assert stream.closed


def profile(source: str, config: str) -> Profile:
    return Profile(
        token=source,
        name=source,
        video_source=source,
        codec=Codec.H264,
        width=1,
        height=1,
        frame_rate=25,
        key_interval=50,
        bit_rate_kbps=1,
        audio=None,
        video_config=config,
    )


def event(token: str) -> DeviceEvent:
    return DeviceEvent(
        at_us=None, kind=EventKind.TAMPER, topic="T", data=(("State", "true"),), where=(("Source", token),)
    )


@pytest.mark.parametrize(
    ("token", "mine"), [("s0", True), ("c0", True), ("s1", False), ("c1", False), ("unknown", True)]
)
def test_a_device_with_two_sensors_names_the_one_that_it_means(token: str, mine: bool) -> None:
    ours, other = profile("s0", "c0"), profile("s1", "c1")
    assert is_about(event(token), ours, [ours, other]) is mine


def test_how_things_stood_before_and_motion_are_no_news() -> None:
    notes: list[str] = []
    follower = EventFollower(spec(80), SETTINGS, FakeClock(), lambda _, text: notes.append(text))
    with capture_logs() as logged:
        for kind, news in ((EventKind.REBOOT, False), (EventKind.MOTION, True), (EventKind.OTHER, True)):
            follower.take(DeviceEvent(at_us=None, kind=kind, topic="T", data=(), news=news))
    assert logged == []
    assert notes == []


async def test_other_sources_are_opened_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Silent()

    async def open_it(*_: object) -> Silent:
        return stream

    monkeypatch.setattr("capture.openers.open_source", open_it)
    clock = SystemClock()
    other = spec(80).model_copy(update={"uri": "rtsp://127.0.0.1/x"})
    async with openers([other], SETTINGS, clock, lambda *_: None) as opener:
        assert await opener(other, SETTINGS, clock) is stream
        followed = await opener(spec(9), SETTINGS, clock)
        assert isinstance(followed, WithEvents)
        await followed.close()
