"""Sessions: what happens in them, who sits where, and the states that both lead to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine, or_
from sqlmodel import Session as Transaction
from sqlmodel import col, select

from catalog.clips import take_back
from catalog.database import reading, writing
from catalog.file_sets import seal_file_set
from catalog.tables import (
    RoomRow,
    SeatingRow,
    SeatRow,
    SessionRoomRow,
    SessionRow,
    SessionSectionRow,
    SessionSourceRow,
    SourceRow,
    TimelineEventRow,
)
from kernel.errors import EndsBeforeStart, EventReplaced, TimelineError
from kernel.events import bounds, effect_of
from kernel.ids import new_id
from kernel.model.timeline import (
    CUTTING_EFFECTS,
    SESSION_TRANSITIONS,
    Phase,
    SeatOccupation,
    Session,
    SessionState,
    TimelineEvent,
    VenueRole,
)
from kernel.timerange import TimeRange
from kernel.values import fields_of

_CUT = (SessionState.CUT, SessionState.ARCHIVED)


class Sessions:
    """The catalogue's sessions and their events."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, sessions: Sequence[Session], *, principal: str = "", at_us: int = 0) -> None:
        """Take in planned sessions; one that is known already stays as it is.

        Raises:
            TimelineError: a session names what the catalogue lacks, or its id belongs to another project.
        """
        with writing(self._engine) as session:
            for planned in sessions:
                add_session(session, planned, principal=principal, at_us=at_us)

    def record_event(self, event: TimelineEvent) -> bool:
        """Take in an event and move its session on; whether it was new.

        Events may come late and in any order. One that replaces another corrects it: both stay. The same
        event sent again changes nothing.

        Raises:
            TimelineError: the session is unknown, the id belongs to another event, what it replaces does not
                exist or is replaced already, or the session would end before it starts.
        """
        with writing(self._engine) as session:
            known = session.get(TimelineEventRow, event.id)
            if known is not None:
                _check_same(known, event)
                return False
            row = session.get(SessionRow, event.session_id)
            if row is None:
                raise TimelineError(
                    f"event {event.type} names session {event.session_id}, which does not exist.",
                    hint="Report the project with its sessions first.",
                )
            replaced = _replaced(session, event)
            session.add(TimelineEventRow(**{**fields_of(event), "details": dict(event.details)}))
            session.flush()
            effects = {effect_of(event.type)} | ({effect_of(replaced.type)} if replaced else set())
            _settle(session, row, event.recorded_us, reopen=bool(effects & CUTTING_EFFECTS))
            return True

    def set_seats(
        self, session_id: str, seats: Sequence[SeatOccupation], *, principal: str, reason: str, at_us: int
    ) -> None:
        """Say anew who sits where; what was said before stays on record.

        Raises:
            TimelineError: the session or a seat is unknown.
        """
        with writing(self._engine) as session:
            row = session.get(SessionRow, session_id)
            if row is None:
                raise TimelineError(f"there is no session {session_id}.")
            current = _seat_rows(session, [session_id])
            wanted = list(seats)
            for old in current:
                if (said := _occupation(old)) in wanted:
                    wanted.remove(said)
                else:
                    old.replaced_us = at_us
            for occupation in wanted:
                _add_seat(session, row.id, occupation, principal=principal, reason=reason, at_us=at_us)
            if wanted or any(old.replaced_us == at_us for old in current):
                _settle(session, row, at_us, reopen=True)

    def add_sources(self, session_id: str, source_ids: Sequence[str]) -> None:
        """Say which handed-over sources a session has, in addition to those it has already.

        Raises:
            TimelineError: the session or a source is unknown.
        """
        with writing(self._engine) as session:
            row = session.get(SessionRow, session_id)
            if row is None:
                raise TimelineError(f"there is no session {session_id}.")
            for source_id in source_ids:
                if session.get(SourceRow, source_id) is None:
                    raise TimelineError(f"session {session_id} names source {source_id}, which is unknown.")
                session.merge(SessionSourceRow(session_id=session_id, source_id=source_id))
            session.flush()
            _settle(session, row, 0, reopen=True)

    def advance(self, session_id: str, state: SessionState) -> None:
        """Move a session to its next state.

        Raises:
            TimelineError: ``SESSION_TRANSITIONS`` does not allow it.
        """
        with writing(self._engine) as session:
            _move(session.get_one(SessionRow, session_id), state)

    def get(self, session_id: str) -> Session | None:
        """One session."""
        with reading(self._engine) as session:
            row = session.get(SessionRow, session_id)
            return _sessions(session, [row])[0] if row else None

    def of_project(self, project_id: str) -> list[Session]:
        """Sessions of a project in the order they started; those to come last, in the order of phases."""
        query = select(SessionRow).where(SessionRow.project_id == project_id)
        with reading(self._engine) as session:
            found = _sessions(session, session.exec(query).all())
        phases = list(Phase)
        return sorted(
            found,
            key=lambda one: (one.start_us is None, one.start_us or 0, phases.index(one.phase), one.id),
        )

    def of_expert(self, expert_key: str) -> list[Session]:
        """Sessions that an expert sits in as is known now, those that started first at the front."""
        seated = select(SeatingRow.session_id).where(
            SeatingRow.expert_key == expert_key, col(SeatingRow.replaced_us).is_(None)
        )
        query = select(SessionRow).where(col(SessionRow.id).in_(seated))
        with reading(self._engine) as session:
            rows = session.exec(query.order_by(col(SessionRow.start_us), col(SessionRow.id))).all()
            return _sessions(session, rows)

    def in_state(self, *states: SessionState) -> list[Session]:
        """Sessions in one of these states, those that ended first at the front."""
        query = select(SessionRow).where(col(SessionRow.state).in_(states)).order_by(col(SessionRow.end_us))
        with reading(self._engine) as session:
            return _sessions(session, session.exec(query).all())

    def in_room(self, room_id: str, wall: TimeRange, *, not_of: str = "") -> list[Session]:
        """Sessions that touch a time in a room (as their own room), but for those of one project."""
        query = (
            select(SessionRow)
            .where(SessionRow.room_id == room_id, SessionRow.project_id != not_of)
            .where(col(SessionRow.start_us) < wall.end_us)
            .where(or_(col(SessionRow.end_us).is_(None), col(SessionRow.end_us) > wall.start_us))
            .order_by(col(SessionRow.start_us), col(SessionRow.id))
        )
        with reading(self._engine) as session:
            return _sessions(session, session.exec(query).all())

    def events_of(self, *session_ids: str) -> list[TimelineEvent]:
        """Events of sessions in the order they happened, those that were replaced included."""
        query = (
            select(TimelineEventRow)
            .where(col(TimelineEventRow.session_id).in_(session_ids))
            .order_by(col(TimelineEventRow.at_us), col(TimelineEventRow.recorded_us))
        )
        with reading(self._engine) as session:
            return [_event(row) for row in session.exec(query).all()]


