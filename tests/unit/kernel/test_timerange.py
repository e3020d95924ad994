"""The algebra that cutting rests on: nothing is lost, nothing is counted twice (invariant 5)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.timerange import TimeRange, merge, subtract

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Machines are shared: no example is judged by the time it takes."""

MOMENTS = st.integers(min_value=-60, max_value=60)
RANGES = st.builds(lambda pair: TimeRange(start_us=min(pair), end_us=max(pair)), st.tuples(MOMENTS, MOMENTS))
LISTS = st.lists(RANGES, max_size=8)


def moments(ranges: list[TimeRange]) -> set[int]:
    return {moment for part in ranges for moment in range(part.start_us, part.end_us)}


def test_a_range_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cannot end \(1\) before it starts \(2\)"):
        TimeRange(start_us=2, end_us=1)


@UNTIMED
@given(RANGES, RANGES)
def test_ranges_that_only_touch_have_nothing_in_common(one: TimeRange, other: TimeRange) -> None:
    common = one.intersect(other)
    assert moments([common] if common else []) == moments([one]) & moments([other])
    assert common is None or not common.empty
    assert common == other.intersect(one)


@UNTIMED
@given(RANGES, MOMENTS)
def test_the_end_of_a_range_is_outside_and_its_start_inside(wall: TimeRange, moment: int) -> None:
    assert wall.contains(moment) == (moment in moments([wall]))


@UNTIMED
@given(LISTS)
def test_merging_loses_no_moment_and_leaves_no_two_ranges_that_touch(parts: list[TimeRange]) -> None:
    merged = merge(parts)
    assert moments(merged) == moments(parts)
    assert all(left.end_us < right.start_us for left, right in pairwise(merged))
    assert not any(part.empty for part in merged)


@UNTIMED
@given(LISTS)
def test_merging_twice_changes_nothing(parts: list[TimeRange]) -> None:
    assert merge(merge(parts)) == merge(parts)


@UNTIMED
@given(LISTS, st.randoms(use_true_random=False))
def test_merging_does_not_depend_on_the_order(parts: list[TimeRange], random: object) -> None:
    shuffled = list(parts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert merge(shuffled) == merge(parts)


@UNTIMED
@given(RANGES, LISTS)
def test_what_is_left_and_what_was_taken_fill_the_whole_exactly(
    whole: TimeRange, parts: list[TimeRange]
) -> None:
    rest = subtract(whole, parts)
    taken = [common for part in merge(parts) if (common := part.intersect(whole))]
    assert moments(rest) | moments(taken) == moments([whole])
    assert not moments(rest) & moments(taken)
    pieces = sorted([*rest, *taken])
    assert sum(piece.duration_us for piece in pieces) == whole.duration_us
    assert not any(piece.empty for piece in rest)
    assert rest == sorted(rest)
