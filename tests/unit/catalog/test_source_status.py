"""Figures about sources: what counts, how much of it, and what no longer does."""

from __future__ import annotations

from dataclasses import astuple

import pytest

from catalog.catalogue import Catalogue
from kernel.model.cut import CutRules
from kernel.model.footage import GapCause, Run, RunOrigin, SegmentState
from kernel.timerange import TimeRange
from tests.support.sources import gap, segment


def wall(start_us: int, end_us: int) -> TimeRange:
    return TimeRange(start_us=start_us, end_us=end_us)


def add_run(catalogue: Catalogue, run_id: str, origin: RunOrigin, *spans: tuple[int, int]) -> None:
    """A run of the camera with segments of these times."""
    catalogue.footage.start_run(
        Run(id=run_id, source_id="cam", started_us=spans[0][0], ended_us=None, end_reason=None, origin=origin)
    )
    for number, (start_us, end_us) in enumerate(spans):
        catalogue.footage.add_segment(segment(number, start_us, end_us, run_id=run_id))


def remove(catalogue: Catalogue, *ids: str) -> None:
    rules = CutRules(pre_roll_us=0, post_roll_us=0)
    catalogue.removal.release(ids, rules, at_us=9, reason="age", principal="test")
    catalogue.removal.finish(ids)


# --- gaps


@pytest.mark.parametrize(
    ("start_us", "end_us", "counted"),
    [
        (0, 100, []),
        (0, 101, [(1, 1)]),
        (50, 150, [(1, 50)]),
        (120, 130, [(1, 10)]),
        (190, 300, [(1, 10)]),
        (50, 300, [(1, 100)]),
        (200, 300, []),
        (150, None, [(1, 50)]),  # lasts
        (50, None, [(1, 100)]),
        (250, None, []),
    ],
)
def test_of_a_gap_the_part_inside_the_range_counts(
    catalogue: Catalogue, start_us: int, end_us: int | None, counted: list[tuple[int, int]]
) -> None:
    catalogue.footage.add_gap(gap("g", start_us, end_us))
    totals = catalogue.source_status.gaps_within(wall(100, 200))
    assert [(one.count, one.duration_us) for one in totals] == counted


def test_gaps_are_added_up_by_cause(catalogue: Catalogue) -> None:
    for name, cause in (("a", GapCause.NETWORK), ("b", GapCause.CRASH), ("c", GapCause.NETWORK)):
        catalogue.footage.add_gap(gap(name, 100, 110, cause))
    totals = [astuple(one) for one in catalogue.source_status.gaps_within(wall(0, 200))]
    assert totals == [("cam", GapCause.CRASH, 1, 10), ("cam", GapCause.NETWORK, 2, 20)]


def test_a_gap_that_lasts_is_no_part_of_what_only_grows(catalogue: Catalogue) -> None:
    """When it closes it may turn out shorter than it looked, and a counter must never fall."""
    catalogue.footage.add_gap(gap("a", 100, 110))
    catalogue.footage.open_gap(gap("b", 150, None))
    assert [astuple(one) for one in catalogue.source_status.closed_gaps()] == [
        ("cam", GapCause.CAMERA_LOST, 1, 10)
    ]


# --- segments


def test_the_newest_segment_is_the_one_that_shows_the_latest_time_and_is_still_there(
    catalogue: Catalogue,
) -> None:
    add_run(catalogue, "run-1", RunOrigin.LIVE, (0, 10), (30, 40), (40, 50))
    add_run(catalogue, "run-2", RunOrigin.BACKFILL, (10, 30))  # sealed last
    newest = catalogue.source_status.newest_segments(["cam", "screen"])
    assert {one: kept.segment.id for one, kept in newest.items()} == {"cam": "segment-run-1-2"}
    remove(catalogue, "segment-run-1-2")
    assert catalogue.source_status.newest_segments(["cam"])["cam"].segment.id == "segment-run-1-1"


def test_a_removed_segment_was_sealed_once_but_weighs_nothing(catalogue: Catalogue) -> None:
    add_run(catalogue, "run-1", RunOrigin.LIVE, (0, 10), (10, 20))
    remove(catalogue, "segment-run-1-0")
    status = catalogue.source_status
    assert status.sealed_counts(["cam", "screen"]) == {"cam": 2, "screen": 0}
    assert status.ring_bytes() == 1000
    kept = status.segment("segment-run-1-0")
    assert kept is not None
    assert kept.state is SegmentState.REMOVED
    assert status.segment("none") is None


def test_segments_of_a_range_are_those_that_touch_it_the_newest_first(catalogue: Catalogue) -> None:
    add_run(catalogue, "run-1", RunOrigin.LIVE, (0, 10), (10, 20), (20, 30), (30, 40))
    numbers = {
        (start_us, end_us, limit): [
            one.segment.sequence
            for one in catalogue.source_status.segments("cam", wall(start_us, end_us), limit)
        ]
        for start_us, end_us, limit in (
            (0, 40, 9),
            (15, 25, 9),
            (15, 35, 2),
            (10, 20, 9),
            (19, 20, 9),
            (40, 50, 9),
        )
    }
    assert numbers == {
        (0, 40, 9): [3, 2, 1, 0],
        (15, 25, 9): [2, 1],
        (15, 35, 2): [3, 2],
        (10, 20, 9): [1],
        (19, 20, 9): [1],
        (40, 50, 9): [],
    }


def test_segments_that_follow_each_other_are_one_stretch_cut_to_the_range(catalogue: Catalogue) -> None:
    add_run(catalogue, "run-1", RunOrigin.LIVE, (0, 10), (10, 20), (30, 40))
    add_run(catalogue, "run-2", RunOrigin.BACKFILL, (20, 30))
    found = catalogue.source_status.stretches("cam", wall(5, 35))
    assert [(one.origin, one.wall.start_us, one.wall.end_us) for one in found] == [
        (RunOrigin.LIVE, 5, 20),
        (RunOrigin.LIVE, 30, 35),
        (RunOrigin.BACKFILL, 20, 30),
    ]


def test_a_long_segment_that_began_before_the_range_covers_it(catalogue: Catalogue) -> None:
    add_run(catalogue, "run-1", RunOrigin.LIVE, (0, 1000))
    (found,) = catalogue.source_status.stretches("cam", wall(500, 600))
    assert found.wall == wall(500, 600)


def test_runs_of_a_range_are_those_that_touch_it_one_that_lasts_included(catalogue: Catalogue) -> None:
    for name, started_us, ended_us in (("a", 0, 10), ("b", 10, 20), ("c", 30, None)):
        run = Run(id=name, source_id="cam", started_us=started_us, ended_us=ended_us, end_reason=None)
        catalogue.footage.start_run(run)
    runs = catalogue.source_status.runs
    assert [one.id for one in runs("cam", wall(5, 100), 9)] == ["c", "b", "a"]
    assert [one.id for one in runs("cam", wall(10, 30), 9)] == ["b"]
    assert [one.id for one in runs("cam", wall(5, 100), 1)] == ["c"]
