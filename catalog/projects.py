"""Projects, their sessions and timeline events."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session as Transaction
from sqlmodel import col, select

from catalog.database import reading, writing
from catalog.tables import (
    IndustryRow,
    ProjectRow,
    RegionRow,
    RoomRow,
    SeatRow,
    SessionRow,
    SessionSeatRow,
    TimelineEventRow,
)
from kernel.errors import TimelineError
from kernel.model.timeline import (
    END_EVENTS,
    SESSION_TRANSITIONS,
    START_EVENTS,
    Phase,
    Project,
    SeatOccupation,
    Session,
    SessionState,
    TimelineEvent,
)
from kernel.timerange import TimeRange
from kernel.values import fields_of


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectFilter:
    """What a list of projects is narrowed by; None narrows nothing."""

    region_codes: frozenset[str] | None = None  # of the project or of its trade place
    industry_codes: frozenset[str] | None = None
    sessions_within: TimeRange | None = None  # some session started in it


class Projects:
    """The catalogue's projects, sessions and events."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_project(self, project: Project, sessions: list[Session]) -> None:
        """Take in a project with its planned sessions; one that is known already stays as it is.

        Raises:
            TimelineError: its region, industry or a room is unknown, or its code belongs to another project.
        """
        with writing(self._engine) as session:
            if session.get(ProjectRow, project.id) is not None:
                return
            _check_project(session, project)
            fields = fields_of(project)
            session.add(ProjectRow(**fields))
            session.flush()
            for planned in sessions:
                _add_session(session, planned)

    def record_event(self, event: TimelineEvent) -> None:
        """Take in an event and move its session on; an event id that is known already changes nothing.

        Raises:
            TimelineError: the session is unknown, or it cannot start or end now.
        """
        with writing(self._engine) as session:
            if session.get(TimelineEventRow, event.id) is not None:
                return
            row = session.get(SessionRow, event.session_id)
            if row is None:
                raise TimelineError(
                    f"event {event.type} names session {event.session_id}, which does not exist."
                )
            fields = fields_of(event)
            session.add(TimelineEventRow(**fields))
            if event.type in START_EVENTS:
                _move(row, SessionState.RUNNING)
                row.start_us = event.at_us
            elif event.type in END_EVENTS:
                if row.start_us is None or event.at_us <= row.start_us:
                    raise TimelineError(f"session {row.id} cannot end before it starts.")
                _move(row, SessionState.ENDED)
                row.end_us = event.at_us

    def advance(self, session_id: str, state: SessionState) -> None:
        """Move a session to its next state.

        Raises:
            TimelineError: ``SESSION_TRANSITIONS`` does not allow it.
        """
        with writing(self._engine) as session:
            _move(session.get_one(SessionRow, session_id), state)

    def project(self, project_id: str) -> Project | None:
        with reading(self._engine) as session:
            row = session.get(ProjectRow, project_id)
            return Project(**row.model_dump()) if row else None

    def projects(self, narrowed: ProjectFilter | None = None) -> list[Project]:
        """Projects that pass a filter, by code."""
        by = narrowed or ProjectFilter()
        query = select(ProjectRow).order_by(ProjectRow.project_code)
        if by.region_codes is not None:
            own = col(ProjectRow.region_code).in_(by.region_codes)
            query = query.where(own | col(ProjectRow.trade_place).in_(by.region_codes))
        if by.industry_codes is not None:
            query = query.where(col(ProjectRow.industry_code).in_(by.industry_codes))
        if by.sessions_within is not None:
            started = (
                select(SessionRow.project_id)
                .where(col(SessionRow.start_us) >= by.sessions_within.start_us)
                .where(col(SessionRow.start_us) < by.sessions_within.end_us)
            )
            query = query.where(col(ProjectRow.id).in_(started))
        with reading(self._engine) as session:
            return [Project(**row.model_dump()) for row in session.exec(query).all()]

    def session(self, session_id: str) -> Session | None:
        with reading(self._engine) as session:
            row = session.get(SessionRow, session_id)
            return _session(session, row) if row else None

    def sessions_of(self, project_id: str) -> list[Session]:
        """Sessions of a project in the order they started; those to come last, in the order of phases."""
        query = select(SessionRow).where(SessionRow.project_id == project_id)
        with reading(self._engine) as session:
            found = [_session(session, row) for row in session.exec(query).all()]
        phases = list(Phase)
        return sorted(
            found,
            key=lambda one: (one.start_us is None, one.start_us or 0, phases.index(one.phase), one.id),
        )

    def sessions_in(self, *states: SessionState) -> list[Session]:
        """Sessions in one of these states, those that ended first at the front."""
        query = select(SessionRow).where(col(SessionRow.state).in_(states)).order_by(col(SessionRow.end_us))
        with reading(self._engine) as session:
            return [_session(session, row) for row in session.exec(query).all()]

    def events_of(self, session_id: str) -> list[TimelineEvent]:
        """Events of a session in the order they happened."""
        query = (
            select(TimelineEventRow)
            .where(TimelineEventRow.session_id == session_id)
            .order_by(col(TimelineEventRow.at_us), col(TimelineEventRow.recorded_us))
        )
        with reading(self._engine) as session:
            return [TimelineEvent(**row.model_dump()) for row in session.exec(query).all()]


