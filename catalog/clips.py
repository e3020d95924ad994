"""Clips: what each source saw of each session part, with its slices and gaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Engine, delete, insert, literal_column, not_, or_, update
from sqlalchemy import select as sqlalchemy_select
from sqlmodel import Session as Transaction
from sqlmodel import col, func, select

from catalog.audit import append
from catalog.database import reading, writing
from catalog.file_sets import seal_file_set
from catalog.locks import locked_session
from catalog.tables import (
    LONG_SEGMENT_US,
    METADATA,
    ArchiveRow,
    ClipGapRow,
    ClipRow,
    ClipSliceRow,
    GapRow,
    SegmentRow,
    SessionRow,
)
from kernel.errors import TimelineChanged, TimelineError
from kernel.model.audit import Act, Action
from kernel.model.cut import Clip, ClipGap, CutList, SegmentSlice
from kernel.model.footage import Backfill, ClockBasis, GapCause, SegmentState
from kernel.model.timeline import ExpectedPart, SessionState
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
            TimelineChanged: what it is cut by has changed since it was read.
        """
        with writing(self._engine) as session:
            row = _waiting(session, cut)
            if row.cut_number == 0:
                _forget(session, row.id)
                _add(session, _numbered(session, row.id, cut.clips))

    def record(self, cut: CutList, at_us: int = 0, *, principal: str = "segmenter") -> list[Clip]:
        """Fix the clips of a session that has ended and mark it as cut; what changed, in one transaction.

        A clip that is as it was keeps its row. One that changed gets a new revision, and the old one stays on
        record, for the archives that were made of it. A session of which nothing changed since it was
        archived counts as archived at once.

        Raises:
            TimelineError: the session is not waiting to be cut.
            TimelineChanged: what it is cut by has changed since it was read.
        """
        with writing(self._engine) as session:
            row = _waiting(session, cut)
            if row.cut_number == 0:
                _forget(session, row.id)
            before = {(one.source_id, one.part): one for one in _current(session, row.id)}
            wanted = {(one.source_id, one.part): one for one in cut.clips}
            changed = [one for key, one in wanted.items() if key not in before or not _same(before[key], one)]
            touched = {(one.source_id, one.part) for one in changed}
            retired = [one.id for key, one in before.items() if key not in wanted or key in touched]
            _retire(session, retired, at_us)
            changed = _numbered(session, row.id, changed)
            _add(session, changed)
            row.cut_number += bool(changed or retired)
            row.state = SessionState.ARCHIVED if _is_archived(session, row) else SessionState.CUT
            seal_file_set(session, row.project_id, at_us)
            told = {"cut": row.cut_number, "changed": len(changed), "retired": len(retired)}
            append(
                session,
                Act(
                    at_us=at_us,
                    principal=principal,
                    action=Action.SESSION_CUT,
                    subject=row.id,
                    details=told,
                ),
            )
            return changed

    def of_session(self, session_id: str) -> list[Clip]:
        """Clips of a session as they hold now, by source and part."""
        with reading(self._engine) as session:
            return _current(session, session_id)

    def parts_of(self, session_id: str) -> list[ExpectedPart]:
        """What the same clips were to show, without what of it they do: no slices, no gaps."""
        query = select(ClipRow).where(ClipRow.session_id == session_id, col(ClipRow.retired_us).is_(None))
        with reading(self._engine) as session:
            return [
                ExpectedPart(source_id=row.source_id, part=row.part, wall=_wall(row))
                for row in session.exec(query.order_by(ClipRow.source_id, col(ClipRow.part))).all()
            ]

    def differ(self, cut: CutList) -> bool:
        """Whether these are other clips than those that the session has."""
        have = {(clip.source_id, clip.part): clip for clip in self.of_session(cut.session_id)}
        want = {(clip.source_id, clip.part): clip for clip in cut.clips}
        return have.keys() != want.keys() or any(not _same(have[key], want[key]) for key in want)

    def with_filled_gaps(self, since_us: int) -> dict[str, int]:
        """Sessions that are cut, ended after that, and have a gap in which there is footage by now.

        By id, how many such pieces there are: more or fewer mean that something has happened. Whether they
        change their clips is for the cutter to say: a part of them may be of no use.
        """
        start, end = col(SegmentRow.wall_start_us), col(SegmentRow.wall_end_us)
        gap_start, gap_end = col(ClipGapRow.wall_start_us), col(ClipGapRow.wall_end_us)
        # A gap that is still declared beats the segment that spans it, unless that was fetched to fill it.
        marked = col(GapRow.backfill).in_((Backfill.WHOLE, Backfill.PART))
        fetched = col(SegmentRow.clock_basis).in_((ClockBasis.REPLAY, ClockBasis.DECLARED))
        useful = or_(fetched, _declared_until() < gap_end)
        # Behind a function, so that SQLite begins with the gaps, which are few, and not with all segments.
        kept = func.coalesce(SegmentRow.state, "") == SegmentState.SEALED
        filled = (
            select(SessionRow.id, func.count())
            .join(ClipRow, col(ClipRow.session_id) == col(SessionRow.id))
            .join(ClipGapRow, col(ClipGapRow.clip_id) == col(ClipRow.id))
            .join(SegmentRow, col(SegmentRow.source_id) == col(ClipRow.source_id))
            .where(col(SessionRow.state).in_((SessionState.CUT, SessionState.ARCHIVED)))
            .where(col(SessionRow.end_us) > since_us, col(ClipRow.retired_us).is_(None))
            .where(col(ClipGapRow.backfilled).is_(False))
            .where(_declared_until(not_(marked)) < gap_end)
            .where(start < gap_end, end > gap_start, kept, useful)
            .group_by(col(SessionRow.id))
        )
        with reading(self._engine) as session:
            usual = session.exec(filled.where(start >= gap_start - LONG_SEGMENT_US)).all()
            long = session.exec(
                filled.where(
                    start < gap_start - LONG_SEGMENT_US, end - start > literal_column(str(LONG_SEGMENT_US))
                )
            ).all()
            found: Counter[str] = Counter()
            for pieces in (usual, long):
                found.update(dict(pieces))
            return dict(found)

    def get(self, clip_id: str) -> Clip | None:
        """One clip, of whichever revision."""
        with reading(self._engine) as session:
            return next(iter(_clips(session, col(ClipRow.id) == clip_id)), None)


