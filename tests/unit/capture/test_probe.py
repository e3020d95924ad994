"""What a probe measures and what it says about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from capture.packets import PacketsLost, TrackStarted
from capture.probe.judge import REPORT_WAIT_S, Aspect, judge
from capture.probe.measure import Measured, Meter
from capture.probe.probe import probe
from kernel.clock import SECOND_US, FakeClock, SystemClock
from kernel.errors import SourceProtocolError, SourceUnreachable
from kernel.model.footage import Codec, Packet, TrackInfo
from kernel.model.source import ContentKind
from kernel.settings import CaptureSettings, SourceSpec

START_US = 1_772_420_400 * SECOND_US


def measured(video: Any, packets: list[Packet] | None = None) -> Measured:
    meter = Meter(START_US - SECOND_US)
    meter.take(video.started)
    for packet in video.packets() if packets is None else packets:
        meter.take(packet)
    return meter.measured()


def aspects(found: Measured, declared: float | None = None, offset_us: int | None = None) -> set[Aspect]:
    return {one.aspect for one in judge(found, declared, offset_us)}


def test_a_source_that_is_well_set_up_is_measured_and_praised(video: Any) -> None:
    found = measured(video)
    assert found.video is not None
    assert (found.video.codec, found.video.width, found.video.height) == (Codec.H264, 64, 48)
    assert found.video.profile.startswith("Constrained Baseline") or "level" in found.video.profile
    assert found.video.frame_rate == pytest.approx(25)
    assert found.video.stamped_rate == pytest.approx(25)
    assert found.video.key_interval_s == pytest.approx(1)
    assert found.clock_offset_us == 80_000  # 100 ms ahead, seen 20 ms later
    assert found.first_picture_us == SECOND_US + 20_000
    assert aspects(found, declared=25) == set()


def test_b_frames_are_noticed_by_the_order_of_the_pictures_and_fail_nothing(bframe_video: Any) -> None:
    [told] = judge(measured(bframe_video), None, None)
    assert (told.aspect, told.warning) == (Aspect.ORDER, True)


def test_few_key_frames_are_told(make_video: Callable[..., Any]) -> None:
    assert Aspect.KEY_FRAMES in aspects(measured(make_video(250, gop=125)))  # every 5 s
    assert Aspect.KEY_FRAMES in aspects(measured(make_video(100, gop=250)))  # one
    assert Aspect.KEY_FRAMES not in aspects(measured(make_video(250, gop=100)))  # every 4 s


def test_a_source_without_reports_is_dated_by_arrival(video: Any) -> None:
    found = replace(measured(video, video.packets(reported=False)), seconds=REPORT_WAIT_S)
    assert found.clock_offset_us is None
    [told] = judge(found, None, None)
    assert (told.aspect, told.warning, told.remedy) == (Aspect.CLOCK, False, "Turn RTCP on at the device.")


def test_of_a_short_look_without_a_report_only_that_is_said(video: Any) -> None:
    """After 3 s it said "Turn RTCP on"; reports come up to 6 s apart (RFC 3550, 6.2)."""
    [told] = judge(replace(measured(video, video.packets(reported=False)), seconds=3), None, None)
    assert (told.aspect, told.warning) == (Aspect.CLOCK, True)
    assert "in 3 s" in told.said
    assert "Turn RTCP on" not in told.remedy


@pytest.mark.parametrize(("codec", "word"), [(Codec.H265, "browsers"), (Codec.MJPEG, "room")])
def test_a_codec_with_a_drawback_is_told_and_fails_nothing(video: Any, codec: Codec, word: str) -> None:
    """H.265 got a check mark and no word."""
    found = measured(video)
    assert found.video is not None
    [told] = judge(replace(found, video=replace(found.video, codec=codec)), None, None)
    assert (told.aspect, told.warning) == (Aspect.VIDEO, True)
    assert word in told.said


def test_a_clock_that_is_off_is_told(video: Any) -> None:
    late = [one._replace(wall_us=(one.wall_us or 0) - 3 * SECOND_US) for one in video.packets()]
    assert Aspect.CLOCK in aspects(measured(video, late))


def test_the_clock_that_onvif_tells_counts_where_there_are_no_reports(video: Any) -> None:
    found = measured(video, video.packets(reported=False))
    said = [one.said for one in judge(found, None, 90 * SECOND_US)]
    assert any("+90.0 s" in one for one in said)


def test_a_camera_that_declares_25_and_sends_21_is_found_out(video: Any) -> None:
    slow = [
        one._replace(arrival_us=START_US + number * SECOND_US // 21)
        for number, one in enumerate(video.packets())
    ]
    found = measured(video, slow)
    assert found.video is not None
    assert found.video.frame_rate == pytest.approx(21, rel=0.01)
    assert len([one for one in judge(found, 25, None) if one.aspect is Aspect.FRAME_RATE]) == 2


def test_of_a_short_look_no_frame_rate_is_blamed(video: Any) -> None:
    """In 2 s a source of 10 a second was counted to 11.5, and the firmware was blamed."""
    hasty = [
        one._replace(arrival_us=START_US + number * SECOND_US // 29)
        for number, one in enumerate(video.packets(58))
    ]
    found = measured(video, hasty)
    assert Aspect.FRAME_RATE not in {one.aspect for one in judge(found, 25, None)}
    assert Aspect.FRAME_RATE in {one.aspect for one in judge(replace(found, seconds=10), 25, None)}


def test_the_burst_of_old_pictures_at_the_beginning_does_not_count(video: Any) -> None:
    packets = video.packets()
    burst = [one._replace(arrival_us=packets[40].arrival_us) for one in packets[:40]] + packets[40:]
    found = measured(video, burst)
    assert found.video is not None
    assert found.video.frame_rate == pytest.approx(25)


def test_losses_are_counted_of_all_tracks(video: Any) -> None:
    meter = Meter(START_US)
    meter.take(video.started)
    for one in video.packets():
        meter.take(one)
    meter.take(PacketsLost(codec=Codec.H264, count=3))
    meter.take(PacketsLost(codec=Codec.AAC, count=2))
    found = meter.measured()
    assert found.packets_lost == 5
    assert Aspect.LOSS in aspects(found)


def test_sound_is_measured_beside_the_picture(video: Any) -> None:
    meter = Meter(START_US)
    meter.take(video.started)
    sound = TrackInfo(codec=Codec.G711A, timescale=8000, sample_entry=b"", sample_rate=8000, channels=1)
    meter.take(TrackStarted(info=sound))
    for number, one in enumerate(video.packets()):
        meter.take(one)
        spoken = one._replace(codec=Codec.G711A, pts=number * 320, data=bytes(320), key=True)
        meter.take(spoken)
    found = meter.measured().sound
    assert found is not None
    assert found.bit_rate_kbps == pytest.approx(64, rel=0.02)


def test_a_file_is_measured_by_its_own_time_and_not_blamed_for_having_no_clock(video: Any) -> None:
    meter = Meter(START_US, paced=False)
    meter.take(video.started)
    for one in video.packets(reported=False):
        meter.take(one._replace(arrival_us=START_US))
    found = meter.measured()
    assert found.video is not None
    assert found.video.frame_rate == pytest.approx(25)
    assert found.seconds == pytest.approx(9.96)
    assert judge(found, None, None, "file") == []


def test_rtmp_is_told_to_carry_no_clock(video: Any) -> None:
    found = judge(measured(video, video.packets(reported=False)), None, None, "push+rtmp")
    assert ["RTMP" in one.said for one in found] == [True]


def test_a_source_that_sends_no_picture_is_told_so() -> None:
    assert aspects(Meter(START_US).measured()) == {Aspect.VIDEO}


# --- how long it looks


class Feed:
    """A source whose packets come when they are due by the clock; then nothing comes, but time passes."""

    def __init__(self, video: Any, packets: list[Packet], clock: FakeClock) -> None:
        self._waiting: list[Any] = [video.started, *packets]
        self._clock = clock
        self.closed = False

    async def read(self) -> list[Any]:
        await self._clock.wait(0.5)
        now_us = self._clock.now_us()
        due = [one for one in self._waiting if getattr(one, "arrival_us", 0) <= now_us]
        self._waiting = self._waiting[len(due) :]
        return due

    async def close(self) -> None:
        self.closed = True


SPEC = SourceSpec(id="cam", content_kind=ContentKind.ROOM, uri="rtsp://127.0.0.1:9/x", label_zh="x")


async def looked(
    monkeypatch: pytest.MonkeyPatch, video: Any, packets: list[Packet], uri: str = SPEC.uri
) -> tuple[Measured, list[tuple[float, float]]]:
    """What two seconds of probing find, and the progress that was told."""
    clock = FakeClock(START_US)
    feed = Feed(video, packets, clock)

    async def opened(*_: object) -> Feed:
        return feed

    async def no_trip(*_: object) -> None:
        return None

    monkeypatch.setattr("capture.probe.probe.open_source", opened)
    monkeypatch.setattr("capture.probe.probe._round_trip_us", no_trip)
    told: list[tuple[float, float]] = []
    spec = SPEC.model_copy(update={"uri": uri})
    found = await probe(spec, CaptureSettings(), clock, seconds=2, progress=lambda *one: told.append(one))
    assert feed.closed
    return found.measured, told


async def test_a_report_is_waited_for_beyond_the_time_that_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, video: Any
) -> None:
    silent, telling = video.packets(reported=False), video.packets()
    found, told = await looked(monkeypatch, video, silent[:150] + telling[150:])  # from 6 s on
    assert found.reports
    assert found.seconds < 8
    assert {whole for _, whole in told} == {2, REPORT_WAIT_S}


async def test_a_report_that_never_comes_is_waited_for_long_enough_to_say_so(
    monkeypatch: pytest.MonkeyPatch, make_video: Callable[..., Any]
) -> None:
    video = make_video(400)
    found, _ = await looked(monkeypatch, video, video.packets(reported=False))
    assert found.seconds > REPORT_WAIT_S - 1
    assert "Turn RTCP on at the device." in {one.remedy for one in judge(found, None, None)}


async def test_a_second_key_frame_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, make_video: Callable[..., Any]
) -> None:
    video = make_video(250, gop=100)  # every 4 s, which is well
    found, _ = await looked(monkeypatch, video, video.packets())
    assert judge(found, None, None) == []


async def test_nothing_is_waited_for_that_has_come_or_cannot_come(
    monkeypatch: pytest.MonkeyPatch, video: Any
) -> None:
    found, told = await looked(monkeypatch, video, video.packets())
    assert found.seconds < 2.1
    assert told[-1] == (2, 2)
    found, _ = await looked(monkeypatch, video, video.packets(reported=False), "rtmp://127.0.0.1:9/app/x")
    assert found.seconds < 2.1


# --- what else answers there


@pytest.mark.parametrize(
    ("scheme", "greeting", "said", "hint"),
    [
        ("rtsp", b"HTTP/1.1 400 Bad Request\r\n\r\n", "speaks HTTP, not RTSP", "port 554"),
        ("onvif", b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n", "speaks RTSP, not HTTP", "onvif://127.0.0.1;"),
    ],
)
async def test_a_port_of_another_service_is_named_with_the_likely_right_one(
    scheme: str, greeting: bytes, said: str, hint: str
) -> None:
    """Probing a web page blamed the firmware."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(greeting)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        spec = SPEC.model_copy(update={"uri": f"{scheme}://127.0.0.1:{port}/x"})
        with pytest.raises(SourceProtocolError, match=said) as caught:
            await probe(spec, CaptureSettings(), SystemClock(), seconds=2, progress=lambda *_: None)
    assert hint in caught.value.remedy
    assert "firmware" not in str(caught.value)


async def test_an_address_where_nothing_answers_is_told_as_that() -> None:
    with pytest.raises(SourceUnreachable, match="cannot be reached"):
        await probe(SPEC, CaptureSettings(), SystemClock(), seconds=2, progress=lambda *_: None)
