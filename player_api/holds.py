"""Holds by the page: keep ranges of sources, sessions and projects, and let go of them (invariant 4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field, StringConstraints

from catalog.catalogue import Catalogue
from catalog.projects import ProjectScope
from kernel.clock import Clock
from kernel.errors import CatalogError
from kernel.ids import new_id
from kernel.log import logger
from kernel.model.footage import Hold, HoldKind
from kernel.retention import beijing_days
from kernel.timerange import TimeRange
from player_api.entries import Moment, Name, Reason, range_of
from player_api.gate import Gate, Subject

_LAST_YEAR = 9998
_log = logger("player_api")


class HoldPublic(BaseModel):
    """What must not be removed, and who said so."""

    id: str
    act_id: str  # what was held in one act has one
    kind: HoldKind
    source_id: str  # of kind source
    session_id: str  # of kind session
    project_id: str  # of kind project
    agency: str  # of kind agency
    start_us: int | None  # of a source or an agency; else all time
    end_us: int | None
    tag_id: str
    reason: str
    principal: str
    made_us: int
    released_us: int | None
    released_by: str
    release_reason: str


class ActRequest(BaseModel):
    """Who holds something, and why."""

    reason: Reason
    principal: Name | None = None
    tag_id: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""


class SessionsHoldRequest(ActRequest):
    """Sessions to be held in one act."""

    session_ids: Annotated[list[str], Field(min_length=1, max_length=1000)]


class ProjectsHoldRequest(ActRequest):
    """Projects to be held in one act."""

    project_ids: Annotated[list[str], Field(min_length=1, max_length=1000)]


class AgencyHoldRequest(ActRequest):
    """An agency whose projects are to be held that have a session on one of these Beijing days."""

    agency: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    first_day: date
    last_day: date


class ActMade(BaseModel):
    """What one act holds, and how much no hold can bring back."""

    act_id: str
    holds: list[HoldPublic]
    gone: int  # originals that were removed before
    disposed: int  # archived objects that were destroyed by decision before


class GonePublic(BaseModel):
    """A part of a held range that was removed before it was held."""

    start_us: int
    end_us: int


class HoldMade(BaseModel):
    """A new hold, and what of its range no hold can bring back."""

    hold: HoldPublic
    gone: list[GonePublic]


class HoldRequest(BaseModel):
    """What is to be kept, who says so, and why."""

    source_id: str
    start_us: Moment
    end_us: Moment
    reason: Reason
    principal: Name | None = None


class ReleaseRequest(BaseModel):
    """Who lets go of a hold, and why."""

    principal: Name | None = None
    reason: Reason


def hold_public(hold: Hold) -> HoldPublic:
    ranged = hold.kind in (HoldKind.SOURCE, HoldKind.AGENCY)
    return HoldPublic(
        id=hold.id,
        act_id=hold.act_id or hold.id,
        kind=hold.kind,
        source_id=hold.source_id,
        session_id=hold.session_id,
        project_id=hold.project_id,
        agency=hold.agency,
        start_us=hold.wall.start_us if ranged else None,
        end_us=hold.wall.end_us if ranged else None,
        tag_id=hold.tag_id,
        reason=hold.reason,
        principal=hold.principal,
        made_us=hold.made_us,
        released_us=hold.released_us,
        released_by=hold.released_by,
        release_reason=hold.release_reason,
    )


def holds_router(catalogue: Catalogue, clock: Clock, gate: Gate) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/holds", tags=["holds"])
    _add_acts(router, catalogue, clock, gate)

    @router.get("", dependencies=[gate.inside("hold.see")])
    def holds(source_id: str | None = None, released: bool = False) -> list[HoldPublic]:
        """Holds in the order in which they were made; those that were released only if asked for.

        Of a source: those on ranges of it, and on sessions and projects in its room.
        """
        if source_id is not None:
            found = catalogue.holds.of_source(source_id, released=released)
        else:
            found = catalogue.holds.all(released=released)
        return [hold_public(one) for one in found if gate.may("hold.see", gate.things(Subject.HOLD, one.id))]

    @router.post("", status_code=201, dependencies=[gate.inside("hold.make")])
    def make(request: HoldRequest) -> HoldMade:
        """Hold a range of a source."""
        wall = range_of(request.start_us, request.end_us)
        gate.check("hold.make", catalogue.things.of_source(request.source_id, wall))
        if request.source_id not in catalogue.places.sources():
            raise HTTPException(404, "没有这个来源。No such source.")
        hold = Hold(
            id=new_id("hold"),
            source_id=request.source_id,
            wall=wall,
            reason=request.reason,
            principal=gate.by(request.principal),
            made_us=clock.now_us(),
        )
        gone = [one.segment.wall.intersect(hold.wall) for one in catalogue.holds.make(hold)]
        said = {"source": hold.source_id, "hold": hold.id, "principal": hold.principal}
        _log.info(f"footage of {hold.source_id} is held", action="hold.made", **said)
        return HoldMade(hold=hold_public(hold), gone=_parts(gone))

    @router.post(
        "/{hold_id}/release",
        responses={409: {"description": "Released already"}},
        dependencies=[gate.needs("hold.release", Subject.HOLD)],
    )
    def release(hold_id: str, request: ReleaseRequest) -> HoldPublic:
        """Let go of a hold; that it was, and who released it and why, stays."""
        _find(catalogue, hold_id)
        said = {"principal": gate.by(request.principal), "reason": request.reason}
        try:
            catalogue.holds.release(hold_id, at_us=clock.now_us(), **said)
        except CatalogError:
            raise HTTPException(409, "这项冻结已经解除。This hold is released already.") from None
        _log.info(f"hold {hold_id} is released", action="hold.released", hold=hold_id, **said)
        return hold_public(_find(catalogue, hold_id))

    return router


def _add_acts(router: APIRouter, catalogue: Catalogue, clock: Clock, gate: Gate) -> None:
    """Routes that hold several things at once, and let go of them."""

    @router.post("/sessions", status_code=201, dependencies=[gate.inside("hold.make")])
    def hold_sessions(request: SessionsHoldRequest) -> ActMade:
        """Hold sessions in one act: their footage, and their projects' archives."""
        for session_id in request.session_ids:
            gate.check("hold.make", gate.things(Subject.SESSION, session_id))
            if catalogue.sessions.get(session_id) is None:
                raise HTTPException(404, f"没有这个场次。No such session: {session_id}.")
        told = [{"kind": HoldKind.SESSION, "session_id": one} for one in dict.fromkeys(request.session_ids)]
        return _act(catalogue, clock, gate, request, told)

    @router.post("/projects", status_code=201, dependencies=[gate.inside("hold.make")])
    def hold_projects(request: ProjectsHoldRequest) -> ActMade:
        """Hold projects in one act: all their sessions, present and to come, footage and archives."""
        for project_id in request.project_ids:
            gate.check("hold.make", gate.things(Subject.PROJECT, project_id))
            if catalogue.projects.project(project_id) is None:
                raise HTTPException(404, f"没有这个项目。No such project: {project_id}.")
        told = [{"kind": HoldKind.PROJECT, "project_id": one} for one in dict.fromkeys(request.project_ids)]
        return _act(catalogue, clock, gate, request, told)

    @router.post(
        "/agencies",
        status_code=201,
        responses={404: {"description": "No project is of it"}},
        dependencies=[gate.inside("hold.make")],
    )
    def hold_agency(request: AgencyHoldRequest) -> ActMade:
        """Hold all projects of an agency with a session on one of these days, those to come included."""
        if request.last_day < request.first_day or request.last_day.year > _LAST_YEAR:
            raise HTTPException(422, "结束日期早于开始日期。The end date is before the start date.")
        wall = beijing_days(request.first_day, request.last_day)
        for project_id in catalogue.projects.ids_within(ProjectScope(agency=request.agency)) or {""}:
            gate.check("hold.make", gate.things(Subject.PROJECT, project_id))
        told = {"kind": HoldKind.AGENCY, "agency": request.agency, "wall": wall}
        try:
            return _act(catalogue, clock, gate, request, [told])
        except CatalogError as error:
            raise HTTPException(404, f"没有这家代理机构的项目。{error}") from None

    @router.post(
        "/acts/{act_id}/release",
        responses={409: {"description": "Released already"}},
        dependencies=[gate.needs("hold.release", Subject.ACT)],
    )
    def release_act(act_id: str, request: ReleaseRequest) -> list[HoldPublic]:
        """Let go of all that one act still holds."""
        if not catalogue.holds.find(act_id):
            raise HTTPException(404, "没有这项冻结。No such hold.")
        said = {"principal": gate.by(request.principal), "reason": request.reason}
        try:
            catalogue.holds.release(act_id, at_us=clock.now_us(), **said)
        except CatalogError:
            raise HTTPException(409, "这项冻结已经解除。This hold is released already.") from None
        _log.info(f"hold {act_id} is released", action="hold.released", hold=act_id, **said)
        return [hold_public(one) for one in catalogue.holds.find(act_id)]


