"""Sessions: what happens in them, who sits where, and the states that both lead to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Engine, delete, or_, true
from sqlmodel import Session as Transaction
from sqlmodel import col, select

from catalog.audit import append
from catalog.clips import take_back
from catalog.database import reading, writing
from catalog.file_sets import seal_file_set
from catalog.locks import find_locked_session, locked_session
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
from kernel.audit_chain import canonical, digest
from kernel.clock import SECOND_US, iso_utc
from kernel.errors import EndsBeforeStart, EventReplaced, InFuture, TimelineChanged, TimelineError
from kernel.events import NEAR_US, bounds, effect_of
from kernel.ids import new_id
from kernel.model.audit import UNNAMED, Act, Action
from kernel.model.timeline import (
    CUTTING_EFFECTS,
    SESSION_TRANSITIONS,
    Phase,
    Seating,
    SeatOccupation,
    Session,
    SessionState,
    TimelineEvent,
    VenueRole,
)
from kernel.timerange import TimeRange
from kernel.values import fields_of

AHEAD_US = 60 * SECOND_US
"""How far the clock of whoever reports an event may be ahead of ours."""
_CUT = (SessionState.CUT, SessionState.ARCHIVED)
_FIELDS = {SessionSectionRow: "number", SessionRoomRow: "room_id", SessionSourceRow: "source_id"}
"""What the lists that belong to a session are of."""
_SAT_THERE = or_(
    col(SeatingRow.from_us).is_(None),
    col(SeatingRow.to_us).is_(None),
    col(SeatingRow.to_us) > col(SeatingRow.from_us),
)
"""Of a seating: somebody sat there. One that ends no later than it starts says that nobody did."""


class Sessions:
    """The catalogue's sessions and their events."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, sessions: Sequence[Session], *, principal: str = UNNAMED, at_us: int = 0) -> None:
        """Take in planned sessions; of one that is known already, its newest plan (``add_session``).

        Raises:
            TimelineError: a session names what the catalogue lacks, its id belongs to another project, or it
                has begun elsewhere.
        """
        with writing(self._engine) as session:
            acts: list[Act] = []
            for planned in sessions:
                acts += add_session(session, planned, principal=principal, at_us=at_us)
            append(session, *acts)

    def record_event(self, event: TimelineEvent) -> bool:
        """Take in an event and move its session on; whether it was new.

        Events may come late and in any order. One that replaces another corrects it: both stay. The same
        event sent again changes nothing.

        Raises:
            TimelineError: the session is unknown, the id belongs to another event, what it replaces does not
                exist or is replaced already, or the session would end before it starts.
            InFuture: it is dated later than it is recorded. To take such an event back is welcome.
        """
        with writing(self._engine) as session:
            return take_event(session, event)

    def set_seats(
        self, session_id: str, seats: Sequence[SeatOccupation], *, principal: str, reason: str, at_us: int
    ) -> None:
        """Say anew who sat where in the whole session; what was said before stays on record.

        The list is of the whole session, not of this moment: who left stays in it, with the time of leaving.
        Once the session has begun, nobody is dropped who was named before. That somebody never sat there is
        said by an end that is no later than the start: the seat is not the session's then.

        Raises:
            TimelineError: the session or a seat is unknown, a seat stands in no room of the session, or
                the list drops somebody although the session has begun.
        """
        with writing(self._engine) as session:
            row = locked_session(session, session_id)
            if _begun(row):
                _check_nobody_dropped(session, row, seats)
            if _say_seats(session, row, seats, principal=principal, reason=reason, at_us=at_us):
                _settle(session, row, at_us, reopen=True)
                append(session, _seated(row, seats, principal=principal, reason=reason, at_us=at_us))

    def correct_seating(
        self,
        session_id: str,
        told: SeatOccupation,
        *,
        replaces: str | None,
        withdrawn: bool = False,
        principal: str,
        reason: str,
        at_us: int,
    ) -> None:
        """Put right what was said of one seat, or name somebody more; what was said before stays on record.

        Where another seat or member is named than before, the one before is said never to have sat there.

        Args:
            told: who sat where; the expert's key is that which the member has in this session.
            replaces: the seating that is put right.
            withdrawn: it only takes that back: nobody sat there so.

        Raises:
            TimelineError: the session, the seat or that seating is unknown, or the seat stands elsewhere.
            EventReplaced: that seating was put right already.
            EndsBeforeStart: it ends no later than it starts.
            InFuture: it starts or ends later than now.
        """
        _check_times(told, at_us)
        with writing(self._engine) as session:
            row = locked_session(session, session_id)
            seats = {one.id: _occupation(one) for one in _seat_rows(session, [row.id])}
            if replaces is not None:
                old = seats.pop(_standing(session, row, replaces).id)
                if withdrawn or (old.seat_id, old.member) != (told.seat_id, told.member):
                    never_us = next(us for us in (old.from_us, row.start_us, at_us) if us is not None)
                    seats[replaces] = replace(old, from_us=never_us, to_us=never_us)
            elif withdrawn:
                raise TimelineError("a seating that is taken back is to be named.", hint="Name its id.")
            wanted = [*seats.values()] if withdrawn else [*seats.values(), _with_key(session, row, told)]
            if _say_seats(session, row, wanted, principal=principal, reason=reason, at_us=at_us):
                _settle(session, row, at_us, reopen=True)
                append(session, _seated(row, wanted, principal=principal, reason=reason, at_us=at_us))

    def add_sources(self, session_id: str, source_ids: Sequence[str], *, principal: str, at_us: int) -> None:
        """Say which handed-over sources a session has, in addition to those it has already.

        Raises:
            TimelineError: the session or a source is unknown.
        """
        with writing(self._engine) as session:
            row = locked_session(session, session_id)
            _settle(session, row, at_us, reopen=True)
            session.flush()  # the session comes before its sources: see catalog.removal
            for source_id in source_ids:
                if session.get(SourceRow, source_id) is None:
                    raise TimelineError(f"session {session_id} names source {source_id}, which is unknown.")
                session.merge(SessionSourceRow(session_id=session_id, source_id=source_id))
            append(
                session,
                Act(
                    at_us=at_us,
                    principal=principal,
                    action=Action.SESSION_SOURCES_ADDED,
                    subject=session_id,
                    details={"sources": list(source_ids)},
                ),
            )

    def advance(
        self,
        session_id: str,
        state: SessionState,
        *,
        was: SessionState,
        principal: str = "segmenter",
        reason: str = "",
        at_us: int = 0,
    ) -> None:
        """Move a session from the state that it was seen in to its next one.

        Raises:
            TimelineChanged: it is in another state by now.
            TimelineError: there is no such session, or ``SESSION_TRANSITIONS`` does not allow it.
        """
        with writing(self._engine) as session:
            row = locked_session(session, session_id)
            if row.state != was:
                raise TimelineChanged(f"session {row.id} is {row.state}, no longer {was}.")
            _move(row, state)
            append(
                session,
                Act(
                    at_us=at_us,
                    principal=principal,
                    action=Action.SESSION_MOVED_ON,
                    subject=session_id,
                    details={"was": str(was), "is": str(state), "reason": reason},
                ),
            )

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
            SeatingRow.expert_key == expert_key, col(SeatingRow.replaced_us).is_(None), _SAT_THERE
        )
        query = select(SessionRow).where(col(SessionRow.id).in_(seated))
        with reading(self._engine) as session:
            rows = session.exec(
                query.order_by(col(SessionRow.start_us).nulls_first(), col(SessionRow.id))
            ).all()
            return _sessions(session, rows)

    def in_state(self, *states: SessionState) -> list[Session]:
        """Sessions in one of these states, those that ended first at the front."""
        ended = col(SessionRow.end_us).nulls_first()
        query = select(SessionRow).where(col(SessionRow.state).in_(states)).order_by(ended)
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

    def on_seats(self, seat_ids: Collection[str], wall: TimeRange, *, not_of: str = "") -> list[Session]:
        """Sessions that touch a time and name one of those seats, in any room; none of one project."""
        seated = select(SeatingRow.session_id).where(
            col(SeatingRow.seat_id).in_(seat_ids), col(SeatingRow.replaced_us).is_(None)
        )
        query = (
            select(SessionRow)
            .where(col(SessionRow.id).in_(seated), SessionRow.project_id != not_of)
            .where(col(SessionRow.start_us) < wall.end_us)
            .where(or_(col(SessionRow.end_us).is_(None), col(SessionRow.end_us) > wall.start_us))
            .order_by(col(SessionRow.start_us), col(SessionRow.id))
        )
        with reading(self._engine) as session:
            return _sessions(session, session.exec(query).all())

    def change_numbers(self, since_us: int) -> dict[str, int]:
        """How often each session was changed that runs, or that ended after that moment; by id."""
        query = select(SessionRow.id, SessionRow.change_number)
        ended = query.where(col(SessionRow.end_us) > since_us)
        running = query.where(col(SessionRow.end_us).is_(None), col(SessionRow.start_us).is_not(None))
        with reading(self._engine) as session:
            return dict([*session.exec(ended).all(), *session.exec(running).all()])

    def by_id(self, ids: Collection[str]) -> dict[str, Session]:
        """Those of these sessions that exist."""
        with reading(self._engine) as session:
            rows = session.exec(select(SessionRow).where(col(SessionRow.id).in_(ids))).all()
            return {one.id: one for one in _sessions(session, rows)}

    def events_of(self, *session_ids: str) -> list[TimelineEvent]:
        """Events of sessions in the order they happened, those that were replaced included."""
        query = (
            select(TimelineEventRow)
            .where(col(TimelineEventRow.session_id).in_(session_ids))
            .order_by(col(TimelineEventRow.at_us), col(TimelineEventRow.recorded_us))
        )
        with reading(self._engine) as session:
            return [_event(row) for row in session.exec(query).all()]

    def seatings_of(self, session_id: str) -> list[Seating]:
        """All that was ever said of a session's seats, in the order it was; what was put right included."""
        query = (
            select(SeatingRow)
            .where(SeatingRow.session_id == session_id)
            .order_by(
                col(SeatingRow.recorded_us),
                SeatingRow.seat_id,
                col(SeatingRow.from_us).nulls_first(),
                SeatingRow.id,
            )
        )
        with reading(self._engine) as session:
            return [_seating(row) for row in session.exec(query).all()]


