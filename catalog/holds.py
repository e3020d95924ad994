"""Holds: footage that must not be removed, who said so, and who released it. Rows are never deleted."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from catalog.database import reading, writing
from catalog.removal import gone
from catalog.tables import HoldRow, SourceRow
from kernel.errors import CatalogError
from kernel.model.footage import Hold, Tombstone
from kernel.timerange import TimeRange


class Holds:
    """The catalogue's holds. All times are wall time, UTC microseconds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def make(self, hold: Hold) -> list[Tombstone]:
        """Hold a range; what of it is gone already, or going, is given back: no hold can bring it back.

        Raises:
            CatalogError: the source is unknown, the range is empty, or there is no reason.
        """
        if hold.wall.empty or not hold.reason.strip():
            raise CatalogError("a hold needs a range of time and a reason.", hint="Give both.")
        with writing(self._engine) as session:
            if session.get(SourceRow, hold.source_id) is None:
                raise CatalogError(f"there is no source {hold.source_id}.", hint=_which(session))
            session.add(
                HoldRow(
                    id=hold.id,
                    source_id=hold.source_id,
                    wall_start_us=hold.wall.start_us,
                    wall_end_us=hold.wall.end_us,
                    reason=hold.reason,
                    principal=hold.principal,
                    made_us=hold.made_us,
                )
            )
            # First the hold, then the look: with the statement in ``catalog.removal`` one of the two sees the
            # other, whichever comes first.
            session.flush()
            return gone(session, {hold.source_id: hold.wall})[hold.source_id]

    def release(self, hold_id: str, *, at_us: int, principal: str, reason: str) -> None:
        """Let go of a hold; that it was, and who released it and why, stays.

        Raises:
            CatalogError: there is no such hold, it is released already, or there is no reason.
        """
        if not reason.strip():
            raise CatalogError("releasing a hold needs a reason.", hint="Give one.")
        with writing(self._engine) as session:
            row = session.get(HoldRow, hold_id)
            if row is None:
                raise CatalogError(f"there is no hold {hold_id}.", hint="Run 'jianzheng holds'.")
            if row.released_us is not None:
                raise CatalogError(
                    f"hold {hold_id} is released already.", hint="Run 'jianzheng holds --all'."
                )
            row.released_us, row.released_by, row.release_reason = at_us, principal, reason

    def all(self, *, released: bool = False) -> list[Hold]:
        """Holds in the order in which they were made; those that were released only if asked for."""
        query = select(HoldRow).order_by(col(HoldRow.made_us), col(HoldRow.id))
        if not released:
            query = query.where(col(HoldRow.released_us).is_(None))
        with reading(self._engine) as session:
            return [_hold(row) for row in session.exec(query).all()]


def _which(session: Session) -> str:
    """What can be held. Sources are known once a program has read the ``cameras.yaml`` that names them."""
    ids = session.exec(select(SourceRow.id).order_by(col(SourceRow.id))).all()
    known = f"There are: {', '.join(ids)}." if ids else "There are none yet."
    return f"{known} One that is new in cameras.yaml is known after 'jianzheng status'."


def _hold(row: HoldRow) -> Hold:
    return Hold(
        id=row.id,
        source_id=row.source_id,
        wall=TimeRange(start_us=row.wall_start_us, end_us=row.wall_end_us),
        reason=row.reason,
        principal=row.principal,
        made_us=row.made_us,
        released_us=row.released_us,
        released_by=row.released_by,
        release_reason=row.release_reason,
    )
