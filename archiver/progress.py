"""How far the archiving of a session has come, told to the catalogue for terminal and page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from catalog.archives import Archives
from kernel.clock import SECOND_US, Clock
from kernel.model.archive import Progress


class ProgressTeller:
    """Tells the catalogue how far a session has come, at most a few times a second."""

    def __init__(self, archives: Archives, clock: Clock, session_id: str) -> None:
        self._archives = archives
        self._clock = clock
        self._session_id = session_id
        self._told_us = 0
        self._furthest = 0.0

    def tell(self, step: str, fraction: float, detail: str = "", *, always: bool = False) -> None:
        """Say what is being done; the fraction never goes back."""
        now_us = self._clock.now_us()
        self._furthest = max(self._furthest, min(1.0, fraction))
        if always or now_us - self._told_us >= SECOND_US // 4:
            self._told_us = now_us
            self._archives.report_progress(
                Progress(
                    session_id=self._session_id,
                    step=step,
                    fraction=self._furthest,
                    detail=detail,
                    updated_us=now_us,
                )
            )

    def counter(self, step: str, start: float, end: float, total: int) -> Callable[..., None]:
        """A function that, called after each of ``total`` steps, tells of the way from start to end."""
        count = 0
        self.tell(step, start, f"0/{total}", always=True)

        def advance(*_: Any) -> None:
            nonlocal count
            count += 1
            self.tell(step, start + (end - start) * count / max(1, total), f"{count}/{total}")

        return advance
