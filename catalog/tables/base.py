"""What all tables have in common.

Every table and column says what it is for; times are wall time, UTC microseconds.

A source's address and credentials are never here (invariant 16): they live in ``cameras.yaml`` alone.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, MetaData
from sqlmodel import Field, SQLModel

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Table(SQLModel):
    """Base of all tables: one metadata with fixed constraint names, so that migrations can name them."""

    metadata = METADATA


def column(comment: str, default_sql: str | None = None, **more: Any) -> Any:
    """A column; ``default_sql`` fills it in the rows that are there when a migration adds it."""
    kwargs: dict[str, Any] = {"comment": comment}
    if default_sql is not None:
        kwargs["server_default"] = default_sql
    return Field(sa_column_kwargs=kwargs, **more)


def micros(comment: str, **more: Any) -> Any:
    return column(comment, sa_type=BigInteger, **more)


def byte_count(comment: str, **more: Any) -> Any:
    return column(comment, sa_type=BigInteger, **more)
