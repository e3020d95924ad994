"""Shorter fragments for sources that somebody watches live: a picture reaches them that much sooner."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kernel.clock import Clock
from kernel.watched import watched_now


@dataclass(slots=True)
class Watched:
    """What was found at the last look; without a directory nobody ever watches."""

    directory: Path | None = None
    _now: frozenset[str] = field(default=frozenset())

    def look(self, clock: Clock) -> None:
        """One directory listing, once a second; empty while nobody watches."""
        if self.directory is not None:
            self._now = watched_now(self.directory, clock.now_us())

    def __contains__(self, source_id: str) -> bool:
        return source_id in self._now
