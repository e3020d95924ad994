"""Bookings of rooms, and which rooms are in use: what decides when booked sources are recorded."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Engine, exists, not_, or_
from sqlmodel import Session as Transaction
from sqlmodel import col, select

from catalog.audit import append, changed_fields
from catalog.database import reading, writing
from catalog.tables import BookingRow, RoomRow, SessionRoomRow, SessionRow
from kernel.clock import SECOND_US
from kernel.desired import RoomUse
from kernel.errors import BookingOver, BookingTooLong, TimelineError
from kernel.model.audit import Act, Action
from kernel.model.footage import Booking, BookingStatus
from kernel.timerange import TimeRange

LONGEST_US = 31 * 24 * 3600 * SECOND_US
"""A longer booking is a slip of the pen in its month or year."""


def check_bookable(wall: TimeRange, now_us: int) -> None:
    """Raises: BookingOver: it is over already; BookingTooLong: it is longer than anybody books a room."""
    if wall.end_us <= now_us:
        raise BookingOver("the booked time is over already.")
    if wall.duration_us > LONGEST_US:
        raise BookingTooLong("a booking lasts 31 days at most.")


class Bookings:
    """The catalogue's bookings. All times are wall time, UTC microseconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def book(self, booking: Booking, *, at_us: int = 0) -> None:
        """Take in a booking; one of the same id is replaced, as when it is moved.

        Args:
            at_us: when it is booked.

        Raises:
            TimelineError: the room is unknown, the booking has no length, or its id belongs to a booking of
                another project or by hand.
        """
        with writing(self._engine) as session:
            append(session, *put_booking(session, booking, at_us=at_us))

    def cancel(self, booking_id: str, *, principal: str, at_us: int) -> None:
        """Give a booking back: nothing is recorded for it, and it stays on record.

        Raises:
            TimelineError: there is no such booking that stands.
        """
        with writing(self._engine) as session:
            row = session.get(BookingRow, booking_id)
            if row is None or row.status != BookingStatus.CONFIRMED:
                raise TimelineError(
                    f"there is no booking {booking_id}.", hint="Run 'jianzheng booking list'."
                )
            row.status = BookingStatus.RELEASED
            append(
                session,
                Act(
                    at_us=at_us,
                    principal=principal,
                    action=Action.BOOKING_CANCELLED,
                    subject=booking_id,
                    details={"room": row.room_id},
                ),
            )

    def touching(self, wall: TimeRange) -> list[Booking]:
        """Bookings that stand and touch a range, the earliest first."""
        query = (
            select(BookingRow)
            .where(BookingRow.status == BookingStatus.CONFIRMED)
            .where(BookingRow.wall_start_us < wall.end_us)
            .where(BookingRow.wall_end_us > wall.start_us)
            .order_by(col(BookingRow.wall_start_us), col(BookingRow.id))
        )
        with reading(self._engine) as session:
            return [_booking(row) for row in session.exec(query).all()]

    def of_project(self, project_id: str) -> list[Booking]:
        """All bookings of a project, those that were moved or released included, the earliest first."""
        query = select(BookingRow).where(BookingRow.project_id == project_id)
        with reading(self._engine) as session:
            rows = session.exec(query.order_by(col(BookingRow.wall_start_us), col(BookingRow.id))).all()
            return [_booking(row) for row in rows]

    def not_started(self, now_us: int, grace_us: int) -> list[Booking]:
        """Bookings of projects that stand, that go on, and for which nothing began: the earliest first.

        A session of the project in that room counts if it began less than one grace before the booked start
        or later, or if it ran on into the booked time.
        """
        begun = exists().where(
            col(SessionRow.room_id) == col(BookingRow.room_id),
            col(SessionRow.project_id) == col(BookingRow.project_id),
            col(SessionRow.start_us) < col(BookingRow.wall_end_us),
            or_(
                col(SessionRow.start_us) > col(BookingRow.wall_start_us) - grace_us,
                col(SessionRow.end_us).is_(None),
                col(SessionRow.end_us) > col(BookingRow.wall_start_us),
            ),
        )
        query = (
            select(BookingRow)
            .where(BookingRow.status == BookingStatus.CONFIRMED, col(BookingRow.project_id).is_not(None))
            .where(BookingRow.wall_start_us <= now_us - grace_us, BookingRow.wall_end_us > now_us)
            .where(not_(begun))
            .order_by(col(BookingRow.wall_start_us), col(BookingRow.id))
        )
        with reading(self._engine) as session:
            return [_booking(row) for row in session.exec(query).all()]

    def uses_since(self, since_us: int) -> list[RoomUse]:
        """Sessions that run, and those that ended after that moment, in all rooms that they need."""
        query = (
            select(SessionRow)
            .where(col(SessionRow.start_us).is_not(None))
            .where(or_(col(SessionRow.end_us).is_(None), col(SessionRow.end_us) > since_us))
        )
        with reading(self._engine) as session:
            used = {row.id: row for row in session.exec(query).all()}
            extra = select(SessionRoomRow.session_id, SessionRoomRow.room_id).where(
                col(SessionRoomRow.session_id).in_(used)
            )
            rooms = [(row.id, row.room_id) for row in used.values()] + list(session.exec(extra).all())
            return [
                RoomUse(room_id=room_id, session_id=row.id, start_us=row.start_us or 0, end_us=row.end_us)
                for row, room_id in ((used[session_id], room_id) for session_id, room_id in rooms)
            ]


