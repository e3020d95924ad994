"""The time at the recorder, as an agent knows it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.timekeeper import KeptOffset, Timekeeper
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import RecorderUnreachable

AHEAD_US = 7 * SECOND_US  # the computer's clock, of the recorder's


def over_a_network(clock: FakeClock, there: list[float], back: list[float]) -> Callable[[], int]:
    """A recorder that is asked over a network with such delays, seconds."""

    def ask() -> int:
        clock.advance(there.pop(0))
        told_us = clock.now_us() - AHEAD_US
        clock.advance(back.pop(0))
        return told_us

    return ask


def keeper(clock: FakeClock, slept: Callable[[], int] = lambda: 0) -> Timekeeper:
    return Timekeeper(clock, None, slept)


def test_the_quickest_exchange_counts() -> None:
    clock = FakeClock()
    times = keeper(clock)
    times.measure(over_a_network(clock, [0.9, 0.01, 0.5, 0.3], [0.0, 0.01, 0.0, 0.0]))
    assert times.offset_us == AHEAD_US
    assert times.now_us() == clock.now_us() - AHEAD_US


def test_a_lopsided_network_is_wrong_by_half_its_round_trip_at_most() -> None:
    clock = FakeClock()
    times = keeper(clock)
    times.measure(over_a_network(clock, [0.2] * 4, [0.0] * 4))
    assert abs(times.offset_us - AHEAD_US) <= SECOND_US // 10


def test_a_failed_exchange_leaves_the_time_as_it_was() -> None:
    clock = FakeClock()
    times = Timekeeper(clock, AHEAD_US, lambda: 0)

    def fail() -> int:
        raise RecorderUnreachable

    with pytest.raises(RecorderUnreachable):
        times.measure(fail)
    assert times.offset_us == AHEAD_US


def test_the_kept_offset_holds_until_the_recorder_is_heard_again() -> None:
    clock = FakeClock()
    times = Timekeeper(clock, AHEAD_US, lambda: 0)
    assert times.known
    assert times.now_us() == clock.now_us() - AHEAD_US
    assert not keeper(clock).known


@pytest.mark.parametrize("step_s", [3600, -3600, 1])
def test_a_step_of_the_computers_clock_is_noticed_once_and_moves_no_time(step_s: int) -> None:
    """Invariant 17."""
    clock = FakeClock()
    times = Timekeeper(clock, 0, lambda: 0)
    before_us = times.now_us()
    clock.step_wall(step_s)
    assert times.now_us() == before_us
    assert times.offset_us == step_s * SECOND_US
    assert [times.step_us(), times.step_us()] == [step_s * SECOND_US, 0]


def test_sleep_is_no_step() -> None:
    clock, slept = FakeClock(), [0]
    times = Timekeeper(clock, 0, lambda: slept[0])
    before_us = times.now_us()
    clock.step_wall(600)  # it goes on in sleep; monotonic time does not
    slept[0] = 600 * SECOND_US
    assert times.step_us() == 0
    assert times.now_us() - before_us == 600 * SECOND_US
    assert times.offset_us == 0


def test_a_slow_network_does_not_seem_to_move_the_time() -> None:
    clock = FakeClock()
    times = keeper(clock)
    times.measure(over_a_network(clock, [0.001] * 4, [0.001] * 4))
    times.measure(over_a_network(clock, [8.0] * 4, [0.0] * 4))
    assert times.offset_us == AHEAD_US


def test_a_damaged_file_of_the_offset_is_none(tmp_path: Path) -> None:
    (tmp_path / "offset").write_text("{")
    assert KeptOffset(tmp_path / "offset").value_us is None