def add_session(session: Transaction, planned: Session, *, principal: str, at_us: int) -> None:
    """Take in a planned session within a transaction; one that is known already stays as it is.

    Raises:
        TimelineError: it names what the catalogue lacks, or its id belongs to another project.
    """
    known = session.get(SessionRow, planned.id)
    if known is not None:
        if known.project_id != planned.project_id:
            raise TimelineError(f"session id {planned.id} belongs to another project already.")
        return
    for room_id in (planned.room_id, *planned.extra_room_ids):
        if session.get(RoomRow, room_id) is None:
            raise TimelineError(f"session {planned.id} names room {room_id}, which cameras.yaml lacks.")
    session.add(
        SessionRow(
            id=planned.id,
            project_id=planned.project_id,
            phase=planned.phase,
            room_id=planned.room_id,
            state=planned.state,
            start_us=planned.start_us,
            end_us=planned.end_us,
            venue_role=planned.venue_role,
        )
    )
    session.flush()
    for occupation in planned.seats:
        _add_seat(session, planned.id, occupation, principal=principal, reason="", at_us=at_us)
    for number in planned.section_numbers:
        session.add(SessionSectionRow(session_id=planned.id, number=number))
    for room_id in planned.extra_room_ids:
        session.add(SessionRoomRow(session_id=planned.id, room_id=room_id))
    for source_id in planned.source_ids:
        session.add(SessionSourceRow(session_id=planned.id, source_id=source_id))
    session.flush()


def _add_seat(
    session: Transaction,
    session_id: str,
    occupation: SeatOccupation,
    *,
    principal: str,
    reason: str,
    at_us: int,
) -> None:
    if session.get(SeatRow, occupation.seat_id) is None:
        raise TimelineError(
            f"session {session_id} names seat {occupation.seat_id}, which cameras.yaml lacks."
        )
    session.add(
        SeatingRow(
            id=new_id("seating"),
            session_id=session_id,
            **fields_of(occupation),
            principal=principal,
            reason=reason,
            recorded_us=at_us,
        )
    )


def _check_same(known: TimelineEventRow, event: TimelineEvent) -> None:
    """The same report again is welcome; another one under its id is not."""
    told = _event(known)
    # When we learnt of it and through whom may differ; details are compared as they are stored.
    again = replace(
        event,
        recorded_us=told.recorded_us,
        principal=told.principal,
        details=json.loads(json.dumps(dict(event.details))),
    )
    if told != again:
        raise TimelineError(
            f"event id {event.id} belongs to another event: {told.type} of session {told.session_id}.",
            hint="Give a correction an id of its own, and name this one as what it replaces.",
        )


