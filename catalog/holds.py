"""Holds: what must not be removed, who said so, and who released it. Rows are never deleted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from sqlalchemy import ColumnElement, Engine, exists, or_
from sqlmodel import Session, col, select

from catalog.audit import append
from catalog.database import reading, writing
from catalog.footage import segment_of
from catalog.held import agency_projects, project_held
from catalog.removal import gone
from catalog.tables import (
    ClipRow,
    ClipSliceRow,
    DisposalObjectRow,
    DisposalRow,
    HoldRow,
    ProjectRow,
    SegmentRow,
    SessionRoomRow,
    SessionRow,
    SourceRow,
)
from kernel.errors import CatalogError
from kernel.model.audit import Act, Action
from kernel.model.footage import Hold, HoldKind, SegmentState, Tombstone
from kernel.model.life import HoldEffect
from kernel.timerange import TimeRange

_NAMED = 50  # things that an audit record names; of more it tells how many


class Holds:
    """The catalogue's holds. All times are wall time, UTC microseconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def make(self, hold: Hold) -> list[Tombstone]:
        """Hold one thing; originals of it that are gone already, or going, are given back.

        Raises:
            CatalogError: as ``make_all``.
        """
        return list(self.make_all([hold]).gone)

    def make_all(self, holds: Sequence[Hold]) -> HoldEffect:
        """Hold several things in one act: all or none.

        A hold on an agency is made together with one on each of its projects that are known in its range:
        they stay held if the agency is called otherwise some day, and those that come later are held, too.

        Returns what no hold can bring back.

        Raises:
            CatalogError: what is to be held is unknown, a range is empty, there is no reason, or an id is
                taken.
        """
        with writing(self._engine) as session:
            return put_holds(session, holds)

    def release(self, hold_id: str, *, at_us: int, principal: str, reason: str) -> None:
        """Let go of a hold, or by the id of an act of all that it still holds.

        That it was, and who released it and why, stays.

        Raises:
            CatalogError: there is no such hold, it is released already, or there is no reason.
        """
        if not reason.strip():
            raise CatalogError("releasing a hold needs a reason.", hint="Give one.")
        with writing(self._engine) as session:
            rows = session.exec(select(HoldRow).where(_named(hold_id)).order_by(col(HoldRow.id))).all()
            if not rows:
                raise CatalogError(f"there is no hold {hold_id}.", hint="Run 'jianzheng holds'.")
            standing = [row for row in rows if row.released_us is None]
            if not standing:
                raise CatalogError(
                    f"hold {hold_id} is released already.", hint="Run 'jianzheng holds --all'."
                )
            for row in standing:
                row.released_us, row.released_by, row.release_reason = at_us, principal, reason
            append(session, _released(hold_id, standing))

    def all(self, *, released: bool = False) -> list[Hold]:
        """Holds in the order in which they were made; those that were released only if asked for."""
        query = select(HoldRow).order_by(col(HoldRow.made_us), col(HoldRow.id))
        if not released:
            query = query.where(col(HoldRow.released_us).is_(None))
        with reading(self._engine) as session:
            return [_hold(row) for row in session.exec(query).all()]

    def of_source(self, source_id: str, *, released: bool = False) -> list[Hold]:
        """Holds on ranges of a source, and on sessions and projects whose rooms it stands in."""
        in_rooms = or_(
            col(SessionRow.room_id) == col(SourceRow.room_id),
            exists().where(
                col(SessionRoomRow.session_id) == col(SessionRow.id),
                col(SessionRoomRow.room_id) == col(SourceRow.room_id),
            ),
        )
        held_there = (
            select(SessionRow.id, SessionRow.project_id)
            .join(SourceRow, in_rooms)
            .where(SourceRow.id == source_id)
            .subquery()
        )
        which = or_(
            col(HoldRow.source_id) == source_id,
            col(HoldRow.session_id).in_(select(held_there.c.id)),
            col(HoldRow.project_id).in_(select(held_there.c.project_id)),
        )
        query = select(HoldRow).where(which).order_by(col(HoldRow.made_us), col(HoldRow.id))
        if not released:
            query = query.where(col(HoldRow.released_us).is_(None))
        with reading(self._engine) as session:
            return [_hold(row) for row in session.exec(query).all()]

    def find(self, hold_id: str) -> list[Hold]:
        """The hold of that id, or all of an act's; none where there is no such."""
        query = select(HoldRow).where(_named(hold_id)).order_by(col(HoldRow.id))
        with reading(self._engine) as session:
            return [_hold(row) for row in session.exec(query).all()]

    def acts_of_tags(self, tag_ids: Collection[str]) -> dict[str, str]:
        """The act of holding that each of these tags gave rise to, let go of or not; by the tag's id."""
        query = select(HoldRow.tag_id, HoldRow.act_id).where(col(HoldRow.tag_id).in_(tag_ids))
        with reading(self._engine) as session:
            return dict(session.exec(query.order_by(col(HoldRow.made_us).desc())).all())

    def is_held(self, project_id: str) -> bool:
        """Whether something holds a project's file (``catalog.held``)."""
        query = select(ProjectRow.id).where(ProjectRow.id == project_id, project_held())
        with reading(self._engine) as session:
            return session.exec(query).first() is not None


