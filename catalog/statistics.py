"""檔案統計, counted by the database: one query for each kind of figure, grouped by project.

What follows from that (months, regions, sums) is ``kernel.statistics``. Nothing is kept beside the rows
themselves, so nothing can disagree with them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Row, case
from sqlalchemy import select as sqlalchemy_select
from sqlalchemy.orm import aliased
from sqlmodel import Session as Transaction
from sqlmodel import col, func, select

from catalog.database import reading
from catalog.tables import (
    ArchiveRow,
    ClipGapRow,
    ClipRow,
    ProjectRow,
    RegionAliasRow,
    RenditionRow,
    RoomRow,
    SectionRow,
    SessionRow,
    SourceRow,
    TagRow,
)
from kernel.model.footage import GapCause
from kernel.model.timeline import ProjectKind, SessionState
from kernel.statistics import FIGURES, Figures, ProjectFigures
from kernel.timerange import EVER_US, TimeRange

EVER = TimeRange(start_us=-EVER_US, end_us=EVER_US)
_IRREGULAR = "irregular"
_PORTION = 500  # projects in one query
_BEGUN = col(SessionRow.start_us).is_not(None) & (col(SessionRow.state) != SessionState.CANCELLED)
_HOLDS = col(ClipRow.retired_us).is_(None)


@dataclass(frozen=True, kw_only=True, slots=True)
class StatisticsFilter:
    """Which projects are counted; None narrows nothing."""

    begun: TimeRange = EVER  # when the first session of a project began
    region_codes: frozenset[str] | None = None  # of the project, with all codes below and before
    industry_codes: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LongGap:
    """A gap in a clip that holds."""

    site_id: str
    room_id: str
    source_id: str
    project_id: str
    session_id: str
    clip_id: str
    wall: TimeRange
    cause: GapCause
    detail: str
    backfilled: bool  # fetched afterwards: slices cover it


class Statistics:
    """Reads only."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def projects(self, narrowed: StatisticsFilter) -> list[ProjectFigures]:
        """The figures of each project, by id, all from one picture of the catalogue."""
        with reading(self._engine) as session:
            rows = session.execute(_first_sessions(narrowed).order_by(col(ProjectRow.id))).all()
            found: dict[str, dict[str, int]] = defaultdict(dict)
            for ids in _portions([row.project_id for row in rows], narrowed):
                for query in _queries(ids):
                    for project_id, *values in session.execute(query.statement):
                        found[project_id] |= zip(query.names, map(int, values), strict=True)
            return [_project(row, found[row.project_id]) for row in rows]

    def current_codes(self) -> dict[str, str]:
        """What regions are called now, by the codes that they had before."""
        with reading(self._engine) as session:
            return dict(session.exec(select(RegionAliasRow.old_code, RegionAliasRow.code)).all())

    def gaps(
        self, narrowed: StatisticsFilter, longer_us: int, *, backfilled: bool = False, limit: int = 1000
    ) -> list[LongGap]:
        """Gaps in recordings that last longer than so much, by site, the longest first (task I13).

        Args:
            narrowed: whose projects.
            backfilled: those that were fetched afterwards, too.
        """
        with reading(self._engine) as session:
            return list(_long_gaps(session, narrowed, longer_us, backfilled, limit))


def _first_sessions(narrowed: StatisticsFilter) -> Any:
    """Projects that are counted: id, region, industry, kind, when the first session began."""
    first_us = func.min(SessionRow.start_us)
    query: Any = (
        sqlalchemy_select(
            col(ProjectRow.id).label("project_id"),
            col(ProjectRow.region_code),
            col(ProjectRow.industry_code),
            col(ProjectRow.kind),
            first_us.label("first_us"),
        )
        .join(SessionRow, col(SessionRow.project_id) == col(ProjectRow.id))
        .where(_BEGUN)
        .group_by(
            col(ProjectRow.id),
            col(ProjectRow.region_code),
            col(ProjectRow.industry_code),
            col(ProjectRow.kind),
        )
    )
    if narrowed.begun != EVER:
        start_us, end_us = narrowed.begun.start_us, narrowed.begun.end_us
        near = sqlalchemy_select(col(SessionRow.project_id)).where(
            col(SessionRow.start_us) >= start_us, col(SessionRow.start_us) < end_us
        )  # found by an index; of all others no session has to be looked at
        query = query.where(col(ProjectRow.id).in_(near))
        query = query.having(first_us >= start_us, first_us < end_us)
    if narrowed.region_codes is not None:
        query = query.where(col(ProjectRow.region_code).in_(narrowed.region_codes))
    if narrowed.industry_codes is not None:
        query = query.where(col(ProjectRow.industry_code).in_(narrowed.industry_codes))
    return query


def _portions(project_ids: list[str], narrowed: StatisticsFilter) -> Iterator[list[str] | None]:
    """Projects to be counted in one go; None, all of them, is quicker than one portion after another."""
    if narrowed == StatisticsFilter():
        yield None
        return
    for first in range(0, len(project_ids), _PORTION):
        yield project_ids[first : first + _PORTION]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Counted:
    """A query for some figures of each project."""

    names: tuple[str, ...]  # of ``Figures``
    statement: Any  # project id, then a value for each name