def _act(
    catalogue: Catalogue, clock: Clock, gate: Gate, request: ActRequest, told: Sequence[dict[str, Any]]
) -> ActMade:
    act_id = new_id("hold")
    holds = [
        Hold(
            id=act_id if len(told) == 1 else f"{act_id}.{number}",
            act_id=act_id,
            reason=request.reason,
            principal=gate.by(request.principal),
            tag_id=request.tag_id,
            made_us=clock.now_us(),
            **one,
        )
        for number, one in enumerate(told, 1)
    ]
    lost = catalogue.holds.make_all(holds)
    _log.info(f"{len(holds)} held", action="hold.made", hold=act_id, principal=gate.by(request.principal))
    made = [hold_public(one) for one in catalogue.holds.find(act_id)]
    return ActMade(act_id=act_id, holds=made, gone=len(lost.gone), disposed=len(lost.disposed))


def _find(catalogue: Catalogue, hold_id: str) -> Hold:
    found = next((one for one in catalogue.holds.find(hold_id) if one.id == hold_id), None)
    if found is None:
        raise HTTPException(404, "没有这项冻结。No such hold.")
    return found


def _parts(walls: list[TimeRange | None]) -> list[GonePublic]:
    return [GonePublic(start_us=one.start_us, end_us=one.end_us) for one in walls if one is not None]
