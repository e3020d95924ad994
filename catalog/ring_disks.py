"""Which disk is the ring's: the ids that were ever written into a marker file, the newest being in force."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlmodel import col, select

from catalog.audit import append
from catalog.database import reading, writing
from catalog.tables import RingDiskRow, SegmentRow
from kernel.model.audit import Act, Action
from kernel.model.footage import SegmentState


class RingDisks:
    """The catalogue's knowledge of the ring's disk."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def current(self) -> str | None:
        """Id of the disk that is the ring; None before the first."""
        newest = select(RingDiskRow.id).order_by(col(RingDiskRow.made_us).desc()).limit(1)
        with reading(self._engine) as session:
            return session.exec(newest).first()

    def add(self, disk_id: str, made_us: int, principal: str) -> None:
        """From now on this one is the ring; those before stay on record."""
        with writing(self._engine) as session:
            newest = session.exec(
                select(RingDiskRow.made_us).order_by(col(RingDiskRow.made_us).desc()).limit(1)
            ).first()
            # Later than all before, whatever the machine's clock says: the newest is in force.
            made_us = made_us if newest is None else max(made_us, newest + 1)
            session.add(RingDiskRow(id=disk_id, made_us=made_us, principal=principal))
            append(
                session,
                Act(at_us=made_us, principal=principal, action=Action.DISK_ADOPTED, subject=disk_id),
            )

    def newest_path(self) -> str | None:
        """Path, below the ring, of the segment with the latest footage that is kept; None without footage."""
        newest = (
            select(SegmentRow.path)
            .where(SegmentRow.state == SegmentState.SEALED)
            .order_by(col(SegmentRow.wall_start_us).desc())
            .limit(1)
        )
        with reading(self._engine) as session:
            return session.exec(newest).first()
