"""What searching needs beside the rows that are searched. The index of words is no table of ours: see
``catalog/search/words.py``.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, UniqueConstraint

from catalog.tables.base import Table, column, micros


class SearchProjectRow(Table, table=True):
    __tablename__ = "search_project"
    __table_args__ = {"comment": "Numbers of projects: what the index of words calls them"}
    number: int | None = column(
        "Given in the order in which they became known", primary_key=True, default=None
    )
    project_id: str = column("Project", foreign_key="project.id", unique=True)


class SearchChangeRow(Table, table=True):
    __tablename__ = "search_change"
    __table_args__ = {"comment": "What changed last of what is searched: programs read it anew; see triggers"}
    kind: str = column("project, session, or places (all of them)", primary_key=True)
    id: str = column("Id of the project or session; empty for places", primary_key=True)
    number: int = column("Greater than of all changes before", sa_type=BigInteger, index=True)


class SearchKeyRow(Table, table=True):
    __tablename__ = "search_key"
    __table_args__ = {"comment": "What this catalogue signs the marks of pages with: a single row"}
    id: int = column("1", primary_key=True)
    signing: str = column("256 random bits, lower-case hex")


class SavedSearchRow(Table, table=True):
    __tablename__ = "saved_search"
    __table_args__ = (
        UniqueConstraint("principal", "name"),
        {"comment": "Searches that people keep for themselves"},
    )
    id: str = column("Unique", primary_key=True)
    principal: str = column("Whose")
    name: str = column("As they call it")
    filters: dict[str, Any] = column("What it is narrowed by, as the API takes it", sa_type=JSON)
    made_us: int = micros("When it was saved")
