"""What arrives after a session was cut is not lost on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US, FakeClock
from kernel.model.cut import Clip
from kernel.model.footage import Backfill, Booking, ClockBasis, Gap, GapCause, Run, RunOrigin
from kernel.model.timeline import SessionState
from kernel.settings import CutSettings
from kernel.timerange import TimeRange
from segmenter.worker import Segmenter
from tests.support.catalogue import add_segments, add_session, open_catalogue
from tests.support.sources import segment

START = 1_772_413_200 * SECOND_US
END = START + 100 * SECOND_US
SETTINGS = CutSettings(pre_roll_seconds=0, post_roll_seconds=0)


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    """A session of 100 s that was cut: one source stopped after 60 s."""
    opened = open_catalogue(tmp_path)
    add_session(opened, START, END)
    for source, end in (("cam", START + 60 * SECOND_US), ("screen", END)):
        add_segments(opened, [segment(0, START, end, run_id=f"run-{source}", source_id=source)])
    opened.footage.add_gap(
        Gap(
            id="g",
            source_id="cam",
            start_us=START + 60 * SECOND_US,
            end_us=END,
            cause=GapCause.CAMERA_LOST,
            detail="",
        )
    )
    yield opened
    opened.close()


def clip(catalogue: Catalogue) -> Clip:
    return next(one for one in catalogue.clips.of_session("P-O") if one.source_id == "cam")


def fetch(catalogue: Catalogue) -> None:
    """The device's memory of the gap."""
    wall = TimeRange(start_us=START + 60 * SECOND_US, end_us=END)
    catalogue.footage.start_run(
        Run(
            id="fetched",
            source_id="cam",
            started_us=wall.start_us,
            ended_us=None,
            end_reason=None,
            origin=RunOrigin.BACKFILL,
        )
    )
    late = segment(0, wall.start_us, wall.end_us, run_id="fetched")
    catalogue.footage.add_segment(replace(late, clock_basis=ClockBasis.REPLAY))
    catalogue.footage.mark_backfill("g", Backfill.WHOLE)


def test_a_gap_that_is_filled_after_the_cut_changes_its_clip_alone(catalogue: Catalogue) -> None:
    clock = FakeClock(END + 3600 * SECOND_US)
    cutter = Segmenter(catalogue, SETTINGS, clock)
    cutter.run_once()
    before = {one.source_id: one.id for one in catalogue.clips.of_session("P-O")}
    assert [gap.cause for gap in clip(catalogue).gaps] == [GapCause.CAMERA_LOST]
    fetch(catalogue)
    clock.advance(60)
    cutter.run_once()
    assert clip(catalogue).gaps == ()
    assert [gap.cause for gap in clip(catalogue).backfilled] == [GapCause.CAMERA_LOST]
    after = {one.source_id: one.id for one in catalogue.clips.of_session("P-O")}
    assert {source for source in before if before[source] != after[source]} == {"cam"}


def test_a_session_that_nothing_came_late_for_is_not_opened_again(catalogue: Catalogue) -> None:
    clock = FakeClock(END + 3600 * SECOND_US)
    cutter = Segmenter(catalogue, SETTINGS, clock)
    cutter.run_once()
    clock.advance(60)
    assert cutter.run_once() == []
    found = catalogue.sessions.get("P-O")
    assert found is not None
    assert found.state is SessionState.CUT


def test_an_empty_room_is_told_of_once(catalogue: Catalogue, capsys: pytest.CaptureFixture[str]) -> None:
    wall = TimeRange(start_us=END + 3600 * SECOND_US, end_us=END + 7200 * SECOND_US)
    catalogue.bookings.book(
        Booking(id="B", room_id="OH", wall=wall, title="", principal="test", project_id="P")
    )
    clock = FakeClock(wall.start_us + 900 * SECOND_US)
    cutter = Segmenter(catalogue, SETTINGS, clock)
    for _ in range(3):
        cutter.run_once()
        clock.advance(61)
    assert capsys.readouterr().out.count("nothing has begun") == 1
