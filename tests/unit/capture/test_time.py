"""Wall times by reports and by arrival, clocks that drift and step, decode times of reordered pictures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.decode_order import DecodeOrder
from capture.run_clock import RunClock
from kernel.clock import SECOND_US
from kernel.errors import TimestampDiscontinuity
from kernel.model.footage import ClockBasis, Codec, Packet

START_US = 1_772_420_400 * SECOND_US


def packet(
    number: int, *, wall_us: int | None, delay_us: int = 20_000, key: bool = False, pts=None
) -> Packet:
    return Packet(
        codec=Codec.H264,
        pts=number * 3600 if pts is None else pts,
        data=b"",
        key=key,
        arrival_us=START_US + number * 40_000 + delay_us,
        wall_us=wall_us,
    )


def reported(number: int, ahead_us: int = 0, **more) -> Packet:
    return packet(number, wall_us=START_US + number * 40_000 + ahead_us, **more)


def fed(packets) -> RunClock:
    clock = RunClock(90_000, report_seconds=5)
    for one in packets:
        clock.observe(one)
    return clock


def test_wall_time_by_sender_reports_is_exact_whatever_the_network_delays() -> None:
    clock = fed(reported(n, delay_us=20_000 + n % 7 * 90_000) for n in range(50))
    assert clock.basis is ClockBasis.SENDER_REPORT
    assert clock.wall_us(0) == START_US
    assert clock.wall_us(3600 * 10) == START_US + 400_000
    assert clock.offset_us == -20_000


def test_packets_before_the_first_report_get_their_wall_time_afterwards() -> None:
    clock = fed(packet(n, wall_us=None) for n in range(60))
    assert not clock.settled
    clock.observe(reported(60))
    assert clock.settled
    assert clock.wall_us(0) == START_US


def test_without_reports_the_least_delayed_arrival_is_the_anchor() -> None:
    clock = fed(packet(n, wall_us=None, delay_us=300_000 - 200_000 * (n == 40)) for n in range(126))
    assert clock.settled
    assert clock.basis is ClockBasis.ARRIVAL
    assert (clock.wall_us(0), clock.offset_us) == (START_US + 100_000, 0)


@pytest.mark.parametrize(("ahead_s", "basis"), [(1.9, "sender_report"), (2.1, "arrival"), (-90, "arrival")])
def test_a_clock_far_from_the_recorders_is_measured_and_not_believed(ahead_s: float, basis: str) -> None:
    ahead_us = round(ahead_s * SECOND_US)
    clock = fed(reported(n, ahead_us, delay_us=10_000 + n % 5 * 400_000) for n in range(60))
    assert clock.basis.value == basis
    assert clock.offset_us == ahead_us - 10_000
    assert abs(clock.wall_us(0) - START_US - (ahead_us if basis == "sender_report" else 10_000)) <= 1


def test_a_burst_of_old_frames_does_not_look_like_a_clock_that_is_off() -> None:
    burst = [reported(n)._replace(arrival_us=START_US + 4 * SECOND_US) for n in range(100)]
    clock = fed([*burst, *(reported(n) for n in range(100, 140))])
    assert clock.basis is ClockBasis.SENDER_REPORT


@given(st.lists(st.integers(-400_000, 400_000), min_size=5, max_size=30))
def test_wall_time_never_runs_backward(report_jitter: list[int]) -> None:
    clock, before = RunClock(90_000, report_seconds=5), 0
    wall = 0
    for n in range(len(report_jitter) * 10):
        wall = report_jitter[n // 10]
        try:
            clock.observe(reported(n, wall))
        except TimestampDiscontinuity:
            return
        if clock.settled:
            now = clock.wall_us(n * 3600)
            assert now > before
            before = now


def test_drift_is_followed() -> None:
    clock = fed([])
    for n in range(25 * 600):
        drifted = n * 40_000 * 100 // 1_000_000  # 100 ppm: the RTP clock is slow, the reports are right
        clock.observe(reported(n, drifted))
        if clock.settled:
            last = clock.wall_us(n * 3600)
    assert abs(last - (START_US + n * 40_000 + drifted)) < 1000


def test_a_step_of_the_sources_clock_ends_the_run_at_the_next_key_frame() -> None:
    clock = fed(reported(n) for n in range(50))
    clock.wall_us(0)
    for n in range(50, 60):
        clock.observe(reported(n, 600_000))
    assert clock.wall_us(59 * 3600) == START_US + 59 * 40_000  # the old clock until then
    with pytest.raises(TimestampDiscontinuity, match=r"source's clock was set by \+0.600 s"):
        clock.observe(reported(60, 600_000, key=True))


def test_a_step_of_the_recorders_clock_ends_the_run_at_the_next_key_frame() -> None:
    clock = fed(reported(n) for n in range(50))
    clock.recorder_stepped(-3 * SECOND_US)
    clock.observe(reported(50, delay_us=-3 * SECOND_US))
    with pytest.raises(TimestampDiscontinuity, match="recorder's clock"):
        clock.observe(reported(51, key=True))


def test_a_clock_that_drifts_beyond_belief_ends_the_run() -> None:
    clock = RunClock(90_000, report_seconds=5)
    with pytest.raises(TimestampDiscontinuity, match="drifted"):
        for n in range(25 * 120):
            clock.observe(reported(n, 1_900_000 + n * 400, key=n % 25 == 0))


@pytest.mark.parametrize("jump", [-5 * 90_000, 11 * 90_000])
def test_time_stamps_that_jump_end_the_run_at_once(jump: int) -> None:
    clock = fed(packet(n, wall_us=None) for n in range(50))
    with pytest.raises(TimestampDiscontinuity, match="jumped"):
        clock.observe(packet(50, wall_us=None, pts=50 * 3600 + jump))


def test_a_pause_in_which_time_stamps_and_clock_both_go_on_is_no_jump() -> None:
    clock = fed(packet(n, wall_us=None) for n in range(50))
    clock.observe(packet(600, wall_us=None))


def order(numbers, reorder: int):
    ordering = DecodeOrder(reorder)
    pictures = []
    for number in numbers:
        pictures += ordering.push(packet(0, wall_us=None, pts=number))
    return pictures + ordering.flush()


def test_decode_times_of_b_frames_are_the_sorted_presentation_times() -> None:
    pictures = order([0, 3, 1, 2, 6, 4, 5, 7], reorder=1)
    assert [one.dts for one in pictures] == list(range(8))
    assert [one.closed for one in pictures] == [True, True, False, False, True, False, False, True]


def test_more_reordering_than_announced_keeps_presentation_exact_and_decode_times_rising() -> None:
    pictures = order([0, 4, 2, 1, 3, 8, 6, 5, 7], reorder=0)
    times = [one.dts for one in pictures]
    assert times == sorted(set(times))
    assert [one.packet.pts for one in pictures] == [0, 4, 2, 1, 3, 8, 6, 5, 7]


def test_slices_sent_as_units_of_their_own_are_one_picture() -> None:
    ordering = DecodeOrder(0)
    parts = [
        packet(0, wall_us=None)._replace(data=data, pts=pts)
        for data, pts in ((b"a", 0), (b"b", 0), (b"c", 9))
    ]
    pictures = [done for part in parts for done in ordering.push(part)] + ordering.flush()
    assert [one.packet.data for one in pictures] == [b"ab", b"c"]


def test_a_loss_between_two_slices_of_one_picture_is_told() -> None:
    ordering = DecodeOrder(0)
    slices = [packet(0, wall_us=None)._replace(data=data, pts=0) for data in (b"a", b"c", b"d")]
    for part, after_loss in zip(slices, (False, True, False), strict=True):
        assert ordering.push(part, after_loss) == []
    (picture,) = ordering.flush()
    assert (picture.packet.data, picture.after_loss) == (b"acd", True)


@given(st.permutations(range(12)))
def test_any_order_gives_rising_decode_times(numbers: list[int]) -> None:
    times = [one.dts for one in order(numbers, reorder=16)]
    assert times == list(range(12))
