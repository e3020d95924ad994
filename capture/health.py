"""What the recorder says of its sources; written together, so that the catalogue is asked once a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kernel.clock import Clock
from kernel.model.footage import SourceHealth, SourceState


class HealthBoard:
    """The newest health of every source. Used on the event loop only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rows: dict[str, SourceHealth] = {}
        self._changed: set[str] = set()

    def say(self, source_id: str, state: SourceState, detail: str = "") -> None:
        """A source's state, and for people why; since when it is so is kept while the state stays."""
        now_us = self._clock.now_us()
        before = self._rows.get(source_id)
        if before is not None and (before.state, before.detail) == (state, detail):
            return
        self._rows[source_id] = SourceHealth(
            source_id=source_id,
            state=state,
            detail=detail,
            since_us=before.since_us if before is not None and before.state is state else now_us,
            updated_us=now_us,
            last_frame_us=before.last_frame_us if before is not None else None,
        )
        self._changed.add(source_id)

    def saw_frame(self, source_id: str, wall_us: int) -> None:
        """The newest frame of a source."""
        before = self._rows.get(source_id)
        if before is not None:
            now_us = self._clock.now_us()
            self._rows[source_id] = replace(before, last_frame_us=wall_us, updated_us=now_us)
            self._changed.add(source_id)

    def take_changed(self) -> list[SourceHealth]:
        """The rows that changed since the last call."""
        changed = [self._rows[source_id] for source_id in sorted(self._changed)]
        self._changed.clear()
        return changed

    def put_back(self, rows: Sequence[SourceHealth]) -> None:
        """These could not be written: hand them, or what has become of them, out again."""
        self._changed.update(row.source_id for row in rows)
