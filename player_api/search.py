"""Search by the page: projects, clips, facets, the calendar, and searches that people keep."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from catalog.catalogue import Catalogue
from catalog.search.filters import (
    ClipHit,
    Count,
    DayFound,
    Days,
    Facets,
    Matched,
    ProjectHit,
    SearchFilter,
)
from catalog.search.saved import SavedSearch
from kernel.clock import Clock
from kernel.errors import NameTaken, PageRefused, SearchRefused, UnknownCode
from kernel.values import fields_of
from player_api.entries import Name
from player_api.gate import Gate
from player_api.search_schemas import (
    CalendarQuery,
    ClipHitPublic,
    ClipHits,
    CountPublic,
    DayPublic,
    FacetPublic,
    FacetsPublic,
    MatchedPublic,
    PagedQuery,
    ProjectHitPublic,
    ProjectHits,
    SavedSearchPublic,
    SavedSearchRequest,
    SearchQuery,
    SpanPublic,
)

_FIELDS = {"regions": "region"}
"""Filters whose names in the query are others."""


def search_router(catalogue: Catalogue, clock: Clock, gate: Gate) -> APIRouter:
    """The routes. Nobody finds what lies outside his scope (invariant 15)."""
    router = APIRouter(prefix="/api", tags=["search"])

    def asked(query: SearchQuery) -> SearchFilter:
        if query.expert_key:
            gate.check("expert.find", gate.anywhere())
        return filter_of(query)

    @router.get("/search/projects", dependencies=[gate.inside("project.see")])
    def projects(query: Annotated[PagedQuery, Query()]) -> ProjectHits:
        """Projects that match, each with how many of its sessions and clips do, and what it was found by."""
        with _refusing():
            found = catalogue.search.projects(
                asked(query), scope=gate.search_scope(), page=query.page, limit=query.limit
            )
        return ProjectHits(
            total=_count(found.total),
            projects=[_project(one) for one in found.projects],
            next_page=found.next_page,
        )

    @router.get("/search/clips", dependencies=[gate.inside("project.see")])
    def clips(query: Annotated[PagedQuery, Query()]) -> ClipHits:
        """Clips that match; those of one project with ``project_id``."""
        with _refusing():
            found = catalogue.search.clips(
                asked(query), scope=gate.search_scope(), page=query.page, limit=query.limit
            )
        return ClipHits(
            total=_count(found.total), clips=[_clip(one) for one in found.clips], next_page=found.next_page
        )

    @router.get("/search/facets", dependencies=[gate.inside("project.see")])
    def facets(query: Annotated[SearchQuery, Query()]) -> FacetsPublic:
        """What else a search could be narrowed by, and how many projects that would find."""
        with _refusing():
            return _facets(catalogue.search.facets(asked(query), scope=gate.search_scope()))

    @router.get("/search/calendar", dependencies=[gate.inside("project.see")])
    def calendar(query: Annotated[CalendarQuery, Query()]) -> list[DayPublic]:
        """Days of a month that have footage, under all filters but that of days."""
        with _refusing():
            found = catalogue.search.calendar(
                asked(query), query.year, query.month, scope=gate.search_scope()
            )
        return [_day(one) for one in found]

    _add_saved(router, catalogue, clock, gate)
    return router


def _add_saved(router: APIRouter, catalogue: Catalogue, clock: Clock, gate: Gate) -> None:
    @router.get("/saved-searches", dependencies=[gate.signed_in()])
    def saved(principal: Annotated[Name | None, Query()] = None) -> list[SavedSearchPublic]:
        """Searches that somebody keeps, by name."""
        return [_saved(one) for one in catalogue.saved_searches.of(gate.by(principal))]

    @router.post("/saved-searches", status_code=201, dependencies=[gate.signed_in()])
    def save(request: SavedSearchRequest) -> SavedSearchPublic:
        """Keep a search."""
        query = request.query.model_dump(mode="json", exclude_defaults=True)
        with _refusing():
            filter_of(request.query)
            return _saved(
                catalogue.saved_searches.save(gate.by(request.principal), request.name, query, clock.now_us())
            )

    @router.delete(
        "/saved-searches/{search_id}",
        status_code=204,
        responses={404: {"description": "No such search"}},
        dependencies=[gate.signed_in()],
    )
    def forget(search_id: str, principal: Annotated[Name | None, Query()] = None) -> None:
        """Forget a search; nothing else goes with it."""
        if not catalogue.saved_searches.delete(gate.by(principal), search_id):
            raise HTTPException(404, "没有这项保存的检索。No such saved search.")


@contextmanager
def _refusing() -> Iterator[None]:
    """What cannot be searched for, in words."""
    try:
        yield
    except UnknownCode as error:
        raise HTTPException(
            422, f"没有行政区域或行业代码 {error.code}。No region or industry {error.code}."
        ) from None
    except PageRefused:
        raise HTTPException(
            422,
            "页码标记不属于这次检索,请从第一页开始。This is no page of this search; begin with the first.",
        ) from None
    except NameTaken:
        raise HTTPException(
            422, "已有同名的保存检索,请换一个名称。There is one of that name; name it otherwise."
        ) from None
    except SearchRefused as error:
        raise HTTPException(422, f"无法这样检索。{error}") from None


def filter_of(query: SearchQuery) -> SearchFilter:
    """The catalogue's filter; 422 where its days are reversed."""
    days = None
    if query.date_from is not None or query.date_to is not None:
        if query.date_from and query.date_to and query.date_to < query.date_from:
            raise HTTPException(422, "结束日期早于开始日期。The end date is before the start date.")
        days = Days(first=query.date_from, last=query.date_to)
    return SearchFilter(
        text=query.text,
        name=query.name,
        code=query.code,
        section=query.section,
        agency=query.agency,
        tag=query.tag,
        tag_kinds=frozenset(query.tag_kind),
        regions=frozenset(query.region),
        region_of=query.region_of,
        industries=frozenset(query.industry),
        project_ids=frozenset(query.project_id),
        section_number=query.section_number,
        phases=frozenset(query.phase),
        states=frozenset(query.state),
        sites=frozenset(query.site),
        rooms=frozenset(query.room),
        days=days,
        expert_key=query.expert_key,
        kinds=frozenset(query.content_kind),
        gap_seconds=query.gap_seconds,
        held=query.held,
    )


