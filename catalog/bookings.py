"""Bookings of rooms, and which rooms are in use: what decides when booked sources are recorded."""

from __future__ import annotations

from sqlalchemy import Engine, or_
from sqlmodel import col, select

from catalog.database import reading, writing
from catalog.tables import BookingRow, RoomRow, SessionRow
from kernel.clock import SECOND_US
from kernel.desired import RoomUse
from kernel.errors import TimelineError
from kernel.model.footage import Booking
from kernel.timerange import TimeRange

LONGEST_US = 31 * 24 * 3600 * SECOND_US
"""A longer booking is a slip of the pen in its month or year."""


def check_bookable(wall: TimeRange, now_us: int) -> None:
    """Raises: TimelineError: it is over already, or longer than anybody books a room."""
    hint = "Check day, month and year; nothing was booked."
    if wall.end_us <= now_us:
        raise TimelineError("the booked time is over already.", hint=hint)
    if wall.duration_us > LONGEST_US:
        raise TimelineError("a booking lasts 31 days at most.", hint=hint)


class Bookings:
    """The catalogue's bookings. All times are wall time, UTC microseconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def book(self, booking: Booking) -> None:
        """Take in a booking; one of the same id is replaced, as when it is moved.

        Raises:
            TimelineError: the room is unknown, or the booking has no length.
        """
        if booking.wall.empty:
            raise TimelineError(f"booking {booking.id} ends when it starts.", hint="Give a later end.")
        with writing(self._engine) as session:
            if session.get(RoomRow, booking.room_id) is None:
                rooms = ", ".join(session.exec(select(RoomRow.id).order_by(col(RoomRow.id))).all())
                raise TimelineError(
                    f"there is no room {booking.room_id}.", hint=f"Name one of cameras.yaml: {rooms}."
                )
            session.merge(
                BookingRow(
                    id=booking.id,
                    room_id=booking.room_id,
                    wall_start_us=booking.wall.start_us,
                    wall_end_us=booking.wall.end_us,
                    title=booking.title,
                    principal=booking.principal,
                )
            )

    def cancel(self, booking_id: str) -> None:
        """Raises: TimelineError: there is no such booking."""
        with writing(self._engine) as session:
            row = session.get(BookingRow, booking_id)
            if row is None:
                raise TimelineError(
                    f"there is no booking {booking_id}.", hint="Run 'jianzheng booking list'."
                )
            session.delete(row)

    def touching(self, wall: TimeRange) -> list[Booking]:
        """Bookings that touch a range, the earliest first."""
        query = (
            select(BookingRow)
            .where(BookingRow.wall_start_us < wall.end_us)
            .where(BookingRow.wall_end_us > wall.start_us)
            .order_by(col(BookingRow.wall_start_us), col(BookingRow.id))
        )
        with reading(self._engine) as session:
            return [_booking(row) for row in session.exec(query).all()]

    def uses_since(self, since_us: int) -> list[RoomUse]:
        """Sessions that run, and those that ended after that moment."""
        query = (
            select(SessionRow)
            .where(col(SessionRow.start_us).is_not(None))
            .where(or_(col(SessionRow.end_us).is_(None), col(SessionRow.end_us) > since_us))
        )
        with reading(self._engine) as session:
            return [
                RoomUse(room_id=row.room_id, session_id=row.id, start_us=row.start_us, end_us=row.end_us)
                for row in session.exec(query).all()
                if row.start_us is not None
            ]


def _booking(row: BookingRow) -> Booking:
    return Booking(
        id=row.id,
        room_id=row.room_id,
        wall=TimeRange(start_us=row.wall_start_us, end_us=row.wall_end_us),
        title=row.title,
        principal=row.principal,
    )
