"""Who watched what: one's own record, the log for those who may see it, and what nobody watched.

One's own record is for everybody who is signed in (task V4). The log is for inspectors within their regions
and for the audit administrator (tasks I5, I6, I12); refused attempts are for the latter (tasks I2, I20).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query

from catalog.audit import AuditFilter
from catalog.catalogue import Catalogue
from catalog.projects import ProjectScope
from catalog.watch_log import WatchFilter
from kernel.clock import Clock
from kernel.model.audit import Action
from kernel.model.watching import WatchKind
from kernel.timerange import EVER_US, TimeRange
from player_api.entries import Moment, range_of
from player_api.gate import Gate, Subject
from player_api.supervision_report import SupervisionReport
from player_api.watch_log_public import Publisher
from player_api.watch_log_schemas import (
    ProjectWatchLog,
    RefusedWatches,
    SupervisionPublic,
    UnwatchedPublic,
    WatchLogPage,
)
from player_api.watching import Watches

_MOST_OF_PROJECT = 1000
_Limit = Annotated[int, Query(ge=1, le=500)]
_Text = Annotated[str | None, Query(max_length=200)]
_Before = Annotated[str | None, Query(pattern=r"^\d{1,18}:[\w.-]{1,100}$")]


def watch_log_router(catalogue: Catalogue, clock: Clock, gate: Gate, watches: Watches) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api", tags=["watching"])
    log = _Log(catalogue, clock, gate, watches)
    _add_own(router, log)
    _add_log(router, log)
    _add_reports(router, log)
    _add_refused(router, log)
    return router


class _Log:
    """What the routes share."""

    def __init__(self, catalogue: Catalogue, clock: Clock, gate: Gate, watches: Watches) -> None:
        self.catalogue = catalogue
        self.clock = clock
        self.gate = gate
        self.watches = watches

    def page(self, narrowed: WatchFilter, before: str | None, limit: int) -> WatchLogPage:
        self.watches.sweep()
        at_us, _, watch_id = (before or "").partition(":")
        mark = (int(at_us), watch_id) if before else None
        found = self.catalogue.watch_log.watches(narrowed, before=mark, limit=limit + 1)
        public = Publisher(self.catalogue)
        last = found[limit - 1].watch if len(found) > limit else None
        return WatchLogPage(
            watches=[public.watch(one) for one in found[:limit]],
            before=None if last is None else f"{last.opened_us}:{last.id}",
        )

    def seen_projects(self, project_id: str | None = None) -> Collection[str] | None:
        """Projects whose watching may be seen; None: all, and what is of no project, too."""
        scope = self.gate.scope("watch.log.see")
        known = None
        if scope is not None and scope != ProjectScope():
            known = self.catalogue.projects.ids_within(scope)
        if project_id is None:
            return known
        return {project_id} if known is None else known & {project_id}

    def report(self, from_us: int, to_us: int) -> SupervisionReport:
        self.watches.sweep()
        return SupervisionReport(self.catalogue, self.clock.now_us(), range_of(from_us, to_us))


def _add_own(router: APIRouter, log: _Log) -> None:
    gate = log.gate

    @router.get("/my-watches", dependencies=[gate.signed_in()])
    def mine(before: _Before = None, limit: _Limit = 50) -> WatchLogPage:
        """What whoever asks has watched, the newest first."""
        return log.page(WatchFilter(account_id=gate.person().id), before, limit)

    @router.get("/my-supervision", dependencies=[gate.signed_in()])
    def my_supervision(from_us: Moment, to_us: Moment) -> list[SupervisionPublic]:
        """What a supervisor did in the projects of a time."""
        return log.report(from_us, to_us).rows(account_id=gate.person().id)


def _add_log(router: APIRouter, log: _Log) -> None:
    gate, catalogue = log.gate, log.catalogue

    @router.get("/watch-log", dependencies=[gate.inside("watch.log.see")])
    def logged(
        account: _Text = None,
        project_id: _Text = None,
        source_id: _Text = None,
        kind: WatchKind | None = None,
        from_us: Moment | None = None,
        to_us: Moment | None = None,
        footage_from_us: Moment | None = None,
        footage_to_us: Moment | None = None,
        before: _Before = None,
        limit: _Limit = 50,
    ) -> WatchLogPage:
        """Who watched what, the newest first; by when somebody looked, and by when it happened."""
        narrowed = WatchFilter(
            account_id=account or None,
            project_ids=log.seen_projects(project_id or None),
            seen=_range(from_us, to_us),
            footage=_range(footage_from_us, footage_to_us),
            source_id=source_id or None,
            kind=kind,
        )
        return log.page(narrowed, before, limit)

    @router.get("/projects/{project_id}/watch-log", dependencies=_for_project(gate))
    def of_project(project_id: str) -> ProjectWatchLog:
        """A project's time axis, and who looked at which time of it."""
        if catalogue.projects.project(project_id) is None:
            raise HTTPException(404, "没有这个项目。No such project.")
        log.watches.sweep()
        public = Publisher(catalogue)
        found = catalogue.watch_log.watches(WatchFilter(project_ids={project_id}), limit=_MOST_OF_PROJECT)
        return ProjectWatchLog(
            project=public.project(project_id),
            now_us=log.clock.now_us(),
            sessions=public.sessions(project_id),
            watches=[public.watch(one) for one in found],
        )


def _add_reports(router: APIRouter, log: _Log) -> None:
    gate = log.gate

    @router.get("/watch-log/unwatched", dependencies=[gate.inside("watch.log.see")])
    def unwatched(from_us: Moment, to_us: Moment) -> list[UnwatchedPublic]:
        """Projects held in a time that no supervisor ever saw a picture of, live or later."""
        public = Publisher(log.catalogue)
        within, projects = range_of(from_us, to_us), log.seen_projects()
        return [
            public.unwatched(one) for one in log.catalogue.watch_log.unwatched(within, project_ids=projects)
        ]

    @router.get("/watch-log/supervision", dependencies=[gate.inside("watch.log.see")])
    def supervision(from_us: Moment, to_us: Moment) -> list[SupervisionPublic]:
        """Supervision of supervisors: who was assigned, there, looked, ordered and was answered."""
        return log.report(from_us, to_us).rows(project_ids=log.seen_projects())


def _add_refused(router: APIRouter, log: _Log) -> None:
    @router.get("/watch-log/refused", dependencies=[log.gate.needs("audit.see")])
    def refused(
        before: Annotated[int | None, Query(ge=1, lt=1 << 62)] = None, limit: _Limit = 100
    ) -> RefusedWatches:
        """Who was refused footage, the newest first."""
        narrowed = AuditFilter(action=Action.WATCH_REFUSED)
        found = log.catalogue.audit.records(narrowed, before=before, limit=limit + 1)
        public = Publisher(log.catalogue)
        return RefusedWatches(
            refused=[public.refused(one) for one in found[:limit]],
            before=found[limit - 1].number if len(found) > limit else None,
        )


def _for_project(gate: Gate) -> list[Any]:
    return [gate.needs("watch.log.see", Subject.PROJECT)]


def _range(start_us: int | None, end_us: int | None) -> TimeRange | None:
    if start_us is None and end_us is None:
        return None
    return range_of(0 if start_us is None else start_us, EVER_US if end_us is None else end_us)
