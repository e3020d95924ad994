"""What a probe measures and what it says about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from capture.packets import PacketsLost, TrackStarted
from capture.probe.judge import Aspect, judge
from capture.probe.measure import Measured, Meter
from kernel.clock import SECOND_US
from kernel.model.footage import Codec, Packet, TrackInfo

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


def test_b_frames_are_noticed_by_the_order_of_the_pictures(bframe_video: Any) -> None:
    assert Aspect.ORDER in aspects(measured(bframe_video))


def test_few_key_frames_are_told(make_video: Callable[..., Any]) -> None:
    assert Aspect.KEY_FRAMES in aspects(measured(make_video(250, gop=125)))  # every 5 s
    assert Aspect.KEY_FRAMES in aspects(measured(make_video(100, gop=250)))  # one
    assert Aspect.KEY_FRAMES not in aspects(measured(make_video(250, gop=100)))  # every 4 s


def test_a_source_without_reports_is_dated_by_arrival(video: Any) -> None:
    found = measured(video, video.packets(reported=False))
    assert found.clock_offset_us is None
    assert Aspect.CLOCK in aspects(found)


def test_a_clock_that_is_off_is_told(video: Any) -> None:
    late = [replace(one, wall_us=(one.wall_us or 0) - 3 * SECOND_US) for one in video.packets()]
    assert Aspect.CLOCK in aspects(measured(video, late))


def test_the_clock_that_onvif_tells_counts_where_there_are_no_reports(video: Any) -> None:
    found = measured(video, video.packets(reported=False))
    said = [one.said for one in judge(found, None, 90 * SECOND_US)]
    assert any("+90.0 s" in one for one in said)


def test_a_camera_that_declares_25_and_sends_21_is_found_out(video: Any) -> None:
    slow = [
        replace(one, arrival_us=START_US + number * SECOND_US // 21)
        for number, one in enumerate(video.packets())
    ]
    found = measured(video, slow)
    assert found.video is not None
    assert found.video.frame_rate == pytest.approx(21, rel=0.01)
    assert len([one for one in judge(found, 25, None) if one.aspect is Aspect.FRAME_RATE]) == 2


def test_the_burst_of_old_pictures_at_the_beginning_does_not_count(video: Any) -> None:
    packets = video.packets()
    burst = [replace(one, arrival_us=packets[40].arrival_us) for one in packets[:40]] + packets[40:]
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
        spoken = replace(one, codec=Codec.G711A, pts=number * 320, data=bytes(320), key=True)
        meter.take(spoken)
    found = meter.measured().sound
    assert found is not None
    assert found.bit_rate_kbps == pytest.approx(64, rel=0.02)


def test_a_file_is_measured_by_its_own_time_and_not_blamed_for_having_no_clock(video: Any) -> None:
    meter = Meter(START_US, paced=False)
    meter.take(video.started)
    for one in video.packets(reported=False):
        meter.take(replace(one, arrival_us=START_US))
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
