"""Holds by the page: keep a range of a source whatever fills the disk, and let go of it (invariant 4)."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel

from catalog.catalogue import Catalogue
from kernel.clock import Clock
from kernel.errors import CatalogError
from kernel.ids import new_id
from kernel.log import logger
from kernel.model.footage import Hold
from kernel.timerange import TimeRange
from player_api.entries import Moment, Name, Reason, range_of

_log = logger("player_api")


class HoldPublic(BaseModel):
    """A range of a source that must not be removed, and who said so."""

    id: str
    source_id: str
    start_us: int
    end_us: int
    reason: str
    principal: str
    made_us: int
    released_us: int | None
    released_by: str
    release_reason: str


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
    principal: Name


class ReleaseRequest(BaseModel):
    """Who lets go of a hold, and why."""

    principal: Name
    reason: Reason


def hold_public(hold: Hold) -> HoldPublic:
    return HoldPublic(
        id=hold.id,
        source_id=hold.source_id,
        start_us=hold.wall.start_us,
        end_us=hold.wall.end_us,
        reason=hold.reason,
        principal=hold.principal,
        made_us=hold.made_us,
        released_us=hold.released_us,
        released_by=hold.released_by,
        release_reason=hold.release_reason,
    )


def holds_router(catalogue: Catalogue, clock: Clock) -> APIRouter:
    """The routes. Who acts is told by name until there are accounts."""
    router = APIRouter(prefix="/api/holds", tags=["holds"])

    @router.get("")
    def holds(source_id: str | None = None, released: bool = False) -> list[HoldPublic]:
        """Holds in the order in which they were made; those that were released only if asked for."""
        found = catalogue.holds.all(released=released)
        return [hold_public(one) for one in found if source_id in (None, one.source_id)]

    @router.post("", status_code=201)
    def make(request: HoldRequest) -> HoldMade:
        """Hold a range of a source."""
        if request.source_id not in catalogue.places.sources():
            raise HTTPException(404, "没有这个来源。No such source.")
        hold = Hold(
            id=new_id("hold"),
            source_id=request.source_id,
            wall=range_of(request.start_us, request.end_us),
            reason=request.reason,
            principal=request.principal,
            made_us=clock.now_us(),
        )
        gone = [one.segment.wall.intersect(hold.wall) for one in catalogue.holds.make(hold)]
        said = {"source": hold.source_id, "hold": hold.id, "principal": hold.principal}
        _log.info(f"footage of {hold.source_id} is held", action="hold.made", **said)
        return HoldMade(hold=hold_public(hold), gone=_parts(gone))

    @router.post("/{hold_id}/release", responses={409: {"description": "Released already"}})
    def release(hold_id: str, request: ReleaseRequest) -> HoldPublic:
        """Let go of a hold; that it was, and who released it and why, stays."""
        _find(catalogue, hold_id)
        said = {"principal": request.principal, "reason": request.reason}
        try:
            catalogue.holds.release(hold_id, at_us=clock.now_us(), **said)
        except CatalogError:
            raise HTTPException(409, "这项冻结已经解除。This hold is released already.") from None
        _log.info(f"hold {hold_id} is released", action="hold.released", hold=hold_id, **said)
        return hold_public(_find(catalogue, hold_id))

    return router


def _find(catalogue: Catalogue, hold_id: str) -> Hold:
    found = next((one for one in catalogue.holds.all(released=True) if one.id == hold_id), None)
    if found is None:
        raise HTTPException(404, "没有这项冻结。No such hold.")
    return found


def _parts(walls: list[TimeRange | None]) -> list[GonePublic]:
    return [GonePublic(start_us=one.start_us, end_us=one.end_us) for one in walls if one is not None]
