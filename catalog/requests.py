"""檔案利用: requests to see archives or to take copies out. Rows are never deleted.

The rule of four eyes holds between the names that are given: until there are accounts, nobody checks them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session as Transaction
from sqlmodel import col, select

from catalog.audit import AuditChain, AuditFilter, append
from catalog.database import reading, writing
from catalog.tables import ProjectRow, SessionRow, SourceRow, UseRequestRow
from kernel.errors import RequestDenied, RequestError
from kernel.model.account import Role
from kernel.model.audit import Act, Action, ActResult, AuditRecord
from kernel.model.timeline import Phase
from kernel.model.use import Denial, RequestState, Scope, UseKind, UseRequest, denial

_FORMERLY = {"administrator": Role.SYSTEM_ADMIN}
"""Roles by the words that rows of before accounts have for them."""
_USES = "use."
"""How the actions begin that ask for something of a project, or take something out of it."""
_MOST = 1000
_WORDS = {
    Denial.NO_BASIS: "a request needs a basis number: that of the letter, case or form that it rests on",
    Denial.NOT_THIS_ROLE: "nobody asks for this in that role",
    Denial.OPENING_ONLY: "an agency gets the opening only, and by form: name the session of the opening",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What somebody decides of a request."""

    approved: bool
    principal: str
    reason: str
    at_us: int
    expires_us: int | None = None  # of an approval


