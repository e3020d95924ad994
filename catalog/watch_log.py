"""Who watched what and when, for those who may ask; and what nobody watched (tasks V4, I5, I6, I12)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, Subquery
from sqlalchemy import select as sqlalchemy_select
from sqlmodel import Session as Transaction
from sqlmodel import and_, col, exists, func, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from catalog.database import reading
from catalog.tables import (
    ProjectRow,
    SessionRow,
    SourceRow,
    WatchIntervalRow,
    WatchRow,
    WatchThingRow,
)
from catalog.watch_check import watch_faults
from catalog.watching import intervals_in, watches_in
from kernel.model.account import Role
from kernel.model.audit import AuditFault
from kernel.model.timeline import Phase, ProjectKind
from kernel.model.watching import Seen, Watch, WatchKind
from kernel.timerange import EVER_US, TimeRange, merge

_NO_PROCEEDINGS = (Phase.SUPERVISION, Phase.HALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchFilter:
    """What a list is narrowed by; None narrows nothing."""

    account_id: str | None = None
    project_ids: Collection[str] | None = None  # watches of any of these; of others nothing is told
    seen: TimeRange | None = None  # when somebody looked
    footage: TimeRange | None = None  # when what he looked at happened
    source_id: str | None = None
    kind: WatchKind | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedWatch:
    """A watch, and what of it was on the screen."""

    watch: Watch
    shown: tuple[Seen, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchedTotal:
    """How long an account looked at a project, in a time."""

    account_id: str
    role: str
    project_id: str
    watches: int
    live: tuple[TimeRange, ...]  # real time; several pictures at once are one
    replay: tuple[TimeRange, ...]
    seats: tuple[str, ...]  # of which something was on the screen
    first_us: int
    last_us: int

    @property
    def live_us(self) -> int:
        return _length_us(self.live)

    @property
    def replay_us(self) -> int:
        return _length_us(self.replay)


def seen_at_once_us(totals: Iterable[WatchedTotal]) -> tuple[int, int]:
    """How long an account looked at several projects, live and in replay; what overlaps counts once."""
    known = list(totals)
    live = merge(span for one in known for span in one.live)
    replay = merge(span for one in known for span in one.replay)
    return _length_us(live), _length_us(replay)


def _length_us(spans: Iterable[TimeRange]) -> int:
    return sum(one.duration_us for one in spans)


@dataclass(frozen=True, kw_only=True, slots=True)
class Unwatched:
    """A project that was held and that no supervisor ever looked at."""

    project_id: str
    first_session_us: int
    supervising_account: str
    others: int  # how many other people looked


class WatchLog:
    """Reads what ``Watches`` wrote. All times are wall time, UTC microseconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def watches(
        self, narrowed: WatchFilter, *, before: tuple[int, str] | None = None, limit: int = 100
    ) -> list[LoggedWatch]:
        """Watches that pass a filter, the newest first.

        Args:
            before: start and id of the last one of the page before.
        """
        query = select(WatchRow.id).where(*_conditions(narrowed))
        if before is not None:
            at_us, watch_id = before
            query = query.where(
                or_(
                    col(WatchRow.opened_us) < at_us,
                    and_(col(WatchRow.opened_us) == at_us, col(WatchRow.id) < watch_id),
                )
            )
        query = query.order_by(col(WatchRow.opened_us).desc(), col(WatchRow.id).desc()).limit(limit)
        with reading(self._engine) as session:
            ids = session.exec(query).all()
            found = {one.id: one for one in watches_in(session, ids)}
            return [_logged(session, found[one], narrowed) for one in ids]

    def faults(self) -> Iterator[AuditFault]:
        """Where these tables are not what the audit chain says of watching."""
        return watch_faults(self._engine)

    def totals(
        self, within: TimeRange, *, account_id: str | None = None, project_ids: Collection[str] | None = None
    ) -> list[WatchedTotal]:
        """How long who looked at which project, of watches that began within a time."""
        query = _SEEN.where(
            col(WatchRow.opened_us) >= within.start_us, col(WatchRow.opened_us) < within.end_us
        )
        if account_id is not None:
            query = query.where(col(WatchRow.account_id) == account_id)
        if project_ids is not None:
            query = query.where(_OF_PROJECTS.c.project_id.in_(list(project_ids)))
        sums = _Sums()
        with reading(self._engine) as session:
            for row in session.connection().execute(query):
                sums.add(row)
        return sums.totals()

    def held(self, within: TimeRange, project_ids: Collection[str] | None = None) -> dict[str, int]:
        """Projects with a session that began in a time, by id: when the first of them began."""
        sessions = _held(within)
        query = sqlalchemy_select(sessions.c.project_id, sessions.c.first_us).join(
            ProjectRow, col(ProjectRow.id) == sessions.c.project_id
        )
        query = query.where(col(ProjectRow.kind) != ProjectKind.HALL)
        if project_ids is not None:
            query = query.where(sessions.c.project_id.in_(list(project_ids)))
        with reading(self._engine) as session:
            return {row.project_id: row.first_us for row in session.connection().execute(query)}

    def unwatched(
        self, within: TimeRange, *, role: Role = Role.SUPERVISOR, project_ids: Collection[str] | None = None
    ) -> list[Unwatched]:
        """Projects with a session that began in a time, of which nobody of a role ever saw a picture."""
        held = _held(within)
        query = (
            select(ProjectRow.id, held.c.first_us, ProjectRow.supervising_account)
            .join(held, held.c.project_id == col(ProjectRow.id))
            .where(
                col(ProjectRow.kind) != ProjectKind.HALL,
                col(ProjectRow.id).not_in(_watched_by(col(WatchRow.role) == role)),
            )
            .order_by(held.c.first_us, col(ProjectRow.id))
        )
        if project_ids is not None:
            query = query.where(col(ProjectRow.id).in_(list(project_ids)))
        with reading(self._engine) as session:
            rows = session.exec(query).all()
            others = _watchers(session, [row[0] for row in rows])
        return [
            Unwatched(
                project_id=project_id,
                first_session_us=first_us,
                supervising_account=account,
                others=others.get(project_id, 0),
            )
            for project_id, first_us, account in rows
        ]


