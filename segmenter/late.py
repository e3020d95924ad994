"""Footage that arrives after its session was cut: from a device's memory, an agent, or a file handed in.

Such a session is opened again, and only if its clips would change: a gap that was filled is no longer
missing, and what was archived gets a new version (invariant 9).
"""

from __future__ import annotations

from collections.abc import Callable

from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US, Clock
from kernel.log import logger
from kernel.model.cut import CutList
from kernel.model.timeline import Session, SessionState

_EVERY_US = 30 * SECOND_US
_LOOK_BACK_US = 90 * 24 * 3600 * SECOND_US
"""Sessions that ended longer ago are left alone: no agent or device keeps footage for so long."""
_log = logger("segmenter")


class LateFootage:
    """Looks now and then for clips whose gaps have been filled."""

    def __init__(self, catalogue: Catalogue, clock: Clock, cut_now: Callable[[Session], CutList]) -> None:
        """``cut_now``: the clips that a session would get now."""
        self._catalogue = catalogue
        self._clock = clock
        self._cut_now = cut_now
        self._next_us = 0  # monotonic

    def reopen(self) -> None:
        """Open those sessions again whose clips have changed; does nothing until it is time to look."""
        if self._clock.monotonic_us() < self._next_us:
            return
        self._next_us = self._clock.monotonic_us() + _EVERY_US
        since_us = self._clock.now_us() - _LOOK_BACK_US
        for session_id in self._catalogue.clips.with_filled_gaps(since_us):
            session = self._catalogue.sessions.get(session_id)
            if session is not None and self._catalogue.clips.differ(self._cut_now(session)):
                self._catalogue.sessions.advance(session.id, SessionState.ENDED)
                _log.info(f"Session {session.id} is cut again: footage came late.", action="session.late")
