"""Check-ups of rooms before sessions: ask for one, look at them, override a failed one."""

from __future__ import annotations

from typing import Annotated, Protocol

from fastapi import APIRouter, HTTPException, Query, Response
from pydantic import BaseModel

from catalog.catalogue import Catalogue
from catalog.checkups import Checkups
from kernel.clock import Clock
from kernel.errors import OverrideRefused, SettingsError
from kernel.model.checkup import Aspect, Checkup, Verdict
from player_api.entries import Name, Reason
from player_api.gate import Gate, Subject


class Checker(Protocol):
    """Looks at rooms; ``capture.checkup.room.RoomChecker`` is one."""

    async def check(self, room_id: str, principal: str) -> Checkup:
        """Look at all sources of a room, judge, and keep the result."""

    def picture(self, checkup: Checkup, source_id: str) -> bytes | None:
        """The picture of a source that was judged, as JPEG; None where there is none."""


class CheckResultPublic(BaseModel):
    """One aspect of one source, or of the recorder's disk."""

    source_id: str
    """Empty for the disk."""
    aspect: Aspect
    verdict: Verdict
    measured: str
    limit: str
    remedy: str


class CheckupPublic(BaseModel):
    """A check-up of a room."""

    id: str
    room_id: str
    at_us: int
    principal: str
    passed: bool
    overridden_by: str
    override_reason: str
    overridden_us: int | None
    results: list[CheckResultPublic]
    pictures: dict[str, str]
    """Address of the picture that was judged, by source; of sources that delivered one."""


class CheckupRequest(BaseModel):
    """Who asks for a check-up."""

    principal: Name | None = None


class OverrideRequest(BaseModel):
    """Who lets the session begin although the check-up failed, and why."""

    name: Name
    reason: Reason


def checkup_public(checkup: Checkup, checker: Checker | None = None) -> CheckupPublic:
    """What the API says of it; pictures as far as they are kept."""
    sources = {one.source_id for one in checkup.results if one.aspect is Aspect.PICTURE_BLACK}
    kept = {one for one in sources if checker is not None and checker.picture(checkup, one) is not None}
    return CheckupPublic(
        id=checkup.id,
        room_id=checkup.room_id,
        at_us=checkup.at_us,
        principal=checkup.principal,
        passed=checkup.passed,
        overridden_by=checkup.overridden_by,
        override_reason=checkup.override_reason,
        overridden_us=checkup.overridden_us,
        results=[CheckResultPublic.model_validate(one, from_attributes=True) for one in checkup.results],
        pictures={one: f"/api/checkups/{checkup.id}/pictures/{one}" for one in sorted(kept)},
    )


def checkups_router(catalogue: Catalogue, checker: Checker | None, clock: Clock, gate: Gate) -> APIRouter:
    """The routes. Without a checker (this server has no cameras.yaml) nothing new can be asked for."""
    router = _results_router(catalogue, checker, gate)
    checkups = catalogue.checkups

    @router.post(
        "/rooms/{room_id}/checkups", status_code=201, dependencies=[gate.needs("checkup.make", Subject.ROOM)]
    )
    async def check(room_id: str, request: CheckupRequest) -> CheckupPublic:
        """Look at all sources of a room now; takes some seconds."""
        if checker is None:
            raise HTTPException(503, "本服务未配置来源。This server knows no sources.")
        try:
            return checkup_public(await checker.check(room_id, gate.by(request.principal)), checker)
        except SettingsError as error:
            raise HTTPException(404, str(error)) from None

    @router.post(
        "/checkups/{checkup_id}/override",
        responses={409: {"description": "Cannot be overridden"}},
        dependencies=[gate.needs("checkup.override", Subject.CHECKUP)],
    )
    def override(checkup_id: str, request: OverrideRequest) -> CheckupPublic:
        """Let the session begin although the check-up failed: once, with a name and a reason."""
        _find(checkups, checkup_id)
        try:
            changed = checkups.override(checkup_id, gate.by(request.name), request.reason, clock.now_us())
        except OverrideRefused as error:
            raise HTTPException(409, str(error)) from None
        return checkup_public(changed, checker)

    return router


def _find(checkups: Checkups, checkup_id: str) -> Checkup:
    found = checkups.checkup(checkup_id)
    if found is None:
        raise HTTPException(404, "没有这次检查。No such check-up.")
    return found


def _results_router(catalogue: Catalogue, checker: Checker | None, gate: Gate) -> APIRouter:
    """The routes that only show."""
    router = APIRouter(prefix="/api", tags=["checkups"])
    checkups = catalogue.checkups

    @router.get("/rooms/{room_id}/checkups", dependencies=[gate.needs("checkup.see", Subject.ROOM)])
    def of_room(room_id: str, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> list[CheckupPublic]:
        """The newest check-ups of a room, newest first."""
        return [checkup_public(one, checker) for one in checkups.of_room(room_id, limit)]

    @router.get("/rooms/{room_id}/checkups/latest", dependencies=[gate.needs("checkup.see", Subject.ROOM)])
    def latest(room_id: str) -> CheckupPublic:
        """The newest check-up of a room."""
        newest = checkups.of_room(room_id, limit=1)
        if not newest:
            raise HTTPException(404, "尚未检查过。Not checked yet.")
        return checkup_public(newest[0], checker)

    @router.get("/checkups", dependencies=[gate.inside("checkup.see")])
    def newest_of_all() -> list[CheckupPublic]:
        """The newest check-up of every room that has had one."""
        rooms = [
            one for one in catalogue.places.rooms() if gate.may("checkup.see", gate.things(Subject.ROOM, one))
        ]
        newest = [one for room_id in rooms for one in checkups.of_room(room_id, limit=1)]
        return [checkup_public(one, checker) for one in newest]

    @router.get("/checkups/{checkup_id}", dependencies=[gate.needs("checkup.see", Subject.CHECKUP)])
    def one(checkup_id: str) -> CheckupPublic:
        """A check-up."""
        return checkup_public(_find(checkups, checkup_id), checker)

    @router.get(
        "/checkups/{checkup_id}/pictures/{source_id}",
        response_class=Response,
        dependencies=[gate.needs("checkup.picture", Subject.CHECKUP)],
    )
    def picture(checkup_id: str, source_id: str) -> Response:
        """The picture of a source that was judged."""
        jpeg = checker.picture(_find(checkups, checkup_id), source_id) if checker is not None else None
        if jpeg is None:
            raise HTTPException(404, "没有这幅画面。No such picture.")
        return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})

    return router
