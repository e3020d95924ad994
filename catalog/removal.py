"""Removing footage by rule: what nothing needs, the one statement that decides, and what remains of it.

A segment is needed while a hold is on it (``catalog.held``), while a session of its source's room that is not
archived may use it, while a clip uses it whose session has no archive, and for 30 days after a session that
was cut turned out never to have begun: that may be put right, too (invariants 3 and 4). States of its row are
drawn in ``docs/design/segments.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, and_, exists, not_, or_, true, update
from sqlmodel import Session, col, func, select

from catalog.audit import append
from catalog.database import reading, writing
from catalog.footage import segment_of, touching
from catalog.held import records, segment_held
from catalog.tables import ArchiveRow, ClipRow, ClipSliceRow, SegmentRow, SessionRow, SourceRow
from kernel.audit_chain import digest
from kernel.clock import SECOND_US
from kernel.model.audit import Act, Action
from kernel.model.cut import CutRules
from kernel.model.footage import SegmentState, Tombstone
from kernel.model.timeline import SessionState
from kernel.timerange import EVER_US, TimeRange

_WITHDRAWN_US = 30 * 24 * 3600 * SECOND_US
"""How long footage waits for the start of a session to be put right that was cut and then taken back."""
_NAMED = 20  # segments that an audit record names; of more it tells the hash of their ids
_UNBEGUN_SESSIONS = (SessionState.PLANNED, SessionState.CANCELLED)
_OPEN_SESSIONS = (SessionState.RUNNING, SessionState.ENDED, SessionState.CUT)


@dataclass(frozen=True, kw_only=True, slots=True)
class Removable:
    """A segment that nothing needed when it was looked up; whether it goes, ``release`` decides."""

    id: str
    wall: TimeRange
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaving:
    """A segment whose row says that its file goes."""

    id: str
    path: str  # below the ring's root


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What a look at some of the oldest segments found."""

    removable: list[Removable]  # oldest first
    next_us: int | None  # where those begin that were not looked at; None: there are none


class Removal:
    """The catalogue's side of removing segments."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def look(self, from_us: int, count: int, limit: int, rules: CutRules, *, now_us: int) -> Look:
        """Which of the ``count`` oldest segments from a moment on nothing needs, up to ``limit``.

        Bounded, because most of a ring may be held: some four microseconds for each segment looked at.
        """
        sealed, start = col(SegmentRow.state) == SegmentState.SEALED, col(SegmentRow.wall_start_us)
        behind = select(start).where(sealed, start >= from_us).order_by(start).offset(count).limit(1)
        with reading(self._engine) as session:
            next_us = session.exec(behind).first()
            if next_us is not None:
                next_us = max(next_us, from_us + 1)
            unneeded_here = and_(start >= from_us, start < (next_us or EVER_US), unneeded(rules, now_us))
            query = select(SegmentRow).where(unneeded_here).order_by(start, col(SegmentRow.id)).limit(limit)
            return Look(removable=[_removable(row) for row in session.exec(query).all()], next_us=next_us)

    def release(
        self,
        ids: Sequence[str],
        rules: CutRules,
        *,
        at_us: int,
        reason: str,
        principal: str,
        minimum_us: int = 0,
    ) -> list[Leaving]:
        """Mark those of these segments whose files may go now; nothing may be removed before (invariant 4).

        One conditional statement: a hold or a session that was recorded before it wins. Transactions that
        write come one after another (``catalog.database``), so none is made between it and its commit.

        Args:
            minimum_us: younger ones stay, by their end.
        """
        named = col(SegmentRow.id).in_(ids)
        old_enough = col(SegmentRow.wall_end_us) <= at_us - minimum_us
        deciding = (
            update(SegmentRow)
            .where(named, old_enough if minimum_us else true(), unneeded(rules, at_us))
            .values(
                state=SegmentState.REMOVING, removed_us=at_us, removal_reason=reason, removed_by=principal
            )
        )
        with writing(self._engine) as session:
            before = set(_leaving(session, named))
            session.connection().execute(deciding)
            released = [one for one in _leaving(session, named) if one not in before]
            if released:
                append(session, _released(released, at_us=at_us, reason=reason, principal=principal))
            return released

    def leaving(self) -> list[Leaving]:
        """Segments whose files are being removed: after a crash, those that it interrupted."""
        with reading(self._engine) as session:
            return _leaving(session)

    def finish(self, ids: Sequence[str]) -> None:
        """Their files are gone for good: the rows become tombstones."""
        done = (
            update(SegmentRow)
            .where(col(SegmentRow.id).in_(ids), col(SegmentRow.state) == SegmentState.REMOVING)
            .values(state=SegmentState.REMOVED)
        )
        with writing(self._engine) as session:
            session.connection().execute(done)

    def tombstones_of(self, source_id: str, wall: TimeRange) -> list[Tombstone]:
        """Segments of a source that touch a range and whose files are gone or going, oldest first."""
        return self.tombstones_within({source_id: wall})[source_id]

    def tombstones_within(self, walls: Mapping[str, TimeRange]) -> dict[str, list[Tombstone]]:
        """The same of many sources, each with its own range."""
        with reading(self._engine) as session:
            return gone(session, walls)

    def open_sessions(self) -> list[str]:
        """Sessions that began and are not archived, the oldest first."""
        began = select(SessionRow.id).where(col(SessionRow.state).in_(_OPEN_SESSIONS))
        with reading(self._engine) as session:
            return list(session.exec(began.order_by(col(SessionRow.start_us))).all())


def _released(released: Sequence[Leaving], *, at_us: int, reason: str, principal: str) -> Act:
    """One record for all: each segment's own row keeps when it went, why and by whom."""
    ids = sorted(one.id for one in released)
    which = {"ids": ids} if len(ids) <= _NAMED else {"ids_sha256": digest(ids)}
    return Act(
        at_us=at_us,
        principal=principal,
        action=Action.SEGMENTS_RELEASED,
        subject="ring",
        details={"count": len(ids), "rule": reason, **which},
    )


