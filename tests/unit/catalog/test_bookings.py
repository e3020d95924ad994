"""Bookings: one that was moved or given back records nothing and stays; sessions use all their rooms."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kernel.desired import Around, wanted
from kernel.errors import TimelineError
from kernel.model.footage import Booking, BookingStatus
from kernel.model.source import RecordMode, Wish
from kernel.timerange import TimeRange
from tests.support.centre import Centre, moment, session

BOOKING = Booking(
    id="B1",
    room_id="ER",
    wall=TimeRange(start_us=moment(0), end_us=moment(3600)),
    title="评标",
    principal="centre",
    project_id="P",
)
WISHES = [
    Wish(source_id=source, room_id=room, record=RecordMode.BOOKED)
    for source, room in (("er-cam", "ER"), ("co-cam", "CO"), ("hall-cam", "HALL"))
]
ROLLS = Around.of(10, 30)


@pytest.fixture
def booked(centre: Centre) -> Centre:
    centre.plan(session("S", "ER", extra_room_ids=("CO",)))
    centre.catalogue.bookings.book(BOOKING)
    return centre


def recorded(centre: Centre, seconds: float) -> set[str]:
    """What the recorder wants at that moment."""
    now_us = moment(seconds)
    around = TimeRange(start_us=now_us - 10**9, end_us=now_us + 10**9)
    bookings = centre.catalogue.bookings
    uses = bookings.uses_since(now_us - ROLLS.after_us)
    return set(wanted(WISHES, bookings.touching(around), uses, ROLLS, now_us))


@pytest.mark.parametrize("status", [BookingStatus.MOVED, BookingStatus.RELEASED])
def test_a_booking_that_does_not_stand_records_nothing_and_is_kept_on_record(
    booked: Centre, status: BookingStatus
) -> None:
    assert recorded(booked, 60) == {"er-cam"}
    moved = replace(BOOKING, status=status)
    booked.catalogue.bookings.book(moved)
    assert recorded(booked, 60) == set()
    assert booked.catalogue.bookings.of_project("P") == [moved]


def test_a_booking_that_was_moved_twice_is_recorded_once(booked: Centre) -> None:
    slots = [replace(BOOKING, status=BookingStatus.MOVED)]
    for number, status in ((2, BookingStatus.MOVED), (3, BookingStatus.CONFIRMED)):
        start_us = moment(number * 10_000)
        wall = TimeRange(start_us=start_us, end_us=start_us + 3_600_000_000)
        slots.append(replace(BOOKING, id=f"B{number}", wall=wall, status=status))
    for slot in slots:
        booked.catalogue.bookings.book(slot)
    assert [recorded(booked, seconds) for seconds in (60, 20_060, 30_060)] == [set(), set(), {"er-cam"}]
    assert booked.catalogue.bookings.of_project("P") == slots


def test_a_booking_that_is_given_back_stays_on_record(booked: Centre) -> None:
    booked.catalogue.bookings.cancel("B1", principal="w", at_us=1)
    assert recorded(booked, 60) == set()
    (kept,) = booked.catalogue.bookings.of_project("P")
    assert kept == replace(BOOKING, status=BookingStatus.RELEASED)
    with pytest.raises(TimelineError, match="no booking B9"):
        booked.catalogue.bookings.cancel("B9", principal="w", at_us=1)


@pytest.mark.parametrize("whose", ["Q", None])
def test_a_booking_is_not_taken_over_under_its_id(booked: Centre, whose: str | None) -> None:
    booked.plan(session("T", project_id="Q"))
    with pytest.raises(TimelineError, match="B1 belongs to another booking"):
        booked.catalogue.bookings.book(replace(BOOKING, project_id=whose, status=BookingStatus.RELEASED))
    assert booked.catalogue.bookings.of_project("P") == [BOOKING]


def test_a_booking_made_by_hand_is_not_taken_over_by_a_project(booked: Centre) -> None:
    by_hand = replace(BOOKING, id="B2", project_id=None)
    booked.catalogue.bookings.book(by_hand)
    with pytest.raises(TimelineError, match="B2 belongs to another booking"):
        booked.catalogue.bookings.book(replace(by_hand, project_id="P", status=BookingStatus.MOVED))
    assert by_hand in booked.catalogue.bookings.touching(by_hand.wall)


def test_a_session_that_runs_has_all_its_rooms_recorded_until_its_post_roll_is_over(booked: Centre) -> None:
    booked.catalogue.bookings.cancel("B1", principal="w", at_us=1)
    booked.tell("S", "session.start", 5000)
    assert recorded(booked, 4999) == set()
    assert recorded(booked, 5000) == {"er-cam", "co-cam"}
    booked.tell("S", "session.end", 6000)
    assert recorded(booked, 6029) == {"er-cam", "co-cam"}
    assert recorded(booked, 6030) == set()


def test_a_room_that_is_sealed_for_the_night_and_its_corridor_are_recorded_on(booked: Centre) -> None:
    """Evidence that nobody entered: long after the booking, with everybody gone."""
    booked.tell("S", "eval.start", 100)
    booked.tell("S", "eval.overnight_seal", 9000)
    assert recorded(booked, 40_000) == {"er-cam", "co-cam"}
