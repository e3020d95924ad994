"""What access is decided by: projects, sessions, footage and places as ``kernel.access.Thing``s.

Several things stand for one where it shows several projects: a shared hall's record, or a camera's footage
of a time with several sessions. Whoever may see any of them may see it, unless another one closes it for all
(invariant 15).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine, or_
from sqlmodel import Session as Transaction
from sqlmodel import col, select

from catalog.database import reading
from catalog.tables import (
    CheckupRow,
    ClipRow,
    DisposalRow,
    DocumentRow,
    HallProjectRow,
    HoldRow,
    ProjectRow,
    RenditionRow,
    RetentionChoiceRow,
    RoomRow,
    SeatingRow,
    SegmentRow,
    SessionRoomRow,
    SessionRow,
    SessionSourceRow,
    SiteRow,
    SourceRow,
    UseRequestRow,
    VenueRow,
)
from catalog.tables.timeline import BookingRow
from kernel.access import Thing
from kernel.model.source import ContentKind
from kernel.model.timeline import Phase, ProjectKind
from kernel.timerange import TimeRange


class Things:
    """Finds them. What does not exist is an empty list."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of_project(self, project_id: str) -> list[Thing]:
        with reading(self._engine) as session:
            return _projects(session, [project_id])

    def of_session(self, session_id: str) -> list[Thing]:
        with reading(self._engine) as session:
            row = session.get(SessionRow, session_id)
            return [] if row is None else _session(session, row)

    def of_clip(self, clip_id: str) -> list[Thing]:
        with reading(self._engine) as session:
            row = session.get(ClipRow, clip_id)
            return [] if row is None else _clip(session, row)

    def of_rendition(self, rendition_id: str) -> list[Thing]:
        with reading(self._engine) as session:
            row = session.get(RenditionRow, rendition_id)
            return [] if row is None else _clip(session, session.get_one(ClipRow, row.clip_id))

    def of_source(self, source_id: str, wall: TimeRange) -> list[Thing]:
        """What a source saw of a time; where no session was, its place alone."""
        with reading(self._engine) as session:
            row = session.get(SourceRow, source_id)
            return [] if row is None else _footage(session, row, wall)

    def of_segment(self, segment_id: str) -> list[Thing]:
        with reading(self._engine) as session:
            row = session.get(SegmentRow, segment_id)
            if row is None:
                return []
            wall = TimeRange(start_us=row.wall_start_us, end_us=row.wall_end_us)
            return _footage(session, session.get_one(SourceRow, row.source_id), wall)

    def of_document(self, document_id: str) -> list[Thing]:
        with reading(self._engine) as session:
            row = session.get(DocumentRow, document_id)
            return [] if row is None else _projects(session, [row.project_id])

    def of_room(self, room_id: str) -> list[Thing]:
        with reading(self._engine) as session:
            return _room(session, room_id)

    def of_booking(self, booking_id: str) -> list[Thing]:
        with reading(self._engine) as session:
            row = session.get(BookingRow, booking_id)
            return [] if row is None else _room(session, row.room_id)

    def of_checkup(self, checkup_id: str) -> list[Thing]:
        with reading(self._engine) as session:
            row = session.get(CheckupRow, checkup_id)
            return [] if row is None else _room(session, row.room_id)

    def of_hold(self, hold_id: str) -> list[Thing]:
        """Of one hold, or of all that one act holds."""
        with reading(self._engine) as session:
            rows = session.exec(
                select(HoldRow).where(or_(col(HoldRow.id) == hold_id, col(HoldRow.act_id) == hold_id))
            ).all()
            return [thing for row in rows for thing in _hold(session, row)]

    def of_disposal(self, disposal_id: str) -> list[Thing]:
        return self._by_project(DisposalRow, disposal_id)

    def of_retention_choice(self, choice_id: str) -> list[Thing]:
        return self._by_project(RetentionChoiceRow, choice_id)

    def of_request(self, request_id: str) -> list[Thing]:
        return self._by_project(UseRequestRow, request_id)

    def _by_project(
        self, table: type[DisposalRow | RetentionChoiceRow | UseRequestRow], row_id: str
    ) -> list[Thing]:
        with reading(self._engine) as session:
            row: Any = session.get(table, row_id)  # each of them has a project
            return [] if row is None else _projects(session, [row.project_id])


def _projects(session: Transaction, project_ids: Sequence[str]) -> list[Thing]:
    """One thing a project; of a hall's record one for each project that it shows."""
    rows = session.exec(select(ProjectRow).where(col(ProjectRow.id).in_(project_ids))).all()
    return [thing for row in rows for thing in _project(session, row)]


def _project(session: Transaction, row: ProjectRow) -> list[Thing]:
    rooms = select(SessionRow.room_id).where(SessionRow.project_id == row.id)
    venues = _site_regions(
        session,
        select(VenueRow.site_id)
        .where(VenueRow.project_id == row.id)
        .union(select(RoomRow.site_id).where(col(RoomRow.id).in_(rooms))),
    )
    if row.kind != ProjectKind.HALL:
        return [_plain(row, venues)]
    query = select(ProjectRow).join(HallProjectRow, col(HallProjectRow.project_id) == col(ProjectRow.id))
    shown = session.exec(query.where(HallProjectRow.hall_id == row.id)).all()
    if not shown:
        return [_plain(row, venues)]
    published = _all_published(shown)
    return [
        replace(
            _plain(one, venues),
            project_id=row.id,
            published_us=published,
            shared=True,
            all_published_us=published,
        )
        for one in shown
    ]


