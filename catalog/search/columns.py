"""What searches filter by, in memory: a few numbers for each project, session and clip.

The rows of the catalogue are the truth. These columns are read from them once (seconds for a million clips),
and before each search what was marked as changed since (``catalog.search.changes``) is read again in the
same transaction, so that a search never misses what is committed. A project that changed is read as a whole:
what was known of its sessions and clips is turned over to row 0, which matches nothing, and dropped when
there is much of it. Some 60 bytes a clip; masks and counts over a million take milliseconds, on whichever
database.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

import numpy as np
from sqlalchemy import Connection, Select, and_, bindparam, func, select

from catalog.search.growing import Array, Codes, Table
from catalog.search.places import PlacesNow, read_places
from catalog.search.words import normal
from catalog.tables import METADATA
from kernel.clock import SECOND_US
from kernel.model.footage import GapCause
from kernel.timerange import EVER_US

_TABLES = METADATA.tables
_DAY_US = 24 * 3600 * SECOND_US
_ZONE_US = 8 * 3600 * SECOND_US  # Beijing
_EPOCH = date(1970, 1, 1).toordinal()
_NO_DAY = 1 << 30  # first day of what has no time, and less the sign the last one: no range touches it
_NO_MONTH = 1 << 14  # first month of what has no time
_BATCH = 50_000
_AT_ONCE = 500  # projects in one query
_MANY = 5_000  # changed projects: all is read anew

_PROJECT, _SESSION, _CLIP, _GAP, _TAG = (
    _TABLES[name] for name in ("project", "session", "clip", "clip_gap", "tag")
)
_SECTION, _DEALT, _NUMBER, _CHANGE = (
    _TABLES[name] for name in ("section", "session_section", "search_project", "search_change")
)


class Columns:
    """The columns, as of the last ``refresh``. One thread at a time."""

    def __init__(self) -> None:
        self.seen = -1  # number of the last change that is in here
        self.places: PlacesNow
        self.areas: Codes[tuple[str, str]] = Codes()  # region and trade place
        self.industries: Codes[str] = Codes()
        self.phases: Codes[str] = Codes()
        self.states: Codes[str] = Codes()
        self.kinds: Codes[str] = Codes()
        self.sites: Codes[str] = Codes()
        self.rooms: Codes[str] = Codes()
        self.sources: Codes[str] = Codes()
        self.tag_kinds: Codes[str] = Codes()
        self._empty()

    def _empty(self) -> None:
        self.project_ids: list[str] = [""]
        self.project_of: dict[str, int] = {}
        self.session_ids: list[str] = [""]
        self.session_of: dict[str, int] = {}
        self.projects = Table(there=bool, number="i4", area="i4", industry="i4", first_us="i8")
        self.sessions = Table(
            project="i4", phase="i2", state="i2", room="i4", site="i4",
            first_day="i4", last_day="i4", first_month="i2", last_month="i2",
            clip_kinds="u4", clip_first_month="i2", clip_last_month="i2", elsewhere=bool,
        )  # fmt: skip
        self.clips = Table(
            project="i4", session="i4", source="i4", room="i4", site="i4", kind="i2", footage=bool,
            first_day="i4", last_day="i4", first_month="i2", last_month="i2",
            start_us="i8", end_us="i8", gap_us="i8",
        )  # fmt: skip
        self.tags = Table(project="i4", kind="i4")
        self.parts = Table(project="i4", number="i4")  # sections of projects
        self.tag_texts: list[str] = [""]  # of each tag, normal
        self.part_texts: list[str] = [""]  # names and codes of each section, normal, a line each
        self.dealt = Table(project="i4", session="i4", number="i4")  # sections that sessions name
        self._gone = 0  # rows of sessions and clips that were turned over to row 0

    @property
    def nbytes(self) -> int:
        """Of the arrays; the ids of projects and sessions take about as much again."""
        return sum(one.nbytes for one in (self.projects, self.sessions, *self._below()))

    def _below(self) -> tuple[Table, ...]:
        """What projects have, but for sessions."""
        return self.clips, self.tags, self.parts, self.dealt

    def refresh(self, connection: Connection) -> None:
        """Bring all up to date, within a transaction that only reads."""
        newest = connection.execute(select(func.coalesce(func.max(_CHANGE.c.number), 0))).scalar_one()
        if newest == self.seen:
            return
        marks = [] if self.seen < 0 else self._marks(connection)
        if self.seen < 0 or newest < self.seen or len(marks) > _MANY:
            self._read_all(connection)
        else:
            self._read_changed(connection, marks)
        self.seen = newest

    def _marks(self, connection: Connection) -> list[tuple[str, str]]:
        query = select(_CHANGE.c.kind, _CHANGE.c.id).where(_CHANGE.c.number > self.seen)
        return [(kind, name) for kind, name in connection.execute(query)]

    def _read_all(self, connection: Connection) -> None:
        self._empty()
        self.places = read_places(connection)
        collecting = gc.isenabled()
        gc.disable()  # rows hold no cycles: looking through millions of them takes as long as reading them
        try:
            self._add(connection, None)
        finally:
            if collecting:
                gc.enable()

    def _read_changed(self, connection: Connection, marks: Sequence[tuple[str, str]]) -> None:
        if any(kind == "places" for kind, _ in marks):
            self._read_places(connection)
        sessions = [name for kind, name in marks if kind == "session"]
        changed = {name for kind, name in marks if kind == "project"}
        query = select(_SESSION.c.project_id).where(_SESSION.c.id.in_(bindparam("ids", expanding=True)))
        for some in _some(sessions):
            changed.update(connection.execute(query, {"ids": some}).scalars())
        for some in _some(sorted(changed)):
            self._forget([self.project_of[one] for one in some if one in self.project_of])
            self._add(connection, some)
        if self._gone > _BATCH and self._gone > self.clips.count // 8:
            self._drop_gone()

    def _read_places(self, connection: Connection) -> None:
        """Rooms and sources may stand elsewhere now."""
        before, self.places = self.places, read_places(connection)
        if before.site_of_room != self.places.site_of_room or any(
            self.places.sources.get(one) != stood for one, stood in before.sources.items()
        ):
            self._empty()
            self._add(connection, None)

    def _forget(self, projects: Sequence[int]) -> None:
        gone = np.zeros(self.projects.count, bool)
        gone[list(projects)] = True
        self.projects["there"][gone] = False
        for table in (self.sessions, *self._below()):
            rows = np.flatnonzero(gone[table["project"]])
            table["project"][rows] = 0
            self._gone += len(rows)
        for table in (self.clips, self.dealt):
            table["session"][table["project"] == 0] = 0

    def _drop_gone(self) -> None:
        kept = self.sessions["project"] > 0
        kept[0] = True
        moved = np.cumsum(kept) - 1
        self.session_ids = [self.session_ids[row] for row in np.flatnonzero(kept)]
        self.session_of = {name: row for row, name in enumerate(self.session_ids) if row}
        self.sessions.keep(kept)
        for table in self._below():
            kept = table["project"] > 0
            kept[0] = True
            table.keep(kept)
            for texts, of in ((self.tag_texts, self.tags), (self.part_texts, self.parts)):
                if table is of:
                    texts[:] = [texts[row] for row in np.flatnonzero(kept)]
        for table in (self.clips, self.dealt):
            table["session"][:] = moved[table["session"]]
        self._gone = 0

    # Reading rows. ``some``: of these projects; None: of all, which are not here yet.

    def _add(self, connection: Connection, some: Sequence[str] | None) -> None:
        for rows in _batches(connection, _narrowed(_projects(), _PROJECT.c.id, some)):
            self._add_projects(rows)
        for rows in _batches(connection, _narrowed(_sessions(), _SESSION.c.project_id, some)):
            self._add_sessions(rows)
        for rows in _batches(connection, _narrowed(_clips(some), _SESSION.c.project_id, some)):
            self._add_clips(rows)
        for rows in _batches(connection, _narrowed(_tags(), _TAG.c.project_id, some)):
            self._add_tags(rows)
        for rows in _batches(connection, _narrowed(_parts(), _SECTION.c.project_id, some)):
            self._add_parts(rows)
        for rows in _batches(connection, _narrowed(_dealt(), _SESSION.c.project_id, some)):
            self._add_dealt(rows)

    def _add_projects(self, rows: Sequence[Any]) -> None:
        new = [row[0] for row in rows if row[0] not in self.project_of]
        self.project_of.update(
            zip(new, range(len(self.project_ids), len(self.project_ids) + len(new)), strict=True)
        )
        self.project_ids += new
        self.projects.add(
            {name: np.zeros(len(new)) for name in ("there", "number", "area", "industry", "first_us")}
        )
        at = [self.project_of[row[0]] for row in rows]
        self.projects["there"][at] = True
        self.projects["number"][at] = [row[1] or 0 for row in rows]
        self.projects["area"][at] = [self.areas.number((row[2], row[3])) for row in rows]
        self.projects["industry"][at] = [self.industries.number(row[4]) for row in rows]
        self.projects["first_us"][at] = EVER_US

    def _add_sessions(self, rows: Sequence[Any]) -> None:
        ids, projects, phases, rooms, states, starts, ends = zip(*rows, strict=True)
        begun = np.array([one is not None for one in starts])
        start_us = np.array([EVER_US if one is None else one for one in starts])
        end_us = np.array([start if one is None else one for one, start in zip(ends, start_us, strict=True)])
        first, last = days_touched(start_us, end_us)
        of = np.array([self.project_of[one] for one in projects])
        at = self.sessions.add(
            {
                "project": of,
                "phase": [self.phases.number(one) for one in phases],
                "state": [self.states.number(one) for one in states],
                "room": [self.rooms.number(one) for one in rooms],
                "site": [self.sites.number(self.places.site_of_room[one]) for one in rooms],
                "first_day": np.where(begun, first, _NO_DAY),
                "last_day": np.where(begun, last, -_NO_DAY),
                "first_month": np.where(begun, months_of(first), _NO_MONTH),
                "last_month": np.where(begun, months_of(last), -1),
                "clip_kinds": np.zeros(len(ids)),
                "clip_first_month": np.full(len(ids), _NO_MONTH),
                "clip_last_month": np.full(len(ids), -1),
                "elsewhere": np.zeros(len(ids)),
            }
        )
        self.session_ids += ids
        self.session_of.update(zip(ids, at, strict=True))
        np.minimum.at(self.projects["first_us"], of, start_us)

    def _add_clips(self, some: Sequence[Any]) -> None:
        sessions, sources, starts, ends, longest, lost = zip(*some, strict=True)
        of = np.array([self.session_of[one] for one in sessions])
        source = np.array([self.sources.number(one) for one in sources])
        stands = [self.places.sources[one] for one in self.sources.values]
        start_us, end_us = np.array(starts), np.array(ends)
        first, last = days_touched(start_us, end_us)
        rows = self.clips.add(
            {
                "project": self.sessions["project"][of],
                "session": of,
                "source": source,
                "room": np.array([self.rooms.number(one.room_id) for one in stands])[source],
                "site": np.array([self.sites.number(one.site_id) for one in stands])[source],
                "kind": np.array([self.kinds.number(one.content_kind) for one in stands])[source],
                "footage": np.array(lost) < end_us - start_us,
                "first_day": first,
                "last_day": last,
                "first_month": months_of(first),
                "last_month": months_of(last),
                "start_us": start_us,
                "end_us": end_us,
                "gap_us": longest,
            }
        )
        self._add_to_sessions(of, slice(rows.start, rows.stop))

    def _add_to_sessions(self, of: Array, rows: slice) -> None:
        """What sessions know of their clips: so that few counts look at clips."""
        clips, sessions = self.clips, self.sessions
        np.bitwise_or.at(sessions["clip_kinds"], of, np.uint32(1) << clips["kind"][rows].astype(np.uint32))
        np.minimum.at(sessions["clip_first_month"], of, clips["first_month"][rows])
        np.maximum.at(sessions["clip_last_month"], of, clips["last_month"][rows])
        sessions["elsewhere"][of[clips["site"][rows] != sessions["site"][of]]] = True

    def _add_tags(self, rows: Sequence[Any]) -> None:
        self.tags.add(
            {
                "project": [self.project_of[project_id] for project_id, _, _ in rows],
                "kind": [self.tag_kinds.number(kind) for _, kind, _ in rows],
            }
        )
        self.tag_texts += [normal(said) for _, _, said in rows]

    def _add_parts(self, rows: Sequence[Any]) -> None:
        projects = [self.project_of[row[0]] for row in rows]
        self.parts.add({"project": projects, "number": [row[1] for row in rows]})
        self.part_texts += ["\n".join(map(normal, row[2:])) for row in rows]

    def _add_dealt(self, rows: Sequence[Any]) -> None:
        sessions = np.array([self.session_of[session_id] for session_id, _ in rows])
        projects = self.sessions["project"][sessions]
        numbers = [number for _, number in rows]
        self.dealt.add({"project": projects, "session": sessions, "number": numbers})


def day_number(day: date) -> int:
    """A Beijing day as columns have it."""
    return day.toordinal() - _EPOCH


def day_of(number: int) -> date:
    """The other way round."""
    return date.fromordinal(number + _EPOCH)


def days_touched(start_us: Array, end_us: Array) -> tuple[Array, Array]:
    """Beijing days that stretches of time touch; what has no length is on the day on which it is."""
    last_us = np.maximum(end_us - 1, start_us)
    return (start_us + _ZONE_US) // _DAY_US, (last_us + _ZONE_US) // _DAY_US


def months_of(days: Array) -> Array:
    """Months of days, from year 0 on."""
    dates = days.astype("datetime64[D]").astype("datetime64[M]")
    return dates.astype(np.int64) + 1970 * 12


def _projects() -> Select[Any]:
    p = _PROJECT.c
    return select(p.id, _NUMBER.c.number, p.region_code, p.trade_place, p.industry_code).join_from(
        _PROJECT, _NUMBER, _NUMBER.c.project_id == p.id, isouter=True
    )


def _sessions() -> Select[Any]:
    s = _SESSION.c
    return select(s.id, s.project_id, s.phase, s.room_id, s.state, s.start_us, s.end_us)


def _tags() -> Select[Any]:
    return select(_TAG.c.project_id, _TAG.c.kind, _TAG.c.text)


def _parts() -> Select[Any]:
    s = _SECTION.c
    return select(s.project_id, s.number, s.name_zh, s.section_code, s.unified_deal_code)


def _dealt() -> Select[Any]:
    """With their sessions, so that they can be narrowed by project."""
    query = select(_DEALT.c.session_id, _DEALT.c.number)
    return query.join_from(_DEALT, _SESSION, _SESSION.c.id == _DEALT.c.session_id)


def _clips(some: Sequence[str] | None) -> Select[Any]:
    """Clips that hold, each with its longest gap and what all its gaps take: those not filled afterwards."""
    c, g = _CLIP.c, _GAP.c
    length = g.wall_end_us - g.wall_start_us
    counted = and_(g.backfilled.is_(False), g.cause != str(GapCause.PENDING))
    gaps = select(g.clip_id, func.max(length).label("longest"), func.sum(length).label("lost"))
    gaps = gaps.where(counted).group_by(g.clip_id)
    if some is not None:
        of = select(c.id).join_from(_CLIP, _SESSION, _SESSION.c.id == c.session_id)
        gaps = gaps.where(g.clip_id.in_(of.where(_SESSION.c.project_id.in_(some))))
    told = gaps.subquery()
    query = (
        select(
            c.session_id,
            c.source_id,
            c.wall_start_us,
            c.wall_end_us,
            func.coalesce(told.c.longest, 0),
            func.coalesce(told.c.lost, 0),
        )
        .join_from(_CLIP, told, told.c.clip_id == c.id, isouter=True)
        .where(c.retired_us.is_(None))
    )
    return query if some is None else query.join(_SESSION, _SESSION.c.id == c.session_id)


def _narrowed(query: Select[Any], column: Any, some: Sequence[str] | None) -> Select[Any]:
    return query if some is None else query.where(column.in_(some))


def _batches(connection: Connection, query: Select[Any]) -> Iterator[Sequence[Any]]:
    cursor = connection.execute(query).cursor  # the driver's own: rows pass through nothing else
    assert cursor is not None
    while rows := cursor.fetchmany(_BATCH):
        yield rows


def _some(names: Iterable[str]) -> Iterator[list[str]]:
    left = list(names)
    for start in range(0, len(left), _AT_ONCE):
        yield left[start : start + _AT_ONCE]
