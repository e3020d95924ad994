"""How fast the ring fills, what of it may go, and in how many days its disk is full."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import col, func, select

from catalog.database import reading
from catalog.removal import unneeded
from catalog.tables import SegmentRow
from kernel.clock import SECOND_US
from kernel.model.cut import CutRules

_DAY_US = 86_400 * SECOND_US
_LEAST_US = 60 * SECOND_US  # a rate over less says nothing


@dataclass(frozen=True, kw_only=True, slots=True)
class RingUse:
    """What the catalogue knows of the room on the ring's disk."""

    bytes_per_second: float  # over the last day, or since the first segment if that is less; all sources
    removable_bytes: int  # segments that no hold, session or clip needs


class RingUses:
    """Reads only."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def now(self, now_us: int, rules: CutRules) -> RingUse:
        """How the ring is used. Looks at every segment that is kept: for now and then, not for every page."""
        recent = select(func.coalesce(func.sum(SegmentRow.size_bytes), 0), func.min(SegmentRow.wall_start_us))
        recent = recent.where(
            col(SegmentRow.wall_start_us) > now_us - _DAY_US, col(SegmentRow.wall_start_us) <= now_us
        )
        free = select(func.coalesce(func.sum(SegmentRow.size_bytes), 0)).where(unneeded(rules))
        with reading(self._engine) as session:
            size, since_us = session.exec(recent).one()
            removable = session.exec(free).one()
        seconds = max(now_us - since_us, _LEAST_US) / SECOND_US if size else 1.0
        return RingUse(bytes_per_second=int(size) / seconds, removable_bytes=int(removable))


def days_until_full(use: RingUse, free_bytes: int, reserve_bytes: int) -> float | None:
    """Days until recording stops for lack of room, if it goes on as it did; None while nothing is recorded.

    Args:
        free_bytes: free on the ring's disk now.
        reserve_bytes: below so much free space recording stops.
    """
    if use.bytes_per_second <= 0:
        return None
    room = max(0, free_bytes - reserve_bytes) + use.removable_bytes
    return room / use.bytes_per_second / 86_400
