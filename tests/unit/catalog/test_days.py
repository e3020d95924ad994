"""Which sessions belong to a day."""

from __future__ import annotations

from dataclasses import replace

import pytest

from catalog.catalogue import Catalogue
from kernel.model.footage import Booking, BookingStatus
from kernel.model.timeline import Phase, Session, SessionState, TimelineEvent
from kernel.timerange import TimeRange
from tests.support.catalogue import PROJECT, add_session

DAY = TimeRange(start_us=1000, end_us=2000)
PLANNED = Session(
    id="P-E",
    project_id="P",
    phase=Phase.EVALUATION,
    room_id="OH",
    state=SessionState.PLANNED,
    start_us=None,
    end_us=None,
    seats=(),
)
BOOKING = Booking(
    id="B",
    room_id="OH",
    wall=TimeRange(start_us=1100, end_us=1200),
    title="",
    principal="x",
    project_id="P",
)


@pytest.mark.parametrize(
    ("start_us", "end_us", "on_it"),
    [(900, 1001, True), (1999, 2500, True), (500, 3000, True), (900, 1000, False), (2000, 2100, False)],
)
def test_a_session_belongs_to_the_days_that_it_touches(
    catalogue: Catalogue, start_us: int, end_us: int, on_it: bool
) -> None:
    add_session(catalogue, start_us, end_us)
    assert catalogue.days.session_ids(DAY, now_us=5000) == (["P-O"] if on_it else [])


@pytest.mark.parametrize(("now_us", "on_it"), [(1500, True), (5000, True), (999, False)])
def test_one_that_runs_goes_on_until_now(catalogue: Catalogue, now_us: int, on_it: bool) -> None:
    catalogue.projects.add_project(PROJECT, [PLANNED])
    begun = TimelineEvent(
        id="e",
        session_id="P-E",
        at_us=900,
        type="eval.start",
        reason="",
        principal="x",
        recorded_us=900,
    )
    catalogue.sessions.record_event(begun)
    assert catalogue.days.session_ids(DAY, now_us=now_us) == (["P-E"] if on_it else [])


def test_one_to_come_belongs_to_the_day_of_its_rooms_booking(catalogue: Catalogue) -> None:
    catalogue.projects.add_project(PROJECT, [PLANNED])
    assert catalogue.days.session_ids(DAY, now_us=1) == []
    catalogue.bookings.book(BOOKING)
    assert catalogue.days.session_ids(DAY, now_us=1) == ["P-E"]
    moved = replace(BOOKING, wall=TimeRange(start_us=2100, end_us=2200))
    catalogue.bookings.book(moved)
    assert catalogue.days.session_ids(DAY, now_us=1) == []
    catalogue.bookings.book(replace(BOOKING, status=BookingStatus.RELEASED))
    assert catalogue.days.session_ids(DAY, now_us=1) == []


def test_visits_of_supervisors_and_records_of_halls_are_no_sessions_of_a_day(catalogue: Catalogue) -> None:
    visit = replace(PLANNED, id="P-S", phase=Phase.SUPERVISION)
    catalogue.projects.add_project(PROJECT, [visit])
    catalogue.bookings.book(BOOKING)
    assert catalogue.days.session_ids(DAY, now_us=1) == []
