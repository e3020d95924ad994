"""Clips: what each source saw of each session part, with its slices and gaps."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Engine, delete
from sqlmodel import Session as Transaction
from sqlmodel import col, func, select

from catalog.database import reading, writing
from catalog.tables import ArchiveRow, ClipGapRow, ClipRow, ClipSliceRow, RenditionRow, SessionRow
from kernel.errors import TimelineError
from kernel.model.cut import Clip, ClipGap, CutList, SegmentSlice
from kernel.model.footage import GapCause
from kernel.model.timeline import SessionState
from kernel.timerange import TimeRange


class Clips:
    """The catalogue's clips."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def preview(self, cut: CutList) -> None:
        """Show the clips of a session that has just ended, before all of its footage is in the ring.

        They say themselves what is still to come (gaps of cause ``pending``). Clips that an earlier cut fixed
        are left alone.

        Raises:
            TimelineError: the session is not waiting to be cut.
        """
        with writing(self._engine) as session:
            row = _waiting(session, cut.session_id)
            rows = _current(session, row.id)
            if all(_is_preview(session, one) for one in rows):
                _forget(session, [one.id for one in rows])
                for clip in cut.clips:
                    _add(session, clip)

    def record(self, cut: CutList, at_us: int = 0) -> list[Clip]:
        """Fix the clips of a session that has ended and mark it as cut; what changed, in one transaction.

        A clip that is as it was keeps its row. One that changed gets a new revision, and the old one stays on
        record, for the archives that were made of it. A session of which nothing changed since it was
        archived counts as archived at once.

        Raises:
            TimelineError: the session is not waiting to be cut.
        """
        with writing(self._engine) as session:
            row = _waiting(session, cut.session_id)
            rows = _current(session, row.id)
            previews = [one.id for one in rows if _is_preview(session, one)]
            _forget(session, previews)
            old = {(one.source_id, one.part): one for one in rows if one.id not in previews}
            changed = []
            for clip in cut.clips:
                before = old.pop((clip.source_id, clip.part), None)
                if before is not None and _same(_clip(session, before), clip):
                    continue
                changed.append(_revise(session, clip, before, at_us))
            for gone in old.values():
                gone.retired_us = at_us
            session.flush()
            row.cut_number += 1
            row.state = SessionState.ARCHIVED if _is_archived(session, row.id) else SessionState.CUT
            return changed

    def of_session(self, session_id: str) -> list[Clip]:
        """Clips of a session as they hold now, by source and part."""
        with reading(self._engine) as session:
            return [_clip(session, row) for row in _current(session, session_id)]

    def get(self, clip_id: str) -> Clip | None:
        """One clip, of whichever revision."""
        with reading(self._engine) as session:
            row = session.get(ClipRow, clip_id)
            return _clip(session, row) if row else None


def _waiting(session: Transaction, session_id: str) -> SessionRow:
    row = session.get_one(SessionRow, session_id)
    if row.state != SessionState.ENDED:
        raise TimelineError(f"session {row.id} is {row.state}; only one that has ended can be cut.")
    return row


def _current(session: Transaction, session_id: str) -> list[ClipRow]:
    query = (
        select(ClipRow)
        .where(ClipRow.session_id == session_id, col(ClipRow.retired_us).is_(None))
        .order_by(col(ClipRow.source_id), col(ClipRow.part))
    )
    return list(session.exec(query).all())


def _is_preview(session: Transaction, row: ClipRow) -> bool:
    pending = select(ClipGapRow).where(ClipGapRow.clip_id == row.id, ClipGapRow.cause == GapCause.PENDING)
    return session.exec(pending.limit(1)).first() is not None


def _forget(session: Transaction, clip_ids: list[str]) -> None:
    """Remove clips that were never fixed: nothing was made of them."""
    for table, column in ((ClipSliceRow, ClipSliceRow.clip_id), (ClipGapRow, ClipGapRow.clip_id)):
        session.connection().execute(delete(table).where(col(column).in_(clip_ids)))
    session.connection().execute(delete(ClipRow).where(col(ClipRow.id).in_(clip_ids)))
    session.expire_all()


def _same(before: Clip, now: Clip) -> bool:
    """Whether a clip shows what it showed: ids and revision are its own business."""
    return (before.wall, before.slices, before.gaps, before.backfilled) == (
        now.wall,
        now.slices,
        now.gaps,
        now.backfilled,
    )


def _revise(session: Transaction, clip: Clip, before: ClipRow | None, at_us: int) -> Clip:
    revision = _next_revision(session, clip)
    if before is not None:
        before.retired_us = at_us
    if revision > 1:
        clip = replace(clip, id=f"{clip.id}.r{revision}", revision=revision)
    _add(session, clip)
    return clip


def _next_revision(session: Transaction, clip: Clip) -> int:
    newest = select(func.max(ClipRow.revision)).where(
        ClipRow.session_id == clip.session_id,
        ClipRow.source_id == clip.source_id,
        ClipRow.part == clip.part,
    )
    return int(session.exec(newest).one() or 0) + 1


def _is_archived(session: Transaction, session_id: str) -> bool:
    """Whether the newest archive holds just the clips that hold now: those of which anything was recorded."""
    newest = (
        select(ArchiveRow.id)
        .where(ArchiveRow.session_id == session_id)
        .order_by(col(ArchiveRow.version).desc())
        .limit(1)
    )
    archive_id = session.exec(newest).first()
    if archive_id is None:
        return False
    held = select(RenditionRow.clip_id).where(RenditionRow.archive_id == archive_id)
    shown = select(ClipSliceRow.clip_id).where(
        col(ClipSliceRow.clip_id).in_([row.id for row in _current(session, session_id)])
    )
    return set(session.exec(held).all()) == set(session.exec(shown).all())


def _add(session: Transaction, clip: Clip) -> None:
    session.add(
        ClipRow(
            id=clip.id,
            session_id=clip.session_id,
            source_id=clip.source_id,
            part=clip.part,
            wall_start_us=clip.wall.start_us,
            wall_end_us=clip.wall.end_us,
            revision=clip.revision,
        )
    )
    session.flush()
    session.add_all(
        ClipSliceRow(
            clip_id=clip.id,
            wall_start_us=used.wall.start_us,
            wall_end_us=used.wall.end_us,
            segment_id=used.segment_id,
        )
        for used in clip.slices
    )
    session.add_all(
        ClipGapRow(
            clip_id=clip.id,
            wall_start_us=gap.wall.start_us,
            wall_end_us=gap.wall.end_us,
            cause=gap.cause,
            detail=gap.detail,
            backfilled=gap in clip.backfilled,
        )
        for gap in (*clip.gaps, *clip.backfilled)
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
        revision=row.revision,
    )


def _gap(row: ClipGapRow) -> ClipGap:
    return ClipGap(wall=_wall(row), cause=GapCause(row.cause), detail=row.detail)


def _wall(row: ClipRow | ClipSliceRow | ClipGapRow) -> TimeRange:
    return TimeRange(start_us=row.wall_start_us, end_us=row.wall_end_us)
