"""Projects with their sections and venues, and the versions of their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, delete, or_
from sqlmodel import Session as Transaction
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from catalog.audit import append, changed_fields
from catalog.database import reading, writing
from catalog.search.words import index_project
from catalog.sessions import add_session
from catalog.tables import (
    HallProjectRow,
    IndustryRow,
    ProjectRow,
    RegionRow,
    RoomRow,
    SectionRow,
    SessionRow,
    SiteRow,
    VenueRow,
)
from kernel.errors import TimelineError
from kernel.model.audit import UNNAMED, Act, Action
from kernel.model.timeline import Project, ProjectKind, Section, Session, Venue, VenueRole
from kernel.timerange import TimeRange
from kernel.values import fields_of


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectFilter:
    """What a list of projects is narrowed by; None narrows nothing."""

    region_codes: frozenset[str] | None = None  # of the project or of its trade place
    industry_codes: frozenset[str] | None = None
    sessions_within: TimeRange | None = None  # some session started in it
    kind: ProjectKind | None = None
    scope: ProjectScope | None = None  # of whoever asks


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectScope:
    """Which projects somebody may know of (invariant 15); None limits nothing.

    The record of a shared hall belongs to those that may know of a project that it shows.
    """

    regions: frozenset[str] | None = None  # of the project or of its trade place; all codes
    industries: frozenset[str] | None = None  # all codes
    venue_regions: frozenset[str] | None = None  # where some venue stands
    agency: str | None = None


class Projects:
    """The catalogue's projects."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_project(
        self,
        project: Project,
        sessions: Sequence[Session],
        *,
        sections: Sequence[Section] = (),
        venues: Sequence[Venue] = (),
        principal: str = UNNAMED,
        at_us: int = 0,
    ) -> None:
        """Take in a project with its sections, venues and planned sessions.

        One that is known already is brought up to date, its sections and venues with it, and the plans of its
        sessions (``add_session``): what has begun is moved by events, not by plans.

        Raises:
            TimelineError: it names what the catalogue lacks, its code belongs to another project, or a
                session has begun elsewhere.
        """
        with writing(self._engine) as session:
            acts = put_project(
                session, project, sections=sections, venues=venues, principal=principal, at_us=at_us
            )
            for planned in sessions:
                acts += add_session(session, planned, principal=principal, at_us=at_us)
            append(session, *acts)

    def project(self, project_id: str) -> Project | None:
        with reading(self._engine) as session:
            row = session.get(ProjectRow, project_id)
            return _project(row) if row else None

    def projects(self, narrowed: ProjectFilter | None = None) -> list[Project]:
        """Projects that pass a filter, by code."""
        by = narrowed or ProjectFilter()
        query = select(ProjectRow).order_by(ProjectRow.project_code)
        if by.region_codes is not None:
            own = col(ProjectRow.region_code).in_(by.region_codes)
            query = query.where(own | col(ProjectRow.trade_place).in_(by.region_codes))
        if by.industry_codes is not None:
            query = query.where(col(ProjectRow.industry_code).in_(by.industry_codes))
        if by.scope is not None:
            query = query.where(_within(by.scope))
        if by.kind is not None:
            query = query.where(ProjectRow.kind == by.kind)
        if by.sessions_within is not None:
            started = (
                select(SessionRow.project_id)
                .where(col(SessionRow.start_us) >= by.sessions_within.start_us)
                .where(col(SessionRow.start_us) < by.sessions_within.end_us)
            )
            query = query.where(col(ProjectRow.id).in_(started))
        with reading(self._engine) as session:
            return [_project(row) for row in session.exec(query).all()]

    def ids_within(self, scope: ProjectScope) -> frozenset[str]:
        """Ids of the projects within a scope."""
        with reading(self._engine) as session:
            return frozenset(session.exec(ids_in(scope)).all())

    def sections_of(self, project_id: str) -> list[Section]:
        """Sections of a project, by number."""
        query = select(SectionRow).where(SectionRow.project_id == project_id).order_by(col(SectionRow.number))
        with reading(self._engine) as session:
            return [Section(**row.model_dump()) for row in session.exec(query).all()]

    def venues_of(self, project_id: str) -> list[Venue]:
        """Venues of a project: the main one first."""
        query = select(VenueRow).where(VenueRow.project_id == project_id)
        with reading(self._engine) as session:
            rows = session.exec(query).all()
            found = [Venue(**{**row.model_dump(), "role": VenueRole(row.role)}) for row in rows]
        order = list(VenueRole)
        return sorted(found, key=lambda venue: (order.index(venue.role), venue.site_id))

    def show_in_hall(self, hall_id: str, project_ids: Sequence[str], *, principal: str, at_us: int) -> None:
        """Say that the record of a hall's day shows these projects: it opens when all may (invariant 15)."""
        with writing(self._engine) as session:
            new = [one for one in project_ids if session.get(HallProjectRow, (hall_id, one)) is None]
            if not new:
                return
            for project_id in new:
                session.add(HallProjectRow(hall_id=hall_id, project_id=project_id))
            append(
                session,
                Act(
                    at_us=at_us,
                    principal=principal,
                    action=Action.HALL_SHOWS,
                    subject=hall_id,
                    details={"projects": new},
                ),
            )

    def seen_in_hall(self, hall_id: str) -> list[str]:
        """Projects that the record of a hall's day shows."""
        query = select(HallProjectRow.project_id).where(HallProjectRow.hall_id == hall_id)
        with reading(self._engine) as session:
            return sorted(session.exec(query).all())

    def halls_of(self, project_id: str) -> list[str]:
        """Records of shared halls that show a project."""
        query = select(HallProjectRow.hall_id).where(HallProjectRow.project_id == project_id)
        with reading(self._engine) as session:
            return sorted(session.exec(query).all())


