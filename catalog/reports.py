"""Taking in what trading systems report, and their keys."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import Engine, update
from sqlmodel import Session as Transaction
from sqlmodel import col, select

from catalog.audit import append
from catalog.bookings import put_booking
from catalog.database import reading, writing
from catalog.projects import check_reporter, put_project
from catalog.sessions import Sessions, add_session
from catalog.tables import ProjectRow, SessionRow, TradingSystemRow
from kernel.errors import TimelineError
from kernel.event_notices import Notice, notices_for, notices_of
from kernel.model.audit import Act, Action
from kernel.model.report import EventReport, ProjectReport, SeatReport
from kernel.model.timeline import TimelineEvent

_KEY_BYTES = 32
_SYSTEM = "system:"


def principal_of(system_id: str) -> str:
    """Who a trading system is in what it reports."""
    return _SYSTEM + system_id


class Outcome(StrEnum):
    """What became of a reported event."""

    RECORDED = "recorded"
    KNOWN = "known"
    """It was here already, just so."""
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class EventOutcome:
    """What became of one reported event."""

    id: str
    outcome: Outcome
    message: str = ""  # why it was refused
    hint: str = ""  # what to do about it
    notices: tuple[Notice, ...] = ()  # what is odd about it although it was taken in


@dataclass(frozen=True, kw_only=True, slots=True)
class TradingSystem:
    """A system that may report."""

    id: str
    name_zh: str
    made_us: int
    revoked_us: int | None


class Reports:
    """The way in for reports, whoever brings them.

    A project belongs to the trading system that reported it first: no other one reports on it. People, who
    bring files, report on any project. Nobody reports on records of halls.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sessions = Sessions(engine)

    def take_project(self, report: ProjectReport, *, principal: str, at_us: int) -> None:
        """Take in a project with its sessions and bookings, or bring it up to date: as a whole or not at all.

        Raises:
            TimelineError: it belongs to another trading system, it names what the catalogue lacks, a code or
                id belongs to something else, or a booking ends before it starts.
        """
        try:
            bookings = report.booking_values(principal)
        except ValueError as error:
            raise TimelineError(f"a booking of project {report.id} makes no sense: {error}.") from None
        system = _system(principal)
        with writing(self._engine) as session:
            check_reporter(session, report.id, system)
            acts = put_project(
                session,
                report.project(),
                sections=report.section_values(),
                venues=report.venue_values(),
                system=system,
                principal=principal,
                at_us=at_us,
            )
            for planned in report.session_values():
                acts += add_session(session, planned, principal=principal, at_us=at_us)
            for booking in bookings:
                acts += put_booking(session, booking, at_us=at_us)
            append(session, *acts)

    def take_events(
        self, reports: Sequence[EventReport], *, principal: str, at_us: int
    ) -> list[EventOutcome]:
        """Take in events, each on its own: one that is refused keeps none of the others out.

        The order in which they are sent does not matter: what is refused is tried again once others are in.
        Of what is odd about those taken in, their outcomes tell, once all are in.
        """
        outcomes: dict[int, EventOutcome] = {}
        left = list(range(len(reports)))
        while left:
            for number in left:
                outcomes[number] = self._take(reports[number], principal, at_us)
            refused = [number for number in left if outcomes[number].outcome is Outcome.REFUSED]
            if len(refused) == len(left):
                break
            left = refused[::-1]  # a chain of corrections that was sent backwards is taken at once
        taken = [number for number in outcomes if outcomes[number].outcome is not Outcome.REFUSED]
        events = [reports[number].event(principal, at_us) for number in taken]
        for number, notices in zip(taken, self.notices(events), strict=True):
            outcomes[number] = replace(outcomes[number], notices=notices)
        return [outcomes[number] for number in range(len(reports))]

    def notices(self, events: Sequence[TimelineEvent]) -> list[tuple[Notice, ...]]:
        """What to tell whoever reported these events, which were taken in; for each of them in turn."""
        sessions = self._sessions.by_id({event.session_id for event in events})
        history: dict[str, list[TimelineEvent]] = {}
        for event in self._sessions.events_of(*sessions):
            history.setdefault(event.session_id, []).append(event)
        odd = {name: notices_of(history.get(name, ()), one.phase) for name, one in sessions.items()}
        told = {event.id for event in events}
        return [notices_for(event, odd[event.session_id], told) for event in events]

    def _take(self, report: EventReport, principal: str, at_us: int) -> EventOutcome:
        try:
            self._check_session(report.session, principal)
            new = self._sessions.record_event(report.event(principal, at_us))
        except TimelineError as error:
            return EventOutcome(
                id=report.id, outcome=Outcome.REFUSED, message=error.message, hint=error.remedy
            )
        return EventOutcome(id=report.id, outcome=Outcome.RECORDED if new else Outcome.KNOWN)

    def take_seats(
        self, session_id: str, seats: Sequence[SeatReport], *, principal: str, reason: str, at_us: int
    ) -> None:
        """Say anew who sits where in a session.

        Raises:
            TimelineError: the session or a seat is unknown, or the project belongs to another trading system.
        """
        self._check_session(session_id, principal)
        occupations = [seat.occupation() for seat in seats]
        self._sessions.set_seats(session_id, occupations, principal=principal, reason=reason, at_us=at_us)

    def _check_session(self, session_id: str, principal: str) -> None:
        """Raises: TimelineError: whoever reports may not report on the session's project."""
        with reading(self._engine) as session:
            row = session.get(SessionRow, session_id)
            if row is not None:
                check_reporter(session, row.project_id, _system(principal))