class Requests:
    """The catalogue's requests. All times are wall time, UTC microseconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._chain = AuditChain(engine)

    def ask(self, request: UseRequest) -> None:
        """Ask for something; what nobody may ask for is refused, and the attempt stays in the audit chain.

        Raises:
            RequestDenied: there is no basis number, or the role may not ask for it.
            RequestError: there is no such project, session or source, or no reason, or no range.
        """
        with reading(self._engine) as session:
            phases = _phases(session, request)
        denied = denial(request.kind, request.role, phases, request.basis_no)
        if denied is not None:
            self._chain.append(_act(request, Action.USE_ASKED, refused=denied.value))
            raise RequestDenied(f"{_WORDS[denied]}.")
        if not request.reason.strip():
            raise RequestError("a request needs a reason.", hint="Give one.")
        with writing(self._engine) as session:
            session.add(_row(request))
            append(session, _act(request, Action.USE_ASKED))

    def decide(self, request_id: str, decision: Decision) -> UseRequest:
        """Approve or refuse; whoever asks does not decide, and the attempt stays in the audit chain.

        Raises:
            RequestDenied: whoever asked would decide.
            RequestError: there is no such request, it was decided already, or a refusal has no reason.
        """
        action = Action.USE_APPROVED if decision.approved else Action.USE_REFUSED
        with reading(self._engine) as session:
            asked = _request(_found(session, request_id))
        told = partial(_act, asked, action, principal=decision.principal, at_us=decision.at_us)
        if _same(asked.principal, decision.principal):
            self._chain.append(told(refused="own_request"))
            raise RequestDenied("whoever asks does not decide.", hint="Somebody else has to.")
        if not decision.approved and not decision.reason.strip():
            raise RequestError("refusing a request needs a reason.", hint="Give one.")
        with writing(self._engine) as session:
            row = _found(session, request_id, lock=True)
            if row.approved is not None:
                raise RequestError(f"request {request_id} was decided by {row.decided_by} already.")
            row.approved, row.decision_reason = decision.approved, decision.reason
            row.decided_by, row.decided_us = decision.principal, decision.at_us
            row.expires_us = decision.expires_us if decision.approved else None
            append(session, told(decision=decision.reason))
            return _request(row)

    def use(self, request_id: str, principal: str, at_us: int) -> UseRequest:
        """Note that what was approved is being given out now: once, before the first byte (invariant 14).

        Raises:
            RequestDenied: it is not approved, or was used already, or its time is over.
            RequestError: there is no such request.
        """
        with writing(self._engine) as session:
            row = _found(session, request_id, lock=True)
            asked = _request(row)
            state = asked.state(at_us)
            if state is RequestState.APPROVED:
                row.used_us, row.used_by = at_us, principal
            refused = "" if state is RequestState.APPROVED else state.value
            append(session, _act(asked, Action.USE_DONE, principal=principal, at_us=at_us, refused=refused))
            used = _request(row)
        if state is not RequestState.APPROVED:
            raise RequestDenied(
                f"request {request_id} is {state}.", hint="Only what is approved is given out."
            )
        return used

    def get(self, request_id: str) -> UseRequest:
        """Raises: RequestError: there is no such request."""
        with reading(self._engine) as session:
            return _request(_found(session, request_id))

    def all(self, *, project_id: str | None = None, limit: int = _MOST) -> list[UseRequest]:
        """Requests, the newest first."""
        query = select(UseRequestRow).order_by(col(UseRequestRow.asked_us).desc(), col(UseRequestRow.id))
        if project_id is not None:
            query = query.where(UseRequestRow.project_id == project_id)
        with reading(self._engine) as session:
            return [_request(row) for row in session.exec(query.limit(limit)).all()]

    def uses(self, project_id: str, *, before: int | None = None, limit: int = _MOST) -> list[AuditRecord]:
        """Who ever asked for anything of a project or took it out, the newest first, from the audit chain.

        Records of closed epochs have left the chain; they are in the epochs' files.
        """
        return self._chain.records(AuditFilter(subject=project_id, action=_USES), before=before, limit=limit)


def _same(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _found(session: Transaction, request_id: str, *, lock: bool = False) -> UseRequestRow:
    row = session.get(UseRequestRow, request_id, with_for_update=lock or None)
    if row is None:
        raise RequestError(f"there is no request {request_id}.", hint="Run 'jianzheng request list'.")
    return row


def _phases(session: Transaction, request: UseRequest) -> set[Phase]:
    """Phases of the sessions that are asked for."""
    if session.get(ProjectRow, request.project_id) is None:
        raise RequestError(f"there is no project {request.project_id}.", hint="Name it by its id.")
    scope = request.scope
    start_us, end_us = scope.start_us, scope.end_us
    if (start_us is None) != (end_us is None) or (start_us or 0) > (end_us or 0):
        raise RequestError("a range has a start and a later end.", hint="Give both, or neither.")
    query = select(SessionRow.id, SessionRow.phase).where(SessionRow.project_id == request.project_id)
    phases = dict(session.exec(query).all())
    _refuse_unknown(session, scope, phases, request.project_id)
    return {Phase(phases[one]) for one in scope.session_ids or phases}


def _refuse_unknown(session: Transaction, scope: Scope, known: dict[str, str], project_id: str) -> None:
    strange = [one for one in scope.session_ids if one not in known]
    if strange:
        raise RequestError(f"project {project_id} has no session {strange[0]}.", hint="Name its sessions.")
    for source_id in scope.source_ids:
        if session.get(SourceRow, source_id) is None:
            raise RequestError(f"there is no source {source_id}.", hint="Name sources by their ids.")


def _row(request: UseRequest) -> UseRequestRow:
    scope = request.scope
    return UseRequestRow(
        id=request.id,
        project_id=request.project_id,
        kind=request.kind,
        role=request.role,
        session_ids=list(scope.session_ids),
        source_ids=list(scope.source_ids),
        start_us=scope.start_us,
        end_us=scope.end_us,
        reason=request.reason,
        basis_no=request.basis_no.strip(),
        principal=request.principal,
        asked_us=request.asked_us,
    )


_SCOPE = {"session_ids", "source_ids", "start_us", "end_us"}


def _request(row: UseRequestRow) -> UseRequest:
    scope = Scope(
        session_ids=tuple(row.session_ids),
        source_ids=tuple(row.source_ids),
        start_us=row.start_us,
        end_us=row.end_us,
    )
    kept = row.model_dump(exclude={*_SCOPE, "kind", "role"})
    return UseRequest(**kept, scope=scope, kind=UseKind(row.kind), role=_role(row.role))


def _act(
    request: UseRequest,
    action: Action,
    *,
    principal: str = "",
    at_us: int | None = None,
    refused: str = "",
    **more: str,
) -> Act:
    """What the chain tells of a request; its subject is the project, so that one question finds all."""
    scope: dict[str, int | Sequence[str] | None] = {
        "sessions": list(request.scope.session_ids),
        "sources": list(request.scope.source_ids),
        "start_us": request.scope.start_us,
        "end_us": request.scope.end_us,
    }
    details: dict[str, Any] = {
        "request": request.id,
        "kind": request.kind.value,
        "role": request.role.value,
        "basis_no": request.basis_no,
        "reason": request.reason,
        "scope": {name: value for name, value in scope.items() if value},
        **more,
    }
    return Act(
        at_us=request.asked_us if at_us is None else at_us,
        principal=principal or request.principal,
        action=action,
        subject=request.project_id,
        result=ActResult.REFUSED if refused else ActResult.DONE,
        details=details | ({"denied": refused} if refused else {}),
    )


def _role(told: str) -> Role:
    return _FORMERLY.get(told) or Role(told)