def _check_project(session: Transaction, project: Project) -> None:
    for code in (project.region_code, project.trade_place):
        if session.get(RegionRow, code) is None:
            raise TimelineError(
                f"project {project.id} names region {code}, which the catalogue does not know."
            )
    if session.get(IndustryRow, project.industry_code) is None:
        raise TimelineError(f"project {project.id} names industry {project.industry_code}, which is unknown.")
    twin = session.exec(select(ProjectRow).where(ProjectRow.project_code == project.project_code)).first()
    if twin is not None:
        raise TimelineError(f"project code {project.project_code} belongs to project {twin.id} already.")


def _add_session(session: Transaction, planned: Session) -> None:
    if session.get(RoomRow, planned.room_id) is None:
        raise TimelineError(f"session {planned.id} names room {planned.room_id}, which cameras.yaml lacks.")
    if session.get(SessionRow, planned.id) is not None:
        raise TimelineError(f"session id {planned.id} belongs to another project already.")
    for occupation in planned.seats:
        if session.get(SeatRow, occupation.seat_id) is None:
            raise TimelineError(
                f"session {planned.id} names seat {occupation.seat_id}, which cameras.yaml lacks."
            )
    session.add(
        SessionRow(
            id=planned.id,
            project_id=planned.project_id,
            phase=planned.phase,
            room_id=planned.room_id,
            state=planned.state,
            start_us=planned.start_us,
            end_us=planned.end_us,
        )
    )
    session.flush()
    for occupation in planned.seats:
        session.add(
            SessionSeatRow(session_id=planned.id, seat_id=occupation.seat_id, member=occupation.member)
        )


def _move(row: SessionRow, state: SessionState) -> None:
    if state not in SESSION_TRANSITIONS[SessionState(row.state)]:
        raise TimelineError(f"session {row.id} is {row.state} and cannot become {state}.")
    row.state = state


def _session(session: Transaction, row: SessionRow) -> Session:
    seats = session.exec(
        select(SessionSeatRow).where(SessionSeatRow.session_id == row.id).order_by(SessionSeatRow.seat_id)
    ).all()
    return Session(
        id=row.id,
        project_id=row.project_id,
        phase=Phase(row.phase),
        room_id=row.room_id,
        state=SessionState(row.state),
        start_us=row.start_us,
        end_us=row.end_us,
        seats=tuple(SeatOccupation(seat_id=seat.seat_id, member=seat.member) for seat in seats),
    )