# Of each watch and source, when it was on the screen, and for which project. A source may have several
# clips in one watch.
_OF_PROJECTS = (
    sqlalchemy_select(
        col(WatchThingRow.watch_id), col(WatchThingRow.source_id), col(WatchThingRow.project_id)
    )
    .where(col(WatchThingRow.project_id) != "")
    .distinct()
    .subquery()
)
_SEEN = (
    sqlalchemy_select(
        col(WatchRow.id).label("watch_id"),
        col(WatchRow.account_id),
        col(WatchRow.role),
        col(WatchRow.kind),
        col(WatchRow.opened_us),
        _OF_PROJECTS.c.project_id,
        col(SourceRow.seat_id),
        col(WatchIntervalRow.seen_from_us),
        col(WatchIntervalRow.seen_to_us),
    )
    .join(_OF_PROJECTS, _OF_PROJECTS.c.watch_id == col(WatchRow.id))
    .join(
        WatchIntervalRow,
        and_(
            col(WatchIntervalRow.watch_id) == col(WatchRow.id),
            col(WatchIntervalRow.source_id) == _OF_PROJECTS.c.source_id,
        ),
    )
    .join(SourceRow, col(SourceRow.id) == _OF_PROJECTS.c.source_id)
)


@dataclass(kw_only=True, slots=True)
class _Sum:
    """What comes together of an account and a project."""

    role: str = ""
    seats: set[str] = field(default_factory=set)
    first_us: int = EVER_US
    last_us: int = 0
    watches: set[str] = field(default_factory=set)
    spans: dict[str, list[TimeRange]] = field(default_factory=lambda: defaultdict(list))  # by kind

    def of_kind(self, kind: WatchKind) -> tuple[TimeRange, ...]:
        return tuple(merge(self.spans[kind]))


