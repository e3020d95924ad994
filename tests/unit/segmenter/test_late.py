"""What arrives after a session was cut is not lost on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US, FakeClock
from kernel.model.cut import Clip, CutList
from kernel.model.footage import Backfill, Booking, ClockBasis, Gap, GapCause, Run, RunOrigin
from kernel.model.timeline import SessionState
from kernel.settings import CutSettings
from kernel.timerange import TimeRange
from segmenter.worker import Segmenter
from tests.support.catalogue import add_segments, add_session, open_catalogue
from tests.support.centre import Centre, moment, session
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


def test_live_footage_that_is_sealed_after_the_cut_is_cut_in(centre: Centre) -> None:
    """A recorder that fell and came back after its footage was given up, or a disk that came back."""
    centre.plan(session("S", "CO"))
    centre.record("co-cam", 0, 150)
    centre.hold("S", 100, 200)
    centre.cut(290)
    centre.archive("S")
    assert [gap.cause for gap in centre.clip("S", "co-cam").gaps] == [GapCause.NOT_RECORDING]
    centre.record("co-cam", 150, 240)
    centre.cut(321)
    assert centre.clip("S", "co-cam").gaps == ()
    assert centre.state("S") is SessionState.CUT


def lose(centre: Centre, name: str, start: float, end: float, backfill: Backfill = Backfill.NONE) -> None:
    centre.catalogue.footage.add_gap(
        Gap(
            id=name,
            source_id="co-cam",
            start_us=moment(start),
            end_us=moment(end),
            cause=GapCause.CAMERA_LOST,
            detail="",
            backfill=backfill,
        )
    )


def test_a_segment_that_spans_a_declared_gap_opens_nothing(centre: Centre) -> None:
    """The camera was connected and sent no picture: nothing came late, and nothing is computed anew."""
    lose(centre, "hole", 120, 140)
    centre.plan(session("S", "CO"))
    centre.record("co-cam", 0, 240)
    centre.hold("S", 100, 200)
    centre.cut(240)
    assert centre.clip("S", "co-cam").gaps != ()
    assert centre.catalogue.clips.with_filled_gaps(0) == {}
    centre.cut(300)
    assert centre.clip("S", "co-cam").revision == 1


def test_footage_of_no_use_is_not_tried_again_each_time(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was fetched lies in a hole that is declared within the one it was fetched for."""
    lose(centre, "fetched", 120, 180, Backfill.PART)
    lose(centre, "hole", 140, 160)
    centre.plan(session("S", "CO"))
    centre.record("co-cam", 0, 120)
    centre.record("co-cam", 180, 240)
    centre.hold("S", 100, 200)
    centre.cut(240)
    centre.record("co-cam", 140, 160, ClockBasis.REPLAY)
    differ = centre.catalogue.clips.differ
    asked: list[str] = []

    def ask(cut: CutList) -> bool:
        asked.append(cut.session_id)
        return differ(cut)

    monkeypatch.setattr(centre.catalogue.clips, "differ", ask)
    for seconds in (300, 340, 380):
        centre.cut(seconds)
    assert asked == ["S"]
    centre.record("co-cam", 120, 140, ClockBasis.REPLAY)
    centre.cut(420)
    assert asked == ["S", "S"]
    assert centre.clip("S", "co-cam").revision == 2


def test_a_session_that_was_opened_meanwhile_by_somebody_else_is_no_fault(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    centre.plan(session("S", "CO"))
    centre.record("co-cam", 0, 150)
    end = centre.hold("S", 100, 200)
    centre.cut(290)
    centre.record("co-cam", 150, 300)
    advance = centre.catalogue.sessions.advance

    def correct_first(session_id: str, state: SessionState, **how: Any) -> None:
        centre.tell("S", "session.end", 250, replaces=end)
        advance(session_id, state, **how)

    monkeypatch.setattr(centre.catalogue.sessions, "advance", correct_first)
    centre.cut(321)
    assert centre.span("S", "co-cam") == (90, 280)


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
    # Where a log goes depends on who set it up first in this process.
    assert "".join(capsys.readouterr()).count("nothing has begun") == 1