def put_booking(session: Transaction, booking: Booking, *, at_us: int) -> list[Act]:
    """Take in a booking within a transaction; one of the same id is replaced. What was done, to be recorded.

    Raises:
        TimelineError: the room is unknown, the booking has no length, or its id belongs to a booking of
            another project or by hand.
    """
    if booking.wall.empty:
        raise TimelineError(f"booking {booking.id} ends when it starts.", hint="Give a later end.")
    if session.get(RoomRow, booking.room_id) is None:
        rooms = ", ".join(session.exec(select(RoomRow.id).order_by(col(RoomRow.id))).all())
        raise TimelineError(
            f"there is no room {booking.room_id}.", hint=f"Name one of cameras.yaml: {rooms}."
        )
    known = session.get(BookingRow, booking.id)
    if known is not None and known.project_id != booking.project_id:
        raise TimelineError(
            f"booking id {booking.id} belongs to another booking, not of this project.",
            hint="Give the booking an id of its own.",
        )
    if known is not None and _booking(known) == replace(booking, principal=known.principal):
        return []
    row = session.merge(
        BookingRow(
            id=booking.id,
            room_id=booking.room_id,
            wall_start_us=booking.wall.start_us,
            wall_end_us=booking.wall.end_us,
            title=booking.title,
            principal=booking.principal,
            status=booking.status,
            project_id=booking.project_id,
        )
    )
    return [_put(row, new=known is None, at_us=at_us)]


def _put(row: BookingRow, *, new: bool, at_us: int) -> Act:
    changed = {} if new else changed_fields(row)
    action = Action.BOOKING_MADE if new and row.status == BookingStatus.CONFIRMED else Action.BOOKING_MOVED
    if row.status == BookingStatus.RELEASED and (new or "status" in changed):
        action = Action.BOOKING_CANCELLED
    place = {"room": row.room_id, "start_us": row.wall_start_us, "end_us": row.wall_end_us}
    return Act(
        at_us=at_us,
        principal=row.principal,
        action=action,
        subject=row.id,
        details=place if new else {**place, "changed": changed},
    )


def _booking(row: BookingRow) -> Booking:
    return Booking(
        id=row.id,
        room_id=row.room_id,
        wall=TimeRange(start_us=row.wall_start_us, end_us=row.wall_end_us),
        title=row.title,
        principal=row.principal,
        status=BookingStatus(row.status),
        project_id=row.project_id,
    )