def take_event(session: Transaction, event: TimelineEvent) -> bool:
    """Take in an event within a transaction, as ``Sessions.record_event`` does; whether it was new."""
    row = find_locked_session(session, event.session_id)
    known = session.get(TimelineEventRow, event.id)
    if known is not None:
        _check_same(known, event)
        return False
    if event.at_us > event.recorded_us + AHEAD_US and not event.withdrawn:
        raise InFuture(f"event {event.id} is dated {iso_utc(event.at_us)}, which has not come yet.")
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
    append(session, _told_event(event))
    return True


def add_session(session: Transaction, planned: Session, *, principal: str, at_us: int) -> list[Act]:
    """Take in a planned session within a transaction, or the newest plan of one that is known.

    Returns what was done, to be recorded at the end of the transaction.

    The same plan again changes nothing, whatever was put right since. Until the session begins, the newest
    plan holds, and who was to sit where stays on record. Afterwards a plan only adds: seats, rooms, sections.

    Raises:
        TimelineError: it names what the catalogue lacks, its id belongs to another project, or it has begun
            in another room or phase.
    """
    known = find_locked_session(session, planned.id)
    if known is not None and known.project_id != planned.project_id:
        raise TimelineError(f"session id {planned.id} belongs to another project already.")
    plan, before = _plan(planned), {} if known is None else known.plan
    if plan == before:
        return []
    _check_rooms(session, planned)
    row = known or _new_row(session, planned)
    begun = known is not None and _begun(row)
    if begun:
        _check_place(row, planned)
    changed = [(row.room_id, row.phase) != (planned.room_id, planned.phase)]
    row.room_id, row.phase = planned.room_id, planned.phase
    row.venue_role, row.plan = planned.venue_role, plan
    session.flush()  # the session comes before its rooms and sources: see catalog.removal
    _set_list(session, row, SessionSectionRow, planned.section_numbers, only_add=begun)
    changed += [
        _set_list(session, row, SessionRoomRow, planned.extra_room_ids, only_add=begun),
        _set_list(session, row, SessionSourceRow, planned.source_ids, only_add=True),
    ]
    session.flush()
    again = plan["seats"] == before.get("seats")
    seats = planned.seats
    if begun or again:  # what was put right since stays
        seats = _with_those_seated(session, row, () if again else planned.seats)
    changed.append(_say_seats(session, row, seats, principal=principal, reason="", at_us=at_us))
    if known is not None and any(changed):
        _settle(session, row, at_us, reopen=True)
    session.flush()
    return [_planned(row, plan, new=known is None, principal=principal, at_us=at_us)]