def put_holds(session: Session, holds: Sequence[Hold]) -> HoldEffect:
    """Hold several things within a transaction, as ``Holds.make_all`` does."""
    every = [one for hold in holds for one in _with_projects(session, hold)]
    for one in every:
        _check(session, one)
        session.add(_row(one))
        # First the hold, then the look: with the statement in ``catalog.removal`` one of the two sees
        # the other, whichever comes first.
        session.flush()
    lost = _lost(session, every)
    append(session, _made(every, lost))
    return lost


def _named(hold_id: str) -> ColumnElement[bool]:
    return or_(col(HoldRow.id) == hold_id, col(HoldRow.act_id) == hold_id)


def _with_projects(session: Session, hold: Hold) -> Iterator[Hold]:
    """A hold, and where it is on an agency, one on each project that is known in its range."""
    yield hold
    if hold.kind is not HoldKind.AGENCY:
        return
    known = agency_projects(hold.agency, hold.wall.start_us, hold.wall.end_us)
    act_id = hold.act_id or hold.id
    for project_id in session.exec(select(ProjectRow.id).where(known).order_by(col(ProjectRow.id))):
        yield Hold(
            id=f"{hold.id}.{project_id}",
            kind=HoldKind.PROJECT,
            project_id=project_id,
            reason=hold.reason,
            principal=hold.principal,
            made_us=hold.made_us,
            tag_id=hold.tag_id,
            act_id=act_id,
        )


def _check(session: Session, hold: Hold) -> None:
    if hold.wall.empty or not hold.reason.strip():
        raise CatalogError("a hold needs a range of time and a reason.", hint="Give both.")
    if session.get(HoldRow, hold.id) is not None:
        raise CatalogError(f"there is a hold {hold.id} already.", hint="Run 'jianzheng holds --all'.")
    if hold.kind is HoldKind.SOURCE and session.get(SourceRow, hold.source_id) is None:
        raise CatalogError(f"there is no source {hold.source_id}.", hint=_which(session))
    if hold.kind is HoldKind.SESSION and session.get(SessionRow, hold.session_id) is None:
        raise CatalogError(f"there is no session {hold.session_id}.", hint="Run 'jianzheng status'.")
    if hold.kind is HoldKind.PROJECT and session.get(ProjectRow, hold.project_id) is None:
        raise CatalogError(f"there is no project {hold.project_id}.", hint="Run 'jianzheng status'.")
    if hold.kind is HoldKind.AGENCY:
        _check_agency(session, hold.agency)


def _check_agency(session: Session, agency: str) -> None:
    """A slip of the pen must not look like a hold."""
    if agency and session.exec(select(ProjectRow.id).where(ProjectRow.agency == agency)).first():
        return
    names = select(ProjectRow.agency).where(ProjectRow.agency != "").distinct().limit(_NAMED)
    known = ", ".join(sorted(session.exec(names).all()))
    raise CatalogError(
        f"no project is of the agency {agency or '(no name)'}.",
        hint=f"Write it as the trading system does. There are: {known}." if known else "None is known yet.",
    )


def _lost(session: Session, holds: Sequence[Hold]) -> HoldEffect:
    """What of it is gone or going: originals of ranges and of sessions' clips, and archived objects."""
    stones: dict[str, Tombstone] = {}
    projects = {one.project_id for one in holds if one.kind is HoldKind.PROJECT}
    sessions = {one.session_id for one in holds if one.kind is HoldKind.SESSION}
    walls: dict[str, list[TimeRange]] = defaultdict(list)
    for one in holds:
        if one.kind is HoldKind.SOURCE:
            walls[one.source_id].append(one.wall)
    for source_id, ranges in walls.items():
        for wall in ranges:
            stones |= {stone.segment.id: stone for stone in gone(session, {source_id: wall})[source_id]}
    if projects or sessions:
        stones |= {stone.segment.id: stone for stone in _gone_of(session, projects, sessions)}
    in_order = sorted(stones.values(), key=lambda stone: (stone.segment.wall, stone.segment.source_id))
    return HoldEffect(gone=tuple(in_order), disposed=_disposed(session, holds))


def _gone_of(session: Session, projects: set[str], sessions: set[str]) -> list[Tombstone]:
    """Originals of clips of those projects and sessions that are gone or going."""
    used = (
        select(ClipSliceRow.segment_id)
        .join(ClipRow, col(ClipRow.id) == col(ClipSliceRow.clip_id))
        .join(SessionRow, col(SessionRow.id) == col(ClipRow.session_id))
        .where(or_(col(SessionRow.id).in_(sessions), col(SessionRow.project_id).in_(projects)))
    )
    query = select(SegmentRow).where(col(SegmentRow.id).in_(used), SegmentRow.state != SegmentState.SEALED)
    return [
        Tombstone(
            segment=segment_of(row),
            removed_us=row.removed_us or 0,
            reason=row.removal_reason,
            principal=row.removed_by,
        )
        for row in session.exec(query).all()
    ]


