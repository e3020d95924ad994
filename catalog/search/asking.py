"""A filter made ready for the columns: what only the database can say, asked of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, or_, select
from sqlmodel import Session as Transaction

from catalog.held import held_sessions
from catalog.search.columns import Columns, day_number
from catalog.search.filters import Days, RegionOf, Scope, SearchFilter, Span
from catalog.search.growing import Array
from catalog.search.words import MOST_WORDS, Field, Word, find, words
from catalog.tables import METADATA
from kernel.errors import SearchRefused
from kernel.model.footage import HoldKind
from kernel.timerange import EVER_US

_TABLES = METADATA.tables
SECTION_BITS = 24
"""A section's key: its project's row, and its number in so many bits."""
_SECTION_FIELDS = (Field.SECTIONS, Field.SECTION_CODES)
WHERE: dict[str, tuple[Field, ...]] = {
    "text": tuple(Field),
    "name": (Field.NAME,),
    "agency": (Field.AGENCY,),
    "code": (Field.CODES, Field.SECTION_CODES),
    "section": _SECTION_FIELDS,
    "tag": (Field.TAGS,),
}
"""Texts of a filter, and where its words may stand."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seat:
    """When an expert sat where; times that nobody told are the session's."""

    session: int  # row
    seat_id: str
    start_us: int
    end_us: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """Footage of a source that is held."""

    source_id: str
    start_us: int
    end_us: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A filter within a scope, with what the database says of it."""

    by: SearchFilter
    scope: Scope
    regions: tuple[tuple[RegionOf, frozenset[str]], ...]  # where, and codes of which one is wanted
    industries: tuple[frozenset[str], ...]
    numbers: Array | None  # of projects that have the words; None: no words
    tagged: Array | None  # projects with such a tag; None: none is asked for
    sections: Array | None  # keys of the sections that are asked for; None: none are
    seats: tuple[Seat, ...] | None  # of the expert
    held: tuple[Held, ...]
    held_sessions: tuple[int, ...]  # rows


def ask(session: Transaction, columns: Columns, by: SearchFilter, scope: Scope) -> Asked:
    """Ask the database, in the transaction in which the columns were refreshed.

    Raises:
        UnknownCode: there is no such region or industry.
        SearchRefused: more words than anybody enters.
    """
    connection, places = session.connection(), columns.places
    numbers = _numbers(session, by)
    regions = [(by.region_of, by.regions)] if by.regions else []
    regions += [] if scope.regions is None else [(RegionOf.EITHER, scope.regions)]
    industries = [one for one in (by.industries or None, scope.industries) if one is not None]
    return Asked(
        by=by,
        scope=scope,
        regions=tuple((where, places.regions.all_within(codes)) for where, codes in regions),
        industries=tuple(places.industries.all_within(one) for one in industries),
        numbers=numbers,
        tagged=_tagged(columns, by, numbers),
        sections=_sections(columns, by, numbers),
        seats=_seats(connection, columns, by.expert_key) if by.expert_key else None,
        held=_held(connection) if by.held is not None else (),
        held_sessions=_held_sessions(connection, columns) if by.held is not None else (),
    )


def _numbers(session: Transaction, by: SearchFilter) -> Array | None:
    wanted = [
        Word(word=word, fields=fields) for name, fields in WHERE.items() for word in words(getattr(by, name))
    ]
    if not wanted:
        return None
    if len(wanted) > MOST_WORDS:
        raise SearchRefused(f"{len(wanted)} words are too many.", hint=f"Give {MOST_WORDS} at most.")
    return np.fromstring(find(session, wanted), dtype=np.int64, sep=",")


def _listed(columns: Columns, numbers: Array | None) -> Array:
    """Projects that the index of words gave, as a mask."""
    return np.isin(columns.projects["number"], [] if numbers is None else numbers)


def _tagged(columns: Columns, by: SearchFilter, numbers: Array | None) -> Array | None:
    """Projects of which one tag has the kind and all words; None: no such tag is asked for.

    The index has the words of all tags of a project together.
    """
    wanted, table = words(by.tag), columns.tags
    if not (wanted or by.tag_kinds):
        return None
    rows = np.flatnonzero(table["project"])
    if by.tag_kinds:
        rows = rows[columns.tag_kinds.table(by.tag_kinds)[table["kind"][rows]]]
    if wanted:
        rows = _with_words(rows[_listed(columns, numbers)[table["project"][rows]]], columns.tag_texts, wanted)
    return table["project"][rows]


def _sections(columns: Columns, by: SearchFilter, numbers: Array | None) -> Array | None:
    """Sections that have the number and all words, as keys; None: none are asked for."""
    wanted, table = words(by.section), columns.parts
    if by.section_number is None and not wanted:
        return None
    rows = np.flatnonzero(table["project"])
    if by.section_number is not None:
        rows = rows[table["number"][rows] == by.section_number]
    if wanted:
        rows = rows[_listed(columns, numbers)[table["project"][rows]]]
        several = np.bincount(table["project"])[table["project"][rows]] > 1  # else the index says it all
        rows = np.concatenate([rows[~several], _with_words(rows[several], columns.part_texts, wanted)])
    return table["project"][rows].astype(np.int64) << SECTION_BITS | table["number"][rows]


def _with_words(rows: Array, texts: Sequence[str], wanted: Sequence[str]) -> Array:
    """Rows whose own text has all these words."""
    return np.array([row for row in rows.tolist() if all(word in texts[row] for word in wanted)], np.int64)


def _seats(connection: Connection, columns: Columns, expert_key: str) -> tuple[Seat, ...]:
    found = []
    for span in spans_of(connection, expert_key):
        row = columns.session_of.get(span.session_id)
        if row is not None:
            end_us = EVER_US if span.end_us is None else span.end_us
            found.append(Seat(session=row, seat_id=span.seat_id, start_us=span.start_us, end_us=end_us))
    return tuple(found)


def spans_of(connection: Connection, expert_key: str, session_ids: Iterable[str] | None = None) -> list[Span]:
    """When an expert sat where, as is known now, by time; in these sessions, or in all that have begun."""
    said, of = _TABLES["seating"].c, _TABLES["session"].c
    query = (
        select(said.session_id, said.seat_id, said.member, said.from_us, said.to_us, of.start_us, of.end_us)
        .join_from(_TABLES["seating"], _TABLES["session"], of.id == said.session_id)
        .where(said.expert_key == expert_key, said.replaced_us.is_(None))
        .where(or_(said.from_us.is_(None), said.to_us.is_(None), said.to_us > said.from_us))
    )
    if session_ids is not None:
        query = query.where(said.session_id.in_(list(session_ids)))
    spans = (_span(row) for row in connection.execute(query))
    return sorted((one for one in spans if one is not None), key=lambda one: (one.start_us, one.seat_id))


def _span(row: Any) -> Span | None:
    """Within its session; None where nobody sat there, or the session has not begun."""
    if row.start_us is None:
        return None
    start_us = row.start_us if row.from_us is None else max(row.start_us, row.from_us)
    ends = [one for one in (row.to_us, row.end_us) if one is not None]
    end_us = min(ends, default=None)
    if end_us is not None and end_us <= start_us:
        return None
    return Span(
        session_id=row.session_id, seat_id=row.seat_id, member=row.member, start_us=start_us, end_us=end_us
    )


def _held(connection: Connection) -> tuple[Held, ...]:
    hold = _TABLES["hold"].c
    query = select(hold.source_id, hold.wall_start_us, hold.wall_end_us)
    query = query.where(hold.released_us.is_(None), hold.kind == HoldKind.SOURCE)
    return tuple(
        Held(source_id=source_id, start_us=start_us, end_us=end_us)
        for source_id, start_us, end_us in connection.execute(query)
    )


def _held_sessions(connection: Connection, columns: Columns) -> tuple[int, ...]:
    """Sessions that are held by themselves or with their project."""
    rows = (columns.session_of.get(one) for one in connection.execute(held_sessions()).scalars())
    return tuple(row for row in rows if row is not None)


def asked_of(where: RegionOf, region: str, trade_place: str) -> tuple[str, ...]:
    """Those of a project's two regions that are asked for."""
    if where is RegionOf.EITHER:
        return (region, trade_place)
    return (region,) if where is RegionOf.PROJECT else (trade_place,)


def day_numbers(days: Days) -> tuple[int, int]:
    """The first and last day, as columns have them."""
    first = -(1 << 30) if days.first is None else day_number(days.first)
    last = 1 << 30 if days.last is None else day_number(days.last)
    return first, last
