"""What was recorded: runs, segments, gaps and the health of sources."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Engine, or_
from sqlmodel import Session, col, func, select

from catalog.database import reading, writing
from catalog.tables import GapRow, RunRow, SegmentRow, SourceHealthRow
from kernel.chain import GENESIS_CHAIN
from kernel.model.footage import (
    Backfill,
    ClockBasis,
    EndReason,
    Gap,
    GapCause,
    Run,
    RunOrigin,
    Segment,
    SourceHealth,
    SourceState,
)
from kernel.timerange import TimeRange
from kernel.values import fields_of


class Footage:
    """The catalogue's runs, segments, gaps and health. All times are wall time, UTC microseconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def start_run(self, run: Run) -> None:
        """Record that a connection delivers; a run that is known already stays as it is."""
        with writing(self._engine) as session:
            if session.get(RunRow, run.id) is not None:
                return
            session.add(
                RunRow(
                    id=run.id,
                    source_id=run.source_id,
                    started_us=run.started_us,
                    ended_us=run.ended_us,
                    end_reason=run.end_reason,
                    origin=run.origin,
                )
            )

    def end_run(self, run_id: str, ended_us: int, reason: EndReason) -> None:
        """Record that a connection ended, and why."""
        with writing(self._engine) as session:
            row = session.get_one(RunRow, run_id)
            row.ended_us, row.end_reason = ended_us, reason

    def unfinished_runs(self) -> list[Run]:
        """Runs without an end: after a start, those that a crash left behind."""
        with reading(self._engine) as session:
            rows = session.exec(select(RunRow).where(col(RunRow.ended_us).is_(None))).all()
            return [_run(row) for row in rows]

    def add_segment(self, segment: Segment) -> None:
        """Record a sealed segment; its file must be in place already (invariant 1)."""
        newest = select(func.max(SegmentRow.chain_number)).where(SegmentRow.source_id == segment.source_id)
        with writing(self._engine) as session:
            session.add(_segment_row(segment, (session.exec(newest).one() or 0) + 1))

    def last_chain(self, source_id: str) -> str:
        """Chain value of the segment of a source that was sealed last; 64 zeros before the first.

        Sealed last, not newest: after a backward step of a clock these differ.
        """
        newest = (
            select(SegmentRow.chain)
            .where(SegmentRow.source_id == source_id)
            .order_by(col(SegmentRow.chain_number).desc())
            .limit(1)
        )
        with reading(self._engine) as session:
            return session.exec(newest).first() or GENESIS_CHAIN

    def chain_of(self, source_id: str) -> list[tuple[int, Segment]]:
        """A source's segments with their numbers in its chain, in the order of sealing: for checks."""
        chained = (
            select(SegmentRow)
            .where(SegmentRow.source_id == source_id)
            .order_by(col(SegmentRow.chain_number), col(SegmentRow.id))
        )
        with reading(self._engine) as session:
            return [(row.chain_number, _segment(row)) for row in session.exec(chained).all()]

    def segment_paths(self) -> set[str]:
        """Paths of all segments, below the ring's root."""
        with reading(self._engine) as session:
            return set(session.exec(select(SegmentRow.path)).all())

    def all_segments(self) -> list[Segment]:
        """Every segment, oldest first: for checks, not for pages."""
        with reading(self._engine) as session:
            rows = session.exec(select(SegmentRow).order_by(col(SegmentRow.wall_start_us))).all()
            return [_segment(row) for row in rows]

    def segments_by_id(self, ids: Iterable[str]) -> dict[str, Segment]:
        """Those segments, by id."""
        with reading(self._engine) as session:
            rows = session.exec(select(SegmentRow).where(col(SegmentRow.id).in_(list(ids)))).all()
            return {row.id: _segment(row) for row in rows}

    def segments_of(self, source_id: str, wall: TimeRange) -> list[Segment]:
        """Segments of a source that touch a range, oldest first."""
        overlapping = (
            select(SegmentRow)
            .where(SegmentRow.source_id == source_id)
            .where(SegmentRow.wall_start_us < wall.end_us)
            .where(SegmentRow.wall_end_us > wall.start_us)
            .order_by(col(SegmentRow.wall_start_us))
        )
        with reading(self._engine) as session:
            return [_segment(row) for row in session.exec(overlapping).all()]

    def recorded_until(self, source_id: str) -> int | None:
        """Wall time at which a source's newest segment ends; None before the first."""
        newest = select(func.max(SegmentRow.wall_end_us)).where(SegmentRow.source_id == source_id)
        with reading(self._engine) as session:
            return session.exec(newest).one()

    def open_gap(self, gap: Gap) -> None:
        """Declare a gap that has no end yet; a source with an open one keeps that one (its start counts)."""
        with writing(self._engine) as session:
            if _open_gap(session, gap.source_id) is None:
                session.add(_gap_row(gap))

    def rename_gap(self, source_id: str, cause: GapCause, detail: str) -> None:
        """The source's open gap, if it has one, has another cause than was thought."""
        with writing(self._engine) as session:
            row = _open_gap(session, source_id)
            if row is not None:
                row.cause, row.detail = cause, detail

    def close_gap(self, source_id: str, end_us: int) -> None:
        """End a source's open gap, if it has one; one that turns out to be empty is taken back."""
        with writing(self._engine) as session:
            row = _open_gap(session, source_id)
            if row is None:
                return
            if end_us <= row.wall_start_us:
                session.delete(row)
            else:
                row.wall_end_us = end_us

    def add_gap(self, gap: Gap) -> None:
        """Declare a gap whose end is known."""
        with writing(self._engine) as session:
            session.add(_gap_row(gap))

    def open_gaps(self) -> list[Gap]:
        """Gaps that last."""
        with reading(self._engine) as session:
            return [
                _gap(row)
                for row in session.exec(select(GapRow).where(col(GapRow.wall_end_us).is_(None))).all()
            ]

    def gaps_of(self, source_id: str, wall: TimeRange) -> list[Gap]:
        """Gaps of a source that touch a range, oldest first; an open one reaches for ever."""
        overlapping = (
            select(GapRow)
            .where(GapRow.source_id == source_id)
            .where(GapRow.wall_start_us < wall.end_us)
            .where(or_(col(GapRow.wall_end_us).is_(None), col(GapRow.wall_end_us) > wall.start_us))
            .order_by(col(GapRow.wall_start_us))
        )
        with reading(self._engine) as session:
            return [_gap(row) for row in session.exec(overlapping).all()]

    def set_health(self, rows: Sequence[SourceHealth]) -> None:
        """Say how sources are doing, all in one transaction."""
        with writing(self._engine) as session:
            for health in rows:
                fields = fields_of(health)
                session.merge(SourceHealthRow(**fields))

    def health(self) -> dict[str, SourceHealth]:
        """What was last said of each source, by its id."""
        with reading(self._engine) as session:
            rows = session.exec(select(SourceHealthRow)).all()
            return {
                row.source_id: SourceHealth(**{**row.model_dump(), "state": SourceState(row.state)})
                for row in rows
            }


