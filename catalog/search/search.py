"""The catalogue's search: lists, facets and calendar over what is there now."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from sqlalchemy import Engine, select
from sqlmodel import Session as Transaction

from catalog.database import reading
from catalog.search import counting
from catalog.search.asking import Asked, ask, spans_of
from catalog.search.columns import Columns
from catalog.search.filters import (
    EVERYTHING,
    ClipHit,
    ClipsFound,
    Count,
    DayFound,
    Facets,
    ProjectHit,
    ProjectsFound,
    Scope,
    SearchFilter,
    Span,
)
from catalog.search.growing import Array
from catalog.search.matched import matched_by
from catalog.search.matching import Matches
from catalog.search.paging import Place, mark_of, place_of
from catalog.search.words import lines_of
from catalog.tables import METADATA
from kernel.model.source import ContentKind
from kernel.model.timeline import Phase, Project, ProjectKind, SessionState
from kernel.timerange import EVER_US

MOST_ON_PAGE = 200
_PROJECT, _SESSION, _CLIP, _SOURCE, _KEY = (
    METADATA.tables[name] for name in ("project", "session", "clip", "source", "search_key")
)


class Search:
    """Searches over one catalogue. Threads may share it; it is worth keeping, for it holds the columns."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._columns = Columns()
        self._one_at_a_time = threading.Lock()
        self._signing = ""

    def warm(self) -> None:
        """Read the columns, so that the first search need not: some seconds where there is much."""
        with reading(self._engine) as session, self._one_at_a_time:
            self._columns.refresh(session.connection())

    def projects(
        self, by: SearchFilter, *, page: str | None = None, limit: int = 50, scope: Scope = EVERYTHING
    ) -> ProjectsFound:
        """A page of projects: what has not begun, then by the start of their first session, the newest first.

        Args:
            page: ``next_page`` of the page before; None: the first.
            limit: up to ``MOST_ON_PAGE``.

        Raises:
            UnknownCode: there is no such region or industry.
            PageRefused: the mark was not given out for this search.
            SearchRefused: more words than anybody enters.
        """
        limit = min(limit, MOST_ON_PAGE)
        with reading(self._engine) as session:
            place = self._place(session, page, "projects", by, scope)
            with self._asking(session, by, scope) as asked:
                columns = self._columns
                found = Matches(columns, asked)
                rows = _first(columns, found.projects, place, limit + 1)
                more, rows = len(rows) > limit, rows[:limit]
                hits = _Counted(columns, asked, rows, found)
                total = Count.of(len(found.projects))
                last = rows[-1] if rows else 0
                mark = Place(at_us=int(columns.projects["first_us"][last]), id=columns.project_ids[last])
            return ProjectsFound(
                projects=tuple(_project_hits(session, asked, self._columns, hits)),
                total=total,
                next_page=mark_of(mark, _list_name("projects", by, scope), self._signing) if more else None,
            )

    def clips(
        self, by: SearchFilter, *, page: str | None = None, limit: int = 50, scope: Scope = EVERYTHING
    ) -> ClipsFound:
        """A page of clips, those that began last first; of one project with ``by.project_ids``.

        Args and Raises: as ``projects``.
        """
        limit = min(limit, MOST_ON_PAGE)
        with reading(self._engine) as session:
            place = self._place(session, page, "clips", by, scope)
            with self._asking(session, by, scope) as asked:
                columns = self._columns
                found = Matches(columns, asked).clips
                near = _near(columns.clips["start_us"], found, place, limit + 1)
                wanted = {_clip_key(columns, row): int(columns.clips["gap_us"][row]) for row in near}
            sat = _sat(session, by.expert_key, wanted)
            hits = [
                one for one in _clip_hits(session, wanted, sat) if _is_behind(place, one.start_us, one.id)
            ]
            hits.sort(key=lambda one: (one.start_us, one.id), reverse=True)
            more, hits = len(hits) > limit, hits[:limit]
            name, last = _list_name("clips", by, scope), hits[-1] if hits else None
            mark = None if last is None else Place(at_us=last.start_us, id=last.id)
            return ClipsFound(
                clips=tuple(hits),
                total=Count.of(len(found)),
                next_page=mark_of(mark, name, self._signing) if more and mark is not None else None,
            )

    def facets(self, by: SearchFilter, *, scope: Scope = EVERYTHING) -> Facets:
        """How many projects each value of each filter would find.

        Raises: as ``projects``.
        """
        with reading(self._engine) as session, self._asking(session, by, scope) as asked:
            return counting.facets(self._columns, asked, Matches(self._columns, asked))

    def calendar(
        self, by: SearchFilter, year: int, month: int, *, scope: Scope = EVERYTHING
    ) -> list[DayFound]:
        """Days of a month that have footage, under all filters but that of days.

        Raises: as ``projects``.
        """
        with reading(self._engine) as session, self._asking(session, by, scope) as asked:
            return counting.calendar(self._columns, asked, year, month)

    @contextmanager
    def _asking(self, session: Transaction, by: SearchFilter, scope: Scope) -> Iterator[Asked]:
        """The columns as of this transaction or later, and what the database says of the filter."""
        with self._one_at_a_time:
            self._columns.refresh(session.connection())
            yield ask(session, self._columns, by, scope)

    def _place(
        self, session: Transaction, page: str | None, listed: str, by: SearchFilter, scope: Scope
    ) -> Place | None:
        if not self._signing:
            self._signing = session.connection().execute(select(_KEY.c.signing)).scalar_one()
        return None if page is None else place_of(page, _list_name(listed, by, scope), self._signing)


