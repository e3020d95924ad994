"""What shall be recorded at a moment: bookings, sessions that overrun, recorders that start late."""

from __future__ import annotations

import pytest

from kernel.clock import SECOND_US
from kernel.desired import ALWAYS, Around, RoomUse, wanted
from kernel.model.footage import Booking
from kernel.model.source import RecordMode, Wish
from kernel.timerange import TimeRange

NINE = 1_772_413_200 * SECOND_US
HOUR_US = 3600 * SECOND_US
AROUND = Around.of(300, 300)
WISHES = (
    Wish(source_id="gate", room_id="hall", record=RecordMode.ALWAYS),
    Wish(source_id="seat", room_id="room", record=RecordMode.BOOKED),
    Wish(source_id="other", room_id="elsewhere", record=RecordMode.BOOKED),
)
BOOKED = Booking(
    id="B1",
    room_id="room",
    wall=TimeRange(start_us=NINE, end_us=NINE + HOUR_US),
    title="评标",
    principal="tester",
)


def use(start_us: int, end_us: int | None) -> RoomUse:
    return RoomUse(room_id="room", session_id="S1", start_us=start_us, end_us=end_us)


def ids(now_us: int, *uses: RoomUse, bookings=(BOOKED,)) -> set[str]:
    return set(wanted(WISHES, bookings, uses, AROUND, now_us))


@pytest.mark.parametrize(
    ("seconds", "recorded"),
    [(-361, False), (-360, True), (0, True), (3600, True), (3899, True), (3900, False)],
)
def test_a_booked_room_is_recorded_from_before_its_pre_roll_to_the_end_of_its_post_roll(
    seconds: int, recorded: bool
) -> None:
    assert ("seat" in ids(NINE + seconds * SECOND_US)) is recorded


def test_what_is_recorded_always_needs_no_booking() -> None:
    found = wanted(WISHES, (), (), AROUND, NINE)
    assert found == {"gate": ALWAYS}


def test_a_session_that_overruns_its_booking_is_recorded_until_its_post_roll_is_over() -> None:
    late_us = NINE + 5 * HOUR_US
    assert "seat" in ids(late_us, use(NINE, None))
    assert "seat" in ids(late_us + 299 * SECOND_US, use(NINE, late_us))
    assert "seat" not in ids(late_us + 300 * SECOND_US, use(NINE, late_us))


def test_a_session_without_a_booking_is_recorded_and_a_room_without_either_is_not() -> None:
    assert ids(NINE, use(NINE, None), bookings=()) == {"gate", "seat"}


def test_a_recorder_that_starts_late_knows_since_when_it_was_wanted() -> None:
    """The time between is a gap (invariant 5), the pre-roll included."""
    found = wanted(WISHES, (BOOKED,), (), AROUND, NINE + HOUR_US // 2)
    assert found["seat"].since_us == NINE - 300 * SECOND_US


def test_of_a_booking_and_a_session_the_one_that_began_earlier_counts() -> None:
    early = use(NINE - HOUR_US, None)
    assert (
        wanted(WISHES, (BOOKED,), (early,), AROUND, NINE)["seat"].since_us == NINE - HOUR_US - 300 * SECOND_US
    )


def test_every_room_that_a_session_uses_is_recorded() -> None:
    """A corridor through the night: one use for each room."""
    corridor = RoomUse(room_id="elsewhere", session_id="S1", start_us=NINE, end_us=None)
    assert ids(NINE + 20 * HOUR_US, use(NINE, None), corridor, bookings=()) == {"gate", "seat", "other"}
