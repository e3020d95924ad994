"""What a hold is told to cover: footage by its length, gaps by their seconds, nothing in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.catalogue import Catalogue
from catalog.coverage import Coverage, coverage
from cli.holding import hold_sources
from kernel.clock import SECOND_US, FakeClock
from kernel.errors import CatalogError
from kernel.model.footage import Backfill
from kernel.timerange import TimeRange, subtract
from tests.support.catalogue import add_segments, open_catalogue
from tests.support.sources import gap, segment

NOW = 1_772_420_400 * SECOND_US  # 2026-03-02T11:00+08:00
MINUTE = 60 * SECOND_US


def wall(start_minute: float, end_minute: float) -> TimeRange:
    """Minutes before (negative) or after now."""
    return TimeRange(start_us=NOW + round(start_minute * MINUTE), end_us=NOW + round(end_minute * MINUTE))


def found(
    whole: TimeRange, *segments: TimeRange, gaps: tuple[object, ...] = (), unsealed: int | None = None
) -> Coverage:
    return coverage(whole, segments, gaps, [], unsealed, NOW)  # type: ignore[arg-type]


def test_past_without_footage_or_gap_is_told_apart_from_what_is_still_to_come() -> None:
    told = found(wall(-10, 5), wall(-30, -5))
    assert (told.recorded, told.unknown, told.to_come) == ((wall(-10, -5),), (wall(-5, 0),), wall(0, 5))


def test_a_gap_inside_a_segment_is_no_footage() -> None:
    hole = gap("g", wall(-7, 0).start_us, wall(-6, 0).start_us)
    told = found(wall(-10, -5), wall(-10, -5), gaps=(hole,))
    assert told.recorded == (wall(-10, -7), wall(-6, -5))
    assert [part for part, _ in told.missed] == [wall(-7, -6)]


def test_a_gap_that_was_filled_is_footage_and_still_told() -> None:
    hole = replace(gap("g", wall(-7, 0).start_us, wall(-6, 0).start_us), backfill=Backfill.WHOLE)
    told = found(wall(-10, -5), wall(-10, -7), wall(-7, -6), wall(-6, -5), gaps=(hole,))
    assert (told.recorded, len(told.missed)) == ((wall(-10, -5),), 1)


def test_a_gap_that_goes_on_reaches_until_now_and_no_further() -> None:
    told = found(wall(-10, 5), gaps=(gap("g", wall(-2, 0).start_us, None),))
    assert [part for part, _ in told.missed] == [wall(-2, 0)]
    assert (told.unknown, told.to_come) == ((wall(-10, -2),), wall(0, 5))


def test_what_is_being_recorded_is_not_called_nothing() -> None:
    told = found(wall(-10, 5), wall(-30, -1), unsealed=wall(-1, 0).start_us)
    assert (told.unsealed, told.unknown, told.empty) == ((wall(-1, 0),), (), False)


def test_every_moment_of_the_range_is_told() -> None:
    told = found(wall(-10, 5), wall(-9, -8), gaps=(gap("g", wall(-7, 0).start_us, wall(-6, 0).start_us),))
    parts = [*told.recorded, *told.unknown, *(part for part, _ in told.missed)]
    assert told.to_come is not None
    assert subtract(told.wall, [*parts, told.to_come]) == []


# --- the command


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    """Ten minutes of a camera that ended an hour ago, with a gap in their middle."""
    made = open_catalogue(tmp_path)
    parts = [wall(-70, -66), wall(-65, -60)]
    add_segments(made, [segment(n, one.start_us, one.end_us) for n, one in enumerate(parts)])
    made.footage.add_gap(gap("g", wall(-66, 0).start_us, wall(-65, 0).start_us))
    yield made
    made.close()


@pytest.fixture
def hold(catalogue: Catalogue, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def made(start: str, end: str, source: str = "cam") -> str:
        between = (f"2026-03-02T{start}+08:00", f"2026-03-02T{end}+08:00")
        hold_sources(catalogue, [source], between, "case", "clerk", FakeClock(NOW))
        return capsys.readouterr().out

    return made


def test_a_hold_tells_how_much_it_keeps_and_which_seconds_are_gaps(hold: Callable[..., str]) -> None:
    told = hold("09:50", "10:00")
    assert "footage 9 min / 10 min" in told
    assert (
        "gap  2026-03-02T09:54:00+08:00 - 2026-03-02T09:55:00+08:00  (1 min)  camera_lost: no answer" in told
    )
    assert "NOTHING" not in told


def test_a_hold_over_nothing_stands_and_says_so_loudly(
    hold: Callable[..., str], catalogue: Catalogue
) -> None:
    told = hold("08:00", "09:00")
    assert "NOTHING is recorded" in told
    assert "no gap says why  2026-03-02T08:00:00+08:00 - 2026-03-02T09:00:00+08:00  (1 h)" in told
    assert len(catalogue.holds.all()) == 1


def test_a_hold_over_a_gap_alone_keeps_nothing_either(hold: Callable[..., str]) -> None:
    told = hold("09:54:10", "09:54:20")
    assert "NOTHING is recorded" in told
    assert "(10 s)  camera_lost" in told


def test_a_hold_may_cover_what_is_still_to_come(hold: Callable[..., str]) -> None:
    told = hold("12:00", "13:00")
    assert "NOTHING is recorded" in told
    assert "still to come" in told
    assert "no gap says why" not in told


def test_a_hold_of_a_source_that_is_none_is_refused_with_those_that_there_are(
    hold: Callable[..., str], catalogue: Catalogue
) -> None:
    with pytest.raises(CatalogError, match=r"no source cmera.*cam, screen"):
        hold("09:50", "10:00", source="cmera")
    assert catalogue.holds.all() == []


def test_very_many_gaps_are_counted_after_the_first(hold: Callable[..., str], catalogue: Catalogue) -> None:
    for number in range(40):
        at_us = wall(-70, 0).start_us + number * SECOND_US
        catalogue.footage.add_gap(gap(f"g{number}", at_us, at_us + 1000))
    told = hold("09:50", "10:00")
    assert told.count("\n") < 30
    assert "21 处 more" in told
