"""到岗: who was there in a project, from when to when."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Engine
from sqlmodel import Session as Transaction
from sqlmodel import col, select

from catalog.audit import append
from catalog.database import reading, writing
from catalog.tables import PresenceRow, ProjectRow, RoomRow, SessionRow
from kernel.errors import NothingRuns, SupervisionRefused
from kernel.model.account import Role
from kernel.model.audit import Act, Action
from kernel.model.presence import Presence, PresenceMode
from kernel.values import fields_of

_SAME = ("project_id", "session_id", "account_id", "mode", "room_id")


class Presences:
    """The catalogue's presences. Rows are never deleted."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def mark(self, presence: Presence) -> Presence:
        """Say that somebody is there; of one who is there already in the same way, that he still is.

        Raises:
            SupervisionRefused: it names a project, session or room that there is not.
            NothingRuns: from afar, while no session of the project runs.
        """
        with writing(self._engine) as session:
            _check(session, presence)
            known = session.get(PresenceRow, presence.id) or _lasting(session, presence)
            if known is not None:
                known.seen_us = max(known.seen_us, presence.seen_us)
                return _presence(known)
            session.add(PresenceRow(**fields_of(presence)))
            append(session, _act(presence, Action.PRESENCE_MARKED, presence.marked_by, presence.since_us))
            return presence

    def beat(self, presence_id: str, account_id: str, at_us: int) -> Presence | None:
        """Somebody says that he is still there; None where he has left, or it is not his.

        Raises:
            NothingRuns: from afar, and the session is over.
        """
        with writing(self._engine) as session:
            row = session.get(PresenceRow, presence_id)
            if row is None or row.account_id != account_id or _presence(row).end_us(at_us) is not None:
                return None
            _check_runs(session, replace(_presence(row), since_us=at_us, seen_us=at_us))
            row.seen_us = max(row.seen_us, at_us)
            return _presence(row)

    def leave(self, presence_id: str, principal: str, at_us: int) -> Presence:
        """Somebody left; saying so again changes nothing.

        Raises:
            SupervisionRefused: there is no such presence.
        """
        with writing(self._engine) as session:
            row = session.get(PresenceRow, presence_id, with_for_update=True)
            if row is None:
                raise SupervisionRefused(f"there is no presence {presence_id}.")
            if row.left_us is None:
                silent_us = _presence(row).end_us(at_us)
                row.left_us = at_us if silent_us is None else silent_us
                append(session, _act(_presence(row), Action.PRESENCE_LEFT, principal, at_us))
            return _presence(row)

    def get(self, presence_id: str) -> Presence | None:
        with reading(self._engine) as session:
            row = session.get(PresenceRow, presence_id)
            return None if row is None else _presence(row)

    def of_project(self, project_id: str) -> list[Presence]:
        """Who was there in a project, the first one first."""
        query = (
            select(PresenceRow)
            .where(PresenceRow.project_id == project_id)
            .order_by(col(PresenceRow.since_us), col(PresenceRow.id))
        )
        with reading(self._engine) as session:
            return [_presence(row) for row in session.exec(query).all()]


def _lasting(session: Transaction, told: Presence) -> PresenceRow | None:
    """The presence that goes on in what is told."""
    query = select(PresenceRow).where(
        *(getattr(PresenceRow, one) == getattr(told, one) for one in _SAME),
        col(PresenceRow.left_us).is_(None),
    )
    for row in session.exec(query).all():
        if _presence(row).end_us(told.seen_us) is None:
            return row
    return None


def _check(session: Transaction, told: Presence) -> None:
    if session.get(ProjectRow, told.project_id) is None:
        raise SupervisionRefused(f"there is no project {told.project_id}.")
    if told.session_id is not None:
        held = session.get(SessionRow, told.session_id)
        if held is None or held.project_id != told.project_id:
            raise SupervisionRefused(f"project {told.project_id} has no session {told.session_id}.")
    if told.room_id is not None and session.get(RoomRow, told.room_id) is None:
        raise SupervisionRefused(f"there is no room {told.room_id}.")
    if told.mode is PresenceMode.ON_SITE and told.room_id is None:
        raise SupervisionRefused("whoever is on site is in a room.", hint="Name the room.")
    _check_runs(session, told)


def _check_runs(session: Transaction, told: Presence) -> None:
    """From afar one is there while a session goes on; whoever looks at its footage later is not."""
    if told.mode is not PresenceMode.REMOTE:
        return
    query = select(SessionRow.id).where(
        SessionRow.project_id == told.project_id,
        col(SessionRow.start_us) <= told.seen_us,
        col(SessionRow.end_us).is_(None) | (col(SessionRow.end_us) > told.since_us),
    )
    if told.session_id is not None:
        query = query.where(SessionRow.id == told.session_id)
    if session.exec(query).first() is None:
        raise NothingRuns(
            f"no session of project {told.project_id} runs: nobody is there from afar.",
            hint="Watch a session live while it runs; replay afterwards is no presence.",
        )


def _presence(row: PresenceRow) -> Presence:
    told = row.model_dump(exclude={"mode", "role"})
    return Presence(**told, mode=PresenceMode(row.mode), role=Role(row.role))


def _act(told: Presence, action: Action, principal: str, at_us: int) -> Act:
    details = {
        "presence": told.id,
        "project": told.project_id,
        "account": told.account_id,
        "mode": told.mode.value,
        "room": told.room_id or "",
        "since_us": told.since_us,
    }
    return Act(
        at_us=at_us,
        principal=principal,
        action=action,
        subject=told.session_id or told.project_id,
        details=details if told.left_us is None else {**details, "left_us": told.left_us},
    )
