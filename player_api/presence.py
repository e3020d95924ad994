"""到岗: who is there in a project, and saying so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field

from catalog.catalogue import Catalogue
from kernel.access import Thing
from kernel.clock import SECOND_US, Clock
from kernel.errors import NothingRuns
from kernel.ids import new_id
from kernel.model.account import Account, Role
from kernel.model.presence import BEAT_US, Presence, PresenceMode
from kernel.model.source import Room, RoomKind
from kernel.model.timeline import Phase, Session, proceedings
from player_api.directives import labels_of, refusals_told, venues_of
from player_api.gate import Gate, Person, Subject

_Id = Annotated[str, Field(max_length=64)]
_REFUSED: dict[int | str, dict[str, Any]] = {409: {"description": "It was not taken"}}


class PresenceEntry(BaseModel):
    """Somebody is there."""

    mode: PresenceMode
    session_id: _Id | None = None
    room_id: _Id | None = None
    """Needed of who is on site."""
    account_id: _Id | None = None
    """Another than whoever says so: a witness marks a supervisor who is on site."""


class PresencePublic(BaseModel):
    """Somebody was or is there."""

    id: str
    project_id: str
    session_id: str | None
    account_id: str
    account_label: str
    role: Role
    mode: PresenceMode
    room_id: str | None
    room_name_zh: str
    room_name_en: str
    marked_by_label: str
    since_us: int
    end_us: int | None
    """Empty while he is there."""
    mine: bool
    may_end: bool
    """Whether whoever asks can say that he left."""


class VisitPublic(BaseModel):
    """The supervision room was in use for the project, and recorded."""

    session_id: str
    room_name_zh: str
    room_name_en: str
    start_us: int
    end_us: int | None


class RoomChoice(BaseModel):
    """A room in which somebody can be on site for a project."""

    id: str
    name_zh: str
    name_en: str


class AccountChoice(BaseModel):
    """A supervisor whom a witness may mark as being on site."""

    id: str
    label: str


class ProjectPresence(BaseModel):
    """Who was and is there in a project."""

    presences: list[PresencePublic]
    visits: list[VisitPublic]
    absent: str
    """The supervisor who is assigned and was never there, though it has begun; empty: nobody."""
    may_mark: bool
    """Whether presence of whoever asks counts here."""
    running: bool
    """Whether a session runs: only then is anybody there from afar."""
    rooms: list[RoomChoice]
    supervisors: list[AccountChoice]
    beat_seconds: int
    now_us: int


def presence_router(catalogue: Catalogue, clock: Clock, gate: Gate) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api", tags=["presence"])

    def shown(told: Presence) -> PresencePublic:
        return _Publisher.of(catalogue, gate, clock.now_us()).one(told)

    @router.get("/projects/{project_id}/presence", dependencies=[gate.needs("presence.see", Subject.PROJECT)])
    def presence(project_id: str) -> ProjectPresence:
        """Who was and is there in a project."""
        return _Publisher.of(catalogue, gate, clock.now_us()).project(project_id)

    @router.post(
        "/projects/{project_id}/presence",
        status_code=201,
        responses=_REFUSED,
        dependencies=[gate.inside("presence.mark")],
    )
    def mark(project_id: str, entry: PresenceEntry) -> PresencePublic:
        """Say that somebody is there; of one who is there already, that he still is."""
        told = _told(catalogue, clock, gate, project_id, entry)
        with refusals_told(), _running_only():
            return shown(catalogue.presences.mark(told))

    @router.post(
        "/presence/{presence_id}/beat", responses=_REFUSED, dependencies=[gate.inside("presence.mark")]
    )
    def beat(presence_id: str) -> PresencePublic:
        """Whoever asks is still there. 409 where he has left since (then he comes anew) or it is over."""
        with _running_only():
            found = catalogue.presences.beat(presence_id, gate.by(), clock.now_us())
        if found is None:
            raise HTTPException(409, "已经离岗,请重新登记。You left since; say anew that you are there.")
        return shown(found)

    @router.post(
        "/presence/{presence_id}/leave", responses=_REFUSED, dependencies=[gate.inside("presence.mark")]
    )
    def leave(presence_id: str) -> PresencePublic:
        """Somebody left: he says so, or who marked him."""
        found = catalogue.presences.get(presence_id)
        gate.check("presence.mark", [] if found is None else _things(catalogue, found.project_id, None))
        if found is None or gate.by() not in (found.account_id, found.marked_by):
            raise HTTPException(
                409, "只能由本人或登记人登记离岗。Only oneself, or who marked it, can say so."
            )
        return shown(catalogue.presences.leave(presence_id, gate.by(), clock.now_us()))

    return router


@contextmanager
def _running_only() -> Iterator[None]:
    """Presence from afar while nothing runs is refused in words."""
    try:
        yield
    except NothingRuns:
        raise HTTPException(
            409,
            "该项目没有正在进行的场次,不能登记远程到岗;事后回放不算到岗。"
            "No session of this project runs: presence from afar cannot be marked, and replay is none.",
        ) from None


def _told(catalogue: Catalogue, clock: Clock, gate: Gate, project_id: str, entry: PresenceEntry) -> Presence:
    """What is entered, as a presence; raises HTTPException where it may not be entered."""
    gate.check("presence.mark", _things(catalogue, project_id, entry.session_id))
    who, now_us = entry.account_id or gate.by(), clock.now_us()
    if who != gate.by():
        _check_other(catalogue, gate, project_id, entry)
    return Presence(
        id=new_id("presence"),
        project_id=project_id,
        session_id=entry.session_id,
        account_id=who,
        role=_role_of(catalogue, gate, who),
        mode=entry.mode,
        room_id=entry.room_id,
        marked_by=gate.by(),
        since_us=now_us,
        seen_us=now_us,
    )


def _things(catalogue: Catalogue, project_id: str, session_id: str | None) -> list[Thing]:
    """What being there goes by: the session, or all sessions of the project."""
    if session_id is None:
        return venues_of(catalogue, project_id)
    return [one for one in catalogue.things.of_session(session_id) if one.project_id == project_id]


def _check_other(catalogue: Catalogue, gate: Gate, project_id: str, entry: PresenceEntry) -> None:
    """Raises: HTTPException: somebody else cannot be marked so."""
    on_site = entry.mode is PresenceMode.ON_SITE
    if not on_site or entry.account_id not in {one.id for one in _markable(catalogue, gate, project_id)}:
        raise HTTPException(
            409,
            "代为登记仅限见证人员登记本项目在场的监督人员。"
            "Only a witness can mark somebody else: a supervisor of this project who is on site.",
        )


def _markable(catalogue: Catalogue, gate: Gate, project_id: str) -> list[Account]:
    """Supervisors whom a witness may mark as being on site; for others nobody."""
    if not gate.may("directive.answer", venues_of(catalogue, project_id)):
        return []
    things = catalogue.things.of_project(project_id)
    return [
        one
        for one in catalogue.accounts.all()
        if one.role is Role.SUPERVISOR and one.active and gate.may("presence.mark", things, _as(gate, one))
    ]


def _as(gate: Gate, account: Account) -> Person:
    return Person(id=account.id, origin="", principal=gate.principal(account), account=account)


def _role_of(catalogue: Catalogue, gate: Gate, account_id: str) -> Role:
    """Raises: HTTPException: nobody's presence counts in that role."""
    account = catalogue.accounts.get(account_id)
    role = account.role if account else Role.SUPERVISOR if gate.person().local else Role.UNASSIGNED
    if role not in (Role.WITNESS, Role.SUPERVISOR):
        raise HTTPException(409, "只登记见证人员和监督人员。Only witnesses and supervisors are marked.")
    return role


