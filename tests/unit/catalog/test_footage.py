"""Rows of runs, segments, gaps and health, in a SQLite file."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import event

from catalog.catalogue import Catalogue
from catalog.database import reading
from kernel.chain import GENESIS_CHAIN
from kernel.model.footage import (
    Backfill,
    ClockBasis,
    EndReason,
    Gap,
    GapCause,
    Run,
    Segment,
    SourceHealth,
    SourceState,
)
from kernel.timerange import TimeRange
from tests.support.catalogue import add_segments


def wall(start: int, end: int) -> TimeRange:
    return TimeRange(start_us=start, end_us=end)


def run(run_id: str = "run-1", source: str = "cam", started: int = 0) -> Run:
    return Run(id=run_id, source_id=source, started_us=started, ended_us=None, end_reason=None)


def segment(number: int, start: int, end: int, *, source: str = "cam", run_id: str = "run-1") -> Segment:
    name = f"{source}-{run_id}-{number}"
    return Segment(
        id=name,
        run_id=run_id,
        source_id=source,
        sequence=number,
        wall=wall(start, end),
        media_start=0,
        media_duration=end - start,
        timescale=90_000,
        clock_basis=ClockBasis.SENDER_REPORT,
        clock_offset_us=-12,
        path=f"{name}.mp4",
        size_bytes=1 << 33,
        sha256=hashlib.sha256(name.encode()).hexdigest(),
        chain=hashlib.sha256(f"chain {name}".encode()).hexdigest(),
        end_reason=EndReason.LENGTH,
    )


def gap(name: str, start: int, end: int | None, *, source: str = "cam", detail: str = "") -> Gap:
    return Gap(
        id=name, source_id=source, start_us=start, end_us=end, cause=GapCause.CAMERA_LOST, detail=detail
    )


EVER = wall(-(10**15), 10**18)


def test_a_segment_comes_back_as_it_was_put_in(catalogue: Catalogue) -> None:
    catalogue.footage.start_run(run())
    one = segment(0, 1_772_420_400_000_001, 1_772_420_460_000_002)
    catalogue.footage.add_segment(one)
    assert catalogue.footage.all_segments() == [one]
    assert catalogue.footage.segments_by_id([one.id, "unknown"]) == {one.id: one}
    assert catalogue.footage.known_paths([one.path, "cam/unknown.mp4"]) == {one.path}


def test_two_rows_for_one_file_are_refused(catalogue: Catalogue) -> None:
    """Invariant 1: a row has its file."""
    catalogue.footage.start_run(run())
    one = segment(0, 0, 60)
    catalogue.footage.add_segment(one)
    with pytest.raises(Exception, match=r"(?i)unique"):
        catalogue.footage.add_segment(replace(one, id="twin"))
    assert catalogue.footage.all_segments() == [one]


def test_a_segment_of_an_unknown_run_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        catalogue.footage.add_segment(segment(0, 0, 60))


def test_only_segments_that_touch_the_range_are_found_oldest_first(catalogue: Catalogue) -> None:
    catalogue.footage.start_run(run())
    catalogue.footage.start_run(run("run-2", "screen"))
    for number, start in ((2, 120), (0, 0), (1, 60)):
        catalogue.footage.add_segment(segment(number, start, start + 60))
    catalogue.footage.add_segment(segment(0, 0, 600, source="screen", run_id="run-2"))

    def found(start: int, end: int) -> list[int]:
        return [one.sequence for one in catalogue.footage.segments_of("cam", wall(start, end))]

    assert found(0, 180) == [0, 1, 2]
    assert found(60, 120) == [1]  # those that end or begin at the border do not touch it
    assert found(59, 121) == [0, 1, 2]
    assert found(180, 999) == []
    assert catalogue.footage.segments_of("unknown", EVER) == []


def test_the_chain_begins_with_zeros_and_each_source_has_its_own(catalogue: Catalogue) -> None:
    assert catalogue.footage.last_chain("cam") == GENESIS_CHAIN == "0" * 64
    catalogue.footage.start_run(run())
    one = segment(0, 0, 60)
    catalogue.footage.add_segment(one)
    assert catalogue.footage.last_chain("cam") == one.chain
    assert catalogue.footage.last_chain("screen") == GENESIS_CHAIN


def test_the_chain_goes_on_from_the_newest_segment_over_runs(catalogue: Catalogue) -> None:
    parts = [segment(0, 0, 60), segment(1, 60, 120), segment(0, 200, 260, run_id="run-2")]
    for run_id in ("run-1", "run-2"):
        catalogue.footage.start_run(run(run_id))
    for one in parts:
        catalogue.footage.add_segment(one)
        assert catalogue.footage.last_chain("cam") == one.chain


def test_a_clock_set_back_does_not_fork_the_chain(catalogue: Catalogue) -> None:
    """Invariants 14 and 17: the predecessor is the segment sealed before, whatever its wall time says."""
    catalogue.footage.start_run(run("run-1"))
    catalogue.footage.start_run(run("run-2"))
    before = segment(0, 1_000_000_000, 1_060_000_000)
    after = [segment(n, 700_000_000 + n * 60, 700_000_060 + n * 60, run_id="run-2") for n in range(2)]
    seen = []
    for one in (before, *after):
        seen.append(catalogue.footage.last_chain("cam"))
        catalogue.footage.add_segment(one)
    assert seen == [GENESIS_CHAIN, before.chain, after[0].chain]


def test_a_chain_is_told_in_the_order_of_sealing_whatever_the_clock_said(catalogue: Catalogue) -> None:
    catalogue.footage.start_run(run("run-1"))
    catalogue.footage.start_run(run("run-2", source="screen"))
    sealed = [segment(0, 1_000, 1_060), segment(1, 700, 760), segment(2, 1_060, 1_120)]
    for one in sealed:
        catalogue.footage.add_segment(one)
        catalogue.footage.add_segment(
            segment(one.sequence, one.wall.start_us, one.wall.end_us, source="screen", run_id="run-2")
        )
    assert list(catalogue.footage.chain_of("cam")) == [(1, sealed[0]), (2, sealed[1]), (3, sealed[2])]
    assert [number for number, _ in catalogue.footage.chain_of("screen")] == [1, 2, 3]
    assert list(catalogue.footage.chain_of("unknown")) == []


def test_nothing_is_recorded_until_the_first_segment(catalogue: Catalogue) -> None:
    assert catalogue.footage.recorded_until("cam") is None
    catalogue.footage.start_run(run())
    catalogue.footage.add_segment(segment(0, 0, 60))
    catalogue.footage.add_segment(segment(1, 60, 121))
    assert catalogue.footage.recorded_until("cam") == 121
    assert catalogue.footage.recorded_until("screen") is None


def test_a_run_that_a_crash_left_behind_is_found_until_it_is_ended(catalogue: Catalogue) -> None:
    catalogue.footage.start_run(run("run-1"))
    catalogue.footage.start_run(run("run-2", "screen", 5))
    catalogue.footage.end_run("run-1", 60, EndReason.STOPPED)
    assert catalogue.footage.unfinished_runs() == [run("run-2", "screen", 5)]
    catalogue.footage.end_run("run-2", 70, EndReason.CRASH)
    assert catalogue.footage.unfinished_runs() == []


def test_a_lasting_gap_is_declared_once_and_its_first_start_counts(catalogue: Catalogue) -> None:
    catalogue.footage.open_gap(gap("gap-1", 10, None, detail="no answer"))
    catalogue.footage.open_gap(gap("gap-2", 20, None, detail="still no answer"))
    catalogue.footage.open_gap(gap("gap-3", 30, None, source="screen"))
    assert catalogue.footage.open_gaps() == [
        gap("gap-1", 10, None, detail="no answer"),
        gap("gap-3", 30, None, source="screen"),
    ]


def test_after_a_gap_is_closed_another_can_open(catalogue: Catalogue) -> None:
    catalogue.footage.open_gap(gap("gap-1", 10, None))
    catalogue.footage.close_gap("cam", 15)
    catalogue.footage.open_gap(gap("gap-2", 20, None))
    assert catalogue.footage.gaps_of("cam", EVER) == [gap("gap-1", 10, 15), gap("gap-2", 20, None)]


@pytest.mark.parametrize("end", [10, 9, -5])
def test_a_gap_that_would_end_before_it_began_is_taken_back(catalogue: Catalogue, end: int) -> None:
    catalogue.footage.open_gap(gap("gap-1", 10, None))
    catalogue.footage.close_gap("cam", end)
    assert catalogue.footage.gaps_of("cam", EVER) == []


def test_closing_a_gap_touches_no_other_source_and_no_gap_that_is_over(catalogue: Catalogue) -> None:
    catalogue.footage.add_gap(gap("over", 1, 2))
    catalogue.footage.open_gap(gap("other", 3, None, source="screen"))
    catalogue.footage.close_gap("cam", 99)
    assert catalogue.footage.gaps_of("cam", EVER) == [gap("over", 1, 2)]
    assert catalogue.footage.open_gaps() == [gap("other", 3, None, source="screen")]


def test_an_open_gap_reaches_for_ever_and_a_closed_one_to_its_end(catalogue: Catalogue) -> None:
    catalogue.footage.add_gap(gap("closed", 10, 20))
    catalogue.footage.open_gap(gap("open", 30, None))

    def found(start: int, end: int) -> list[str]:
        return [one.id for one in catalogue.footage.gaps_of("cam", wall(start, end))]

    assert found(0, 10) == []
    assert found(0, 11) == ["closed"]
    assert found(20, 30) == []
    assert found(19, 31) == ["closed", "open"]
    assert found(10**12, 10**12 + 1) == ["open"]


def test_health_is_what_was_last_said_of_each_source(catalogue: Catalogue) -> None:
    first = SourceHealth(
        source_id="cam",
        state=SourceState.CONNECTING,
        detail="",
        since_us=1,
        updated_us=1,
        last_frame_us=None,
    )
    other = replace(first, source_id="screen")
    catalogue.footage.set_health([first, other])
    lost = replace(first, state=SourceState.LOST, detail="no answer", updated_us=9, last_frame_us=5)
    catalogue.footage.set_health([lost])
    assert catalogue.footage.health() == {"cam": lost, "screen": other}
    assert catalogue.footage.health()["cam"].state is SourceState.LOST


def test_health_of_several_sources_is_said_whole_or_not_at_all(catalogue: Catalogue) -> None:
    good = SourceHealth(
        source_id="cam",
        state=SourceState.RECORDING,
        detail="",
        since_us=1,
        updated_us=1,
        last_frame_us=None,
    )
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        catalogue.footage.set_health([good, replace(good, source_id="unknown")])
    assert catalogue.footage.health() == {}


def test_segments_of_a_long_day_stay_in_order(catalogue: Catalogue) -> None:
    catalogue.footage.start_run(run())
    for number in range(50):
        catalogue.footage.add_segment(segment(number, number * 60, number * 60 + 60))
    found = catalogue.footage.segments_of("cam", EVER)
    assert all(left.wall.end_us == right.wall.start_us for left, right in pairwise(found))
    assert len(found) == 50


def test_gaps_that_are_over_wait_for_back_fill_until_they_are_marked(catalogue: Catalogue) -> None:
    def declare(name: str, start_us: int, end_us: int | None, source: str = "cam") -> None:
        catalogue.footage.put_gap(
            Gap(
                id=name,
                source_id=source,
                start_us=start_us,
                end_us=end_us,
                cause=GapCause.NETWORK,
                detail="",
            )
        )

    declare("later", 50, 60)
    declare("first", 10, 20)
    declare("forgotten", 1, 5)
    declare("lasting", 70, None)
    declare("other", 10, 20, "screen")
    waiting = catalogue.footage.gaps_to_backfill(["cam"], 5)
    assert [gap.id for gap in waiting] == ["first", "later"]
    catalogue.footage.mark_backfill("first", Backfill.PART)
    assert [gap.id for gap in catalogue.footage.gaps_to_backfill(["cam"], 5)] == ["later"]
    marked = catalogue.footage.gaps_of("cam", TimeRange(start_us=10, end_us=11))
    assert [(gap.start_us, gap.end_us, gap.backfill) for gap in marked] == [(10, 20, Backfill.PART)]


# --- many sources at once


def test_each_source_is_looked_at_in_its_own_range(catalogue: Catalogue) -> None:
    hour = 3_600_000_000
    made = [
        segment(0, 0, 3 * hour),  # a source without key frames makes long ones
        segment(1, 3 * hour, 3 * hour + 60),
        segment(0, 0, 60, source="screen", run_id="run-2"),
        segment(1, 60, 120, source="screen", run_id="run-2"),
    ]
    add_segments(catalogue, made)
    walls = {"cam": wall(3 * hour - 1, 3 * hour + 1), "screen": wall(60, 61), "nobody": wall(0, 9)}
    found = catalogue.footage.spans_within(walls)
    assert {source: [span.id for span in spans] for source, spans in found.items()} == {
        "cam": [made[0].id, made[1].id],
        "screen": [made[3].id],
        "nobody": [],
    }
    (span,) = found["screen"]
    assert (span.wall, span.sequence, span.clock_basis) == (made[3].wall, 1, made[3].clock_basis)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)  # PostgreSQL goes by statistics
@pytest.mark.parametrize("what", ["kept", "removed"])
def test_a_range_of_a_source_is_found_by_the_index_of_that_source(catalogue: Catalogue, what: str) -> None:
    """Without statistics SQLite would rather take the one by state: all sources' segments of that time."""
    told: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        told.append((statement, parameters))

    engine = catalogue.footage._engine
    event.listen(engine, "before_cursor_execute", note)
    ranges = {"cam": wall(0, 60)}
    if what == "kept":
        catalogue.footage.spans_within(ranges)
    else:
        catalogue.removal.tombstones_within(ranges)
    event.remove(engine, "before_cursor_execute", note)
    long, usual = (
        " ".join(str(row[3]) for row in explain(catalogue, statement, parameters))
        for statement, parameters in told
        if "segment" in statement
    )
    assert "ix_segment_source_id_wall_start_us" in usual
    assert "ix_segment_long" in long, "of sources' segments, all of all times are looked at"


def test_sources_with_one_range_are_asked_for_at_once_and_keep_their_own(catalogue: Catalogue) -> None:
    made = [
        segment(0, 0, 60),
        segment(1, 60, 120),
        segment(0, 0, 60, source="screen", run_id="run-2"),
        segment(1, 60, 120, source="screen", run_id="run-2"),
    ]
    add_segments(catalogue, made)
    holes = [gap("one", 60, 70), gap("other", 50, 61, source="screen")]
    for hole in holes:
        catalogue.footage.add_gap(hole)
    walls = {"cam": wall(0, 120), "screen": wall(0, 120)}
    spans, gaps = catalogue.footage.spans_within(walls), catalogue.footage.gaps_within(walls)
    assert {source: [span.id for span in found] for source, found in spans.items()} == {
        "cam": [made[0].id, made[1].id],
        "screen": [made[2].id, made[3].id],
    }
    assert gaps == {"cam": [holes[0]], "screen": [holes[1]]}


def explain(catalogue: Catalogue, statement: str, parameters: Any) -> list[Any]:
    with reading(catalogue.footage._engine) as session:
        asked = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return list(asked.all())
