"""``/healthz``: the server answers. ``/readyz``: what should be recorded is being recorded."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from catalog.catalogue import Catalogue
from catalog.readiness import Readiness, Standing, Watch, readiness
from kernel.clock import Clock
from player_api.gate import Gate
from player_api.schemas import MissingPublic, ReadinessPublic

_NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"model": ReadinessPublic, "description": "Something that should be recorded is not; it is named."}
}


def health_router(catalogue: Catalogue, watch: Watch, clock: Clock, gate: Gate) -> APIRouter:
    """Routes for whoever watches over machines."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", dependencies=[gate.everyone()])
    def healthz() -> dict[str, str]:
        """The server answers. Says nothing about recording: that is /readyz."""
        return {"status": "ok"}

    @router.get("/readyz", responses=_NOT_READY, dependencies=[gate.machine("system.manage")])
    def readyz(response: Response) -> ReadinessPublic:
        """200 while every source that should be recorded now is being recorded, else 503."""
        now = readiness(catalogue, watch, clock.now_us())
        response.status_code = 200 if now.ready else 503
        response.headers["Cache-Control"] = "no-store"
        return readiness_public(now)

    return router


def readiness_public(now: Readiness) -> ReadinessPublic:
    return ReadinessPublic(
        ready=now.ready,
        at_us=now.at_us,
        recorder_alive=now.recorder_alive,
        wanted=sum(one.want is not None for one in now.standings.values()),
        cameras_problem=now.cameras_problem,
        missing=[_missing(one) for one in now.missing],
    )


def _missing(one: Standing) -> MissingPublic:
    assert one.shortfall is not None
    return MissingPublic(
        source_id=one.source_id,
        shortfall=one.shortfall,
        fault=one.fault,
        detail=one.detail,
        why_wanted=one.want.why if one.want else "",
        since_us=one.since_us,
    )