def _open_gap(session: Session, source_id: str) -> GapRow | None:
    lasting = select(GapRow).where(GapRow.source_id == source_id).where(col(GapRow.wall_end_us).is_(None))
    return session.exec(lasting).first()


def _gap_row(gap: Gap) -> GapRow:
    return GapRow(
        id=gap.id,
        source_id=gap.source_id,
        wall_start_us=gap.start_us,
        wall_end_us=gap.end_us,
        cause=gap.cause,
        detail=gap.detail,
        backfill=gap.backfill,
    )


def _gap(row: GapRow) -> Gap:
    return Gap(
        id=row.id,
        source_id=row.source_id,
        start_us=row.wall_start_us,
        end_us=row.wall_end_us,
        cause=GapCause(row.cause),
        detail=row.detail,
        backfill=Backfill(row.backfill),
    )


def _run(row: RunRow) -> Run:
    reason = EndReason(row.end_reason) if row.end_reason else None
    return Run(
        id=row.id,
        source_id=row.source_id,
        started_us=row.started_us,
        ended_us=row.ended_us,
        end_reason=reason,
        origin=RunOrigin(row.origin),
    )


_SAME_NAMED = (
    "id",
    "run_id",
    "source_id",
    "sequence",
    "media_start",
    "media_duration",
    "timescale",
    "clock_offset_us",
    "path",
    "size_bytes",
    "sha256",
    "chain",
)


def _segment_row(segment: Segment, chain_number: int) -> SegmentRow:
    return SegmentRow(
        **{name: getattr(segment, name) for name in _SAME_NAMED},
        wall_start_us=segment.wall.start_us,
        wall_end_us=segment.wall.end_us,
        chain_number=chain_number,
        clock_basis=segment.clock_basis,
        end_reason=segment.end_reason,
    )


def _segment(row: SegmentRow) -> Segment:
    return Segment(
        **{name: getattr(row, name) for name in _SAME_NAMED},
        wall=TimeRange(start_us=row.wall_start_us, end_us=row.wall_end_us),
        clock_basis=ClockBasis(row.clock_basis),
        end_reason=EndReason(row.end_reason),
    )