class _Sums:
    """Adds up rows of ``_SEEN``."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], _Sum] = defaultdict(_Sum)

    def add(self, row: Row[Any]) -> None:
        """Pictures are on the screen together, in one watch or in several: the time they cover counts."""
        one = self._sums[row.account_id, row.project_id]
        if row.seen_to_us > one.last_us:
            one.role, one.last_us = row.role, row.seen_to_us
        one.first_us = min(one.first_us, row.opened_us)
        one.watches.add(row.watch_id)
        one.spans[row.kind].append(TimeRange(start_us=row.seen_from_us, end_us=row.seen_to_us))
        if row.seat_id is not None:
            one.seats.add(row.seat_id)

    def totals(self) -> list[WatchedTotal]:
        return [
            WatchedTotal(
                account_id=account_id,
                role=one.role,
                project_id=project_id,
                watches=len(one.watches),
                live=one.of_kind(WatchKind.LIVE),
                replay=one.of_kind(WatchKind.REPLAY),
                seats=tuple(sorted(one.seats)),
                first_us=one.first_us,
                last_us=one.last_us,
            )
            for (account_id, project_id), one in sorted(self._sums.items())
        ]


def _held(within: TimeRange) -> Subquery:
    """Projects with a proceeding that began in a time, and when its first one did."""
    return (
        sqlalchemy_select(col(SessionRow.project_id), func.min(col(SessionRow.start_us)).label("first_us"))
        .where(
            col(SessionRow.start_us) >= within.start_us,
            col(SessionRow.start_us) < within.end_us,
            col(SessionRow.phase).not_in(_NO_PROCEEDINGS),
        )
        .group_by(col(SessionRow.project_id))
        .subquery()
    )


def _conditions(narrowed: WatchFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if narrowed.account_id is not None:
        found.append(col(WatchRow.account_id) == narrowed.account_id)
    if narrowed.kind is not None:
        found.append(col(WatchRow.kind) == narrowed.kind)
    if narrowed.seen is not None:
        found.append(col(WatchRow.opened_us) < narrowed.seen.end_us)
        until = func.coalesce(col(WatchRow.closed_us), col(WatchRow.beat_us))
        found.append(until >= narrowed.seen.start_us)
    if narrowed.project_ids is not None or narrowed.source_id is not None:
        found.append(_of_things(narrowed))
    if narrowed.footage is not None:
        within = select(WatchIntervalRow.watch_id).where(
            col(WatchIntervalRow.footage_from_us) < narrowed.footage.end_us,
            col(WatchIntervalRow.footage_to_us) >= narrowed.footage.start_us,
        )
        if narrowed.source_id is not None:
            within = within.where(WatchIntervalRow.source_id == narrowed.source_id)
        found.append(col(WatchRow.id).in_(within))
    return found


def _of_things(narrowed: WatchFilter) -> ColumnElement[bool]:
    things = select(WatchThingRow.watch_id)
    if narrowed.project_ids is not None:
        things = things.where(col(WatchThingRow.project_id).in_(list(narrowed.project_ids)))
    if narrowed.source_id is not None:
        things = things.where(WatchThingRow.source_id == narrowed.source_id)
    return col(WatchRow.id).in_(things)


def _logged(session: Transaction, watch: Watch, narrowed: WatchFilter) -> LoggedWatch:
    """A watch without what the filter leaves out."""
    things = tuple(
        one
        for one in watch.things
        if (narrowed.project_ids is None or one.project_id in narrowed.project_ids)
        and narrowed.source_id in (None, one.source_id)
    )
    sources = {one.source_id for one in things}
    shown = tuple(one for one in intervals_in(session, watch.id) if one.source_id in sources)
    return LoggedWatch(watch=replace(watch, things=things), shown=shown)


def _watched_by(who: ColumnElement[bool]) -> SelectOfScalar[str]:
    """Projects of which people saw a picture."""
    shown = exists().where(
        col(WatchIntervalRow.watch_id) == col(WatchThingRow.watch_id),
        col(WatchIntervalRow.source_id) == col(WatchThingRow.source_id),
    )
    return (
        select(WatchThingRow.project_id)
        .join(WatchRow, col(WatchRow.id) == col(WatchThingRow.watch_id))
        .where(who, shown)
    )


def _watchers(session: Transaction, project_ids: Sequence[str]) -> dict[str, int]:
    """How many people had each project open."""
    query = (
        select(WatchThingRow.project_id, func.count(func.distinct(WatchRow.account_id)))
        .join(WatchRow, col(WatchRow.id) == col(WatchThingRow.watch_id))
        .where(col(WatchThingRow.project_id).in_(project_ids))
        .group_by(col(WatchThingRow.project_id))
    )
    return dict(session.exec(query).all())