def _list_name(listed: str, by: SearchFilter, scope: Scope) -> str:
    """What a mark holds for: the same list of the same search, seen by somebody who may see the same."""

    def plain(value: object) -> object:
        return sorted(value) if isinstance(value, frozenset) else str(value)

    return json.dumps([listed, asdict(by), asdict(scope)], default=plain, sort_keys=True)


def _is_behind(place: Place | None, at_us: int, name: str) -> bool:
    return place is None or (at_us, name) < (place.at_us, place.id)


def _near(moments: Array, rows: Array, place: Place | None, count: int) -> Array:
    """Those rows that the next ``count`` of a list, the newest first, are certainly among."""
    at_us = moments[rows]
    if place is not None:
        rows, at_us = rows[at_us <= place.at_us], at_us[at_us <= place.at_us]
        # How many of the same moment were on pages before, their ids alone tell.
        count += int(np.count_nonzero(at_us == place.at_us))
    if len(rows) <= count:
        return rows
    least = np.partition(at_us, len(at_us) - count)[len(at_us) - count]
    near: Array = rows[at_us >= least]
    return near


def _first(columns: Columns, rows: Array, place: Place | None, count: int) -> list[int]:
    """The next projects of a list."""
    first_us, ids = columns.projects["first_us"], columns.project_ids
    near = [(int(first_us[row]), ids[row], int(row)) for row in _near(first_us, rows, place, count)]
    behind = [one for one in near if _is_behind(place, one[0], one[1])]
    return [row for _, _, row in sorted(behind, reverse=True)[:count]]


class _Counted:
    """What there is of some projects, told by the columns."""

    def __init__(self, columns: Columns, asked: Asked, rows: Sequence[int], found: Matches) -> None:
        only = Matches(columns, asked, only=np.array(rows, np.int64))
        clips = columns.clips["project"][only.clips]
        sessions = columns.sessions["project"][np.flatnonzero(only.sessions)]
        sites = columns.sessions
        self.ids = [columns.project_ids[row] for row in rows]
        self.clips = {columns.project_ids[row]: int(np.count_nonzero(clips == row)) for row in rows}
        self.sessions = {columns.project_ids[row]: int(np.count_nonzero(sessions == row)) for row in rows}
        self.first_us = {columns.project_ids[row]: int(columns.projects["first_us"][row]) for row in rows}
        near = np.flatnonzero(np.isin(sites["project"], rows))
        self.sites: dict[str, set[str]] = {one: set() for one in self.ids}
        for project, site in zip(sites["project"][near].tolist(), sites["site"][near].tolist(), strict=True):
            self.sites[columns.project_ids[project]].add(columns.sites.values[site])


def _project_hits(
    session: Transaction, asked: Asked, columns: Columns, counted: _Counted
) -> Iterator[ProjectHit]:
    connection, ids = session.connection(), counted.ids
    rows = {row.id: row for row in connection.execute(select(_PROJECT).where(_PROJECT.c.id.in_(ids)))}
    texts = lines_of(connection, ids) if asked.numbers is not None else {}
    spans = _spans(session, asked.by.expert_key, ids)
    for one in ids:
        first_us = counted.first_us[one]
        project = _project(rows[one])
        yield ProjectHit(
            project=project,
            first_us=None if first_us == EVER_US else first_us,
            session_count=counted.sessions[one],
            clip_count=counted.clips[one],
            site_ids=tuple(sorted(counted.sites[one])),
            matched=tuple(matched_by(project, texts.get(one, {}), asked, columns.places.regions)),
            spans=tuple(spans.get(one, ())),
        )


