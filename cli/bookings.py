"""``jianzheng booking``: when rooms are booked, until a trading system says so by itself."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

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
    _out.print(f"{booking.id}  {room_id}  {_range(booking.wall)}  {title}")
    return booking


def print_bookings(catalogue: Catalogue, clock: Clock) -> None:
    """Those that are not over, the earliest first."""
    now_us = clock.now_us()
    table = Table(box=None, pad_edge=False)
    for heading in ("编号 id", "房间 room", "时间 time (UTC)", "事由 title", "预约人 by"):
        table.add_column(heading)
    for one in catalogue.bookings.touching(TimeRange(start_us=now_us, end_us=now_us + _SHOWN_US)):
        table.add_row(one.id, one.room_id, _range(one.wall), one.title, one.principal)
    _out.print(table)


def _range(wall: TimeRange) -> str:
    return f"{iso_utc(wall.start_us)} - {iso_utc(wall.end_us)}"
