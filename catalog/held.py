"""What standing holds hold, as conditions: of segments, and of projects with their files (invariant 4).

Written so that the few holds are looked at first, and what they name by index: a clean-up asks this of
thousands of segments at a time.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import CTE, ColumnElement, and_, exists, or_, union
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from catalog.tables import (
    ClipRow,
    ClipSliceRow,
    HallProjectRow,
    HoldRow,
    ProjectRow,
    SegmentRow,
    SessionRoomRow,
    SessionRow,
    SessionSourceRow,
    SourceRow,
)
from kernel.model.cut import CutRules
from kernel.model.footage import HoldKind

_STANDS = col(HoldRow.released_us).is_(None)


def segment_held(rules: CutRules) -> ColumnElement[bool]:
    """Of a segment's row: a hold is on its range, or on a session that it shows or one of its clips is of."""
    by_clip = exists(
        select(ClipSliceRow.clip_id)
        .join(ClipRow, col(ClipRow.id) == col(ClipSliceRow.clip_id))
        .where(
            col(ClipSliceRow.segment_id) == col(SegmentRow.id), col(ClipRow.session_id).in_(held_sessions())
        )
    )
    return or_(_range_held(), by_clip, _recorded_during(rules))


def records() -> ColumnElement[bool]:
    """Of a session's and a source's row: the source stands in one of the session's rooms, or is its own."""
    in_extra_room = exists().where(
        col(SessionRoomRow.session_id) == col(SessionRow.id),
        col(SessionRoomRow.room_id) == col(SourceRow.room_id),
    )
    handed_over = exists().where(
        col(SessionSourceRow.session_id) == col(SessionRow.id),
        col(SessionSourceRow.source_id) == col(SourceRow.id),
    )
    return or_(col(SourceRow.room_id) == col(SessionRow.room_id), in_extra_room, handed_over)


def _recorded_during(rules: CutRules) -> ColumnElement[bool]:
    """Of a segment's row: it was recorded during a held session, rolls included."""
    during = _held_times()
    return exists().where(
        during.c.source_id == col(SegmentRow.source_id),
        during.c.start_us - rules.pre_roll_us < col(SegmentRow.wall_end_us),
        or_(
            during.c.end_us.is_(None),
            during.c.end_us + rules.post_roll_us > col(SegmentRow.wall_start_us),
        ),
    )


def project_held() -> ColumnElement[bool]:
    """Of a project's row: a hold is on it, on one of its sessions, or on footage that a clip of it shows.

    Of its file nothing goes then: one project, one file.
    """
    own = aliased(SessionRow)
    by_session = exists(
        select(own.id).where(col(own.project_id) == col(ProjectRow.id), col(own.id).in_(held_sessions()))
    )
    by_range = exists(
        select(ClipRow.id)
        .join(own, col(own.id) == col(ClipRow.session_id))
        .join(HoldRow, _covers(ClipRow))
        .where(col(own.project_id) == col(ProjectRow.id))
    )
    return or_(col(ProjectRow.id).in_(_held_projects()), by_session, by_range)


def agency_projects(agency: Any, start_us: Any, end_us: Any) -> ColumnElement[bool]:
    """Of a project's row: it is of that agency, and one of its sessions began in a range."""
    begun = aliased(SessionRow)
    return and_(
        col(ProjectRow.agency) == agency,
        exists(
            select(begun.id).where(
                col(begun.project_id) == col(ProjectRow.id),
                col(begun.start_us) >= start_us,
                col(begun.start_us) < end_us,
            )
        ),
    )


def _range_held() -> ColumnElement[bool]:
    return exists().where(_covers(SegmentRow))


def _covers(shown: type[SegmentRow | ClipRow]) -> ColumnElement[bool]:
    """A hold on a range of a source, and what that source recorded."""
    return and_(
        col(HoldRow.source_id) == col(shown.source_id),
        _STANDS,
        col(HoldRow.wall_start_us) < col(shown.wall_end_us),
        col(HoldRow.wall_end_us) > col(shown.wall_start_us),
    )


def _held_projects() -> Any:
    """Ids of projects that are held as such, and of the records of halls that show them."""
    named = select(HoldRow.project_id).where(_STANDS, col(HoldRow.project_id).is_not(None))
    in_range = agency_projects(col(HoldRow.agency), col(HoldRow.wall_start_us), col(HoldRow.wall_end_us))
    of_agency = (
        select(ProjectRow.id)
        .join(HoldRow, col(HoldRow.agency) == col(ProjectRow.agency))
        .where(_STANDS, HoldRow.kind == HoldKind.AGENCY, in_range)
    )
    shown = [
        select(HallProjectRow.hall_id).where(col(HallProjectRow.project_id).in_(one))
        for one in (named, of_agency)
    ]
    return union(named, of_agency, *shown)


@cache
def _held_session_table() -> CTE:
    """Sessions that are held, by themselves or with their project; made once for a statement."""
    named: Any = select(col(HoldRow.session_id).label("id")).where(
        _STANDS, col(HoldRow.session_id).is_not(None)
    )
    of_project = select(SessionRow.id).where(col(SessionRow.project_id).in_(_held_projects()))
    return union(named, of_project).cte("held_session").prefix_with("MATERIALIZED")


def held_sessions() -> Any:
    """Ids of the sessions that are held, by themselves or with their project."""
    return select(_held_session_table().c.id)


@cache
def _held_times() -> CTE:
    """What was recorded by which source during held sessions; made once for a statement."""
    return (
        select(col(SourceRow.id).label("source_id"), SessionRow.start_us, SessionRow.end_us)
        .join(SessionRow, records())
        .where(col(SessionRow.id).in_(held_sessions()), col(SessionRow.start_us).is_not(None))
        .cte("held_time")
        .prefix_with("MATERIALIZED")
    )
