"""Which sessions belong to a day."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Engine, and_, exists, literal, or_
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from catalog.database import reading
from catalog.tables import BookingRow, SessionRow
from kernel.model.footage import BookingStatus
from kernel.model.timeline import Phase, SessionState
from kernel.timerange import TimeRange

_NOT_OF_A_DAY = (Phase.HALL, Phase.SUPERVISION)
"""A hall's own record, and visits of supervisors: nothing that witness staff prepare."""
_elsewhere = aliased(BookingRow)


class Days:
    """Reads only. All times are wall time, UTC microseconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def session_ids(self, wall: TimeRange, now_us: int) -> list[str]:
        """Sessions that went on in a range of time, or are booked for it.

        One that runs goes on until now. A session that has not begun belongs to the days on which its room is
        booked for its project, and one whose room is not booked to all days of its project's bookings.
        """
        went_on = and_(
            col(SessionRow.start_us) < wall.end_us,
            or_(
                col(SessionRow.end_us) > wall.start_us,
                and_(col(SessionRow.end_us).is_(None), literal(now_us >= wall.start_us)),
            ),
        )
        query = (
            select(SessionRow.id)
            .where(col(SessionRow.phase).not_in(_NOT_OF_A_DAY))
            .where(or_(went_on, _to_come(wall)))
            .order_by(col(SessionRow.start_us).nulls_last(), col(SessionRow.id))
        )
        with reading(self._engine) as session:
            return list(session.exec(query).all())


def _to_come(wall: TimeRange) -> ColumnElement[bool]:
    """Of a session's row: it has not begun, and is booked for that time."""
    unbegun = col(SessionRow.state).in_((SessionState.PLANNED, SessionState.CANCELLED))
    of_project = col(BookingRow.project_id) == col(SessionRow.project_id)
    booked = (
        col(BookingRow.status) == BookingStatus.CONFIRMED,
        col(BookingRow.wall_start_us) < wall.end_us,
        col(BookingRow.wall_end_us) > wall.start_us,
    )
    here = exists().where(of_project, *booked, col(BookingRow.room_id) == col(SessionRow.room_id))
    own_room = exists().where(
        col(_elsewhere.project_id) == col(SessionRow.project_id),
        col(_elsewhere.room_id) == col(SessionRow.room_id),
    )
    return and_(unbegun, or_(here, and_(exists().where(of_project, *booked), ~own_room)))