def _planned(row: SessionRow, plan: Mapping[str, Any], *, new: bool, principal: str, at_us: int) -> Act:
    """The plan by its hash: it names experts, whose keys are no business of whoever reads what was done."""
    return Act(
        at_us=at_us,
        principal=principal,
        action=Action.SESSION_PLANNED if new else Action.SESSION_REPLANNED,
        subject=row.id,
        details={
            "project": row.project_id,
            "phase": plan["phase"],
            "room": plan["room"],
            "begun": _begun(row),
            "plan_sha256": digest(plan),
        },
    )


def _told_event(event: TimelineEvent) -> Act:
    details: dict[str, Any] = {"event": event.id, "type": event.type, "at_us": event.at_us}
    action = Action.EVENT_RECORDED
    if event.replaces is not None:
        action = Action.EVENT_WITHDRAWN if event.withdrawn else Action.EVENT_CORRECTED
        details["replaces"] = event.replaces
    told = {**fields_of(event), "details": dict(event.details)}
    return Act(
        at_us=event.recorded_us,
        principal=event.principal,
        action=action,
        subject=event.session_id,
        details={**details, "reason": event.reason, "said": digest(told)},
    )


def _seated(
    row: SessionRow, seats: Sequence[SeatOccupation], *, principal: str, reason: str, at_us: int
) -> Act:
    """Who sits where by its hash: see ``_planned``."""
    said = sorted((fields_of(seat) for seat in seats), key=canonical)
    return Act(
        at_us=at_us,
        principal=principal,
        action=Action.SESSION_SEATED,
        subject=row.id,
        details={"seats": len(said), "reason": reason, "said": digest(said)},
    )


