"""Which projects, sessions and clips a search finds: masks over the columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from catalog.search.asking import SECTION_BITS, Asked, asked_of, day_numbers
from catalog.search.columns import Columns, days_touched
from catalog.search.growing import Array, Codes, Table


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """What sessions and clips have in common to be asked for; None: anything."""

    rooms: Array | None
    sites: Array | None
    days: tuple[int, int] | None


class Matches:
    """What an ``Asked`` finds; computed as far as it is looked at."""

    def __init__(self, columns: Columns, asked: Asked, only: Array | None = None) -> None:
        """``only``: rows of the projects that matter; None: all."""
        self._columns = columns
        self._only = only
        self.asked = asked
        by, scope = asked.by, asked.scope
        self._wanted = _Wanted(
            rooms=columns.rooms.table(by.rooms) if by.rooms else None,
            sites=_both(
                columns.sites.table(by.sites) if by.sites else None,
                None if scope.sites is None else columns.sites.table(scope.sites),
            ),
            days=None if by.days is None else day_numbers(by.days),
        )

    @property
    def of_clips(self) -> bool:
        """Whether something is asked for that only clips have."""
        by = self.asked.by
        return bool(by.kinds) or by.gap_seconds is not None or by.held is not None

    @property
    def of_sessions(self) -> bool:
        """Whether something is asked for that projects as such do not have."""
        by = self.asked.by
        return bool(by.phases or by.states or by.expert_key) or self.each

    @property
    def picks_clips(self) -> bool:
        """Whether of a session that is found not all clips may be, or the other way round."""
        return self.each or self.asked.seats is not None

    @property
    def each(self) -> bool:
        """Whether a clip may have what its session has not."""
        wanted = self._wanted
        return not (wanted.rooms is None and wanted.sites is None and wanted.days is None)

    @cached_property
    def candidates(self) -> Array:
        """Projects that have what is asked of projects."""
        columns, asked = self._columns, self.asked
        projects = columns.projects
        found = projects["there"].copy()
        for where, codes in asked.regions:
            lies = [bool(codes.intersection(asked_of(where, *pair))) for pair in columns.areas.values]
            found &= np.array([*lies, False])[projects["area"]]
        for codes in asked.industries:
            found &= columns.industries.table(codes)[projects["industry"]]
        for ids in (asked.by.project_ids or None, asked.scope.project_ids):
            if ids is not None:
                found &= self._named(ids)
        if asked.numbers is not None:
            found &= _among(asked.numbers, projects["number"])
        sections = None if asked.sections is None else asked.sections >> SECTION_BITS
        for rows in (asked.tagged, sections, self._only):
            if rows is not None:
                found &= _among(rows, np.arange(len(found)))
        return found

    def _named(self, ids: frozenset[str]) -> Array:
        found = np.zeros(self._columns.projects.count, bool)
        found[[self._columns.project_of[one] for one in ids if one in self._columns.project_of]] = True
        return found

    @cached_property
    def _sessions_anywhere(self) -> Array:
        """Sessions of which a clip may be found: all but where and when."""
        columns, by = self._columns, self.asked.by
        sessions = columns.sessions
        found = self.candidates[sessions["project"]]
        for codes, wanted, name in (
            (columns.phases, by.phases, "phase"),
            (columns.states, by.states, "state"),
        ):
            if wanted:
                found &= _table(codes, wanted)[sessions[name]]
        if self.asked.sections is not None:
            found &= self._deal_with(self.asked.sections)
        if self.asked.seats is not None:
            seated = np.zeros(len(found), bool)
            seated[[seat.session for seat in self.asked.seats]] = True
            found &= seated
        return found

    def _deal_with(self, sections: Array) -> Array:
        """Sessions that deal with one of these sections; those that name none deal with all."""
        dealt = self._columns.dealt
        keys = dealt["project"].astype(np.int64) << SECTION_BITS | dealt["number"]
        found = np.ones(self._columns.sessions.count, bool)
        found[dealt["session"]] = False
        found[dealt["session"][np.isin(keys, sections)]] = True
        return found

    @cached_property
    def sessions(self) -> Array:
        """Sessions that have all that sessions can have."""
        rows = np.flatnonzero(self._sessions_anywhere)
        rows = self._narrowed(self._columns.sessions, rows)
        found = np.zeros(self._columns.sessions.count, bool)
        found[rows] = True
        if self.asked.seats is not None and self._wanted.days is not None:
            found &= self._seated_on_days()
        return found

    def _narrowed(self, table: Table, rows: Array) -> Array:
        """Rows of sessions or clips that are where and when it is asked for."""
        wanted = self._wanted
        if wanted.rooms is not None:
            rows = rows[wanted.rooms[table["room"][rows]]]
        if wanted.sites is not None:
            rows = rows[wanted.sites[table["site"][rows]]]
        if wanted.days is not None:
            first, last = wanted.days
            rows = rows[table["first_day"][rows] <= last]
            rows = rows[table["last_day"][rows] >= first]
        return rows

    @cached_property
    def clips(self) -> Array:
        """Rows of the clips that have all that is asked for."""
        columns, by = self._columns, self.asked.by
        clips = columns.clips
        rows = self._clips_of(self._sessions_anywhere)
        if by.kinds:
            rows = rows[_table(columns.kinds, by.kinds)[clips["kind"][rows]]]
        if by.gap_seconds is not None:
            rows = rows[clips["gap_us"][rows] > by.gap_seconds * 1e6]
        rows = self._narrowed(clips, rows)
        if self.asked.seats is not None:
            rows = self._on_seats(rows)
        if by.held is not None:
            rows = rows[self._are_held(rows) == by.held]
        return rows

    def _clips_of(self, sessions: Array) -> Array:
        """Clips of those sessions."""
        clips = self._columns.clips
        if not sessions.any():
            return np.zeros(0, np.int64)
        if sessions[1:].all():
            return np.arange(1, clips.count)
        return np.flatnonzero(sessions[clips["session"]])

    def _on_seats(self, rows: Array) -> Array:
        """Clips of the expert's seats, while he sat there."""
        clips, sources = self._columns.clips, self._columns.places.sources
        seats = self._columns.sources
        of = [sources[seats.values[number]].seat_id for number in clips["source"][rows]]
        found = np.zeros(len(rows), bool)
        for seat in self.asked.seats or ():
            there = clips["session"][rows] == seat.session
            there &= (clips["start_us"][rows] < seat.end_us) & (clips["end_us"][rows] > seat.start_us)
            found |= there & np.array([one == seat.seat_id for one in of], bool)
        return rows[found]

    def _seated_on_days(self) -> Array:
        """Sessions in which the expert sat on one of the days."""
        assert self._wanted.days is not None
        first, last = self._wanted.days
        found = np.zeros(self._columns.sessions.count, bool)
        for seat in self.asked.seats or ():
            from_day, to_day = days_touched(np.array(seat.start_us), np.array(seat.end_us))
            found[seat.session] |= from_day <= last and to_day >= first
        return found

    def _are_held(self, rows: Array) -> Array:
        """Which of these clips a hold touches."""
        found = np.isin(self._columns.clips["session"][rows], self.asked.held_sessions)
        near = np.flatnonzero(self._near_holds(rows)) if len(rows) and self.asked.held else found[:0]
        clips, some = self._columns.clips, rows[near]
        order = np.argsort(clips["source"][some], kind="stable")
        source = clips["source"][some][order]
        for hold in self.asked.held:
            number = self._columns.sources.number(hold.source_id)
            low, high = np.searchsorted(source, [number, number + 1])
            at = order[low:high]
            touched = clips["start_us"][some[at]] < hold.end_us
            touched &= clips["end_us"][some[at]] > hold.start_us
            found[near[at[touched]]] = True
        return found

    def _near_holds(self, rows: Array) -> Array:
        """Clips that begin on a day on which one of their source could be held, by a table of days."""
        clips, sources = self._columns.clips, self._columns.sources
        first = clips["first_day"][rows]
        longest = int((clips["last_day"][rows] - first).max())
        start, days = int(first.min()), int(first.max() - first.min()) + 1
        numbers = [sources.number(hold.source_id) for hold in self.asked.held]
        held = np.zeros((len(sources), days), bool)
        for number, hold in zip(numbers, self.asked.held, strict=True):
            from_day, to_day = days_touched(np.array(hold.start_us), np.array(hold.end_us))
            held[number, max(0, from_day - longest - start) : max(0, to_day - start + 1)] = True
        near: Array = held[clips["source"][rows], first - start]
        return near

    @cached_property
    def projects(self) -> Array:
        """Rows of the projects that are found."""
        if not (self.of_clips or self.of_sessions):
            return np.flatnonzero(self.candidates)
        found = np.zeros(self._columns.projects.count, bool)
        if self.of_clips or self.each:
            found[self._columns.clips["project"][self.clips]] = True
        if not self.of_clips:
            found[self._columns.sessions["project"][self.sessions]] = True
        found[0] = False
        return np.flatnonzero(found)


def _table(codes: Codes[str], wanted: frozenset[str]) -> Array:
    return codes.table(wanted)


def _both(first: Array | None, second: Array | None) -> Array | None:
    if first is None or second is None:
        return first if second is None else second
    return first & second


def _among(numbers: Array, column: Array) -> Array:
    """Which of a column's numbers are among those; a table is quicker than sorting."""
    known = np.zeros(int(max(column.max(initial=0), numbers.max(initial=0))) + 1, bool)
    known[numbers] = True
    known[0] = False
    return known[column]
