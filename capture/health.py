"""What the recorder says of its sources; written together, so that the catalogue is asked once a second."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace

from capture.figures import Figures
from kernel.clock import Clock
from kernel.model.footage import Fault, SourceHealth, SourceState
from kernel.values import fields_of


class HealthBoard:
    """The newest health of every source. Used on the event loop only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rows: dict[str, SourceHealth] = {}
        self._seen: dict[str, Figures] = {}  # not in the rows yet
        self._changed: set[str] = set()
        self._notes: dict[str, str] = {}

    def say(self, source_id: str, state: SourceState, detail: str = "", fault: Fault | None = None) -> None:
        """A source's state, and why, as sentence and word; since when it is so is kept while it stays."""
        now_us = self._clock.now_us()
        if state is SourceState.RECORDING:
            detail = detail or self._notes.get(source_id, "")
        before = self._rows.get(source_id)
        if before is not None and (before.state, before.detail, before.fault) == (state, detail, fault):
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
        self._rows[source_id] = fresh
        self._rows[source_id] = self._with_figures(
            source_id,
            state=state,
            detail=detail,
            fault=fault,
            since_us=fresh.since_us if same else now_us,
            updated_us=now_us,
            bit_rate_kbps=None,  # nothing comes, or nothing has been counted yet
            frame_rate=None,
        )
        self._changed.add(source_id)

    def note(self, source_id: str, text: str) -> None:
        """What the device itself complains of, told while it is recorded; empty: of nothing any more."""
        self._notes[source_id] = text

    def saw(self, source_id: str, figures: Figures) -> None:
        """What a source delivered lately, up to its newest frame."""
        if source_id in self._rows:
            self._seen[source_id] = figures
            self._changed.add(source_id)

    def _with_figures(self, source_id: str, **news: object) -> SourceHealth:
        """A row with what was seen since; made once a second, however often something is seen."""
        seen = self._seen.pop(source_id, None)
        told = fields_of(seen) if seen is not None else {}
        return replace(self._rows[source_id], **{**told, **news})

    def is_well(self, source_id: str) -> bool:
        """Whether a source is being recorded, or not wanted now: its device has time for something else."""
        row = self._rows.get(source_id)
        return row is not None and row.state in (SourceState.RECORDING, SourceState.STOPPED)

    def introduce(self, source_ids: Iterable[str]) -> None:
        """Sources that nobody wants yet have a row, too: else a quiet night looks like no recorder."""
        for source_id in source_ids:
            if source_id not in self._rows:
                self.say(source_id, SourceState.STOPPED)

    def keep_only(self, source_ids: Container[str]) -> None:
        """The others are not ours any more: another process may tell of them."""
        self._rows = {one: row for one, row in self._rows.items() if one in source_ids}
        self._notes = {one: text for one, text in self._notes.items() if one in source_ids}
        self._seen = {one: figures for one, figures in self._seen.items() if one in source_ids}
        self._changed.intersection_update(self._rows)

    def still_here(self) -> None:
        """What was said still holds: by ``updated_us`` readers tell a living recorder from a dead one."""
        now_us = self._clock.now_us()
        self._rows = {one: self._with_figures(one, updated_us=now_us) for one in self._rows}
        self._changed.update(self._rows)

    def take_changed(self) -> list[SourceHealth]:
        """The rows that changed since the last call."""
        now_us = self._clock.now_us()
        for source_id in self._seen.keys() & self._changed:
            self._rows[source_id] = self._with_figures(source_id, updated_us=now_us)
        changed = [self._rows[source_id] for source_id in sorted(self._changed)]
        self._changed.clear()
        return changed

    def put_back(self, rows: Sequence[SourceHealth]) -> None:
        """These could not be written: hand them, or what has become of them, out again."""
        self._changed.update(row.source_id for row in rows if row.source_id in self._rows)