def _count(count: Count) -> CountPublic:
    return CountPublic(value=count.value, more=count.more)


def _project(hit: ProjectHit) -> ProjectHitPublic:
    known = ProjectHitPublic.model_fields
    project = {name: value for name, value in fields_of(hit.project).items() if name in known}
    return ProjectHitPublic(
        **project,
        first_us=hit.first_us,
        session_count=hit.session_count,
        clip_count=hit.clip_count,
        site_ids=list(hit.site_ids),
        matched=[_matched(one) for one in hit.matched],
        spans=[SpanPublic(**fields_of(one)) for one in hit.spans],
    )


def _matched(one: Matched) -> MatchedPublic:
    return MatchedPublic(**{**fields_of(one), "filter": _FIELDS.get(one.filter, one.filter)})


def _clip(hit: ClipHit) -> ClipHitPublic:
    spans = [SpanPublic(**fields_of(one)) for one in hit.spans]
    return ClipHitPublic(**{**fields_of(hit), "spans": spans})


def _facets(found: Facets) -> FacetsPublic:
    def listed(counts: dict[str, Count]) -> list[FacetPublic]:
        return [FacetPublic(value=value, count=_count(count)) for value, count in counts.items()]

    return FacetsPublic(
        total=_count(found.total),
        region=listed(found.regions),
        industry=listed(found.industries),
        month=listed(found.months),
        phase=listed(found.phases),
        content_kind=listed(found.kinds),
        site=listed(found.sites),
        state=listed(found.states),
    )


def _day(found: DayFound) -> DayPublic:
    return DayPublic(day=found.day, projects=_count(found.projects), clips=_count(found.clips))


def _saved(saved: SavedSearch) -> SavedSearchPublic:
    return SavedSearchPublic(id=saved.id, name=saved.name, query=dict(saved.filters), made_us=saved.made_us)