def _removable(row: SegmentRow) -> Removable:
    wall = TimeRange(start_us=row.wall_start_us, end_us=row.wall_end_us)
    return Removable(id=row.id, wall=wall, size_bytes=row.size_bytes)


def _leaving(session: Session, *narrowed: ColumnElement[bool]) -> list[Leaving]:
    going = col(SegmentRow.state) == SegmentState.REMOVING
    query = select(SegmentRow.id, SegmentRow.path).where(going, *narrowed).order_by(col(SegmentRow.id))
    return [Leaving(id=one, path=path) for one, path in session.exec(query).all()]


def gone(session: Session, walls: Mapping[str, TimeRange]) -> dict[str, list[Tombstone]]:
    """Tombstones of sources that touch a range each, those that are being made included."""
    not_kept = col(SegmentRow.state) != SegmentState.SEALED
    return {
        source: [
            Tombstone(
                segment=segment_of(row),
                removed_us=row.removed_us or 0,
                reason=row.removal_reason,
                principal=row.removed_by,
            )
            for row in rows
        ]
        for source, rows in touching(session, walls, not_kept).items()
    }


def unneeded(rules: CutRules, now_us: int) -> ColumnElement[bool]:
    """Of a segment's row: its file is there, and nothing needs it."""
    sealed = col(SegmentRow.state) == SegmentState.SEALED
    unwanted = not_(_claimed(rules)), not_(_shown_by_what_was_withdrawn(now_us))
    return and_(sealed, not_(segment_held(rules)), *unwanted)


def _claimed(rules: CutRules) -> ColumnElement[bool]:
    """A session that is not archived may use it, with pre-roll and post-roll, or one of its clips does."""
    by_clip = exists(
        select(ClipSliceRow.clip_id)
        .join(ClipRow, col(ClipRow.id) == col(ClipSliceRow.clip_id))
        .where(
            col(ClipSliceRow.segment_id) == col(SegmentRow.id),
            col(ClipRow.retired_us).is_(None),
            not_(exists().where(col(ArchiveRow.session_id) == col(ClipRow.session_id))),
        )
    )
    by_session = exists(
        select(SessionRow.id)
        .join(SourceRow, records())
        .where(
            col(SourceRow.id) == col(SegmentRow.source_id),
            col(SessionRow.state).in_(_OPEN_SESSIONS),
            col(SessionRow.start_us) - rules.pre_roll_us < col(SegmentRow.wall_end_us),
            or_(
                col(SessionRow.end_us).is_(None),
                col(SessionRow.end_us) + rules.post_roll_us > col(SegmentRow.wall_start_us),
            ),
        )
    )
    return or_(by_session, by_clip)


def _shown_by_what_was_withdrawn(now_us: int) -> ColumnElement[bool]:
    """A session that was cut and never began after all had clips of that time until a short while ago."""
    withdrawn = select(SessionRow.id).where(
        col(SessionRow.state).in_(_UNBEGUN_SESSIONS), col(SessionRow.cut_number) > 0
    )
    return exists().where(
        col(ClipRow.session_id).in_(withdrawn),
        col(ClipRow.retired_us) > now_us - _WITHDRAWN_US,
        # Behind a function, so that SQLite begins with those sessions, which are few, and not with all clips
        # of the source.
        func.coalesce(col(ClipRow.source_id), "") == col(SegmentRow.source_id),
        col(ClipRow.wall_start_us) < col(SegmentRow.wall_end_us),
        col(ClipRow.wall_end_us) > col(SegmentRow.wall_start_us),
    )
