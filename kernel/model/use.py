"""檔案利用: requests to see or to take out what is archived, and who may ask for what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from kernel.model.account import Role
from kernel.model.timeline import Phase


class UseKind(StrEnum):
    """What is asked for."""

    VIEW = "view"
    """调阅: to see it."""
    EXPORT = "export"
    """调取: to take a copy out."""


class RequestState(StrEnum):
    """Where a request stands. Drawn in ``docs/guide/preservation.md``."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    USED = "used"
    EXPIRED = "expired"
    """It was approved and not used in time."""


class Denial(StrEnum):
    """Why something cannot even be asked for."""

    NO_BASIS = "no_basis"
    """There is no basis number."""
    NOT_THIS_ROLE = "not_this_role"
    """Nobody of this role is given it."""
    OPENING_ONLY = "opening_only"
    """An agency gets the opening only, and by form."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """Which part of a project is asked for; what is empty narrows nothing."""

    session_ids: tuple[str, ...] = ()
    source_ids: tuple[str, ...] = ()
    start_us: int | None = None
    end_us: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class UseRequest:
    """Somebody asks for something, and somebody else decides."""

    id: str
    project_id: str
    kind: UseKind
    role: Role  # in which capacity somebody asks
    scope: Scope
    reason: str
    basis_no: str  # of the letter, case or form that it rests on
    principal: str  # who asks
    asked_us: int
    decided_by: str = ""
    decided_us: int | None = None
    approved: bool | None = None  # None: not decided yet
    decision_reason: str = ""
    expires_us: int | None = None  # of what was approved
    used_us: int | None = None
    used_by: str = ""

    def state(self, now_us: int) -> RequestState:
        """Where it stands at a moment."""
        if self.approved is None:
            return RequestState.ASKED
        if not self.approved:
            return RequestState.REFUSED
        if self.used_us is not None:
            return RequestState.USED
        late = self.expires_us is not None and now_us >= self.expires_us
        return RequestState.EXPIRED if late else RequestState.APPROVED


_EVERYTHING = frozenset(Phase)
_ASKED_FOR: dict[UseKind, dict[Role, frozenset[Phase]]] = {
    UseKind.VIEW: {
        Role.AGENCY: frozenset({Phase.OPENING}),
        Role.WITNESS: _EVERYTHING,
        Role.SUPERVISOR: _EVERYTHING,
        Role.INSPECTOR: _EVERYTHING,
    },
    UseKind.EXPORT: {
        Role.AGENCY: frozenset({Phase.OPENING}),
        Role.SUPERVISOR: _EVERYTHING,
        Role.INSPECTOR: _EVERYTHING,
    },
}
"""Phases that each role may ask for; who is missing may ask for nothing. What may be seen without asking is
not said here: that is the access matrix."""


def denial(kind: UseKind, role: Role, phases: Iterable[Phase], basis_no: str) -> Denial | None:
    """Why a request cannot be made; None where somebody may decide on it. Default: no (invariant 15).

    Args:
        phases: of all sessions that are asked for.
    """
    given = _ASKED_FOR[kind].get(role)
    if given is None:
        return Denial.NOT_THIS_ROLE
    if not basis_no.strip():
        return Denial.NO_BASIS
    if not set(phases) <= given:
        return Denial.OPENING_ONLY
    return None
