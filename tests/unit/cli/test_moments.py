"""Times as people see them: Beijing time with its offset, and fit to be given back."""

from __future__ import annotations

import pytest

from cli.moments import lasting, moment_us, shown, shown_range
from kernel.clock import SECOND_US
from kernel.timerange import TimeRange

AT_US = 1_772_420_400 * SECOND_US  # 2026-03-02T03:00Z


def test_a_moment_is_shown_in_beijing_time_with_its_offset() -> None:
    """The page does so; a command line in UTC made people search eight hours beside the event."""
    assert shown(AT_US) == "2026-03-02T11:00:00+08:00"
    assert shown(AT_US + 250_000) == "2026-03-02T11:00:00.250+08:00"


@pytest.mark.parametrize("after_us", [0, 1_000, 999_000, 86_399_999_000])
def test_what_is_shown_can_be_given_back_to_a_command(after_us: int) -> None:
    assert moment_us(shown(AT_US + after_us)) == AT_US + after_us


def test_a_range_names_both_ends() -> None:
    wall = TimeRange(start_us=AT_US, end_us=AT_US + 60 * SECOND_US)
    assert shown_range(wall) == "2026-03-02T11:00:00+08:00 - 2026-03-02T11:01:00+08:00"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (1.5, "1.5 s"),
        (59.9999, "59.999 s"),
        (60, "1 min"),
        (150, "2 min 30 s"),
        (3600, "1 h"),
        (5400.7, "1 h 30 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_length_is_told_in_the_units_that_people_use(seconds: float, said: str) -> None:
    assert lasting(round(seconds * SECOND_US)) == said
