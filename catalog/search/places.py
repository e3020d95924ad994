"""Code tables and places as searching needs them: what lies in what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select

from catalog.tables import METADATA
from kernel.errors import UnknownCode


class Tree:
    """A code table: regions or industries."""

    def __init__(self, parents: Mapping[str, str | None], today: Mapping[str, str] | None = None) -> None:
        """``today`` names, by former code, what it has become."""
        self.today = dict(today or {})
        self._parents = dict(parents)
        self._children: dict[str, list[str]] = defaultdict(list)
        for code, parent in parents.items():
            if parent is not None:
                self._children[parent].append(code)

    def within(self, code: str) -> frozenset[str]:
        """That code, all below it, and the codes that any of these had before.

        Raises:
            UnknownCode: there is no such code.
        """
        if code not in self._parents and code not in self.today:
            raise UnknownCode(code=code)
        found, left = {code}, [code]
        while left:
            below = [one for one in self._children.get(left.pop(), ()) if one not in found]
            found.update(below)
            left.extend(below)
        return frozenset(found | {old for old, now in self.today.items() if now in found})

    def all_within(self, codes: Iterable[str]) -> frozenset[str]:
        return frozenset[str]().union(*(self.within(code) for code in codes))

    def around(self, code: str) -> set[str]:
        """All codes that it is within."""
        found: set[str] = set()
        for start in {code, self.today.get(code, code)}:
            at: str | None = start
            while at is not None and at not in found:
                found.add(at)
                at = self._parents.get(at)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Stands:
    """Where a source stands, and what it shows."""

    room_id: str
    site_id: str
    seat_id: str | None
    content_kind: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PlacesNow:
    """All code tables and places as they are."""

    regions: Tree
    industries: Tree
    site_of_room: Mapping[str, str]
    sources: Mapping[str, Stands]


def read_places(connection: Connection) -> PlacesNow:
    """Read them: some thousands of rows at most."""
    tables = METADATA.tables
    region, alias, industry = tables["region"], tables["region_alias"], tables["industry"]
    room, source = tables["room"], tables["source"]
    sites = _pairs(connection, select(room.c.id, room.c.site_id))
    rows = connection.execute(select(source.c.id, source.c.room_id, source.c.seat_id, source.c.content_kind))
    return PlacesNow(
        regions=Tree(
            _pairs(connection, select(region.c.code, region.c.parent_code)),
            _pairs(connection, select(alias.c.old_code, alias.c.code)),
        ),
        industries=Tree(_pairs(connection, select(industry.c.code, industry.c.parent_code))),
        site_of_room=sites,
        sources={
            one: Stands(room_id=room_id, site_id=sites[room_id], seat_id=seat, content_kind=kind)
            for one, room_id, seat, kind in rows
        },
    )


def _pairs(connection: Connection, query: Select[Any]) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(query)}
