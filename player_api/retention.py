"""How long projects are kept, and why; classes chosen by hand, and days that somebody told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, StringConstraints

from catalog.catalogue import Catalogue
from catalog.retention import DueFilter, ProjectRetention
from kernel.clock import Clock
from kernel.errors import RetentionRefused
from kernel.model.life import Claim, ClaimOrigin, ClassChoice, Retention, Standing, Term, TermStart
from player_api.entries import Name, Reason
from player_api.gate import Gate, Subject

_T = TypeVar("_T")
_Code = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
REFUSED: dict[int | str, dict[str, Any]] = {409: {"description": "Refused; the answer says why"}}


class ClaimPublic(BaseModel):
    """A class that a project falls under, by which versions of which rules, and until when."""

    class_code: str
    origin: ClaimOrigin
    rule_id: str
    term_id: str
    permanent: bool
    starts: TermStart | None
    start_day: date | None  # None: for ever, or not known yet
    start_told: bool  # by somebody; else it follows from the timeline
    last_day: date | None
    reason_zh: str
    reason_en: str
    basis: str


class RetentionPublic(BaseModel):
    """How long a project is kept: of all its classes the longest holds."""

    project_id: str
    standing: Standing
    class_code: str
    last_day: date | None
    held: bool  # something holds it: it stays, whatever its term
    claims: list[ClaimPublic]  # the longest first


class DuePublic(RetentionPublic):
    """A line of the list of what is due."""

    project_code: str
    name_zh: str
    region_code: str
    industry_code: str


class ChoicePublic(BaseModel):
    """A class that somebody chose; a shorter one counts once another person confirms it."""

    id: str
    project_id: str
    class_code: str
    reason: str
    principal: str
    at_us: int
    shorter: bool
    confirmed_by: str
    confirmed_us: int | None
    counts: bool


class ChoiceRequest(BaseModel):
    """Which class is chosen, by whom and why."""

    class_code: _Code
    reason: Reason
    principal: Name | None = None


class ConfirmRequest(BaseModel):
    """Who confirms."""

    principal: Name | None = None


class DayRequest(BaseModel):
    """On which Beijing day something was, who says so, and how it is known."""

    kind: TermStart
    day: date
    reason: Reason
    principal: Name | None = None


class TermPublic(BaseModel):
    """How long a class keeps, from a Beijing day on; without years and days: for ever."""

    id: str
    first_day: date
    years: int | None
    days: int | None
    starts: TermStart | None
    starts_else: TermStart | None
    basis: str


class ClassPublic(BaseModel):
    """A retention class, and the versions of its term."""

    code: str
    name_zh: str
    name_en: str
    terms: list[TermPublic]


def _term_public(term: Term) -> TermPublic:
    return TermPublic(
        id=term.id,
        first_day=term.valid_from,
        years=term.years,
        days=term.days,
        starts=term.starts,
        starts_else=term.starts_else,
        basis=term.basis,
    )


def claim_public(claim: Claim) -> ClaimPublic:
    return ClaimPublic(
        class_code=claim.class_code,
        origin=claim.origin,
        rule_id=claim.rule_id,
        term_id=claim.term_id,
        permanent=claim.permanent,
        starts=claim.starts,
        start_day=claim.start.day if claim.start else None,
        start_told=claim.start.told if claim.start else False,
        last_day=claim.last_day,
        reason_zh=claim.reason_zh,
        reason_en=claim.reason_en,
        basis=claim.basis,
    )


def retention_public(found: Retention, *, held: bool) -> RetentionPublic:
    return RetentionPublic(
        project_id=found.project_id,
        standing=found.standing,
        class_code=found.class_code,
        last_day=found.governing.last_day if found.governing else None,
        held=held,
        claims=[claim_public(one) for one in found.claims],
    )


def or_refuse(ask: Callable[[], _T]) -> _T:
    """What was asked for, or 409 in the words of the refusal."""
    try:
        return ask()
    except RetentionRefused as error:
        raise HTTPException(409, str(error)) from None


def retention_router(catalogue: Catalogue, clock: Clock, gate: Gate) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/retention", tags=["retention"])
    table = catalogue.retention
    _add_choices(router, catalogue, clock, gate)

    @router.get("/classes", dependencies=[gate.signed_in()])
    def classes() -> list[ClassPublic]:
        """The retention classes, each with the versions of its term."""
        terms = table.terms()
        return [
            ClassPublic(
                code=one.code,
                name_zh=one.name_zh,
                name_en=one.name_en,
                terms=[_term_public(term) for term in terms if term.class_code == one.code],
            )
            for one in table.classes()
        ]

    @router.get("/due", dependencies=[gate.inside("retention.see")])
    def due(
        class_code: str | None = None,
        year: int | None = None,
        region: str | None = None,
        standing: Annotated[list[Standing] | None, Query()] = None,
    ) -> list[DuePublic]:
        """Projects whose term is over, or that stand as asked for; the one that waits longest first."""
        narrowed = DueFilter(
            class_code=class_code,
            year=year,
            region_codes=None if region is None else catalogue.places.regions_within(region),
            standings=frozenset(standing or {Standing.DUE}),
        )
        found = table.due(clock.now_us(), narrowed)
        seen = gate.within("retention.see", [one.retention.project_id for one in found])
        return [_due(one) for one in found if one.retention.project_id in seen]

    @router.get("/projects/{project_id}", dependencies=[gate.needs("retention.see", Subject.PROJECT)])
    def of_project(project_id: str) -> RetentionPublic:
        """How long a project is kept, and why."""
        return _of_project(catalogue, project_id, clock)

    return router


def _add_choices(router: APIRouter, catalogue: Catalogue, clock: Clock, gate: Gate) -> None:
    """Routes by which people say how long a project is kept."""
    table = catalogue.retention

    @router.get("/projects/{project_id}/choices", dependencies=[gate.needs("retention.see", Subject.PROJECT)])
    def choices(project_id: str) -> list[ChoicePublic]:
        """Everything that was chosen for a project, the oldest first."""
        return [_choice(one) for one in table.choices_of(project_id)]

    @router.post(
        "/projects/{project_id}/choices",
        status_code=201,
        responses=REFUSED,
        dependencies=[gate.needs("retention.choose", Subject.PROJECT)],
    )
    def choose(project_id: str, request: ChoiceRequest) -> ChoicePublic:
        """Choose a class for a project: a longer one counts at once."""
        _find(catalogue, project_id)
        said = {"reason": request.reason, "principal": gate.by(request.principal)}
        return _choice(
            or_refuse(lambda: table.choose(project_id, request.class_code, at_us=clock.now_us(), **said))
        )

    @router.post(
        "/choices/{choice_id}/confirm",
        responses=REFUSED,
        dependencies=[gate.needs("retention.confirm", Subject.CHOICE)],
    )
    def confirm(choice_id: str, request: ConfirmRequest) -> ChoicePublic:
        """Confirm a shorter class that somebody else chose."""
        who, now_us = gate.by(request.principal), clock.now_us()
        return _choice(or_refuse(lambda: table.confirm(choice_id, principal=who, at_us=now_us)))

    @router.post(
        "/projects/{project_id}/days",
        status_code=201,
        responses=REFUSED,
        dependencies=[gate.needs("retention.choose", Subject.PROJECT)],
    )
    def tell_day(project_id: str, request: DayRequest) -> RetentionPublic:
        """Say on which day something was from which the project's term is counted."""
        _find(catalogue, project_id)
        said = {"reason": request.reason, "principal": gate.by(request.principal)}
        or_refuse(lambda: table.tell_day(project_id, request.kind, request.day, at_us=clock.now_us(), **said))
        return _of_project(catalogue, project_id, clock)


def _of_project(catalogue: Catalogue, project_id: str, clock: Clock) -> RetentionPublic:
    _find(catalogue, project_id)
    found = catalogue.retention.of_project(project_id, clock.now_us())
    return retention_public(found, held=catalogue.holds.is_held(project_id))


def _find(catalogue: Catalogue, project_id: str) -> None:
    if catalogue.projects.project(project_id) is None:
        raise HTTPException(404, "没有这个项目。No such project.")


def _due(one: ProjectRetention) -> DuePublic:
    return DuePublic(
        **retention_public(one.retention, held=one.held).model_dump(),
        project_code=one.project_code,
        name_zh=one.name_zh,
        region_code=one.region_code,
        industry_code=one.industry_code,
    )


def _choice(one: ClassChoice) -> ChoicePublic:
    return ChoicePublic.model_validate(one, from_attributes=True)