def _all_published(rows: Sequence[ProjectRow]) -> int | None:
    """When the last of their results was published; None while one of them is not."""
    told = [row.result_published_us for row in rows]
    return None if None in told else max(moment for moment in told if moment is not None)


def _plain(row: ProjectRow, venues: frozenset[str]) -> Thing:
    return Thing(
        project_id=row.id,
        regions=frozenset({row.region_code, row.trade_place}),
        industry=row.industry_code,
        agency=row.agency,
        published_us=row.result_published_us,
        venue_regions=venues,
        shared=row.kind == ProjectKind.HALL,
    )


def _session(session: Transaction, row: SessionRow) -> list[Thing]:
    venue = _region_of_room(session, row.room_id)
    return [
        replace(
            one,
            session_id=row.id,
            venue_region=venue,
            venue_regions=one.venue_regions | {venue},
            phase=Phase(row.phase),
            wall_start_us=row.start_us,
            wall_end_us=row.end_us,
            running=row.start_us is not None and row.end_us is None,
        )
        for one in _projects(session, [row.project_id])
    ]


def _clip(session: Transaction, row: ClipRow) -> list[Thing]:
    source = session.get_one(SourceRow, row.source_id)
    of = _session(session, session.get_one(SessionRow, row.session_id))
    return [
        replace(
            one,
            content_kind=ContentKind(source.content_kind),
            source_id=row.source_id,
            wall_start_us=row.wall_start_us,
            wall_end_us=row.wall_end_us,
        )
        for one in of
    ]


def _footage(session: Transaction, source: SourceRow, wall: TimeRange) -> list[Thing]:
    """One thing for each session that the source showed in that time, or one for the place alone."""
    rows = [row for row in _sessions_at(session, source, wall) if _shows(session, source, row)]
    kind = ContentKind(source.content_kind)
    told = [(row, one) for row in rows for one in _session(session, row)]
    # Who looks at the whole of a hall sees all that goes on in it: it opens when all results are published.
    ends = [one.published_us for _row, one in told]
    several = source.seat_id is None and len({one.project_id for _row, one in told}) > 1
    until = None if None in ends else max((end for end in ends if end is not None), default=None)
    found = [
        replace(
            one,
            content_kind=kind,
            source_id=source.id,
            wall_start_us=wall.start_us,
            wall_end_us=wall.end_us,
            shared=one.shared or several,
            all_published_us=until if several else one.all_published_us,
        )
        for _row, one in told
    ]
    return found or [
        replace(
            one,
            content_kind=kind,
            source_id=source.id,
            wall_start_us=wall.start_us,
            wall_end_us=wall.end_us,
        )
        for one in _room(session, source.room_id)
    ]


def _sessions_at(session: Transaction, source: SourceRow, wall: TimeRange) -> Sequence[SessionRow]:
    beside = select(SessionRoomRow.session_id).where(SessionRoomRow.room_id == source.room_id)
    given = select(SessionSourceRow.session_id).where(SessionSourceRow.source_id == source.id)
    query = select(SessionRow).where(
        or_(
            col(SessionRow.room_id) == source.room_id,
            col(SessionRow.id).in_(beside),
            col(SessionRow.id).in_(given),
        ),
        col(SessionRow.start_us) < wall.end_us,
        or_(col(SessionRow.end_us).is_(None), col(SessionRow.end_us) > wall.start_us),
    )
    return session.exec(query).all()


def _shows(session: Transaction, source: SourceRow, row: SessionRow) -> bool:
    """Whether a source shows a session: a seat's only the one whose member sits there, if that is told."""
    if source.seat_id is None:
        return True
    seats = session.exec(
        select(SeatingRow.seat_id).where(
            SeatingRow.session_id == row.id, col(SeatingRow.replaced_us).is_(None)
        )
    ).all()
    return not seats or source.seat_id in seats


def _room(session: Transaction, room_id: str) -> list[Thing]:
    if session.get(RoomRow, room_id) is None:
        return []
    region = _region_of_room(session, room_id)
    return [Thing(venue_region=region, venue_regions=frozenset({region}), regions=frozenset({region}))]


def _hold(session: Transaction, row: HoldRow) -> list[Thing]:
    if row.project_id is not None:
        return _projects(session, [row.project_id])
    if row.session_id is not None:
        return _session(session, session.get_one(SessionRow, row.session_id))
    if row.source_id is not None:
        wall = TimeRange(start_us=row.wall_start_us, end_us=row.wall_end_us)
        return _footage(session, session.get_one(SourceRow, row.source_id), wall)
    ids = session.exec(select(ProjectRow.id).where(ProjectRow.agency == row.agency)).all()
    return _projects(session, ids)


def _region_of_room(session: Transaction, room_id: str) -> str:
    room = session.get_one(RoomRow, room_id)
    return session.get_one(SiteRow, room.site_id).region_code


def _site_regions(session: Transaction, sites: object) -> frozenset[str]:
    query = select(SiteRow.region_code).where(col(SiteRow.id).in_(sites))  # type: ignore[arg-type]
    return frozenset(session.exec(query).all())
