"""Tells of rooms that are booked for a project and in which nothing begins (W15): a booking that was moved
without word, or a trading system that does not report.
"""

from __future__ import annotations

from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US, Clock, iso_utc
from kernel.log import logger

_EVERY_US = 60 * SECOND_US
_GRACE_US = 600 * SECOND_US
_log = logger("segmenter")


class EmptyRooms:
    """Looks once a minute, and tells of each booking once."""

    def __init__(self, catalogue: Catalogue, clock: Clock) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._next_us = 0  # monotonic
        self._told: set[str] = set()

    def look(self) -> None:
        """Does nothing until it is time to look."""
        if self._clock.monotonic_us() < self._next_us:
            return
        self._next_us = self._clock.monotonic_us() + _EVERY_US
        empty = self._catalogue.bookings.not_started(self._clock.now_us(), _GRACE_US)
        for one in empty:
            if one.id not in self._told:
                since = iso_utc(one.wall.start_us)
                _log.warning(
                    f"Room {one.room_id} is booked for project {one.project_id} since {since}, and nothing "
                    "has begun. Report the session's start, or that the booking was moved.",
                    action="booking.not_started",
                )
        self._told = {one.id for one in empty}
