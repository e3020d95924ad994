"""Statistics by region, industry and month, and long gaps (tasks I13, I14, W22)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Response
from pydantic import BaseModel, Field

from catalog.catalogue import Catalogue
from catalog.places import with_descendants
from catalog.statistics import StatisticsFilter
from kernel.clock import SECOND_US
from kernel.errors import TimelineError
from kernel.model.account import Principal
from kernel.model.footage import GapCause
from kernel.statistics import Cell, Figures, as_csv, fold, month_end_us, month_start_us, total
from kernel.timerange import EVER_US, TimeRange
from kernel.values import fields_of
from player_api.gate import Gate

_MONTH = Field(pattern=r"^\d{4}-\d{2}$")
Month = Annotated[str, _MONTH]
"""A Beijing month: 2026-03."""
_CSV: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/csv": {"schema": {"type": "string"}}},
        "description": "UTF-8 with a byte order mark",
    }
}
_MOST_GAPS = 1000
_BACKWARD = "结束月份早于开始月份。The last month is before the first."


class FiguresPublic(BaseModel):
    """What is counted of projects; figures of parts add up to those of the whole."""

    projects: int
    """Records of shared halls are none, but all else of theirs counts."""
    sections: int
    sessions: int
    clips: int
    recorded_us: int
    """Of all sources, without gaps."""
    gaps: int
    gap_us: int
    size_bytes: int
    """Of the newest archive of each session."""
    files: int
    tags: int
    irregularities: int
    mean_bytes: int | None
    """Bytes of a project."""
    mean_files: float | None


class CellPublic(BaseModel):
    """A region, an industry and a month. A project counts in the month in which its first session began."""

    region_code: str
    industry_code: str
    month: str
    figures: FiguresPublic


class StatisticsPublic(BaseModel):
    """All cells that are not empty, and their sum."""

    cells: list[CellPublic]
    total: FiguresPublic


class LongGapPublic(BaseModel):
    """A gap in a recording."""

    site_id: str
    room_id: str
    source_id: str
    project_id: str
    session_id: str
    clip_id: str
    start_us: int
    end_us: int
    cause: GapCause
    detail: str
    backfilled: bool
    """Fetched afterwards: there are pictures."""


class LongGapsPublic(BaseModel):
    """Gaps by site, the longest first."""

    gaps: list[LongGapPublic]
    more: bool
    """There are more than are listed."""


class StatisticsQuery(BaseModel):
    """Which projects are counted."""

    date_from: Month | None = None
    date_to: Month | None = None
    region: Annotated[str, Field(max_length=20)] | None = None
    """Of the project, with all regions below it and the codes that they had before."""
    industry: Annotated[str, Field(max_length=20)] | None = None
    """With all industries below it."""


class GapsQuery(StatisticsQuery):
    """Which gaps are listed."""

    longer_seconds: Annotated[float, Field(ge=0, le=10**9)] = 60
    backfilled: bool = False
    """Those that were fetched afterwards, too."""


def statistics_router(catalogue: Catalogue, gate: Gate) -> APIRouter:
    """The routes; they only read."""
    router = APIRouter(prefix="/api/statistics", tags=["statistics"])

    def counted(query: StatisticsQuery) -> dict[Cell, Figures]:
        found = catalogue.statistics.projects(narrowed(catalogue, query, gate.person().principal))
        return fold(found, catalogue.statistics.current_codes())

    @router.get("", dependencies=[gate.needs("statistics.see")])
    def statistics(query: Annotated[StatisticsQuery, Query()]) -> StatisticsPublic:
        """Figures by region, industry and Beijing month."""
        cells = counted(query)
        return StatisticsPublic(
            cells=[_cell(cell, figures) for cell, figures in cells.items()],
            total=_figures(total(cells.values())),
        )

    @router.get(".csv", responses=_CSV, response_class=Response, dependencies=[gate.needs("statistics.see")])
    def spreadsheet(query: Annotated[StatisticsQuery, Query()]) -> Response:
        """The same for a spreadsheet."""
        regions = {one.code: one.name_zh for one in catalogue.places.regions()}
        industries = {one.code: one.name_zh for one in catalogue.places.industries()}
        content = as_csv(counted(query), regions, industries)
        headers = {"Content-Disposition": 'attachment; filename="statistics.csv"'}
        return Response(content, media_type="text/csv; charset=utf-8", headers=headers)

    @router.get("/gaps", dependencies=[gate.needs("statistics.see")])
    def gaps(
        query: Annotated[GapsQuery, Query()],
    ) -> LongGapsPublic:
        """Gaps that last longer than so much, by site."""
        found = catalogue.statistics.gaps(
            narrowed(catalogue, query, gate.person().principal),
            round(query.longer_seconds * SECOND_US),
            backfilled=query.backfilled,
            limit=_MOST_GAPS + 1,
        )
        listed = [
            LongGapPublic(
                **{name: value for name, value in fields_of(one).items() if name != "wall"},
                start_us=one.wall.start_us,
                end_us=one.wall.end_us,
            )
            for one in found[:_MOST_GAPS]
        ]
        return LongGapsPublic(gaps=listed, more=len(found) > _MOST_GAPS)

    return router


def narrowed(
    catalogue: Catalogue, query: StatisticsQuery, principal: Principal | None = None
) -> StatisticsFilter:
    """A filter from what was asked; 422 where that makes no sense."""
    try:
        begun = TimeRange(
            start_us=-EVER_US if query.date_from is None else month_start_us(query.date_from),
            end_us=EVER_US if query.date_to is None else month_end_us(query.date_to),
        )
    except TimelineError as error:
        raise HTTPException(422, str(error)) from None
    except ValueError:
        raise HTTPException(422, _BACKWARD) from None
    if begun.empty:
        raise HTTPException(422, _BACKWARD)
    industries = catalogue.places.industries()
    for code, table in ((query.region, catalogue.places.regions()), (query.industry, industries)):
        if code is not None and code not in {one.code for one in table}:
            raise HTTPException(422, f"没有行政区域或行业代码 {code}。No region or industry {code}.")
    regions = None if query.region is None else catalogue.places.regions_within(query.region)
    below = None if query.industry is None else frozenset(with_descendants(industries, query.industry))
    if principal is not None:  # nobody counts what lies outside his scope (invariant 15)
        regions = principal.regions if regions is None else regions & principal.regions
        below = principal.industries if below is None else below & principal.industries
    return StatisticsFilter(begun=begun, region_codes=regions, industry_codes=below)


def _cell(cell: Cell, figures: Figures) -> CellPublic:
    return CellPublic(**fields_of(cell), figures=_figures(figures))


def _figures(one: Figures) -> FiguresPublic:
    mean_bytes = None if one.mean_bytes is None else int(one.mean_bytes)  # whole bytes outside (invariant 6)
    return FiguresPublic(**fields_of(one), mean_bytes=mean_bytes, mean_files=one.mean_files)
