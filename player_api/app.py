"""The HTTP application: routes, the built page, and how errors are said."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles

from catalog.catalogue import Catalogue
from catalog.document_intake import DocumentIntake
from catalog.objects import ObjectStore
from catalog.places import Division, with_descendants
from catalog.preservation import Promise
from catalog.projects import ProjectFilter
from catalog.readiness import Watch, watch_everything
from kernel.access import WATCH
from kernel.clock import BEIJING, SECOND_US, Clock, from_datetime
from kernel.errors import JianzhengError, ObjectMissing
from kernel.isobmff.reader import read_index, read_init
from kernel.model.archive import RenditionFacts
from kernel.settings import PreservationSettings, TagSettings, UseSettings
from kernel.tags import LockRule
from kernel.timerange import EVER_US, TimeRange
from player_api.accounts import accounts_router
from player_api.alerts import alerts_router
from player_api.audit import ActingFrom, audit_router
from player_api.bookings import bookings_router
from player_api.changes import change_events
from player_api.checkups import Checker, checkups_router
from player_api.directives import directives_router
from player_api.disposal import disposal_router
from player_api.documents import documents_router
from player_api.gate import AtTheGate, Gate, Subject
from player_api.gone import not_there
from player_api.health import health_router
from player_api.holds import holds_router
from player_api.live import live_from, live_router
from player_api.live_hub import Makers
from player_api.metrics import metrics_router
from player_api.originals import OriginalsOfClips, originals_router
from player_api.people import People
from player_api.presence import presence_router
from player_api.preservation import preservation_router
from player_api.publishing import (
    fleet_public,
    industry_public,
    project_detail,
    project_public,
    region_public,
    session_public,
)
from player_api.ranges import video_response
from player_api.receipts import receipts_router
from player_api.refusals import AT_THE_GATE
from player_api.requests import requests_router
from player_api.retention import retention_router
from player_api.schemas import (
    FleetPublic,
    FragmentPublic,
    IndustryPublic,
    ProjectDetail,
    ProjectPage,
    RegionPublic,
    RenditionIndex,
    SessionPublic,
)
from player_api.search import search_router
from player_api.sign_in_routes import sign_in_router
from player_api.sources import sources_router
from player_api.statistics import statistics_router
from player_api.tags import tags_router
from player_api.timelines import TimelineOf, timelines_router
from player_api.today import today_router
from player_api.trading import trading_router
from player_api.transport import Reach, Transport
from player_api.watch_limits import check_range, is_limited, limited
from player_api.watch_log import watch_log_router
from player_api.watch_routes import watches_router
from player_api.watching import Watches, WatchToken
from player_api.witness_records import witness_records_router

STATIC = Path(__file__).parent / "static"
_NO_PAGES = frozenset({"api", "media", "assets", "healthz", "readyz", "metrics"})
"""First parts of addresses that are for programs; all others are the page's own."""


def create_app(
    catalogue: Catalogue,
    store: ObjectStore,
    clock: Clock,
    static: Path = STATIC,
    watch: Watch | None = None,
    checker: Checker | None = None,
    timeline_of: TimelineOf | None = None,
    originals: OriginalsOfClips | None = None,
    documents: DocumentIntake | None = None,
    preservation: PreservationSettings | None = None,
    use: UseSettings | None = None,
    tags: TagSettings | None = None,
    people: People | None = None,
    local_user: str = "local user",
    reach: Reach | None = None,
    makers: Makers | None = None,
) -> FastAPI:
    """The application over a catalogue and a store.

    Args:
        watch: what should be recorded, and where the ring is; without it everything that was ever registered.
        checker: looks at rooms before sessions; without it only old check-ups are shown.
        timeline_of: the timeline of a session by the cutting rules; without it only its events are shown.
        originals: makes clips' originals out of the ring; without it there are none.
        documents: takes documents in; without it they are only listed and handed out.
        preservation: what is promised of archives; without it what the settings say by themselves.
        use: how long requests may be used; the same.
        tags: how much footage an irregularity holds; the same.
        people: who is signed in; without it there are no accounts, and everybody is the local user.
        local_user: what the local user is called in records.
        reach: from where it can be reached; without it from this machine only.
        makers: make live pictures and sound that browsers play of what they do not; without it they are not.
    """
    watch = watch or watch_everything(catalogue)
    promise = Promise.of(preservation or PreservationSettings())
    reach = reach or Reach()
    gate = _gate(catalogue, clock, people, reach, local_user)
    watches = Watches(catalogue, clock, gate)
    gate.report = watches.refusals.report
    app = _empty_app(gate, people, reach)
    at = _At(catalogue=catalogue, store=store, clock=clock, gate=gate, watches=watches, watch=watch)
    for router in (
        sign_in_router(catalogue, clock, gate, people, reach),
        accounts_router(catalogue, clock, gate, people),
        *_of_footage(at, checker, originals, makers),
        *_of_sessions(at, timeline_of, (tags or TagSettings()).lock_rule()),
        *_of_archives(at, documents, promise, use or UseSettings()),
        health_router(catalogue, watch, clock, gate),
        metrics_router(catalogue, watch, clock, promise, gate),
    ):
        app.include_router(router)
    reported = trading_router(catalogue.reports, catalogue.trading_systems, clock)
    app.include_router(reported, dependencies=[gate.program()])
    _add_changes(app, catalogue, clock, gate)
    _add_refusals(app)
    if static.is_dir():
        _serve_page(app, static, gate)
    return app