def _declared_until(*narrowed: ColumnElement[bool]) -> ColumnElement[int]:
    """End of the last declared gap that begins no later than a clip's gap; 0: there is none, or it lasts."""
    newest = (
        sqlalchemy_select(col(GapRow.wall_end_us))
        .where(col(GapRow.source_id) == col(ClipRow.source_id), *narrowed)
        .where(col(GapRow.wall_start_us) <= col(ClipGapRow.wall_start_us))
        .order_by(col(GapRow.wall_start_us).desc())
        .limit(1)
        .correlate(ClipRow, ClipGapRow)
    )
    return func.coalesce(newest.scalar_subquery(), 0)


def take_back(session: Transaction, row: SessionRow, at_us: int) -> None:
    """The clips of a session that has not ended after all: shown ones go, fixed ones stay on record only."""
    if row.cut_number == 0:
        _forget(session, row.id)
    elif current := _current(session, row.id):
        _retire(session, [clip.id for clip in current], at_us)
        row.cut_number += 1


def _waiting(session: Transaction, cut: CutList) -> SessionRow:
    row = locked_session(session, cut.session_id)
    if row.change_number != cut.change_number:
        # A correction came while it was being cut: recorded now, it would be lost.
        raise TimelineChanged(f"session {row.id} changed while it was being cut.")
    if row.state != SessionState.ENDED:
        raise TimelineError(f"session {row.id} is {row.state}; only one that has ended can be cut.")
    return row


def _current(session: Transaction, session_id: str) -> list[Clip]:
    return _clips(session, col(ClipRow.session_id) == session_id, col(ClipRow.retired_us).is_(None))


def _forget(session: Transaction, session_id: str) -> None:
    """Remove clips that were shown and never fixed: nothing was made of them."""
    shown = select(ClipRow.id).where(ClipRow.session_id == session_id, col(ClipRow.retired_us).is_(None))
    connection = session.connection()
    for table, column in ((ClipSliceRow, ClipSliceRow.clip_id), (ClipGapRow, ClipGapRow.clip_id)):
        connection.execute(delete(table).where(col(column).in_(shown)))
    connection.execute(
        delete(ClipRow).where(col(ClipRow.session_id) == session_id, col(ClipRow.retired_us).is_(None))
    )


def _same(before: Clip, now: Clip) -> bool:
    """Whether a clip shows what it showed: ids and revision are its own business."""
    return replace(before, id=now.id, revision=now.revision) == now