def _disposed(session: Session, holds: Sequence[Hold]) -> tuple[str, ...]:
    """Keys of objects of what is held now whose destruction nothing stops any more."""
    ids = [one.id for one in holds]
    query = (
        select(DisposalObjectRow.key)
        .join(DisposalRow, col(DisposalRow.id) == col(DisposalObjectRow.disposal_id))
        .join(ProjectRow, col(ProjectRow.id) == col(DisposalRow.project_id))
        .where(col(DisposalObjectRow.going_us).is_not(None), project_held())
        .where(_touched_by(ids))
    )
    return tuple(sorted(session.exec(query).all()))


def _touched_by(ids: Sequence[str]) -> ColumnElement[bool]:
    """Of a project's row: one of these holds is on it, its sessions or what they show."""
    own = select(HoldRow).where(col(HoldRow.id).in_(ids)).subquery()
    by_range = (
        select(SessionRow.project_id)
        .join(ClipRow, col(ClipRow.session_id) == col(SessionRow.id))
        .join(
            own,
            (own.c.source_id == col(ClipRow.source_id))
            & (own.c.wall_start_us < col(ClipRow.wall_end_us))
            & (own.c.wall_end_us > col(ClipRow.wall_start_us)),
        )
    )
    by_session = select(SessionRow.project_id).join(own, own.c.session_id == col(SessionRow.id))
    by_project = select(own.c.project_id).where(own.c.project_id.is_not(None))
    return or_(*(col(ProjectRow.id).in_(one) for one in (by_project, by_session, by_range)))


def _made(holds: Sequence[Hold], lost: HoldEffect) -> Act:
    first = holds[0]
    return Act(
        at_us=first.made_us,
        principal=first.principal,
        action=Action.HOLD_MADE,
        subject=first.act_id or first.id,
        details={
            "count": len(holds),
            "holds": [_told(one) for one in holds[:_NAMED]],
            "reason": first.reason,
            "tag": first.tag_id,
            "gone": len(lost.gone),
            "disposed": len(lost.disposed),
        },
    )


def _told(hold: Hold) -> dict[str, object]:
    """What a hold is on."""
    if hold.kind is HoldKind.SESSION:
        return {"session": hold.session_id}
    if hold.kind is HoldKind.PROJECT:
        return {"project": hold.project_id}
    what = {"agency": hold.agency} if hold.kind is HoldKind.AGENCY else {"source": hold.source_id}
    return {**what, "start_us": hold.wall.start_us, "end_us": hold.wall.end_us}


def _released(hold_id: str, rows: Sequence[HoldRow]) -> Act:
    first = rows[0]
    return Act(
        at_us=first.released_us or 0,
        principal=first.released_by,
        action=Action.HOLD_RELEASED,
        subject=hold_id,
        details={
            "count": len(rows),
            "holds": [_told(_hold(row)) for row in rows[:_NAMED]],
            "reason": first.release_reason,
        },
    )


def _which(session: Session) -> str:
    """What can be held. Sources are known once a program has read the ``cameras.yaml`` that names them."""
    ids = session.exec(select(SourceRow.id).order_by(col(SourceRow.id))).all()
    known = f"There are: {', '.join(ids)}." if ids else "There are none yet."
    return f"{known} One that is new in cameras.yaml is known after 'jianzheng status'."


def _row(hold: Hold) -> HoldRow:
    return HoldRow(
        id=hold.id,
        source_id=hold.source_id or None,
        wall_start_us=hold.wall.start_us,
        wall_end_us=hold.wall.end_us,
        reason=hold.reason,
        principal=hold.principal,
        made_us=hold.made_us,
        released_us=hold.released_us,
        released_by=hold.released_by,
        release_reason=hold.release_reason,
        kind=hold.kind,
        session_id=hold.session_id or None,
        project_id=hold.project_id or None,
        agency=hold.agency,
        tag_id=hold.tag_id,
        act_id=hold.act_id or hold.id,
    )


def _hold(row: HoldRow) -> Hold:
    return Hold(
        id=row.id,
        source_id=row.source_id or "",
        wall=TimeRange(start_us=row.wall_start_us, end_us=row.wall_end_us),
        reason=row.reason,
        principal=row.principal,
        made_us=row.made_us,
        released_us=row.released_us,
        released_by=row.released_by,
        release_reason=row.release_reason,
        kind=HoldKind(row.kind),
        session_id=row.session_id or "",
        project_id=row.project_id or "",
        agency=row.agency,
        tag_id=row.tag_id,
        act_id=row.act_id,
    )
