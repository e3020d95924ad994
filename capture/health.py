"""What the recorder says of its sources; written together, so that the catalogue is asked once a second."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from capture.figures import Figures
from kernel.clock import Clock
from kernel.model.footage import SourceHealth, SourceState
from kernel.values import fields_of


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
        same = before is not None and before.state is state
        fresh = before or SourceHealth(
            source_id=source_id,
            state=state,
            detail=detail,
            since_us=now_us,
            updated_us=now_us,
            last_frame_us=None,
        )
        self._rows[source_id] = replace(
            fresh,
            state=state,
            detail=detail,
            since_us=fresh.since_us if same else now_us,
            updated_us=now_us,
            bit_rate_kbps=None,  # nothing comes, or nothing has been counted yet
            frame_rate=None,
        )
        self._changed.add(source_id)

    def saw(self, source_id: str, figures: Figures) -> None:
        """What a source delivered lately, up to its newest frame."""
        before = self._rows.get(source_id)
        if before is not None:
            now_us = self._clock.now_us()
            self._rows[source_id] = replace(before, updated_us=now_us, **fields_of(figures))
            self._changed.add(source_id)

    def is_well(self, source_id: str) -> bool:
        """Whether a source is being recorded, or not wanted now: its device has time for something else."""
        row = self._rows.get(source_id)
        return row is not None and row.state in (SourceState.RECORDING, SourceState.STOPPED)

    def introduce(self, source_ids: Iterable[str]) -> None:
        """Sources that nobody wants yet have a row, too: else a quiet night looks like no recorder."""
        for source_id in source_ids:
            if source_id not in self._rows:
                self.say(source_id, SourceState.STOPPED)

    def still_here(self) -> None:
        """What was said still holds: by ``updated_us`` readers tell a living recorder from a dead one."""
        now_us = self._clock.now_us()
        self._rows = {one: replace(row, updated_us=now_us) for one, row in self._rows.items()}
        self._changed.update(self._rows)

    def take_changed(self) -> list[SourceHealth]:
        """The rows that changed since the last call."""
        changed = [self._rows[source_id] for source_id in sorted(self._changed)]
        self._changed.clear()
        return changed

    def put_back(self, rows: Sequence[SourceHealth]) -> None:
        """These could not be written: hand them, or what has become of them, out again."""
        self._changed.update(row.source_id for row in rows)
