"""A room that is booked and stays empty is told of (W15), until the booking is moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US
from kernel.model.footage import Booking, BookingStatus
from kernel.timerange import TimeRange
from tests.support.catalogue import PROJECT, add_session, open_catalogue

START = 1_772_413_200 * SECOND_US
HOUR = 3600 * SECOND_US
GRACE = 600 * SECOND_US
BOOKED = Booking(
    id="B",
    room_id="OH",
    wall=TimeRange(start_us=START, end_us=START + HOUR),
    title="",
    principal="test",
    project_id="P",
)


@pytest.fixture
def catalogue(tmp_path: Path, url: str) -> Iterator[Catalogue]:
    opened = open_catalogue(tmp_path, url)
    opened.projects.add_project(PROJECT, [])
    opened.bookings.book(BOOKED)
    yield opened
    opened.close()


@pytest.mark.parametrize(("after", "told"), [(0, 0), (GRACE - 1, 0), (GRACE, 1), (HOUR - 1, 1), (HOUR, 0)])
def test_an_empty_room_is_told_of_after_a_grace_while_it_is_booked(
    catalogue: Catalogue, after: int, told: int
) -> None:
    assert len(catalogue.bookings.not_started(START + after, GRACE)) == told


@pytest.mark.parametrize("status", [BookingStatus.MOVED, BookingStatus.RELEASED])
def test_a_booking_that_was_moved_is_not_missed(catalogue: Catalogue, status: BookingStatus) -> None:
    catalogue.bookings.book(replace(BOOKED, status=status))
    assert catalogue.bookings.not_started(START + GRACE, GRACE) == []


def test_a_session_that_began_is_not_missed(catalogue: Catalogue) -> None:
    add_session(catalogue, START - GRACE // 2, START + HOUR)
    assert catalogue.bookings.not_started(START + GRACE, GRACE) == []


def test_a_session_that_began_long_before_and_runs_into_the_booked_time_is_not_missed(
    catalogue: Catalogue,
) -> None:
    add_session(catalogue, START - 3 * GRACE, START + 1)
    assert catalogue.bookings.not_started(START + GRACE, GRACE) == []


def test_a_session_that_runs_since_long_before_is_not_missed(catalogue: Catalogue) -> None:
    add_session(catalogue, START - 3 * GRACE, START - GRACE)
    end = catalogue.sessions.events_of("P-O")[1]
    catalogue.sessions.record_event(replace(end, id="no-end", replaces=end.id, withdrawn=True))
    assert catalogue.bookings.not_started(START + GRACE, GRACE) == []


def test_a_session_that_was_over_when_the_booked_time_came_does_not_count(catalogue: Catalogue) -> None:
    add_session(catalogue, START - 3 * GRACE, START)
    assert catalogue.bookings.not_started(START + GRACE, GRACE) == [BOOKED]


def test_a_booking_of_no_project_is_nobodys_to_start(catalogue: Catalogue) -> None:
    catalogue.bookings.book(replace(BOOKED, status=BookingStatus.RELEASED))
    catalogue.bookings.book(replace(BOOKED, id="by-hand", project_id=None))
    assert catalogue.bookings.not_started(START + GRACE, GRACE) == []
