"""Requests to see archives or to take copies out, and who ever asked (tasks I2, I7, I11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field, StringConstraints

from catalog.catalogue import Catalogue
from catalog.requests import Decision
from kernel.clock import SECOND_US, Clock
from kernel.errors import RequestDenied, RequestError
from kernel.ids import new_id
from kernel.model.account import Role
from kernel.model.audit import AuditRecord
from kernel.model.source import Room, Source
from kernel.model.timeline import Phase, Session
from kernel.model.use import RequestState, Scope, UseKind, UseRequest
from kernel.settings import UseSettings
from player_api.directives import labels_of
from player_api.entries import Moment, Name, Reason
from player_api.gate import Gate, Subject

_DAY_US = 24 * 3600 * SECOND_US
_BASIS = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
_REFUSALS: dict[int | str, dict[str, Any]] = {
    403: {"description": "Nobody may ask for this, or decide it, so; the attempt is recorded"},
    409: {"description": "It makes no sense as things stand"},
}


class ScopeEntry(BaseModel):
    """Which part of a project; what is left out narrows nothing."""

    session_ids: list[Annotated[str, Field(max_length=200)]] = Field(default=[], max_length=200)
    source_ids: list[Annotated[str, Field(max_length=200)]] = Field(default=[], max_length=200)
    start_us: Moment | None = None
    end_us: Moment | None = None


class UseRequestEntry(BaseModel):
    """What somebody asks for."""

    project_id: str
    kind: UseKind
    role: Role
    scope: ScopeEntry = ScopeEntry()
    reason: Reason
    basis_no: _BASIS = ""
    """Of the letter, case or form that it rests on; without one the attempt is recorded and refused."""
    principal: Name | None = None


class DecisionEntry(BaseModel):
    """What somebody else decides of it."""

    approved: bool
    principal: Name | None = None
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)] = ""
    """Needed of a refusal."""


class AskedSession(BaseModel):
    """A session that a request names, as people call it."""

    id: str
    phase: Phase
    room_name_zh: str
    room_name_en: str


class AskedSource(BaseModel):
    """A source that a request names, as people call it."""

    id: str
    label_zh: str
    label_en: str


class UseRequestPublic(BaseModel):
    """A request, and what became of it."""

    id: str
    project_id: str
    project_name_zh: str
    project_name_en: str
    kind: UseKind
    role: Role
    scope: ScopeEntry
    sessions: list[AskedSession]
    """Those that the scope names and that there are."""
    sources: list[AskedSource]
    reason: str
    basis_no: str
    principal: str
    principal_label: str
    asked_us: int
    state: RequestState
    decided_by: str
    decided_by_label: str
    decided_us: int | None
    decision_reason: str
    expires_us: int | None
    used_us: int | None
    used_by: str


class UsePublic(BaseModel):
    """An audit record: somebody asked for something of a project, decided on it, or took it out."""

    number: int
    at_us: int
    principal: str
    action: str
    result: str
    origin: str
    details: dict[str, Any]


def requests_router(catalogue: Catalogue, clock: Clock, settings: UseSettings, gate: Gate) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api", tags=["requests"])

    def public(request: UseRequest) -> UseRequestPublic:
        return _published(catalogue, [request], clock.now_us())[0]

    @router.get("/requests", dependencies=[gate.inside("request.see")])
    def requests(
        project_id: str | None = None,
        state: RequestState | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> list[UseRequestPublic]:
        """Requests, the newest first; of those the ones in a state."""
        now_us = clock.now_us()
        found = catalogue.requests.all(project_id=project_id, limit=limit)
        listed = [one for one in found if state in (None, one.state(now_us))]
        seen = gate.within("request.see", [one.project_id for one in listed])
        told = [one for one in listed if one.project_id in seen and _is_told(gate, one)]
        return _published(catalogue, told, now_us)

    @router.post(
        "/requests", status_code=201, responses=_REFUSALS, dependencies=[gate.inside("request.make")]
    )
    def ask(entry: UseRequestEntry) -> UseRequestPublic:
        """Ask to see something, or to take a copy out."""
        gate.check("request.make", gate.things(Subject.PROJECT, entry.project_id))
        request = _asked(entry, gate, clock.now_us())
        try:
            catalogue.requests.ask(request)
        except RequestError as error:
            raise _refusal(error) from None
        return public(request)

    @router.post(
        "/requests/{request_id}/decision",
        responses=_REFUSALS,
        dependencies=[gate.needs("request.decide", Subject.REQUEST)],
    )
    def decide(request_id: str, entry: DecisionEntry) -> UseRequestPublic:
        """Approve or refuse. Whoever asked cannot."""
        now_us = clock.now_us()
        decision = Decision(
            approved=entry.approved,
            principal=gate.by(entry.principal),
            reason=entry.reason,
            at_us=now_us,
            expires_us=now_us + round(settings.request_days * _DAY_US),
        )
        try:
            return public(catalogue.requests.decide(request_id, decision))
        except RequestError as error:
            raise _refusal(error) from None

    _add_uses(router, catalogue, gate)
    return router


def _add_uses(router: APIRouter, catalogue: Catalogue, gate: Gate) -> None:
    @router.get("/projects/{project_id}/uses", dependencies=[gate.needs("use.see", Subject.PROJECT)])
    def uses(
        project_id: str,
        before: Annotated[int | None, Query(ge=1, lt=1 << 62)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> list[UsePublic]:
        """Who ever asked for anything of a project, decided on it or took it out, the newest first."""
        if catalogue.projects.project(project_id) is None:
            raise HTTPException(404, "没有这个项目。No such project.")
        return [use_public(one) for one in catalogue.requests.uses(project_id, before=before, limit=limit)]


def _is_told(gate: Gate, request: UseRequest) -> bool:
    """Whoever may be looked into is told of nobody's requests but his own."""
    principal = gate.person().principal
    own_only = principal is not None and principal.role in (Role.SUPERVISOR, Role.AGENCY)
    return not own_only or request.principal == gate.person().id