def _gate(catalogue: Catalogue, clock: Clock, people: People | None, reach: Reach, local_user: str) -> Gate:
    is_open = people is None or people.demo
    return Gate(
        catalogue,
        clock,
        local_user=local_user if is_open else None,
        cookie=reach.cookie,
        desktops_for_witnesses=people is None or people.desktops_for_witnesses,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _At:
    """What most routes need."""

    catalogue: Catalogue
    store: ObjectStore
    clock: Clock
    gate: Gate
    watches: Watches
    watch: Watch


def _of_footage(
    at: _At, checker: Checker | None, originals: OriginalsOfClips | None, makers: Makers | None
) -> tuple[APIRouter, ...]:
    """Routes by which pictures are seen, and by which it is known who saw them."""
    catalogue, clock, gate = at.catalogue, at.clock, at.gate
    return (
        _media(catalogue, at.store, gate, at.watches),
        watches_router(at.watches, gate),
        watch_log_router(catalogue, clock, gate, at.watches),
        originals_router(originals, gate, at.watches),
        sources_router(catalogue, at.watch, clock, gate, at.watches),
        checkups_router(catalogue, checker, clock, gate),
        live_router(live_from(catalogue, clock, gate, at.watches, at.watch, makers)),
    )


def _of_sessions(at: _At, timeline_of: TimelineOf | None, locks: LockRule) -> tuple[APIRouter, ...]:
    """Routes of what happens in projects, and of what people do meanwhile."""
    catalogue, clock, gate = at.catalogue, at.clock, at.gate
    return (
        _places(catalogue, gate),
        _projects(catalogue, gate),
        today_router(catalogue, at.watch, clock, gate),
        timelines_router(catalogue, timeline_of, clock, gate),
        bookings_router(catalogue, clock, gate),
        tags_router(catalogue, locks, clock, gate),
        witness_records_router(catalogue, clock, gate),
        directives_router(catalogue, clock, gate),
        presence_router(catalogue, clock, gate),
        alerts_router(catalogue, clock, gate),
    )


def _of_archives(
    at: _At, documents: DocumentIntake | None, promise: Promise, use: UseSettings
) -> tuple[APIRouter, ...]:
    """Routes of what is kept: found, held, given out, disposed of, counted."""
    catalogue, clock, gate = at.catalogue, at.clock, at.gate
    return (
        receipts_router(catalogue, gate),
        search_router(catalogue, clock, gate),
        documents_router(catalogue, at.store, clock, documents, gate),
        holds_router(catalogue, clock, gate),
        retention_router(catalogue, clock, gate),
        disposal_router(catalogue, at.store, clock, gate),
        preservation_router(catalogue, promise, clock, gate),
        requests_router(catalogue, clock, use, gate),
        statistics_router(catalogue, gate),
        audit_router(catalogue, clock, gate),
    )


def _empty_app(gate: Gate, people: People | None, reach: Reach) -> FastAPI:
    """An application without a route, and what every request goes through."""
    # FastAPI's pages that show the description fetch their scripts from the internet, which centres lack.
    app = FastAPI(
        title="Jianzheng 见证",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        responses=AT_THE_GATE,
    )
    # A page of another site that resolves its own name to this machine must not read footage (DNS rebinding).
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(reach.names))
    app.add_middleware(AtTheGate, gate=gate, who_is=people)
    app.add_middleware(ActingFrom)
    app.add_middleware(Transport, reach=reach)  # the last one is the first to see a request
    return app


