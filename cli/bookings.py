"""``jianzheng booking``: when rooms are booked, until a trading system says so by itself."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from catalog.catalogue import Catalogue
from cli.moments import time_range
from kernel.clock import SECOND_US, Clock, iso_utc
from kernel.ids import new_id
from kernel.model.footage import Booking
from kernel.timerange import TimeRange

_SHOWN_US = 366 * 24 * 3600 * SECOND_US
_out = Console(soft_wrap=True, highlight=False)


def add_booking(
    catalogue: Catalogue, room_id: str, start: str, end: str, title: str, principal: str
) -> Booking:
    """Raises: TimelineError: the room is unknown or the times make no sense."""
    booking = Booking(
        id=new_id("book"),
        room_id=room_id,
        wall=time_range(start, end),
        title=title,
        principal=principal,
    )
    catalogue.bookings.book(booking)
    print_booking(booking)
    return booking


def print_booking(booking: Booking) -> None:
    """One line, however narrow the terminal: ids are to be copied."""
    line = f"{booking.id}  {booking.room_id}  {_range(booking.wall)}  {booking.principal}  {booking.title}"
    _out.print(escape(line))


def print_bookings(catalogue: Catalogue, clock: Clock) -> None:
    """Those that are not over, the earliest first."""
    now_us = clock.now_us()
    shown = TimeRange(start_us=now_us, end_us=now_us + _SHOWN_US)
    for one in catalogue.bookings.touching(shown):
        print_booking(one)


def _range(wall: TimeRange) -> str:
    return f"{iso_utc(wall.start_us)} - {iso_utc(wall.end_us)}"
