"""Where things happen: regions, industries, sites, rooms, seats and sources."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from catalog.audit import append, changed_fields
from catalog.database import reading, writing
from catalog.tables import IndustryRow, RegionAliasRow, RegionRow, RoomRow, SeatRow, SiteRow, SourceRow
from kernel.errors import CatalogError
from kernel.model.audit import UNNAMED, Act, Action
from kernel.model.source import ContentKind, Room, RoomKind, Seat, Site, Source
from kernel.settings import CamerasFile
from kernel.values import fields_of

_DATA = Path(__file__).parent / "data"
HALL_INDUSTRY = "H"  # records of shared halls belong to no industry of their own
_NEEDED = frozenset({HALL_INDUSTRY})
_CODE_TABLES: tuple[tuple[type[Any], str, str], ...] = (
    (RegionRow, "code", "regions.yaml"),
    (RegionAliasRow, "old_code", "region_aliases.yaml"),
    (IndustryRow, "code", "industries.yaml"),
)


@cache
def _rows_of(file: str) -> list[dict[str, Any]]:
    """Rows of a code table as it is shipped."""
    rows: list[dict[str, Any]] = yaml.safe_load((_DATA / file).read_text(encoding="utf-8"))
    return rows


@dataclass(frozen=True, kw_only=True, slots=True)
class Division:
    """A node of a code table: a region or an industry."""

    code: str
    name_zh: str
    name_en: str
    parent_code: str | None
    level: str = ""  # regions only


class Places:
    """The catalogue's regions, industries and everything that ``cameras.yaml`` names."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def load_code_tables(self) -> None:
        """Fill the tables of regions, their former codes and industries where they are empty.

        What the product itself refers to is added even where a deployment has made the table its own.
        """
        with writing(self._engine) as session:
            for table, key, file in _CODE_TABLES:
                empty = session.exec(select(table).limit(1)).first() is None
                for row in _rows_of(file):
                    if (empty or row[key] in _NEEDED) and session.get(table, row[key]) is None:
                        session.add(table(**row))
                        session.flush()  # parents come first in the file, and children refer to them

    def former_codes(self, *codes: str) -> list[str]:
        """Codes that divisions had before: archives of that time keep them."""
        query = select(RegionAliasRow.old_code).where(col(RegionAliasRow.code).in_(codes))
        with reading(self._engine) as session:
            return sorted(session.exec(query).all())

    def today(self) -> dict[str, str]:
        """What each former code has become."""
        with reading(self._engine) as session:
            return {row.old_code: row.code for row in session.exec(select(RegionAliasRow)).all()}

    def regions_within(self, code: str) -> frozenset[str]:
        """The code of a region, those of everything below it, and those that any of them had before."""
        now = with_descendants(self.regions(), code)
        return frozenset(now.union(self.former_codes(*now)))

    def register(self, cameras: CamerasFile, *, principal: str = UNNAMED, at_us: int = 0) -> None:
        """Take in the sites, rooms, seats and sources of ``cameras.yaml``.

        What the file no longer names stays: footage refers to it.

        Args:
            principal: who runs the program that reads the file.

        Raises:
            CatalogError: a site lies in a region that the catalogue does not know.
        """
        told: dict[str, dict[str, Any]] = {"added": {}, "changed": {}}
        with writing(self._engine) as session:
            for site in cameras.sites_public():
                if session.get(RegionRow, site.region_code) is None:
                    raise CatalogError(
                        f"site {site.id} lies in region {site.region_code}, which the catalogue lacks.",
                        hint="Correct its region in cameras.yaml to a code of GB/T 2260 in the region table.",
                    )
                _merge(session, SiteRow, site, told)
            for room in cameras.rooms_public():
                _merge(session, RoomRow, room, told)
            for seat in cameras.seats_public():
                _merge(session, SeatRow, seat, told)
            for source in cameras.sources_public():
                _merge(session, SourceRow, source, told)
            if any(told.values()):
                append(
                    session,
                    Act(
                        at_us=at_us,
                        principal=principal,
                        action=Action.PLACES_CHANGED,
                        subject="cameras.yaml",
                        details={kind: which for kind, which in told.items() if which},
                    ),
                )

    def regions(self) -> list[Division]:
        """All regions, by code."""
        with reading(self._engine) as session:
            rows = session.exec(select(RegionRow).order_by(RegionRow.code)).all()
            return [Division(**row.model_dump()) for row in rows]

    def industries(self) -> list[Division]:
        """All industries, by code."""
        with reading(self._engine) as session:
            rows = session.exec(select(IndustryRow).order_by(IndustryRow.code)).all()
            kept = {"code", "name_zh", "name_en", "parent_code"}
            return [Division(**row.model_dump(include=kept)) for row in rows]

    def sites(self) -> dict[str, Site]:
        with reading(self._engine) as session:
            return {row.id: Site(**row.model_dump()) for row in session.exec(select(SiteRow)).all()}

    def rooms(self) -> dict[str, Room]:
        with reading(self._engine) as session:
            return {row.id: _room(row) for row in session.exec(select(RoomRow)).all()}

    def kinds_of(self, room_ids: Iterable[str]) -> dict[str, RoomKind]:
        """Kinds of those rooms, by id."""
        query = select(RoomRow.id, RoomRow.kind).where(col(RoomRow.id).in_(list(room_ids)))
        with reading(self._engine) as session:
            return {room_id: RoomKind(kind) for room_id, kind in session.exec(query).all()}

    def sources_of(self, room_ids: Iterable[str], source_ids: Iterable[str] = ()) -> list[Source]:
        """Sources that stand in those rooms or have those ids, by id."""
        there = col(SourceRow.room_id).in_(list(room_ids)) | col(SourceRow.id).in_(list(source_ids))
        with reading(self._engine) as session:
            rows = session.exec(select(SourceRow).where(there).order_by(SourceRow.id)).all()
            return [_source(row) for row in rows]

    def sources(self) -> dict[str, Source]:
        with reading(self._engine) as session:
            return {
                row.id: _source(row) for row in session.exec(select(SourceRow).order_by(SourceRow.id)).all()
            }

    def seats(self) -> dict[str, Seat]:
        with reading(self._engine) as session:
            return {row.id: Seat(**row.model_dump()) for row in session.exec(select(SeatRow)).all()}


def with_descendants(divisions: list[Division], code: str) -> set[str]:
    """That code and the codes of everything below it."""
    found = {code}
    while True:
        more = {d.code for d in divisions if d.parent_code in found} - found
        if not more:
            return found
        found |= more


def _merge(session: Session, table: type[Any], value: Any, told: dict[str, dict[str, Any]]) -> None:
    """Take in a place, and say in ``told`` what became of it, if anything."""
    known = session.get(table, value.id) is not None
    row = session.merge(table(**fields_of(value)))
    if not known:
        told["added"].setdefault(table.__tablename__, []).append(value.id)
    elif changed := changed_fields(row):
        told["changed"].setdefault(table.__tablename__, {})[value.id] = changed
    session.flush()


def _room(row: RoomRow) -> Room:
    return Room(**{**row.model_dump(), "kind": RoomKind(row.kind)})


def _source(row: SourceRow) -> Source:
    return Source(**{**row.model_dump(), "content_kind": ContentKind(row.content_kind)})
