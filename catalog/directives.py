"""监督指令: issued once, answered once, closed; a pause or resumption is on the timeline with its number."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from sqlalchemy import ColumnElement, Engine
from sqlmodel import Session as Transaction
from sqlmodel import col, func, select

from catalog.audit import append
from catalog.database import reading, writing
from catalog.locks import find_locked_session
from catalog.projects import ProjectScope, ids_in
from catalog.sessions import take_event
from catalog.tables import DirectiveRow, ProjectRow, SectionRow, SessionRow
from kernel.audit_chain import digest
from kernel.errors import NothingRuns, SeenToAlready, SupervisionRefused
from kernel.model.audit import Act, Action
from kernel.model.directive import DIRECTIVE_KINDS, Directive, DirectiveKind
from kernel.model.timeline import SessionState, TimelineEvent
from kernel.values import fields_of

_MOST = 1000


class Directives:
    """The catalogue's directives. Rows are never deleted, and what was said in one is never changed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def issue(self, directive: Directive, *, on_timeline: bool = True) -> Directive:
        """Issue a directive and give it its number; the same one sent again is issued once.

        What pauses or resumes an evaluation is an event of its session, in the same transaction.

        Args:
            on_timeline: whether that event is made; else somebody else reports it.

        Raises:
            SupervisionRefused: its id belongs to another directive, it names what its project lacks, has no
                text or no time to be answered, or there is nothing that runs to be paused or resumed.
        """
        with writing(self._engine) as session:
            known = session.get(DirectiveRow, directive.id)
            if known is not None:
                return _again(_directive(known), directive)
            _check(session, directive)
            numbered = replace(
                directive, number=directive.number or _next_number(session, directive.project_id)
            )
            if on_timeline and DIRECTIVE_KINDS[directive.kind].event:
                numbered = replace(numbered, event_id=_put_on_timeline(session, numbered))
            session.add(DirectiveRow(**fields_of(numbered)))
            append(session, _issued(numbered))
            return numbered

    def answer(self, directive_id: str, text: str, *, principal: str, at_us: int) -> Directive:
        """Answer a directive; the same answer by the same witness again changes nothing.

        Raises:
            SupervisionRefused: there is none, it was answered or closed already, or the answer has no words.
        """
        with writing(self._engine) as session:
            row = _found(session, directive_id)
            if (row.answered_by, row.answer) == (principal, text):
                return _directive(row)
            label = _directive(row).label
            if row.answered_us is not None:
                raise SeenToAlready(f"{label} was answered by {row.answered_by} already.")
            if row.closed_us is not None:
                raise SeenToAlready(f"{label} was closed by {row.closed_by} already.")
            if not text.strip():
                raise SupervisionRefused("an answer needs words.", hint="Say what was done.")
            row.answered_by, row.answered_us, row.answer = principal, at_us, text
            append(session, _told(row, Action.DIRECTIVE_ANSWERED, principal, at_us, said=digest(text)))
            return _directive(row)

    def close(self, directive_id: str, note: str, *, principal: str, at_us: int) -> Directive:
        """Close a directive; closing it again changes nothing.

        Raises:
            SupervisionRefused: there is none, somebody else issued it, or it has neither answer nor note.
        """
        with writing(self._engine) as session:
            row = _found(session, directive_id)
            if row.issued_by != principal:
                raise SupervisionRefused(
                    f"{_directive(row).label} was issued by {row.issued_by}.", hint="Who issued it closes it."
                )
            if row.closed_us is not None:
                return _directive(row)
            if row.answered_us is None and not note.strip():
                raise SupervisionRefused(
                    f"{_directive(row).label} has no answer.", hint="Say why it is closed without one."
                )
            row.closed_by, row.closed_us, row.close_note = principal, at_us, note
            append(session, _told(row, Action.DIRECTIVE_CLOSED, principal, at_us, note=note))
            return _directive(row)

    def get(self, directive_id: str) -> Directive | None:
        with reading(self._engine) as session:
            row = session.get(DirectiveRow, directive_id)
            return None if row is None else _directive(row)

    def all(
        self,
        *,
        project_id: str | None = None,
        scope: ProjectScope | None = None,
        only_open: bool = False,
        limit: int = _MOST,
    ) -> list[Directive]:
        """Directives by the server's time, the newest first: of a project, in a scope, not closed."""
        query = select(DirectiveRow).order_by(
            col(DirectiveRow.issued_us).desc(), col(DirectiveRow.number).desc(), col(DirectiveRow.id)
        )
        narrowed: list[ColumnElement[bool]] = []
        if project_id is not None:
            narrowed.append(col(DirectiveRow.project_id) == project_id)
        if scope is not None:
            narrowed.append(col(DirectiveRow.project_id).in_(ids_in(scope)))
        if only_open:
            narrowed.append(col(DirectiveRow.closed_us).is_(None))
        with reading(self._engine) as session:
            return [_directive(row) for row in session.exec(query.where(*narrowed).limit(limit)).all()]