def _system(principal: str) -> str:
    """The principal if it is a trading system; empty if it is a person."""
    return principal if principal.startswith(_SYSTEM) else ""


class TradingSystems:
    """Who may report. A key is shown once, when it is made; here is only its hash."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(
        self, system_id: str, name_zh: str, *, principal: str, at_us: int, instead_of: str | None = None
    ) -> str:
        """A new system; returns its key, which nobody can read again.

        Args:
            instead_of: system whose projects become the new one's, and whose key holds no longer.

        Raises:
            TimelineError: there is one of that id, or none of the other id.
        """
        key = secrets.token_urlsafe(_KEY_BYTES)
        with writing(self._engine) as session:
            if session.get(TradingSystemRow, system_id) is not None:
                raise TimelineError(
                    f"there is a trading system {system_id} already.",
                    hint="Add another with --instead-of: what it reported bears its id.",
                )
            session.add(
                TradingSystemRow(
                    id=system_id, name_zh=name_zh, key_sha256=_hash(key), made_us=at_us, principal=principal
                )
            )
            if instead_of is not None:
                _revoke(session, instead_of, at_us)
                session.connection().execute(
                    update(ProjectRow)
                    .where(col(ProjectRow.reported_by) == principal_of(instead_of))
                    .values(reported_by=principal_of(system_id))
                )
            append(session, _added(system_id, instead_of, principal=principal, at_us=at_us))
        return key

    def revoke(self, system_id: str, *, principal: str, at_us: int) -> None:
        """Its key holds no longer.

        Raises:
            TimelineError: there is no such system.
        """
        with writing(self._engine) as session:
            if not _revoke(session, system_id, at_us):
                return
            append(
                session,
                Act(at_us=at_us, principal=principal, action=Action.SYSTEM_REVOKED, subject=system_id),
            )

    def all(self) -> list[TradingSystem]:
        """Every system, by id."""
        with reading(self._engine) as session:
            rows = session.exec(select(TradingSystemRow).order_by(col(TradingSystemRow.id))).all()
            kept = {"id", "name_zh", "made_us", "revoked_us"}
            return [TradingSystem(**row.model_dump(include=kept)) for row in rows]

    def of_key(self, key: str) -> str | None:
        """The id of the system that a key belongs to; None where it holds for nobody."""
        query = select(TradingSystemRow.id).where(
            TradingSystemRow.key_sha256 == _hash(key), col(TradingSystemRow.revoked_us).is_(None)
        )
        with reading(self._engine) as session:
            return session.exec(query).first()


def _added(system_id: str, instead_of: str | None, *, principal: str, at_us: int) -> Act:
    """Of a key nothing is told, not even its hash (invariant 16)."""
    return Act(
        at_us=at_us,
        principal=principal,
        action=Action.SYSTEM_ADDED,
        subject=system_id,
        details={} if instead_of is None else {"instead_of": instead_of},
    )


def _revoke(session: Transaction, system_id: str, at_us: int) -> bool:
    """Whether its key held until now."""
    row = session.get(TradingSystemRow, system_id)
    if row is None:
        raise TimelineError(f"there is no trading system {system_id}.")
    held = row.revoked_us is None
    row.revoked_us = at_us if held else row.revoked_us
    return held


def _hash(key: str) -> str:
    """Of a key of 256 random bits: a plain hash cannot be guessed, and is found by index."""
    return hashlib.sha256(key.encode()).hexdigest()