def _replaced(session: Transaction, event: TimelineEvent) -> TimelineEventRow | None:
    if event.replaces is None:
        if event.withdrawn:
            raise TimelineError(f"event {event.id} withdraws nothing.", hint="Name the event it takes back.")
        return None
    old = session.get(TimelineEventRow, event.replaces)
    if old is None or old.session_id != event.session_id:
        raise TimelineError(
            f"event {event.id} replaces {event.replaces}, which session {event.session_id} does not have."
        )
    by = session.exec(select(TimelineEventRow).where(TimelineEventRow.replaces == old.id)).first()
    if by is not None:
        raise EventReplaced(
            f"event {old.id} was replaced by {by.id} already.", hint=f"Correct {by.id} instead."
        )
    return old


def _settle(session: Transaction, row: SessionRow, at_us: int, *, reopen: bool) -> None:
    """Give a session the times and the state that its events say, since we know of them."""
    rows = session.exec(select(TimelineEventRow).where(TimelineEventRow.session_id == row.id)).all()
    told = bounds([_event(one) for one in rows])
    if told.start_us is not None and told.end_us is not None and told.end_us <= told.start_us:
        raise EndsBeforeStart(f"session {row.id} cannot end before it starts.")
    moved = (row.start_us, row.end_us) != (told.start_us, told.end_us)
    row.start_us, row.end_us = told.start_us, told.end_us
    if told.start_us is None:
        state = SessionState.CANCELLED if told.cancelled else SessionState.PLANNED
    elif told.end_us is None:
        state = SessionState.RUNNING
    elif SessionState(row.state) in _CUT and not (moved or reopen):
        return
    else:
        state = SessionState.ENDED
    if state == row.state:
        return
    _move(row, state)
    if told.start_us is None or (told.end_us is None and row.cut_number == 0):
        take_back(session, row, at_us)
    if state is SessionState.CANCELLED:
        seal_file_set(session, row.project_id, at_us)


def _move(row: SessionRow, state: SessionState) -> None:
    if state not in SESSION_TRANSITIONS[SessionState(row.state)]:
        raise TimelineError(f"session {row.id} is {row.state} and cannot become {state}.")
    row.state = state


def _event(row: TimelineEventRow) -> TimelineEvent:
    return TimelineEvent(**row.model_dump())


def _occupation(row: SeatingRow) -> SeatOccupation:
    return SeatOccupation(
        seat_id=row.seat_id,
        member=row.member,
        expert_key=row.expert_key,
        from_us=row.from_us,
        to_us=row.to_us,
    )


def _seat_rows(session: Transaction, ids: Sequence[str]) -> Sequence[SeatingRow]:
    return session.exec(
        select(SeatingRow)
        .where(col(SeatingRow.session_id).in_(ids), col(SeatingRow.replaced_us).is_(None))
        .order_by(SeatingRow.seat_id, col(SeatingRow.from_us), SeatingRow.member)
    ).all()


def _sessions(session: Transaction, rows: Sequence[SessionRow]) -> list[Session]:
    """Sessions with all that belongs to them: a handful of queries for any number of rows."""
    if not rows:
        return []
    ids = [row.id for row in rows]
    seats: dict[str, list[SeatOccupation]] = {}
    for seat in _seat_rows(session, ids):
        seats.setdefault(seat.session_id, []).append(_occupation(seat))
    sections = _lists(session, ids, SessionSectionRow, "number")
    rooms = _lists(session, ids, SessionRoomRow, "room_id")
    sources = _lists(session, ids, SessionSourceRow, "source_id")
    return [
        Session(
            id=row.id,
            project_id=row.project_id,
            phase=Phase(row.phase),
            room_id=row.room_id,
            state=SessionState(row.state),
            start_us=row.start_us,
            end_us=row.end_us,
            seats=tuple(seats.get(row.id, ())),
            venue_role=VenueRole(row.venue_role),
            section_numbers=tuple(sections.get(row.id, ())),
            extra_room_ids=tuple(rooms.get(row.id, ())),
            source_ids=tuple(sources.get(row.id, ())),
            cut_number=row.cut_number,
            change_number=row.change_number,
        )
        for row in rows
    ]


def _lists(
    session: Transaction,
    ids: Sequence[str],
    table: type[SessionSectionRow] | type[SessionRoomRow] | type[SessionSourceRow],
    field: str,
) -> Mapping[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    column = getattr(table, field)
    query = select(table.session_id, column).where(col(table.session_id).in_(ids)).order_by(column)
    for session_id, value in session.exec(query).all():
        found.setdefault(session_id, []).append(value)
    return found