def _asked(entry: UseRequestEntry, gate: Gate, now_us: int) -> UseRequest:
    """What somebody entered, as a request; who is signed in asks in his own role, whatever he says."""
    given, principal = entry.scope, gate.person().principal
    return UseRequest(
        id=new_id("request"),
        project_id=entry.project_id,
        kind=entry.kind,
        role=entry.role if principal is None else principal.role,
        scope=Scope(
            session_ids=tuple(given.session_ids),
            source_ids=tuple(given.source_ids),
            start_us=given.start_us,
            end_us=given.end_us,
        ),
        reason=entry.reason,
        basis_no=entry.basis_no,
        principal=gate.by(entry.principal),
        asked_us=now_us,
    )


def _published(catalogue: Catalogue, found: Sequence[UseRequest], now_us: int) -> list[UseRequestPublic]:
    """Requests as pages show them; what several of them need is looked up once."""
    session_ids = {one for each in found for one in each.scope.session_ids}
    source_ids = {one for each in found for one in each.scope.source_ids}
    publisher = _Publisher(
        catalogue=catalogue,
        now_us=now_us,
        labels=labels_of(catalogue),
        rooms=catalogue.places.rooms(),
        sessions=catalogue.sessions.by_id(session_ids),
        sources={one.id: one for one in catalogue.places.sources_of((), source_ids)},
    )
    return [publisher.one(each) for each in found]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Publisher:
    """Turns requests into what pages show."""

    catalogue: Catalogue
    now_us: int
    labels: Mapping[str, str]  # of accounts
    rooms: Mapping[str, Room]
    sessions: Mapping[str, Session]
    sources: Mapping[str, Source]

    def one(self, request: UseRequest) -> UseRequestPublic:
        scope = request.scope
        project = self.catalogue.projects.project(request.project_id)
        same = ("id", "project_id", "kind", "role", "reason", "basis_no", "principal", "asked_us")
        decided = ("decided_by", "decided_us", "decision_reason", "expires_us", "used_us", "used_by")
        return UseRequestPublic(
            **{name: getattr(request, name) for name in (*same, *decided)},
            project_name_zh=project.name_zh if project else "",
            project_name_en=project.name_en if project else "",
            scope=ScopeEntry(
                session_ids=list(scope.session_ids),
                source_ids=list(scope.source_ids),
                start_us=scope.start_us,
                end_us=scope.end_us,
            ),
            sessions=[self._session(self.sessions[one]) for one in scope.session_ids if one in self.sessions],
            sources=[_source(self.sources[one]) for one in scope.source_ids if one in self.sources],
            principal_label=self.labels.get(request.principal, request.principal),
            state=request.state(self.now_us),
            decided_by_label=self.labels.get(request.decided_by, request.decided_by),
        )

    def _session(self, session: Session) -> AskedSession:
        room = self.rooms[session.room_id]
        return AskedSession(
            id=session.id, phase=session.phase, room_name_zh=room.name_zh, room_name_en=room.name_en
        )


def _source(source: Source) -> AskedSource:
    return AskedSource(id=source.id, label_zh=source.label_zh, label_en=source.label_en)


def use_public(record: AuditRecord) -> UsePublic:
    return UsePublic(
        number=record.number,
        at_us=record.at_us,
        principal=record.principal,
        action=record.action,
        result=record.result,
        origin=record.origin,
        details=dict(record.details),
    )


def _refusal(error: RequestError) -> HTTPException:
    return HTTPException(403 if isinstance(error, RequestDenied) else 409, str(error))
