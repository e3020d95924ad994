"""Whether archives are safe: what every page shows as an alarm, and where the copies are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict

from catalog.catalogue import Catalogue
from catalog.preservation import Promise
from kernel.clock import Clock
from kernel.model.preservation import DrillResult, Fixity, PackageKind
from player_api.gate import Gate


class _Public(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class TroublePublic(_Public):
    """A copy of a stored object that is not as it should be."""

    key: str
    store: str
    """``main``, or the address of a copy."""
    project_id: str
    result: Fixity
    found: str
    checked_us: int
    good_us: int | None
    """When it was last found whole."""
    good_stores: list[str]
    """Where copies were whole when they were last read."""


class DrilledFilePublic(_Public):
    """A file of an archive in a restore drill."""

    key: str
    faults: list[str]
    pictures: int
    """How many were decoded."""
    seconds: float


class DrillPublic(_Public):
    """A restore drill: a project's archives fetched, verified and decoded."""

    id: str
    started_us: int
    ended_us: int
    principal: str
    seed: str
    """What the project was drawn by; empty where one was named."""
    candidates: int
    """Projects that it was drawn from."""
    project_id: str
    result: DrillResult
    size_bytes: int
    files: list[DrilledFilePublic]
    faults: list[str]


class PreservedPublic(_Public):
    """Whether archives are safe."""

    alarm: bool
    """Somebody has to do something now."""
    troubles: list[TroublePublic]
    """The newest ones; ``troubled`` counts all."""
    troubled: int
    overdue: int
    """Copies of objects that were not read back within the set period."""
    oldest_check_us: int | None
    copies_missing: int
    """Packages that a store of the settings does not hold whole, for each such store."""
    failed_drills: list[DrillPublic]
    last_drill_us: int | None
    drill_overdue: bool


class StorePublic(_Public):
    """What a store holds."""

    store: str
    packages: int
    packages_missing: int
    size_bytes: int
    objects: int
    troubled: int
    overdue: int
    oldest_check_us: int | None


class PackagePublic(_Public):
    """What rests in the store as one."""

    id: str
    kind: PackageKind
    project_id: str
    version: int
    size_bytes: int
    verified_us: int


class PackageCopyPublic(_Public):
    """A whole package in one store."""

    store: str
    whole_us: int
    oldest_check_us: int
    troubled: int


class MediaLinePublic(_Public):
    """Where a package's copies are."""

    package: PackagePublic
    copies: list[PackageCopyPublic]


class MediaPage(BaseModel):
    """One page of the media report."""

    total: int
    lines: list[MediaLinePublic]


def preservation_router(catalogue: Catalogue, promise: Promise, clock: Clock, gate: Gate) -> APIRouter:
    """The routes; they only read."""
    router = APIRouter(prefix="/api/preservation", tags=["preservation"])

    @router.get("", dependencies=[gate.needs("preservation.see")])
    def preservation(response: Response) -> PreservedPublic:
        """Whether archives are safe, and what is wrong."""
        response.headers["Cache-Control"] = "no-store"
        return PreservedPublic.model_validate(catalogue.preservation.state(promise, clock.now_us()))

    @router.get("/stores", dependencies=[gate.needs("preservation.see")])
    def stores() -> list[StorePublic]:
        """What each store holds, the main one first."""
        found = catalogue.preservation.stores(promise, clock.now_us())
        return [StorePublic.model_validate(one) for one in found]

    @router.get("/media", dependencies=[gate.needs("preservation.see")])
    def media(
        project_id: str | None = None,
        offset: Annotated[int, Query(ge=0, le=1 << 31)] = 0,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> MediaPage:
        """Where each package's copies are, the newest first."""
        total, lines = catalogue.preservation.media(
            promise, project_id=project_id, offset=offset, limit=limit
        )
        return MediaPage(total=total, lines=[MediaLinePublic.model_validate(one) for one in lines])

    @router.get("/drills", dependencies=[gate.needs("preservation.see")])
    def drills(limit: Annotated[int, Query(ge=1, le=200)] = 20) -> list[DrillPublic]:
        """Reports of restore drills, the newest first."""
        return [DrillPublic.model_validate(one) for one in catalogue.preservation.drills(limit)]

    return router