def _project(row: Any) -> Project:
    fields = {name: value for name, value in row._mapping.items() if name in Project.__dataclass_fields__}
    return Project(**{**fields, "kind": ProjectKind(row.kind)})


def _spans(session: Transaction, expert_key: str, project_ids: Sequence[str]) -> Mapping[str, list[Span]]:
    if not expert_key:
        return {}
    query = select(_SESSION.c.id, _SESSION.c.project_id).where(_SESSION.c.project_id.in_(project_ids))
    project_of = {row.id: row.project_id for row in session.connection().execute(query)}
    found: dict[str, list[Span]] = {}
    for span in spans_of(session.connection(), expert_key, project_of):
        found.setdefault(project_of[span.session_id], []).append(span)
    return found


def _clip_key(columns: Columns, row: int) -> tuple[str, str, int]:
    """What names a clip that holds: its session, its source, and when it begins."""
    clips = columns.clips
    session, source = int(clips["session"][row]), int(clips["source"][row])
    return columns.session_ids[session], columns.sources.values[source], int(clips["start_us"][row])


def _sat(session: Transaction, expert_key: str, wanted: Mapping[tuple[str, str, int], int]) -> list[Span]:
    """When the expert sat in the sessions of these clips."""
    if not expert_key:
        return []
    return spans_of(session.connection(), expert_key, {one for one, _, _ in wanted})


def _clip_hits(
    session: Transaction, wanted: Mapping[tuple[str, str, int], int], sat: Sequence[Span]
) -> Iterator[ClipHit]:
    c, s, p = _CLIP.c, _SESSION.c, _PROJECT.c
    query = (
        select(
            _CLIP, s.project_id, s.phase, s.state, p.name_zh, p.name_en,
            _SOURCE.c.content_kind, _SOURCE.c.label_zh, _SOURCE.c.label_en, _SOURCE.c.room_id,
            _SOURCE.c.seat_id, METADATA.tables["room"].c.site_id,
        )
        .join_from(_CLIP, _SESSION, s.id == c.session_id)
        .join(_PROJECT, p.id == s.project_id)
        .join(_SOURCE, _SOURCE.c.id == c.source_id)
        .join(METADATA.tables["room"], METADATA.tables["room"].c.id == _SOURCE.c.room_id)
        .where(c.session_id.in_({one for one, _, _ in wanted}), c.retired_us.is_(None))
    )  # fmt: skip
    for row in session.connection().execute(query):
        gap_us = wanted.get((row.session_id, row.source_id, row.wall_start_us))
        if gap_us is not None:
            yield _clip_hit(row, gap_us, sat)


def _clip_hit(row: Any, gap_us: int, sat: Sequence[Span]) -> ClipHit:
    return ClipHit(
        id=row.id,
        project_id=row.project_id,
        project_name_zh=row.name_zh,
        project_name_en=row.name_en,
        session_id=row.session_id,
        phase=Phase(row.phase),
        state=SessionState(row.state),
        source_id=row.source_id,
        content_kind=ContentKind(row.content_kind),
        label_zh=row.label_zh,
        label_en=row.label_en,
        site_id=row.site_id,
        room_id=row.room_id,
        seat_id=row.seat_id,
        part=row.part,
        start_us=row.wall_start_us,
        end_us=row.wall_end_us,
        longest_gap_us=gap_us,
        spans=tuple(_within_clip(row, sat)),
    )


def _within_clip(row: Any, sat: Sequence[Span]) -> Iterator[Span]:
    """What a clip shows of somebody: it goes on when somebody else takes the seat."""
    for one in sat:
        if (one.session_id, one.seat_id) != (row.session_id, row.seat_id):
            continue
        start_us = max(one.start_us, row.wall_start_us)
        end_us = row.wall_end_us if one.end_us is None else min(one.end_us, row.wall_end_us)
        if start_us < end_us:
            yield replace(one, start_us=start_us, end_us=end_us)
