"""Figures about sources that no single row tells: gaps of a day, newest segments, what the ring holds.

Asked once a second by every open page and at every scrape, so each question is answered from an index.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, or_
from sqlmodel import Session, col, func, select

from catalog.database import reading
from catalog.footage import run_of, segment_of
from catalog.tables import GapRow, RunRow, SegmentRow, SessionRow
from kernel.model.footage import GapCause, Run, RunOrigin, Segment, SegmentState
from kernel.model.timeline import SessionState
from kernel.timerange import TimeRange, merge

_BEFORE = 4  # segments that begin before a range and may reach into it: one a way into the ring (RunOrigin)


@dataclass(frozen=True, kw_only=True, slots=True)
class GapTotal:
    """The gaps of one source and cause, added up."""

    source_id: str
    cause: GapCause
    count: int
    duration_us: int  # the part inside the range that was asked for


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptSegment:
    """A segment, how it came, and whether its file is still there."""

    segment: Segment
    state: SegmentState
    origin: RunOrigin


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedStretch:
    """Time that segments cover without a hole."""

    wall: TimeRange
    origin: RunOrigin


class SourceStatus:
    """Reads only. All times are wall time, UTC microseconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def gaps_within(self, wall: TimeRange) -> list[GapTotal]:
        """Gaps that touch a range, added up; one that lasts counts to the range's end."""
        touching = select(GapRow.source_id, GapRow.cause, GapRow.wall_start_us, GapRow.wall_end_us).where(
            or_(col(GapRow.wall_end_us).is_(None), col(GapRow.wall_end_us) > wall.start_us)
        )
        # Added up here, and later ones left out here: SQLite would read all gaps that there ever were.
        found: dict[tuple[str, str], list[int]] = {}
        with reading(self._engine) as session:
            for source_id, cause, start_us, end_us in session.exec(touching).all():
                inside_us = min(end_us or wall.end_us, wall.end_us) - max(start_us, wall.start_us)
                if inside_us > 0:
                    found.setdefault((source_id, cause), []).append(inside_us)
        return [_gap_total(*key, len(lengths), sum(lengths)) for key, lengths in sorted(found.items())]

    def closed_gaps(self) -> list[GapTotal]:
        """All gaps that have ended: numbers that only grow, as counters must."""
        length = func.sum(col(GapRow.wall_end_us) - col(GapRow.wall_start_us))
        query = (
            select(GapRow.source_id, GapRow.cause, func.count(), length)
            .where(col(GapRow.wall_end_us).is_not(None))
            .group_by(col(GapRow.source_id), col(GapRow.cause))
        )
        with reading(self._engine) as session:
            return [
                _gap_total(source_id, cause, count, length_us or 0)
                for source_id, cause, count, length_us in session.exec(query).all()
            ]

    def newest_segments(self, source_ids: Iterable[str]) -> dict[str, KeptSegment]:
        """Of each source the sealed segment that shows the latest time."""
        with reading(self._engine) as session:
            found = {one: _newest(session, one, 1 << 62, 1, sealed=True) for one in source_ids}
            return {one: kept[0] for one, kept in found.items() if kept}

    def sealed_counts(self, source_ids: Iterable[str]) -> dict[str, int]:
        """How many segments of each source were ever sealed: removed ones keep their number."""
        with reading(self._engine) as session:
            return {one: session.exec(_last_number(one)).one() or 0 for one in source_ids}

    def ring_bytes(self) -> int:
        """What the segments weigh whose files are in the ring."""
        kept = select(func.coalesce(func.sum(SegmentRow.size_bytes), 0)).where(
            SegmentRow.state == SegmentState.SEALED
        )
        with reading(self._engine) as session:
            return int(session.exec(kept).one())

    def segment(self, segment_id: str) -> KeptSegment | None:
        """One segment, removed or not."""
        with reading(self._engine) as session:
            row = session.get(SegmentRow, segment_id)
            return None if row is None else _kept(row, session.get_one(RunRow, row.run_id).origin)

    def segments(self, source_id: str, wall: TimeRange, limit: int) -> list[KeptSegment]:
        """The newest segments of a source that touch a range, the newest first."""
        with reading(self._engine) as session:
            inside = _newest(session, source_id, wall.end_us, limit, since_us=wall.start_us)
            before = _newest(session, source_id, wall.start_us, _BEFORE)
            reaching = [one for one in before if one.segment.wall.end_us > wall.start_us]
            return (inside + reaching)[:limit]

    def stretches(self, source_id: str, wall: TimeRange) -> list[RecordedStretch]:
        """What segments of a source cover of a range, by the way in which they came."""
        by_origin: dict[RunOrigin, list[TimeRange]] = {}
        with reading(self._engine) as session:
            for start_us, end_us, origin in _spans(session, source_id, wall):
                part = TimeRange(start_us=start_us, end_us=end_us).intersect(wall)
                if part is not None:
                    by_origin.setdefault(RunOrigin(origin), []).append(part)
        return [
            RecordedStretch(wall=part, origin=origin)
            for origin, parts in by_origin.items()
            for part in merge(parts)
        ]

    def runs(self, source_id: str, wall: TimeRange, limit: int) -> list[Run]:
        """The newest runs of a source that touch a range, the newest first."""
        query = (
            select(RunRow)
            .where(RunRow.source_id == source_id)
            .where(RunRow.started_us < wall.end_us)
            .where(or_(col(RunRow.ended_us).is_(None), col(RunRow.ended_us) > wall.start_us))
            .order_by(col(RunRow.started_us).desc())
            .limit(limit)
        )
        with reading(self._engine) as session:
            return [run_of(row) for row in session.exec(query).all()]

    def unarchived_sessions(self) -> int:
        """Sessions that have ended and rest in no archive yet."""
        states = [SessionState.ENDED, SessionState.CUT]
        waiting = select(func.count()).where(col(SessionRow.state).in_(states))
        with reading(self._engine) as session:
            return session.exec(waiting).one()