def _runs(session: Session, now_us: int) -> bool:
    begun = session.start_us is not None and session.start_us <= now_us
    return begun and (session.end_us is None or session.end_us > now_us)


@dataclass(frozen=True, slots=True)
class _Publisher:
    """Turns presences into what pages show."""

    catalogue: Catalogue
    gate: Gate
    now_us: int
    labels: Mapping[str, str]  # of accounts
    rooms: Mapping[str, Room]

    @classmethod
    def of(cls, catalogue: Catalogue, gate: Gate, now_us: int) -> _Publisher:
        return cls(catalogue, gate, now_us, labels_of(catalogue), catalogue.places.rooms())

    def project(self, project_id: str) -> ProjectPresence:
        found = self.catalogue.presences.of_project(project_id)
        sessions = self.catalogue.sessions.of_project(project_id)
        may_mark = self.gate.may("presence.mark", venues_of(self.catalogue, project_id))
        others = _markable(self.catalogue, self.gate, project_id) if may_mark else []
        return ProjectPresence(
            presences=[self.one(one) for one in found],
            visits=[self._visit(one) for one in sessions if one.phase is Phase.SUPERVISION and one.start_us],
            absent=self._absent(project_id, sessions, found),
            may_mark=may_mark,
            running=any(_runs(one, self.now_us) for one in sessions),
            rooms=self._choices(sessions) if may_mark else [],
            supervisors=[AccountChoice(id=one.id, label=one.label_zh) for one in others],
            beat_seconds=BEAT_US // SECOND_US,
            now_us=self.now_us,
        )

    def one(self, told: Presence) -> PresencePublic:
        room = self.rooms.get(told.room_id or "")
        same = ("id", "project_id", "session_id", "account_id", "role", "mode", "room_id", "since_us")
        return PresencePublic(
            **{name: getattr(told, name) for name in same},
            account_label=self.labels.get(told.account_id, told.account_id),
            room_name_zh=room.name_zh if room else "",
            room_name_en=room.name_en if room else "",
            marked_by_label=self.labels.get(told.marked_by, told.marked_by),
            end_us=told.end_us(self.now_us),
            mine=told.account_id == self.gate.by(),
            may_end=self.gate.by() in (told.account_id, told.marked_by),
        )

    def _visit(self, session: Session) -> VisitPublic:
        room = self.rooms[session.room_id]
        return VisitPublic(
            session_id=session.id,
            room_name_zh=room.name_zh,
            room_name_en=room.name_en,
            start_us=session.start_us or 0,
            end_us=session.end_us,
        )

    def _absent(self, project_id: str, sessions: Sequence[Session], found: Sequence[Presence]) -> str:
        """Who is assigned to supervise a project that has begun, and was at no session of it."""
        project = self.catalogue.projects.project(project_id)
        assigned = project.supervising_account if project else ""
        held = proceedings(sessions, self.now_us)
        there = any(one.account_id == assigned and one.during(held, self.now_us) for one in found)
        if not held or there:
            return ""
        return self.labels.get(assigned, assigned)

    def _choices(self, sessions: Sequence[Session]) -> list[RoomChoice]:
        """The supervision rooms of the project's sites, and the rooms of its sessions."""
        used = {one.room_id for one in sessions}
        sites = {self.rooms[one].site_id for one in used}
        fit = [
            one
            for one in self.rooms.values()
            if one.id in used or (one.site_id in sites and one.kind is RoomKind.SUPERVISION_ROOM)
        ]
        fit.sort(key=lambda one: (one.kind is not RoomKind.SUPERVISION_ROOM, one.id))
        return [RoomChoice(id=one.id, name_zh=one.name_zh, name_en=one.name_en) for one in fit]