def _again(known: Directive, told: Directive) -> Directive:
    """The same directive sent again, as after a line that dropped; what the server adds is not compared."""
    same = ("project_id", "kind", "text", "issued_by", "section_number", "session_id", "to_room", "tag_id")
    if any(getattr(known, one) != getattr(told, one) for one in same):
        raise SupervisionRefused(
            f"id {told.id} belongs to another directive: {known.label} of project {known.project_id}.",
            hint="Give a new directive an id of its own.",
        )
    return known


def _check(session: Transaction, told: Directive) -> None:
    # Of those who give numbers in a project one goes at a time.
    if session.get(ProjectRow, told.project_id, with_for_update={"key_share": True}) is None:
        raise SupervisionRefused(f"there is no project {told.project_id}.")
    if not told.text.strip():
        raise SupervisionRefused("a directive needs words.", hint="Say what is to be done.")
    if told.due_us <= told.issued_us:
        raise SupervisionRefused("a directive leaves time to be answered.", hint="Give a limit.")
    section = (told.project_id, told.section_number)
    if told.section_number is not None and session.get(SectionRow, section) is None:
        raise SupervisionRefused(f"project {told.project_id} has no section {told.section_number}.")
    if told.session_id is None:
        return
    held = session.get(SessionRow, told.session_id)
    if held is None or held.project_id != told.project_id:
        raise SupervisionRefused(f"project {told.project_id} has no session {told.session_id}.")


def _next_number(session: Transaction, project_id: str) -> int:
    query = select(func.max(DirectiveRow.number)).where(DirectiveRow.project_id == project_id)
    return (session.exec(query).one() or 0) + 1


def _put_on_timeline(session: Transaction, directive: Directive) -> str:
    """The event by which a directive pauses or resumes its session; returns the event's id."""
    facts = DIRECTIVE_KINDS[directive.kind]
    row = find_locked_session(session, directive.session_id) if directive.session_id else None
    if row is None or row.state != SessionState.RUNNING:
        raise NothingRuns(f"{facts.en}: no session that runs is named.")
    # One that was made anew from the same directive would be the same event.
    event_id = f"event-{hashlib.sha256(directive.id.encode()).hexdigest()[:32]}"
    event = TimelineEvent(
        id=event_id,
        session_id=row.id,
        at_us=directive.issued_us,
        type=facts.event,
        reason=directive.text,
        principal=directive.issued_by,
        recorded_us=directive.issued_us,
        details={"directive": directive.label},
    )
    take_event(session, event)
    return event_id


def _found(session: Transaction, directive_id: str) -> DirectiveRow:
    row = session.get(DirectiveRow, directive_id, with_for_update=True)
    if row is None:
        raise SupervisionRefused(f"there is no directive {directive_id}.")
    return row


def _directive(row: DirectiveRow) -> Directive:
    return Directive(**row.model_dump(exclude={"kind"}), kind=DirectiveKind(row.kind))


def _issued(directive: Directive) -> Act:
    return Act(
        at_us=directive.issued_us,
        principal=directive.issued_by,
        action=Action.DIRECTIVE_ISSUED,
        subject=directive.session_id or directive.project_id,
        details={
            "directive": directive.id,
            "project": directive.project_id,
            "number": directive.number,
            "kind": directive.kind.value,
            "due_us": directive.due_us,
            "event": directive.event_id,
            "said": digest(fields_of(directive)),
        },
    )


def _told(row: DirectiveRow, action: Action, principal: str, at_us: int, **more: str) -> Act:
    return Act(
        at_us=at_us,
        principal=principal,
        action=action,
        subject=row.session_id or row.project_id,
        details={"directive": row.id, "project": row.project_id, "number": row.number, **more},
    )
