"""监督指令 by the page: issue, answer, close; and what stands on a room's screen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field, StringConstraints

from catalog.catalogue import Catalogue
from kernel.access import Need, Thing
from kernel.clock import SECOND_US, Clock
from kernel.errors import JianzhengError, NothingRuns, SeenToAlready, SupervisionRefused, TimelineError
from kernel.model.directive import DIRECTIVE_KINDS, Directive, DirectiveKind, DirectiveState
from kernel.model.timeline import Phase, Session
from player_api.gate import Gate, Subject

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]
_MINUTE_US = 60 * SECOND_US
_REFUSED: dict[int | str, dict[str, Any]] = {409: {"description": "It was not taken"}}


class DirectiveEntry(BaseModel):
    """What a supervisor orders."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{8,64}$")]
    """Made by the page: sent again after a line that dropped, it is the same directive."""
    kind: DirectiveKind
    text: Text
    minutes: Annotated[int, Field(ge=1, le=30 * 24 * 60)]
    """Limit for the answer."""
    section_number: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Empty: the project as a whole."""
    session_id: Annotated[str, Field(max_length=64)] | None = None
    """Needed of what pauses or resumes."""
    to_room: bool = False
    """It is to stand on the room's screen, too."""
    tag_id: Annotated[str, StringConstraints(max_length=200)] = ""


class AnswerEntry(BaseModel):
    """What a witness answers."""

    text: Text


class CloseEntry(BaseModel):
    """How a supervisor closes a directive; without an answer a note is needed."""

    note: Note = ""


class DirectivePublic(BaseModel):
    """A directive, where it stands, and what whoever asks may do about it."""

    id: str
    label: str
    number: int
    project_id: str
    project_name_zh: str
    project_name_en: str
    kind: DirectiveKind
    text: str
    section_number: int | None
    section_name_zh: str
    session_id: str | None
    phase: Phase | None
    room_id: str | None
    room_name_zh: str
    room_name_en: str
    to_room: bool
    tag_id: str
    state: DirectiveState
    late: bool
    """It was answered after its limit."""
    issued_by: str
    issued_by_label: str
    issued_us: int
    due_us: int
    answered_by: str
    answered_by_label: str
    answered_us: int | None
    answer: str
    closed_by: str
    closed_by_label: str
    closed_us: int | None
    close_note: str
    may_answer: bool
    may_close: bool
    now_us: int
    """The server's time: what is left of the limit is counted from it."""


class KindPublic(BaseModel):
    """A kind of directive, with the limit that is proposed for it."""

    kind: DirectiveKind
    minutes: int
    needs_session: bool
    """It pauses or resumes a session that runs."""


class SectionChoice(BaseModel):
    """A section that a directive can be about."""

    number: int
    name_zh: str


class SessionChoice(BaseModel):
    """A session that a directive can be about."""

    id: str
    phase: Phase
    room_name_zh: str
    room_name_en: str
    running: bool


class ProjectDirectives(BaseModel):
    """The directives of a project, and what one needs to issue another."""

    directives: list[DirectivePublic]
    may_issue: bool
    kinds: list[KindPublic]
    sections: list[SectionChoice]
    sessions: list[SessionChoice]


class Attention(BaseModel):
    """What waits for whoever asks."""

    waiting: list[DirectivePublic]
    """To be answered by him, the one that is due first at the front."""
    answered: list[DirectivePublic]
    """Issued by him, answered and not closed, the newest answer first."""
    alerts: int
    """That nobody took notice of."""


_Public = Callable[[Iterable[Directive]], list[DirectivePublic]]