def _retire(session: Transaction, clip_ids: Sequence[str], at_us: int) -> None:
    left = update(ClipRow).where(col(ClipRow.id).in_(clip_ids)).values(retired_us=at_us)
    session.connection().execute(left)


def _numbered(session: Transaction, session_id: str, clips: Sequence[Clip]) -> list[Clip]:
    """Clips with the revision that follows on those that were on record."""
    query = (
        select(ClipRow.source_id, ClipRow.part, func.max(ClipRow.revision))
        .where(ClipRow.session_id == session_id)
        .group_by(col(ClipRow.source_id), col(ClipRow.part))
    )
    last = {(source, part): revision for source, part, revision in session.exec(query).all()}
    numbered = []
    for clip in clips:
        revision = last.get((clip.source_id, clip.part), 0) + 1
        name = clip.id if revision == 1 else f"{clip.id}.r{revision}"
        numbered.append(replace(clip, id=name, revision=revision))
    return numbered


def _is_archived(session: Transaction, row: SessionRow) -> bool:
    """Whether the newest archive holds just the clips that hold now."""
    newest = (
        select(ArchiveRow.cut_number)
        .where(ArchiveRow.session_id == row.id)
        .order_by(col(ArchiveRow.version).desc())
        .limit(1)
    )
    return session.exec(newest).first() == row.cut_number


def _add(session: Transaction, clips: Sequence[Clip]) -> None:
    """Write clips in three statements: a day's session has thousands of slices."""
    walls = [(clip, piece) for clip in clips for piece in (*clip.gaps, *clip.backfilled)]
    rows: dict[str, list[dict[str, Any]]] = {
        "clip": [
            {
                "id": clip.id,
                "session_id": clip.session_id,
                "source_id": clip.source_id,
                "part": clip.part,
                "revision": clip.revision,
                **_wall_columns(clip.wall),
            }
            for clip in clips
        ],
        "clip_slice": [
            {"clip_id": clip.id, "segment_id": used.segment_id, **_wall_columns(used.wall)}
            for clip in clips
            for used in clip.slices
        ],
        "clip_gap": [
            {
                "clip_id": clip.id,
                "cause": gap.cause,
                "detail": gap.detail,
                "backfilled": gap in clip.backfilled,
                **_wall_columns(gap.wall),
            }
            for clip, gap in walls
        ],
    }
    for table, values in rows.items():
        if values:
            session.connection().execute(insert(METADATA.tables[table]), values)


def _wall_columns(wall: TimeRange) -> dict[str, int]:
    return {"wall_start_us": wall.start_us, "wall_end_us": wall.end_us}


def _clips(session: Transaction, *narrowed: ColumnElement[bool]) -> list[Clip]:
    """Clips with their slices and gaps, by source and part: three queries for any number."""
    rows = session.exec(select(ClipRow).where(*narrowed).order_by(ClipRow.source_id, col(ClipRow.part))).all()
    ids = [row.id for row in rows]
    slices = _pieces(session, ClipSliceRow, ids)
    gaps = _pieces(session, ClipGapRow, ids)
    return [
        Clip(
            id=row.id,
            session_id=row.session_id,
            source_id=row.source_id,
            part=row.part,
            wall=_wall(row),
            slices=tuple(
                SegmentSlice(segment_id=used.segment_id, wall=_wall(used)) for used in slices.get(row.id, ())
            ),
            gaps=tuple(_gap(gap) for gap in gaps.get(row.id, ()) if not gap.backfilled),
            backfilled=tuple(_gap(gap) for gap in gaps.get(row.id, ()) if gap.backfilled),
            revision=row.revision,
        )
        for row in rows
    ]


def _pieces(
    session: Transaction, table: type[ClipSliceRow | ClipGapRow], clip_ids: Sequence[str]
) -> dict[str, list[Any]]:
    """Slices or gaps of clips, by clip, in order; columns only: there may be thousands."""
    columns = METADATA.tables[str(table.__tablename__)]
    query = (
        sqlalchemy_select(columns)
        .where(columns.c.clip_id.in_(clip_ids))
        .order_by(columns.c.clip_id, columns.c.wall_start_us)
    )
    found: dict[str, list[Any]] = {}
    for row in session.connection().execute(query):
        found.setdefault(row.clip_id, []).append(row)
    return found


def _gap(row: Any) -> ClipGap:
    return ClipGap(wall=_wall(row), cause=GapCause(row.cause), detail=row.detail)


def _wall(row: Any) -> TimeRange:
    return TimeRange(start_us=row.wall_start_us, end_us=row.wall_end_us)