def put_project(
    session: Transaction,
    project: Project,
    *,
    sections: Sequence[Section] = (),
    venues: Sequence[Venue] = (),
    system: str = "",
    principal: str,
    at_us: int,
) -> list[Act]:
    """Take in a project within a transaction, or bring it up to date; whose it is stays once it is said.

    Returns what was done, to be recorded at the end of the transaction; nothing where it is as it was.

    Args:
        system: principal of the trading system that it belongs to, if it belongs to none yet.

    Raises:
        TimelineError: it names what the catalogue lacks, or its code belongs to another project.
    """
    _check_project(session, project)
    known = session.get(ProjectRow, project.id)
    owner = known.reported_by if known is not None else ""
    row = session.merge(ProjectRow(**fields_of(project), reported_by=owner or system))
    changed: dict[str, Any] = changed_fields(row)
    session.flush()
    if put := [section.number for section in sections if _put_section(session, section)]:
        changed["sections"] = put
    if _set_venues(session, project.id, venues):
        changed["venues"] = sorted(venue.site_id for venue in venues)
    if known is not None and not changed:
        return []
    index_project(session, project.id)
    return [
        Act(
            at_us=at_us,
            principal=principal,
            action=Action.PROJECT_ADDED if known is None else Action.PROJECT_CHANGED,
            subject=project.id,
            details={"code": project.project_code, **changed},
        )
    ]


def check_reporter(session: Transaction, project_id: str, system: str) -> None:
    """Whether reports from outside may be about a project; one that is not known may be anybody's.

    Args:
        system: principal of the trading system that reports; empty: a person, with a file.

    Raises:
        TimelineError: it is the record of a hall, or belongs to another trading system.
    """
    row = session.get(ProjectRow, project_id)
    if row is None:
        return
    if row.kind == ProjectKind.HALL:
        raise TimelineError(
            f"{project_id} is the record of a hall, which nobody reports.",
            hint="It follows the sessions that are held there.",
        )
    if system and row.reported_by not in ("", system):
        raise TimelineError(
            f"project {project_id} belongs to another trading system.",
            hint="Only that one reports on it; if it was replaced: 'jianzheng trading-system add --help'.",
        )


