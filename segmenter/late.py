"""Footage that arrives after its session was cut: from a device's memory, an agent, a file handed in, or a
recorder that fell, or lost its disk, and settles what it had not sealed when it is back.

Such a session is opened again, and only if its clips would change: a gap that was filled is no longer
missing, and what was archived gets a new version (invariant 9).
"""

from __future__ import annotations

from collections.abc import Callable

from catalog.catalogue import Catalogue
from kernel.clock import SECOND_US, Clock
from kernel.errors import TimelineChanged
from kernel.log import logger
from kernel.model.cut import CutList
from kernel.model.timeline import Session, SessionState

_EVERY_US = 30 * SECOND_US
_AGAIN_US = 3600 * SECOND_US
"""After that long even what was of no use is tried again: no count tells of everything that may change."""
_LOOK_BACK_US = 90 * 24 * 3600 * SECOND_US
"""Sessions that ended longer ago are left alone: no agent or device keeps footage for so long."""
_CUT = (SessionState.CUT, SessionState.ARCHIVED)
_log = logger("segmenter")


class LateFootage:
    """Looks now and then for clips whose gaps have been filled."""

    def __init__(self, catalogue: Catalogue, clock: Clock, cut_now: Callable[[Session], CutList]) -> None:
        """``cut_now``: the clips that a session would get now."""
        self._catalogue = catalogue
        self._clock = clock
        self._cut_now = cut_now
        self._next_us = 0  # monotonic
        self._again_us = 0  # monotonic
        self._of_no_use: set[tuple[str, int, int]] = set()  # session, cut number, pieces in its gaps

    def reopen(self) -> None:
        """Open those sessions again whose clips have changed; does nothing until it is time to look."""
        if self._clock.monotonic_us() < self._next_us:
            return
        self._next_us = self._clock.monotonic_us() + _EVERY_US
        if self._clock.monotonic_us() >= self._again_us:
            self._again_us = self._clock.monotonic_us() + _AGAIN_US
            self._of_no_use.clear()
        pieces = self._catalogue.clips.with_filled_gaps(self._clock.now_us() - _LOOK_BACK_US)
        for session in self._catalogue.sessions.by_id(pieces).values():
            seen = (session.id, session.cut_number, pieces[session.id])
            if seen in self._of_no_use or session.state not in _CUT:
                continue
            if self._catalogue.clips.differ(self._cut_now(session)):
                self._open(session)
            else:
                self._of_no_use.add(seen)

    def _open(self, session: Session) -> None:
        try:
            self._catalogue.sessions.advance(
                session.id,
                SessionState.ENDED,
                was=session.state,
                reason="Footage came late.",
                at_us=self._clock.now_us(),
            )
        except TimelineChanged:
            return  # it changed meanwhile, and is cut again for that
        _log.info(f"Session {session.id} is cut again: footage came late.", action="session.late")
