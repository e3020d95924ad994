"""Signed heads of the segments' chains, and the keys that they are verified with. Rows are only added."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlmodel import col, select

from catalog.database import reading, writing
from catalog.tables import ChainCheckpointRow, RecorderKeyRow
from kernel.model.footage import Checkpoint, RecorderKey
from kernel.values import fields_of


class Checkpoints:
    """The catalogue's checkpoints."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_key(self, key: RecorderKey) -> None:
        """Take in a recorder's public key; one that is known already stays as it is."""
        with writing(self._engine) as session:
            if session.get(RecorderKeyRow, key.id) is None:
                session.add(RecorderKeyRow(**fields_of(key)))

    def recorder_keys(self) -> list[RecorderKey]:
        """All keys, the oldest first."""
        query = select(RecorderKeyRow).order_by(col(RecorderKeyRow.made_us), col(RecorderKeyRow.id))
        with reading(self._engine) as session:
            return [RecorderKey(**row.model_dump()) for row in session.exec(query).all()]

    def add(self, checkpoint: Checkpoint) -> None:
        """Record a checkpoint.

        Raises:
            CatalogError: that key has one of that number.
        """
        with writing(self._engine) as session:
            session.add(ChainCheckpointRow(**fields_of(checkpoint)))

    def newest(self, key_id: str) -> Checkpoint | None:
        """The last checkpoint that a key signed; None before the first."""
        query = (
            select(ChainCheckpointRow)
            .where(ChainCheckpointRow.key_id == key_id)
            .order_by(col(ChainCheckpointRow.number).desc())
            .limit(1)
        )
        with reading(self._engine) as session:
            row = session.exec(query).first()
            return None if row is None else Checkpoint(**row.model_dump())

    def after(self, key_id: str, number: int, limit: int) -> list[Checkpoint]:
        """Checkpoints of a key behind that number, in order."""
        query = (
            select(ChainCheckpointRow)
            .where(ChainCheckpointRow.key_id == key_id)
            .where(ChainCheckpointRow.number > number)
            .order_by(col(ChainCheckpointRow.number))
            .limit(limit)
        )
        with reading(self._engine) as session:
            return [Checkpoint(**row.model_dump()) for row in session.exec(query).all()]