def directives_router(catalogue: Catalogue, clock: Clock, gate: Gate) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api", tags=["directives"])

    def public(found: Iterable[Directive]) -> list[DirectivePublic]:
        return _Publisher.of(catalogue, gate, clock.now_us()).all(found)

    @router.get("/directives", dependencies=[gate.inside("directive.see")])
    def directives(
        project_id: Annotated[str | None, Query(max_length=64)] = None,
        open: bool = False,  # noqa: A002 - the name of the parameter
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> list[DirectivePublic]:
        """Directives, the newest first by the server's time; of a project, or those that are not closed."""
        scope = gate.scope("directive.see")
        return public(
            catalogue.directives.all(project_id=project_id, scope=scope, only_open=open, limit=limit)
        )

    @router.get(
        "/projects/{project_id}/directives", dependencies=[gate.needs("directive.see", Subject.PROJECT)]
    )
    def of_project(project_id: str) -> ProjectDirectives:
        """The directives of a project, and what one needs to issue another."""
        found = public(catalogue.directives.all(project_id=project_id))
        return _of_project(catalogue, gate, project_id, found)

    @router.get("/attention", dependencies=[gate.signed_in()])
    def attention() -> Attention:
        """What waits for whoever asks; of nobody whose role has nothing to do with it."""
        return _attention(catalogue, gate, public)

    @router.get("/rooms/{room_id}/directives", dependencies=[gate.inside("directive.see")])
    def of_room(room_id: str) -> list[DirectivePublic]:
        """What is to stand on a room's screen now."""
        scope = gate.scope("directive.see")
        found = public(catalogue.directives.all(scope=scope, only_open=True))
        return [one for one in found if one.to_room and one.room_id == room_id]

    _add_acts(router, catalogue, clock, gate, public)
    return router


def _add_acts(router: APIRouter, catalogue: Catalogue, clock: Clock, gate: Gate, public: _Public) -> None:
    """Routes that issue, answer and close."""

    @router.post(
        "/projects/{project_id}/directives",
        status_code=201,
        responses=_REFUSED,
        dependencies=[gate.needs("directive.issue", Subject.PROJECT)],
    )
    def issue(project_id: str, entry: DirectiveEntry) -> DirectivePublic:
        """Issue a directive. Sent again with the same id it is issued once."""
        now_us = clock.now_us()
        told = Directive(
            **entry.model_dump(exclude={"minutes"}),
            project_id=project_id,
            issued_by=gate.by(),
            issued_us=now_us,
            due_us=now_us + entry.minutes * _MINUTE_US,
        )
        with refusals_told():
            return public([catalogue.directives.issue(told)])[0]

    @router.post(
        "/directives/{directive_id}/answer",
        responses=_REFUSED,
        dependencies=[gate.inside("directive.answer")],
    )
    def answer(directive_id: str, entry: AnswerEntry) -> DirectivePublic:
        """Answer a directive: a witness of its venue."""
        found = catalogue.directives.get(directive_id)
        gate.check("directive.answer", [] if found is None else things_of(catalogue, found))
        with refusals_told():
            said = catalogue.directives.answer(
                directive_id, entry.text, principal=gate.by(), at_us=clock.now_us()
            )
        return public([said])[0]

    @router.post(
        "/directives/{directive_id}/close",
        responses=_REFUSED,
        dependencies=[gate.inside("directive.close")],
    )
    def close(directive_id: str, entry: CloseEntry) -> DirectivePublic:
        """Close a directive: who issued it."""
        found = catalogue.directives.get(directive_id)
        gate.check("directive.close", [] if found is None else gate.things(Subject.PROJECT, found.project_id))
        with refusals_told():
            said = catalogue.directives.close(
                directive_id, entry.note, principal=gate.by(), at_us=clock.now_us()
            )
        return public([said])[0]


def _attention(catalogue: Catalogue, gate: Gate, public: _Public) -> Attention:
    found: list[DirectivePublic] = []
    if gate.need("directive.see") is not Need.ANOTHER_ROLE:
        found = public(catalogue.directives.all(scope=gate.scope("directive.see"), only_open=True))
    alerts = 0
    if gate.need("alert.see") is not Need.ANOTHER_ROLE:
        alerts = catalogue.alerts.count_open(gate.scope("alert.see"))
    waiting = [one for one in found if one.may_answer]
    answered = [one for one in found if one.may_close and one.answered_us is not None]
    return Attention(
        waiting=sorted(waiting, key=lambda one: one.due_us),
        answered=sorted(answered, key=lambda one: -(one.answered_us or 0)),
        alerts=alerts,
    )


def _of_project(
    catalogue: Catalogue, gate: Gate, project_id: str, found: list[DirectivePublic]
) -> ProjectDirectives:
    rooms = catalogue.places.rooms()
    return ProjectDirectives(
        directives=found,
        may_issue=gate.may("directive.issue", gate.things(Subject.PROJECT, project_id)),
        kinds=[
            KindPublic(kind=kind, minutes=facts.minutes, needs_session=bool(facts.event))
            for kind, facts in DIRECTIVE_KINDS.items()
        ],
        sections=[
            SectionChoice(number=one.number, name_zh=one.name_zh)
            for one in catalogue.projects.sections_of(project_id)
        ],
        sessions=[
            SessionChoice(
                id=one.id,
                phase=one.phase,
                room_name_zh=rooms[one.room_id].name_zh,
                room_name_en=rooms[one.room_id].name_en,
                running=one.start_us is not None and one.end_us is None,
            )
            for one in catalogue.sessions.of_project(project_id)
            if one.phase is not Phase.SUPERVISION
        ],
    )


@contextmanager
def refusals_told() -> Iterator[None]:
    """What the catalogue refuses, as an answer for people."""
    try:
        yield
    except (SupervisionRefused, TimelineError) as error:
        code = _CODES.get(type(error), DirectiveRefusal.OTHER)
        detail = {"code": code, "message": error.message, "hint": error.remedy}
        raise HTTPException(409, detail) from None


class DirectiveRefusal(StrEnum):
    """Why something was not taken; pages have words of their own for each."""

    ALREADY = "already"
    NOTHING_RUNS = "nothing_runs"
    OTHER = "other"


_CODES: Mapping[type[JianzhengError], DirectiveRefusal] = {
    SeenToAlready: DirectiveRefusal.ALREADY,
    NothingRuns: DirectiveRefusal.NOTHING_RUNS,
}


def things_of(catalogue: Catalogue, directive: Directive) -> list[Thing]:
    """What access to a directive goes by: its session, or all sessions of its project."""
    if directive.session_id is not None:
        return catalogue.things.of_session(directive.session_id)
    return venues_of(catalogue, directive.project_id)


def venues_of(catalogue: Catalogue, project_id: str) -> list[Thing]:
    """A project by its sessions, each at its venue; by itself where it has none yet."""
    sessions = catalogue.sessions.of_project(project_id)
    found = [thing for one in sessions for thing in catalogue.things.of_session(one.id)]
    return found or catalogue.things.of_project(project_id)


@dataclass(frozen=True, slots=True)
class _Publisher:
    """Turns directives into what pages show; what several of them need is looked up once."""

    catalogue: Catalogue
    gate: Gate
    now_us: int
    labels: Mapping[str, str]  # of accounts

    @classmethod
    def of(cls, catalogue: Catalogue, gate: Gate, now_us: int) -> _Publisher:
        return cls(catalogue, gate, now_us, labels_of(catalogue))

    def all(self, found: Iterable[Directive]) -> list[DirectivePublic]:
        told = list(found)
        sessions = self.catalogue.sessions.by_id({one.session_id for one in told if one.session_id})
        return [self._one(one, sessions.get(one.session_id or "")) for one in told]

    def _one(self, one: Directive, session: Session | None) -> DirectivePublic:
        project = self.catalogue.projects.project(one.project_id)
        room = None if session is None else self.catalogue.places.rooms().get(session.room_id)
        open_now = one.closed_us is None
        return DirectivePublic(
            **{name: getattr(one, name) for name in _SAME},
            label=one.label,
            project_name_zh=project.name_zh if project else "",
            project_name_en=project.name_en if project else "",
            section_name_zh=self._section(one),
            phase=session.phase if session else None,
            room_id=room.id if room else None,
            room_name_zh=room.name_zh if room else "",
            room_name_en=room.name_en if room else "",
            state=one.state(self.now_us),
            late=one.late,
            issued_by_label=self.labels.get(one.issued_by, one.issued_by),
            answered_by_label=self.labels.get(one.answered_by, one.answered_by),
            closed_by_label=self.labels.get(one.closed_by, one.closed_by),
            may_answer=open_now and one.answered_us is None and self._may_answer(one),
            may_close=open_now and one.issued_by == self.gate.by() and self._may("directive.close", one),
            now_us=self.now_us,
        )

    def _section(self, one: Directive) -> str:
        sections = self.catalogue.projects.sections_of(one.project_id) if one.section_number else []
        return next((each.name_zh for each in sections if each.number == one.section_number), "")

    def _may_answer(self, one: Directive) -> bool:
        return self.gate.may("directive.answer", things_of(self.catalogue, one))

    def _may(self, action: str, one: Directive) -> bool:
        return self.gate.may(action, self.gate.things(Subject.PROJECT, one.project_id))


_SAME = tuple(
    name
    for name in DirectivePublic.model_fields
    if name in Directive.__dataclass_fields__ and name not in ("late", "label")
)
"""Fields of a directive that are shown as they are."""


def labels_of(catalogue: Catalogue) -> dict[str, str]:
    """What screens call accounts."""
    return {one.id: one.label_zh for one in catalogue.accounts.all()}
