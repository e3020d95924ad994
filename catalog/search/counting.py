"""Facets and calendar: how many projects each value of a filter would find."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from catalog.search.asking import Asked, asked_of
from catalog.search.columns import Columns, day_number, day_of
from catalog.search.filters import Count, DayFound, Days, Facets
from catalog.search.growing import Array, Codes
from catalog.search.matching import Matches
from catalog.search.places import Tree

_FEW = 20_000


def facets(columns: Columns, asked: Asked, matches: Matches) -> Facets:
    """For each filter, how many projects each of its values would find with the others as they are."""

    def of(name: str) -> Matches:
        """What would be found without that filter."""
        return Matches(columns, without(asked, name)) if getattr(asked.by, name) else matches

    all_of_it = _Hit(columns, matches)

    def hit(name: str) -> _Hit:
        return _Hit(columns, of(name)) if getattr(asked.by, name) else all_of_it

    return Facets(
        total=Count.of(len(matches.projects)),
        regions=_of_regions(columns, of("regions")),
        industries=_of_industries(columns, of("industries")),
        months=_months(hit("days")),
        phases=_of_sessions(hit("phases"), "phase"),
        kinds=_of_kinds(hit("kinds")),
        sites=_of_sites(hit("sites")),
        states=_of_sessions(hit("states"), "state"),
    )


def without(asked: Asked, name: str) -> Asked:
    """The same but for one filter; the scope stays."""
    nothing: dict[str, Any] = {name: None if name == "days" else frozenset()}
    by = replace(asked.by, **nothing)
    rest: dict[str, Any] = {}
    if name in ("regions", "industries"):
        codes = getattr(asked, name)
        rest = {name: codes[1:]}  # the filter comes first, then the scope
    return replace(asked, by=by, **rest)


def _of_regions(columns: Columns, found: Matches) -> dict[str, Count]:
    """Each project counts once for every region that it lies in, or its trade place, as is asked for."""
    tree, where = columns.places.regions, found.asked.by.region_of
    counted = np.bincount(columns.projects["area"][found.projects], minlength=len(columns.areas))
    lying = (asked_of(where, *area) for area in columns.areas.values)
    around = (set[str]().union(*(tree.around(code) for code in codes)) for codes in lying)
    return _summed(around, counted)


def _of_industries(columns: Columns, found: Matches) -> dict[str, Count]:
    tree: Tree = columns.places.industries
    counted = np.bincount(columns.projects["industry"][found.projects], minlength=len(columns.industries))
    return _summed((tree.around(code) for code in columns.industries.values), counted)


def _summed(around: Iterable[set[str]], counted: Array) -> dict[str, Count]:
    """The numbers of all leaves that lie within each code."""
    sums: dict[str, int] = {}
    for codes, number in zip(around, counted.tolist(), strict=True):
        for code in codes if number else ():
            sums[code] = sums.get(code, 0) + number
    return {code: Count.of(number) for code, number in sorted(sums.items())}


class _Hit:
    """Sessions that are found, or a clip of them; most facets are counted by them alone."""

    def __init__(self, columns: Columns, found: Matches) -> None:
        self.columns = columns
        self.found = found
        self.whole = not (found.of_clips or found.picks_clips)  # all clips of the sessions are found
        marked = np.zeros(columns.sessions.count, bool) if found.of_clips else found.sessions.copy()
        if not self.whole:
            marked[columns.clips["session"][found.clips]] = True
        marked[0] = False
        self.rows = np.flatnonzero(marked)

    def of(self, name: str) -> Array:
        return self.columns.sessions[name][self.rows]

    def told_by_rows(self, rows: Array, *names: str) -> Iterator[list[Array]]:
        """Projects and columns of what is found of some of the sessions: clips, and they themselves."""
        sessions, clips = self.columns.sessions, self.columns.clips
        some = np.zeros(sessions.count, bool)
        some[rows] = True
        if not some.any():
            return
        found = self.found.clips
        found = found[some[clips["session"][found]]]
        yield [clips[name][found] for name in ("project", *names)]
        if not self.found.of_clips:
            found = np.flatnonzero(self.found.sessions & some)
            yield [sessions[name][found] for name in ("project", *names)]


def _of_sessions(hit: _Hit, name: str) -> dict[str, Count]:
    """By a word of sessions; a clip that is found has its session's."""
    codes = hit.columns.phases if name == "phase" else hit.columns.states
    return _named(codes, _distinct(hit.columns, [(hit.of("project"), hit.of(name))], len(codes)))


