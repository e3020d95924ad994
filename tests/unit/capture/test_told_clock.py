"""Wall times that are told, not measured."""

from __future__ import annotations

import pytest

from capture.told_clock import ToldClock
from kernel.clock import SECOND_US
from kernel.errors import TimestampDiscontinuity
from kernel.model.footage import ClockBasis, Codec, Packet

START = 1_772_420_400 * SECOND_US


def packet(pts: int, wall_us: int | None) -> Packet:
    return Packet(codec=Codec.H264, pts=pts, data=b"x", key=True, arrival_us=0, wall_us=wall_us)


def test_the_told_time_counts_whatever_the_basis() -> None:
    for basis in (ClockBasis.DECLARED, ClockBasis.REPLAY):
        clock = ToldClock(90_000, basis)
        assert not clock.settled
        clock.observe(packet(900_000, START))
        assert (clock.settled, clock.waited_enough, clock.basis, clock.offset_us) == (True, True, basis, 0)
        assert clock.wall_us(900_000) == START
        assert clock.wall_us(990_000) == START + SECOND_US


def test_packets_that_tell_nothing_follow_the_one_that_did() -> None:
    clock = ToldClock(1000, ClockBasis.REPLAY)
    clock.observe(packet(0, START))
    clock.observe(packet(40, None))
    assert clock.wall_us(40) == START + 40_000


def test_wall_time_never_runs_backward() -> None:
    clock = ToldClock(1000, ClockBasis.REPLAY)
    clock.observe(packet(0, START))
    assert clock.wall_us(40) == START + 40_000
    clock.observe(packet(40, START - 60_000))
    assert clock.wall_us(80) == START + 40_000
    assert clock.wall_us(240) == START + 140_000


def test_a_hole_in_a_recording_is_another_run_where_its_time_stamps_do_not_show_it() -> None:
    clock = ToldClock(1000, ClockBasis.REPLAY)
    clock.observe(packet(0, START))
    clock.observe(packet(10_000, START + 10 * SECOND_US))
    with pytest.raises(TimestampDiscontinuity):
        clock.observe(packet(10_040, START + 70 * SECOND_US))


def test_nothing_is_guessed_before_a_time_is_told() -> None:
    with pytest.raises(TimestampDiscontinuity):
        ToldClock(1000, ClockBasis.DECLARED).wall_us(0)
