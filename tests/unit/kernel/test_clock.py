"""Time: naive datetimes are refused, microseconds survive, the fake clock never waits (invariant 17)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.clock import SECOND_US, FakeClock, SystemClock, from_datetime, iso_utc, to_datetime

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Machines are shared: no example is judged by the time it takes."""

YEAR_2200_US = 7_258_118_400 * SECOND_US
WALL = st.integers(min_value=0, max_value=YEAR_2200_US)


def test_a_time_without_a_zone_is_no_time() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        from_datetime(datetime(2026, 3, 2, 9, 0))  # noqa: DTZ001 - the fault under test


def test_beijing_time_and_utc_of_one_moment_are_one_number() -> None:
    beijing = timezone(timedelta(hours=8))
    moment = from_datetime(datetime(2026, 3, 2, 9, 0, tzinfo=beijing))
    assert moment == from_datetime(datetime(2026, 3, 2, 1, 0, tzinfo=UTC)) == 1_772_413_200 * SECOND_US


@UNTIMED
@given(WALL)
def test_no_microsecond_is_lost_on_the_way_to_a_datetime_and_back(us: int) -> None:
    assert from_datetime(to_datetime(us)) == us


@UNTIMED
@given(WALL)
def test_iso_text_is_cut_to_the_millisecond_never_rounded_into_the_next(us: int) -> None:
    text = iso_utc(us)
    assert from_datetime(datetime.fromisoformat(text)) == us // 1000 * 1000


def test_iso_text_of_the_last_microsecond_of_a_second_stays_in_that_second() -> None:
    assert iso_utc(1_772_413_200_999_999) == "2026-03-02T01:00:00.999Z"
    assert iso_utc(1_772_413_200_001_000) == "2026-03-02T01:00:00.001Z"


async def test_sleeping_and_waiting_move_the_fake_clock_and_wait_for_nothing() -> None:
    clock = FakeClock(1_000)
    clock.sleep(3600)
    await clock.wait(0.5)
    assert clock.now_us() == 1_000 + 3600 * SECOND_US + 500_000
    assert clock.monotonic_us() == 3600 * SECOND_US + 500_000


def test_a_step_of_the_wall_clock_leaves_monotonic_time_alone() -> None:
    clock = FakeClock(10 * SECOND_US)
    clock.step_wall(-4.5)
    assert (clock.now_us(), clock.monotonic_us()) == (5_500_000, 0)


def test_the_machines_clock_tells_microseconds_and_never_runs_backward() -> None:
    clock = SystemClock()
    readings = [clock.monotonic_us() for _ in range(100)]
    assert readings == sorted(readings)
    assert to_datetime(clock.now_us()).year >= 2024