def _queries(project_ids: list[str] | None) -> Iterator[_Counted]:
    """One for each table that is counted: joined together they would count each other's rows again."""
    by_session = _of_projects(project_ids, col(SessionRow.project_id))
    yield _Counted(names=("sessions",), statement=by_session.add_columns(func.count()).where(_BEGUN))
    length_us = col(ClipRow.wall_end_us) - col(ClipRow.wall_start_us)
    of_clips = by_session.join(ClipRow, col(ClipRow.session_id) == col(SessionRow.id)).where(_HOLDS)
    yield _Counted(
        names=("clips", "recorded_us"), statement=of_clips.add_columns(func.count(), func.sum(length_us))
    )
    gap_us = col(ClipGapRow.wall_end_us) - col(ClipGapRow.wall_start_us)
    of_gaps = of_clips.join(ClipGapRow, col(ClipGapRow.clip_id) == col(ClipRow.id))
    yield _Counted(
        names=("gaps", "gap_us"),
        statement=of_gaps.where(col(ClipGapRow.backfilled).is_(False)).add_columns(
            func.count(), func.sum(gap_us)
        ),
    )
    of_archives = by_session.join(ArchiveRow, col(ArchiveRow.session_id) == col(SessionRow.id)).where(
        _NEWEST, col(ArchiveRow.disposed_us).is_(None)
    )
    yield _Counted(names=("size_bytes",), statement=of_archives.add_columns(func.sum(ArchiveRow.size_bytes)))
    of_files = of_archives.join(RenditionRow, col(RenditionRow.archive_id) == col(ArchiveRow.id))
    yield _Counted(names=("files",), statement=of_files.add_columns(func.count()))
    yield _Counted(
        names=("sections",), statement=_of_projects(project_ids, col(SectionRow.project_id), func.count())
    )
    irregular = func.sum(case((col(TagRow.kind) == _IRREGULAR, 1), else_=0))
    yield _Counted(
        names=("tags", "irregularities"),
        statement=_of_projects(project_ids, col(TagRow.project_id), func.count(), irregular).where(_STANDS),
    )


_later = aliased(TagRow)
_STANDS = col(TagRow.withdrawn).is_(False) & ~(
    sqlalchemy_select(col(_later.id)).where(col(_later.replaces) == col(TagRow.id)).exists()
)
"""Of a tag: it was neither put right nor taken back."""
_other = aliased(ArchiveRow)
_NEWEST = (
    ~sqlalchemy_select(col(_other.id))
    .where(
        col(_other.session_id) == col(ArchiveRow.session_id), col(_other.version) > col(ArchiveRow.version)
    )
    .exists()
)


def _of_projects(project_ids: list[str] | None, project: Any, *values: Any) -> Any:
    query = sqlalchemy_select(project, *values).group_by(project)
    return query if project_ids is None else query.where(project.in_(project_ids))


def _project(row: Row[Any], counted: dict[str, int]) -> ProjectFigures:
    """``recorded_us`` was counted with gaps."""
    values = {name: counted.get(name, 0) for name in FIGURES}
    values["recorded_us"] -= values["gap_us"]
    values["projects"] = int(row.kind != ProjectKind.HALL)
    return ProjectFigures(
        project_id=row.project_id,
        region_code=row.region_code,
        industry_code=row.industry_code,
        first_us=row.first_us,
        figures=Figures(**values),
    )


def _long_gaps(
    session: Transaction, narrowed: StatisticsFilter, longer_us: int, backfilled: bool, limit: int
) -> Iterable[LongGap]:
    length_us = col(ClipGapRow.wall_end_us) - col(ClipGapRow.wall_start_us)
    first = _first_sessions(narrowed).subquery()
    query: Any = (
        sqlalchemy_select(
            col(RoomRow.site_id),
            col(RoomRow.id).label("room_id"),
            col(ClipRow.source_id),
            col(SessionRow.project_id),
            col(SessionRow.id).label("session_id"),
            col(ClipRow.id).label("clip_id"),
            col(ClipGapRow.wall_start_us),
            col(ClipGapRow.wall_end_us),
            col(ClipGapRow.cause),
            col(ClipGapRow.detail),
            col(ClipGapRow.backfilled),
        )
        .join(ClipRow, col(ClipRow.id) == col(ClipGapRow.clip_id))
        .join(SessionRow, col(SessionRow.id) == col(ClipRow.session_id))
        .join(SourceRow, col(SourceRow.id) == col(ClipRow.source_id))
        .join(RoomRow, col(RoomRow.id) == col(SourceRow.room_id))
        .where(_HOLDS, length_us > longer_us)
        .where(col(SessionRow.project_id).in_(sqlalchemy_select(first.c.project_id)))
        .order_by(col(RoomRow.site_id), length_us.desc(), col(ClipRow.id), col(ClipGapRow.wall_start_us))
        .limit(limit)
    )
    if not backfilled:
        query = query.where(col(ClipGapRow.backfilled).is_(False))
    for row in session.execute(query):
        told = row._asdict()
        wall = TimeRange(start_us=told.pop("wall_start_us"), end_us=told.pop("wall_end_us"))
        yield LongGap(**{**told, "cause": GapCause(row.cause)}, wall=wall)
