"""Clips: what each source saw of each session part, with its slices and gaps."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlmodel import Session as Transaction
from sqlmodel import col, select

from catalog.database import reading, writing
from catalog.tables import ClipGapRow, ClipRow, ClipSliceRow, SessionRow
from kernel.errors import TimelineError
from kernel.model.cut import Clip, ClipGap, CutList, SegmentSlice
from kernel.model.footage import GapCause
from kernel.model.timeline import SessionState
from kernel.timerange import TimeRange


class Clips:
    """The catalogue's clips."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, cut: CutList) -> None:
        """Fix the clips of a session that has ended, and mark it as cut, in one transaction.

        Raises:
            TimelineError: the session is not waiting to be cut.
        """
        with writing(self._engine) as session:
            row = session.get_one(SessionRow, cut.session_id)
            if row.state != SessionState.ENDED:
                raise TimelineError(f"session {row.id} is {row.state}; only one that has ended can be cut.")
            for clip in cut.clips:
                _add(session, clip)
            row.state = SessionState.CUT

    def of_session(self, session_id: str) -> list[Clip]:
        """Clips of a session, by source and part."""
        query = (
            select(ClipRow)
            .where(ClipRow.session_id == session_id)
            .order_by(col(ClipRow.source_id), col(ClipRow.part))
        )
        with reading(self._engine) as session:
            return [_clip(session, row) for row in session.exec(query).all()]


def _add(session: Transaction, clip: Clip) -> None:
    session.add(
        ClipRow(
            id=clip.id,
            session_id=clip.session_id,
            source_id=clip.source_id,
            part=clip.part,
            wall_start_us=clip.wall.start_us,
            wall_end_us=clip.wall.end_us,
        )
    )
    session.flush()
    for used in clip.slices:
        session.add(
            ClipSliceRow(
                clip_id=clip.id,
                wall_start_us=used.wall.start_us,
                wall_end_us=used.wall.end_us,
                segment_id=used.segment_id,
            )
        )
    for gap in (*clip.gaps, *clip.backfilled):
        session.add(
            ClipGapRow(
                clip_id=clip.id,
                wall_start_us=gap.wall.start_us,
                wall_end_us=gap.wall.end_us,
                cause=gap.cause,
                detail=gap.detail,
                backfilled=gap in clip.backfilled,
            )
        )


def _clip(session: Transaction, row: ClipRow) -> Clip:
    slices = session.exec(
        select(ClipSliceRow).where(ClipSliceRow.clip_id == row.id).order_by(col(ClipSliceRow.wall_start_us))
    ).all()
    gaps = session.exec(
        select(ClipGapRow).where(ClipGapRow.clip_id == row.id).order_by(col(ClipGapRow.wall_start_us))
    ).all()
    return Clip(
        id=row.id,
        session_id=row.session_id,
        source_id=row.source_id,
        part=row.part,
        wall=_wall(row),
        slices=tuple(SegmentSlice(segment_id=used.segment_id, wall=_wall(used)) for used in slices),
        gaps=tuple(_gap(gap) for gap in gaps if not gap.backfilled),
        backfilled=tuple(_gap(gap) for gap in gaps if gap.backfilled),
    )


def _gap(row: ClipGapRow) -> ClipGap:
    return ClipGap(wall=_wall(row), cause=GapCause(row.cause), detail=row.detail)


def _wall(row: ClipRow | ClipSliceRow | ClipGapRow) -> TimeRange:
    return TimeRange(start_us=row.wall_start_us, end_us=row.wall_end_us)