def _add_changes(app: FastAPI, catalogue: Catalogue, clock: Clock, gate: Gate) -> None:
    """Tells pages that something was changed, as it happens."""

    @app.get("/api/changes", include_in_schema=False, dependencies=[gate.signed_in()])
    async def changes() -> StreamingResponse:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(
            change_events(catalogue, clock), media_type="text/event-stream", headers=headers
        )


def _add_refusals(app: FastAPI) -> None:
    """How errors are said that no route says itself."""

    @app.exception_handler(JianzhengError)
    async def say(_request: Request, error: JianzhengError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=503)

    @app.exception_handler(RequestValidationError)
    async def refuse(_request: Request, error: RequestValidationError) -> Response:
        """As FastAPI says it, but without what was sent: that may be no text, or a number without an end."""
        said = [{name: fault[name] for name in ("type", "loc", "msg")} for fault in error.errors()]
        return Response(json.dumps({"detail": said}), 422, media_type="application/json")


def _is_for_programs(path: str) -> bool:
    """Whether a path that is not there was asked for by a program, which a page would mislead."""
    first, *rest = path.strip("/").lower().split("/")
    return first in _NO_PAGES or (not rest and "." in first)


def _serve_page(app: FastAPI, static: Path, gate: Gate) -> None:
    """The built page: its files, and its start page for every route of its own."""
    files = StaticFiles(directory=static)

    @app.get("/{path:path}", include_in_schema=False, dependencies=[gate.everyone()])
    async def page(path: str, request: Request) -> Response:
        if path and files.lookup_path(path)[1] is not None:
            return await files.get_response(path, request.scope)
        if _is_for_programs(path):
            raise HTTPException(404, "没有这个地址。No such address.")
        return FileResponse(static / "index.html", headers={"Cache-Control": "no-cache"})


def _places(catalogue: Catalogue, gate: Gate) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["places"])

    @router.get("/regions", dependencies=[gate.signed_in()])
    def regions() -> list[RegionPublic]:
        """All regions, by code."""
        today = catalogue.places.today()
        return [region_public(region, today.get(region.code)) for region in catalogue.places.regions()]

    @router.get("/industries", dependencies=[gate.signed_in()])
    def industries() -> list[IndustryPublic]:
        """All industries, by code."""
        return [industry_public(industry) for industry in catalogue.places.industries()]

    return router