def _project(row: ProjectRow) -> Project:
    return Project(**{**row.model_dump(exclude={"reported_by"}), "kind": ProjectKind(row.kind)})


def _check_project(session: Transaction, project: Project) -> None:
    for code in (project.region_code, project.trade_place):
        if session.get(RegionRow, code) is None:
            raise TimelineError(
                f"project {project.id} names region {code}, which the catalogue does not know."
            )
    if session.get(IndustryRow, project.industry_code) is None:
        raise TimelineError(f"project {project.id} names industry {project.industry_code}, which is unknown.")
    twin = session.exec(select(ProjectRow).where(ProjectRow.project_code == project.project_code)).first()
    if twin is not None and twin.id != project.id:
        raise TimelineError(f"project code {project.project_code} belongs to project {twin.id} already.")


def _put_section(session: Transaction, section: Section) -> bool:
    """Whether it is new or another than before."""
    twin = session.exec(select(SectionRow).where(SectionRow.section_code == section.section_code)).first()
    if twin is not None and (twin.project_id, twin.number) != (section.project_id, section.number):
        raise TimelineError(
            f"section code {section.section_code} belongs to project {twin.project_id} already."
        )
    row = session.merge(SectionRow(**fields_of(section)))
    return session.is_modified(row)


def _set_venues(session: Transaction, project_id: str, venues: Sequence[Venue]) -> bool:
    """Whether they are others than before; none named leaves them as they are."""
    for venue in venues:
        if session.get(SiteRow, venue.site_id) is None:
            raise TimelineError(f"project {project_id} names site {venue.site_id}, which cameras.yaml lacks.")
    known = select(VenueRow.site_id, VenueRow.role).where(VenueRow.project_id == project_id)
    told = {(venue.site_id, str(venue.role)) for venue in venues}
    if not venues or told == {(site_id, role) for site_id, role in session.exec(known).all()}:
        return False
    session.connection().execute(delete(VenueRow).where(col(VenueRow.project_id) == project_id))
    for venue in venues:
        session.add(VenueRow(**fields_of(venue)))
    return True


def ids_in(scope: ProjectScope) -> SelectOfScalar[str]:
    """A query for the ids of the projects within a scope."""
    return select(ProjectRow.id).where(_within(scope))


def _within(scope: ProjectScope) -> ColumnElement[bool]:
    """Condition on a project's row."""
    shown = (
        select(HallProjectRow.hall_id)
        .join(ProjectRow, col(ProjectRow.id) == col(HallProjectRow.project_id))
        .where(*_plainly_within(scope))
    )
    own = and_(col(ProjectRow.kind) != ProjectKind.HALL, *_plainly_within(scope))
    return or_(own, col(ProjectRow.id).in_(shown))


def _plainly_within(scope: ProjectScope) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if scope.regions is not None:
        regions = col(ProjectRow.region_code).in_(scope.regions)
        found.append(regions | col(ProjectRow.trade_place).in_(scope.regions))
    if scope.industries is not None:
        found.append(col(ProjectRow.industry_code).in_(scope.industries))
    if scope.agency is not None:
        found.append(col(ProjectRow.agency) == scope.agency)
    if scope.venue_regions is not None:
        sites = select(SiteRow.id).where(col(SiteRow.region_code).in_(scope.venue_regions))
        here = select(VenueRow.project_id).where(col(VenueRow.site_id).in_(sites))
        rooms = select(RoomRow.id).where(col(RoomRow.site_id).in_(sites))
        held = select(SessionRow.project_id).where(col(SessionRow.room_id).in_(rooms))
        found.append(or_(col(ProjectRow.id).in_(here), col(ProjectRow.id).in_(held)))
    return found
