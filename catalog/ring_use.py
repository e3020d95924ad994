"""How fast the ring fills, what of it may go, and in how many days its disk is full."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session, col, func, select

from catalog.database import reading
from catalog.removal import unneeded
from catalog.tables import RunRow, SegmentRow
from kernel.clock import SECOND_US
from kernel.model.cut import CutRules
from kernel.model.footage import RunOrigin

_DAY_US = 86_400 * SECOND_US
_LEAST_US = 3600 * SECOND_US
"""Of the last day some source must have been recorded for so long: a rate over less says nothing."""
_GOES_ON = (RunOrigin.LIVE, RunOrigin.AGENT)
"""What goes on filling the ring, and is dated by when it was recorded. A file taken in and a device's memory
come once, and are dated by when they were recorded elsewhere."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RingUse:
    """What the catalogue knows of the room on the ring's disk."""

    # Over the last day, or a source's part of it since its first segment; all sources. None: not known yet.
    bytes_per_second: float | None
    removable_bytes: int  # segments that no hold, session or clip needs


class RingUses:
    """Reads only."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def now(self, now_us: int, rules: CutRules) -> RingUse:
        """How the ring is used. Looks at every segment that is kept: for now and then, not for every page."""
        free = select(func.coalesce(func.sum(SegmentRow.size_bytes), 0)).where(unneeded(rules, now_us))
        with reading(self._engine) as session:
            return RingUse(
                bytes_per_second=_bytes_per_second(session, now_us),
                removable_bytes=int(session.exec(free).one()),
            )


def _bytes_per_second(session: Session, now_us: int) -> float | None:
    """What all sources together write; None where none was recorded for long enough."""
    start, end = col(SegmentRow.wall_start_us), col(SegmentRow.wall_end_us)
    recent = (
        select(func.sum(SegmentRow.size_bytes), func.sum(end - start), func.min(start))
        .join(RunRow, col(RunRow.id) == col(SegmentRow.run_id))
        .where(col(RunRow.origin).in_(_GOES_ON))
        .where(start > now_us - _DAY_US, start <= now_us)
        .group_by(col(SegmentRow.source_id))
    )
    rows = session.exec(recent).all()
    if max((lasting_us for _, lasting_us, _ in rows), default=0) < _LEAST_US:
        return None
    # A source that was added an hour ago fills the ring from now on as fast as the others.
    return sum(int(size) * SECOND_US / max(now_us - since_us, _LEAST_US) for size, _, since_us in rows)


def days_until_full(use: RingUse, free_bytes: int, reserve_bytes: int) -> float | None:
    """Days until recording stops for lack of room, if it goes on as it did; None while that is not known.

    Args:
        free_bytes: free on the ring's disk now.
        reserve_bytes: below so much free space recording stops.
    """
    if not use.bytes_per_second:
        return None
    room = max(0, free_bytes - reserve_bytes) + use.removable_bytes
    return room / use.bytes_per_second / 86_400