def _new_row(session: Transaction, planned: Session) -> SessionRow:
    """Without what its plan says."""
    row = SessionRow(
        id=planned.id,
        project_id=planned.project_id,
        phase=planned.phase,
        room_id=planned.room_id,
        state=planned.state,
        start_us=planned.start_us,
        end_us=planned.end_us,
    )
    session.add(row)
    return row


def _plan(planned: Session) -> dict[str, Any]:
    """A plan as it is stored; the order in which its parts are named does not matter."""
    seats = [fields_of(seat) for seat in planned.seats]
    return {
        "phase": str(planned.phase),
        "room": planned.room_id,
        "venue_role": str(planned.venue_role),
        "sections": sorted(planned.section_numbers),
        "extra_rooms": sorted(planned.extra_room_ids),
        "sources": sorted(planned.source_ids),
        "seats": sorted(seats, key=lambda seat: json.dumps(seat, sort_keys=True)),
    }


def _begun(row: SessionRow) -> bool:
    """Whether it takes or took place, or was cut as if it had: footage was kept by what was said of it."""
    return row.start_us is not None or row.cut_number > 0


def _check_place(row: SessionRow, planned: Session) -> None:
    if (row.room_id, row.phase) != (planned.room_id, planned.phase):
        raise TimelineError(
            f"session {row.id} has begun, as {row.phase} in room {row.room_id}; it cannot become "
            f"{planned.phase} in room {planned.room_id}.",
            hint="Report it as it began. What is held elsewhere is a session of its own, with another id; "
            "if this one never took place, take back its start.",
        )


