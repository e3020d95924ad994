"""``jianzheng booking``: when rooms are booked, until a trading system says so by itself."""

from __future__ import annotations

from collections.abc import Iterator

from rich.markup import escape

from catalog.bookings import check_bookable
from catalog.catalogue import Catalogue
from cli.moments import lasting, shown_range, time_range
from cli.printing import console
from kernel.clock import SECOND_US, Clock
from kernel.ids import new_id
from kernel.model.footage import Booking
from kernel.model.source import RecordMode
from kernel.settings import CamerasFile
from kernel.timerange import TimeRange

_SHOWN_US = 366 * 24 * 3600 * SECOND_US
_out = console()


def add_booking(catalogue: Catalogue, cameras: CamerasFile, booking: Booking, clock: Clock) -> None:
    """Book, and say what the booking will not do.

    Raises:
        TimelineError: the room is unknown, or the time is over or longer than anybody books.
    """
    check_bookable(booking.wall, clock.now_us())
    others = [one for one in catalogue.bookings.touching(booking.wall) if one.room_id == booking.room_id]
    catalogue.bookings.book(booking, at_us=clock.now_us())
    print_booking(booking)
    for remark in _remarks(booking, others, cameras, clock.now_us()):
        _out.print(f"[yellow]注意 note:[/] {escape(remark)}")


def new_booking(room_id: str, start: str, end: str, title: str, principal: str) -> Booking:
    """Raises: TimelineError: the times make no sense."""
    wall = time_range(start, end)
    return Booking(id=new_id("book"), room_id=room_id, wall=wall, title=title, principal=principal)


def _remarks(booking: Booking, others: list[Booking], cameras: CamerasFile, now_us: int) -> Iterator[str]:
    wall = booking.wall
    if wall.start_us < now_us:
        missed = lasting((now_us - wall.start_us) // SECOND_US * SECOND_US)
        yield f"已开始 it began {missed} ago: what was not recorded since then is a gap."
    for one in others:
        both = one.wall.intersect(wall)
        if both is not None:
            title = f" {one.title}" if one.title else ""
            yield f"重叠 it overlaps {one.id}{title} by {lasting(both.duration_us)} ({shown_range(both)})."
    modes = [wish.record for wish in cameras.wishes() if wish.room_id == booking.room_id]
    if RecordMode.BOOKED not in modes:
        what = "all are recorded day and night." if modes else "it has no sources."
        yield f"没有按预约录制的来源 no source of this room is `record: booked`: {what}"


def print_booking(booking: Booking) -> None:
    """One line, however narrow the terminal: ids are to be copied."""
    parts = (booking.id, booking.room_id, shown_range(booking.wall), booking.principal, booking.title)
    _out.print(escape("  ".join(part for part in parts if part)))


def print_bookings(catalogue: Catalogue, clock: Clock) -> None:
    """Those that are not over, the earliest first."""
    now_us = clock.now_us()
    shown = TimeRange(start_us=now_us, end_us=now_us + _SHOWN_US)
    found = catalogue.bookings.touching(shown)
    for one in found:
        print_booking(one)
    if not found:
        _out.print("没有预约 No bookings from now on.")
