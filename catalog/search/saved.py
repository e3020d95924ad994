"""Searches that people keep for themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine
from sqlmodel import col, select

from catalog.database import reading, writing
from catalog.tables import SavedSearchRow
from kernel.errors import NameTaken, SearchRefused
from kernel.ids import new_id

MOST_SAVED = 200
"""For one principal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedSearch:
    """A search under a name."""

    id: str
    principal: str  # whose
    name: str
    filters: Mapping[str, Any]  # as the API takes them
    made_us: int


class SavedSearches:
    """The catalogue's saved searches. Nobody sees another's."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def save(self, principal: str, name: str, filters: Mapping[str, Any], at_us: int) -> SavedSearch:
        """Keep a search.

        Raises:
            SearchRefused: the name is taken, or there are too many.
        """
        with writing(self._engine) as session:
            names = session.exec(
                select(SavedSearchRow.name).where(SavedSearchRow.principal == principal)
            ).all()
            if name in names:
                raise NameTaken
            if len(names) >= MOST_SAVED:
                raise SearchRefused(
                    f"{MOST_SAVED} searches are saved already.", hint="Delete one that is not needed."
                )
            row = SavedSearchRow(
                id=new_id("search"), principal=principal, name=name, filters=dict(filters), made_us=at_us
            )
            session.add(row)
            session.flush()
            return _saved(row)

    def of(self, principal: str) -> list[SavedSearch]:
        """Whatever somebody saved, by name."""
        query = select(SavedSearchRow).where(SavedSearchRow.principal == principal)
        with reading(self._engine) as session:
            rows = session.exec(query.order_by(col(SavedSearchRow.name))).all()
            return [_saved(row) for row in rows]

    def delete(self, principal: str, search_id: str) -> bool:
        """Forget one; whether there was such a one of that principal."""
        with writing(self._engine) as session:
            row = session.get(SavedSearchRow, search_id)
            if row is None or row.principal != principal:
                return False
            session.delete(row)
            return True


def _saved(row: SavedSearchRow) -> SavedSearch:
    return SavedSearch(**row.model_dump())