def _check_rooms(session: Transaction, planned: Session) -> None:
    for room_id in (planned.room_id, *planned.extra_room_ids):
        if session.get(RoomRow, room_id) is None:
            raise TimelineError(f"session {planned.id} names room {room_id}, which cameras.yaml lacks.")


def _with_those_seated(
    session: Transaction, row: SessionRow, planned: Sequence[SeatOccupation]
) -> tuple[SeatOccupation, ...]:
    """Who sits where now, and those of a plan of whom nothing was said yet, be it put right since."""
    rows = session.exec(select(SeatingRow).where(SeatingRow.session_id == row.id)).all()
    told = [_occupation(one) for one in rows]
    seated = [_occupation(one) for one in rows if one.replaced_us is None]
    return (*seated, *(one for one in planned if one not in told))


def _check_nobody_dropped(session: Transaction, row: SessionRow, seats: Sequence[SeatOccupation]) -> None:
    said = Counter((one.seat_id, one.member) for one in _seat_rows(session, [row.id], narrowed=_SAT_THERE))
    dropped = said - Counter((one.seat_id, one.member) for one in seats)
    if dropped:
        named = ", ".join(f"{member} on seat {seat_id}" for seat_id, member in sorted(dropped))
        raise TimelineError(
            f"session {row.id} has begun, and the list of its seats drops {named}.",
            hint="List who sat where in the whole session: who left with the time of leaving as the end, "
            "who never sat there with an end that is the start.",
        )


def _say_seats(
    session: Transaction,
    row: SessionRow,
    seats: Sequence[SeatOccupation],
    *,
    principal: str,
    reason: str,
    at_us: int,
) -> bool:
    """Who sits where, as a whole; what was said before stays on record. Whether it is another list."""
    current, wanted = _seat_rows(session, [row.id]), list(seats)
    changed = False
    for old in current:
        if (said := _occupation(old)) in wanted:
            wanted.remove(said)
        else:
            old.replaced_us, changed = at_us, True
    rooms = [row.room_id, *_lists(session, [row.id], SessionRoomRow).get(row.id, ())]
    for occupation in seats:
        _check_seat(session, row, occupation, rooms)
    for occupation in wanted:
        _check_within(row, occupation)
        session.add(
            SeatingRow(
                id=new_id("seating"),
                session_id=row.id,
                **fields_of(occupation),
                principal=principal,
                reason=reason,
                recorded_us=at_us,
            )
        )
    return changed or bool(wanted)


def _check_seat(
    session: Transaction, row: SessionRow, occupation: SeatOccupation, rooms: Sequence[str]
) -> None:
    seat = session.get(SeatRow, occupation.seat_id)
    if seat is None:
        raise TimelineError(f"session {row.id} names seat {occupation.seat_id}, which cameras.yaml lacks.")
    if seat.room_id not in rooms:
        raise TimelineError(
            f"session {row.id} names seat {seat.id}, which stands in room {seat.room_id}; "
            f"it is held in {', '.join(rooms)}.",
            hint="Name a seat of these rooms, or report the session with that room among its extra rooms.",
        )


def _check_within(row: SessionRow, occupation: SeatOccupation) -> None:
    """Somebody who sat there only at another time gets no clip: that is said aloud, not found out later."""
    from_us, to_us = occupation.from_us, occupation.to_us
    if from_us is not None and to_us is not None and to_us <= from_us:
        return  # says that nobody sat there
    early = None not in (row.start_us, to_us) and (to_us or 0) <= (row.start_us or 0) - NEAR_US
    late = None not in (row.end_us, from_us) and (from_us or 0) >= (row.end_us or 0) + NEAR_US
    if early or late:
        side = "before the start" if early else "after the end"
        raise TimelineError(
            f"{occupation.member} would sit on seat {occupation.seat_id} hours {side} of session {row.id}.",
            hint="Nothing of it was recorded. Check the clock and time zone of the system that reports it.",
        )