def _gap_total(source_id: str, cause: str, count: int, duration_us: int) -> GapTotal:
    return GapTotal(source_id=source_id, cause=GapCause(cause), count=count, duration_us=int(duration_us))


def _last_number(source_id: str) -> Any:
    return select(func.max(SegmentRow.chain_number)).where(SegmentRow.source_id == source_id)


def _newest(
    session: Session,
    source_id: str,
    before_us: int,
    limit: int,
    *,
    since_us: int = -(1 << 62),
    sealed: bool = False,
) -> list[KeptSegment]:
    """The last segments that begin in ``since_us`` <= start < ``before_us``, the newest first."""
    query = (
        select(SegmentRow, RunRow.origin)
        .join(RunRow, col(RunRow.id) == col(SegmentRow.run_id))
        .where(SegmentRow.source_id == source_id)
        .where(SegmentRow.wall_start_us < before_us)
        .where(SegmentRow.wall_start_us >= since_us)
        .order_by(col(SegmentRow.wall_start_us).desc())
        .limit(limit)
    )
    if sealed:
        query = query.where(SegmentRow.state == SegmentState.SEALED)
    return [_kept(row, origin) for row, origin in session.exec(query).all()]


def _kept(row: SegmentRow, origin: str) -> KeptSegment:
    return KeptSegment(segment=segment_of(row), state=SegmentState(row.state), origin=RunOrigin(origin))


def _spans(session: Session, source_id: str, wall: TimeRange) -> list[tuple[int, int, str]]:
    """Start, end and origin of all segments that may touch a range."""
    reaching = _newest(session, source_id, wall.start_us, _BEFORE)
    inside = (
        select(SegmentRow.wall_start_us, SegmentRow.wall_end_us, RunRow.origin)
        .join(RunRow, col(RunRow.id) == col(SegmentRow.run_id))
        .where(SegmentRow.source_id == source_id)
        .where(SegmentRow.wall_start_us >= wall.start_us)
        .where(SegmentRow.wall_start_us < wall.end_us)
    )
    before = [(one.segment.wall.start_us, one.segment.wall.end_us, one.origin.value) for one in reaching]
    return before + [(start, end, origin) for start, end, origin in session.exec(inside).all()]