def _projects(catalogue: Catalogue, gate: Gate) -> APIRouter:
    router = APIRouter(prefix="/api", tags=["projects"])

    @router.get("/projects", dependencies=[gate.inside("project.see")])
    def projects(
        region: str | None = None,
        industry: str | None = None,
        date_from: date | None = None,
        date_to: date | None = None,
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> ProjectPage:
        """Projects by region and industry (each with all below it) and by Beijing date of some session.

        A region includes what was filed under the codes that it had before.
        """
        narrowed = ProjectFilter(
            region_codes=None if region is None else catalogue.places.regions_within(region),
            industry_codes=_below(catalogue.places.industries(), industry),
            sessions_within=_days(date_from, date_to),
            scope=gate.scope("project.see"),
        )
        found = catalogue.projects.projects(narrowed)
        page = found[offset : offset + limit]
        summaries = catalogue.summaries.of([project.id for project in page])
        return ProjectPage(
            total=len(found), projects=[project_public(project, summaries[project.id]) for project in page]
        )

    @router.get("/fleet", dependencies=[gate.needs("statistics.see")])
    def fleet() -> FleetPublic:
        """What all archived projects weigh together, and on average."""
        return fleet_public(catalogue.archives.fleet())

    @router.get("/projects/{project_id}", dependencies=[gate.needs("project.see", Subject.PROJECT)])
    def project(project_id: str) -> ProjectDetail:
        """A project with its sessions."""
        found = catalogue.projects.project(project_id)
        if found is None:
            raise HTTPException(404, "没有这个项目。No such project.")
        return project_detail(catalogue, found, gate.sees_session)

    @router.get("/sessions/{session_id}", dependencies=[gate.needs("session.see", Subject.SESSION)])
    def session(session_id: str) -> SessionPublic:
        """A session with its clips."""
        found = catalogue.sessions.get(session_id)
        if found is None:
            raise HTTPException(404, "没有这个场次。No such session.")
        return session_public(catalogue, found)

    return router


def _below(divisions: list[Division], code: str | None) -> frozenset[str] | None:
    return None if code is None else frozenset(with_descendants(divisions, code))


def _days(first: date | None, last: date | None) -> TimeRange | None:
    """From the start of the first Beijing day to the end of the last."""
    if first is None and last is None:
        return None
    if first is not None and last is not None and last < first:
        raise HTTPException(422, "结束日期早于开始日期。The end date is before the start date.")
    return TimeRange(
        start_us=-EVER_US if first is None else _midnight(first),
        end_us=EVER_US if last is None else _midnight(last) + 24 * 3600 * SECOND_US,
    )


def _midnight(day: date) -> int:
    return from_datetime(datetime.combine(day, time(), tzinfo=BEIJING))


def _media(catalogue: Catalogue, store: ObjectStore, gate: Gate, watches: Watches) -> APIRouter:
    router = APIRouter(tags=["media"])

    def rendition_or_404(rendition_id: str) -> RenditionFacts:
        found = catalogue.archives.facts(rendition_id)
        if found is None:
            raise HTTPException(404, "没有这个文件。No such file.")
        return found

    @router.get("/api/renditions/{rendition_id}/index", dependencies=[gate.inside(WATCH)])
    def index(rendition_id: str, watch: WatchToken = None) -> RenditionIndex:
        """How to play an archived file; of a watch that is limited to a time, only what lies in it."""
        admitted = watches.of_rendition(rendition_id, watch)
        found = rendition_or_404(rendition_id)
        try:
            return limited(rendition_index(found, store), admitted)
        except ObjectMissing as error:
            raise not_there(catalogue, found.object_key, error) from None

    @router.get(
        "/media/renditions/{rendition_id}",
        response_class=StreamingResponse,
        dependencies=[gate.inside(WATCH)],
    )
    def media(
        rendition_id: str,
        watch: WatchToken = None,
        range_header: Annotated[str | None, Header(alias="range")] = None,
    ) -> Response:
        """The archived file, whole or by byte range, to whoever has it open (invariant 14)."""
        admitted = watches.of_rendition(rendition_id, watch)
        found = rendition_or_404(rendition_id)
        try:
            if is_limited(admitted):
                check_range(limited(rendition_index(found, store), admitted), range_header)
            return video_response(
                lambda: store.open(found.object_key), found.size_bytes, found.sha256, range_header
            )
        except ObjectMissing as error:
            raise not_there(catalogue, found.object_key, error) from None

    return router


def rendition_index(rendition: RenditionFacts, store: ObjectStore) -> RenditionIndex:
    """Init range and fragments of an archived file, read from the file itself."""
    with store.open(rendition.object_key) as file:
        init = read_init(file)
        index = read_index(file)
        file.seek(0)
        head = file.read(init.size)
    codecs = ",".join(codec for codec in (rendition.video_codec, rendition.audio_codec) if codec)
    start_us = rendition.wall.start_us
    parts = index.subsegments if index else ()
    scale = index.timescale if index else 1
    return RenditionIndex(
        rendition_id=rendition.id,
        mime=f'video/mp4; codecs="{codecs}"',
        wall_start_us=start_us,
        wall_end_us=rendition.wall.end_us,
        init_size=init.size,
        init=base64.b64encode(head).decode("ascii"),
        size_bytes=rendition.size_bytes,
        media_url=f"/media/renditions/{rendition.id}",
        fragments=[
            FragmentPublic(
                start_us=start_us + part.start * SECOND_US // scale,
                end_us=start_us + (part.start + part.duration) * SECOND_US // scale,
                offset=part.offset,
                size=part.size,
            )
            for part in parts
        ],
    )