def _check_times(told: SeatOccupation, at_us: int) -> None:
    if told.from_us is not None and told.to_us is not None and told.to_us <= told.from_us:
        raise EndsBeforeStart(
            f"{told.member} cannot leave seat {told.seat_id} before sitting there.",
            hint="Say when the seat was left; take back what never was so.",
        )
    if max(told.from_us or 0, told.to_us or 0) > at_us + AHEAD_US:
        raise InFuture(f"a time of {told.member} on seat {told.seat_id} has not come yet.")


def _standing(session: Transaction, row: SessionRow, seating_id: str) -> SeatingRow:
    """What is to be put right, if it holds still."""
    found = session.get(SeatingRow, seating_id)
    if found is None or found.session_id != row.id:
        raise TimelineError(f"session {row.id} has no seating {seating_id}.")
    if found.replaced_us is not None:
        raise EventReplaced(f"seating {seating_id} was put right already.", hint="Correct the newer one.")
    return found


def _with_key(session: Transaction, row: SessionRow, told: SeatOccupation) -> SeatOccupation:
    """With the opaque key that was told last of the member: people by hand know none."""
    query = select(SeatingRow.expert_key).where(
        SeatingRow.session_id == row.id, SeatingRow.member == told.member, SeatingRow.expert_key != ""
    )
    keys = session.exec(query.order_by(col(SeatingRow.recorded_us).desc())).first()
    return replace(told, expert_key=keys or "")


def _set_list(
    session: Transaction,
    row: SessionRow,
    table: type[SessionSectionRow] | type[SessionRoomRow] | type[SessionSourceRow],
    wanted: Collection[Any],
    *,
    only_add: bool,
) -> bool:
    """The sections, extra rooms or sources of a session; whether they are others than before."""
    field = _FIELDS[table]
    known = set(_lists(session, [row.id], table).get(row.id, ()))
    new = set(wanted) - known
    gone = set() if only_add else known - set(wanted)
    for value in sorted(new):
        session.add(table(session_id=row.id, **{field: value}))
    if gone:
        of_session = delete(table).where(col(table.session_id) == row.id)
        session.connection().execute(of_session.where(getattr(table, field).in_(gone)))
    return bool(new or gone)


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
    row.change_number += moved or reopen
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


def _seating(row: SeatingRow) -> Seating:
    return Seating(
        id=row.id,
        occupation=_occupation(row),
        principal=row.principal,
        reason=row.reason,
        recorded_us=row.recorded_us,
        replaced_us=row.replaced_us,
    )


def _seat_rows(
    session: Transaction, ids: Sequence[str], *, narrowed: ColumnElement[bool] | None = None
) -> Sequence[SeatingRow]:
    """What is said now of the seats of sessions."""
    return session.exec(
        select(SeatingRow)
        .where(col(SeatingRow.session_id).in_(ids), col(SeatingRow.replaced_us).is_(None))
        .where(true() if narrowed is None else narrowed)
        .order_by(SeatingRow.seat_id, col(SeatingRow.from_us).nulls_first(), SeatingRow.member)
    ).all()


def _sessions(session: Transaction, rows: Sequence[SessionRow]) -> list[Session]:
    """Sessions with all that belongs to them: a handful of queries for any number of rows."""
    if not rows:
        return []
    ids = [row.id for row in rows]
    seats: dict[str, list[SeatOccupation]] = {}
    for seat in _seat_rows(session, ids, narrowed=_SAT_THERE):
        seats.setdefault(seat.session_id, []).append(_occupation(seat))
    sections = _lists(session, ids, SessionSectionRow)
    rooms = _lists(session, ids, SessionRoomRow)
    sources = _lists(session, ids, SessionSourceRow)
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
) -> Mapping[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    column = getattr(table, _FIELDS[table])
    query = select(table.session_id, column).where(col(table.session_id).in_(ids)).order_by(column)
    for session_id, value in session.exec(query).all():
        found.setdefault(session_id, []).append(value)
    return found