def _of_sites(hit: _Hit) -> dict[str, Count]:
    """By sites; of the few sessions that have clips of another one, by all that is found."""
    codes, here = hit.columns.sites, ~hit.of("elsewhere")
    pieces = [(hit.of("project")[here], hit.of("site")[here])]
    pieces += [(project, site) for project, site in hit.told_by_rows(hit.rows[~here], "site")]
    return _named(codes, _distinct(hit.columns, pieces, len(codes)))


def _of_kinds(hit: _Hit) -> dict[str, Count]:
    columns, codes = hit.columns, hit.columns.kinds
    if hit.whole:
        kinds, project = hit.of("clip_kinds"), hit.of("project")
        pieces = []
        for kind in range(len(codes)):
            rows = np.flatnonzero(kinds & np.uint32(1 << kind))
            pieces.append((project[rows], np.full(len(rows), kind)))
    else:
        clips, rows = columns.clips, hit.found.clips
        pieces = [(clips["project"][rows], clips["kind"][rows])]
    return _named(codes, _distinct(columns, pieces, len(codes)))


def _months(hit: _Hit) -> dict[str, Count]:
    """By months that a session or clip touches, the newest first; most sessions lie in one."""
    first = np.minimum(hit.of("first_month"), hit.of("clip_first_month"))
    last = np.maximum(hit.of("last_month"), hit.of("clip_last_month"))
    one = first == last
    pieces = [(hit.of("project")[one], first[one])]
    for project, begins, ends in hit.told_by_rows(hit.rows[first < last], "first_month", "last_month"):
        while len(project):
            on = begins <= ends
            project, begins, ends = project[on], begins[on], ends[on]
            pieces.append((project, begins))
            begins = begins + 1
    pieces = [piece for piece in pieces if len(piece[1])]
    if not pieces:
        return {}
    base = min(int(months.min()) for _, months in pieces)
    values = max(int(months.max()) for _, months in pieces) - base + 1
    counted = _distinct(hit.columns, [(project, months - base) for project, months in pieces], values)
    found_in = [(base + at, number) for at, number in enumerate(counted.tolist()) if number]
    return {f"{at // 12}-{at % 12 + 1:02}": Count.of(number) for at, number in reversed(found_in)}


def _named(codes: Codes[str], counted: Array) -> dict[str, Count]:
    order = np.argsort(-counted, kind="stable")
    return {codes.values[one]: Count.of(counted[one]) for one in order if counted[one]}


def _distinct(columns: Columns, pieces: Sequence[tuple[Array, Array]], values: int) -> Array:
    """How many different projects there are of each value; pairs of projects and values come in pieces."""
    count = columns.projects.count
    keys = [value.astype(np.int64) * count + project for project, value in pieces]
    if sum(map(len, keys)) < _FEW:
        return np.bincount(np.unique(np.concatenate(keys)) // count, minlength=values)
    hit = np.zeros(values * count, bool)
    for some in keys:
        hit[some] = True
    counted: Array = np.count_nonzero(hit.reshape(values, count), axis=1)
    return counted


def calendar(columns: Columns, asked: Asked, year: int, month: int) -> list[DayFound]:
    """Days of a month that have footage, under the other filters."""
    start = date(year, month, 1)
    behind = date(year + month // 12, month % 12 + 1, 1)
    first, last = day_number(start), day_number(behind) - 1
    within = replace(asked, by=replace(asked.by, days=Days(first=start, last=day_of(last))))
    clips = columns.clips
    rows = Matches(columns, within).clips
    rows = rows[clips["footage"][rows]]
    days = []
    for day in range(first, last + 1):
        on = rows[(clips["first_day"][rows] <= day) & (clips["last_day"][rows] >= day)]
        projects = len(np.unique(clips["project"][on]))
        days.append(DayFound(day=day_of(day), projects=Count.of(projects), clips=Count.of(len(on))))
    return [one for one in days if one.clips.value]
