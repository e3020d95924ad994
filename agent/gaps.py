"""The agent's own gaps: expected time that it did not record (invariant 5), kept until the recorder knows.

What it recorded and the recorder does not get is a gap, too, until the recorder has it after all. All of it
is one small file, rewritten whole. What the disk does not take now is written at the next change.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from kernel.durable import write_whole
from kernel.errors import StorageError
from kernel.ids import new_id
from kernel.log import logger
from kernel.model.agent import LONGEST_DETAIL, AgentGap, gap_of_segment, segment_of_gap
from kernel.model.footage import GapCause
from kernel.timerange import TimeRange

_log = logger("agent")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    """The content of the file."""

    ended_us: int | None = None  # wall time at which the last footage ends; None: nothing was recorded yet
    open_id: str | None = None  # of the gap that lasts
    # By id: the one that lasts, those untold, and those of segments that the recorder did not get.
    gaps: dict[str, AgentGap] = field(default_factory=dict)
    told: tuple[str, ...] = ()  # ids of those that the recorder knows as they are


_FILE: TypeAdapter[_Kept] = TypeAdapter(_Kept)


class GapLedger:
    """Shared by the thread that records and the one that sends."""

    def __init__(self, path: Path) -> None:
        """Raises: StorageError: the file cannot be read."""
        self._path = path
        self._lock = threading.Lock()
        self._kept = _load(path)

    @property
    def ended_us(self) -> int | None:
        """Wall time at which the last footage ends."""
        with self._lock:
            return self._kept.ended_us

    def recorded(self, until_us: int) -> None:
        """There is footage on the disk until then; a gap that lasts begins behind it.

        It may have begun too early: what a disk that failed had taken is only known at the next start.
        """
        with self._lock:
            kept = replace(self._kept, ended_us=until_us)
            gap = kept.gaps.get(kept.open_id or "")
            if gap is not None and kept.open_id is not None and gap.start_us < until_us:
                gaps = {**kept.gaps, kept.open_id: replace(gap, start_us=until_us)}
                told = tuple(one for one in kept.told if one != kept.open_id)
                kept = replace(kept, gaps=gaps, told=told)
            self._save(kept)

    def outage(self, cause: GapCause, detail: str) -> None:
        """Nothing is recorded from the last footage on; the first cause of an outage stays."""
        with self._lock:
            if self._kept.ended_us is not None and self._kept.open_id is None:
                start_us, said = self._kept.ended_us, detail[:LONGEST_DETAIL]
                self._open(AgentGap(start_us=start_us, end_us=None, cause=cause, detail=said))

    def resumed(self, start_us: int, cause: GapCause, detail: str) -> None:
        """There is footage again; the cause is of time since the last, if no outage was told."""
        with self._lock:
            kept = self._kept
            if kept.open_id is not None:
                self._close(start_us)
            elif kept.ended_us is not None and start_us > kept.ended_us:
                gap = AgentGap(start_us=kept.ended_us, end_us=start_us, cause=cause, detail=detail)
                self._save(replace(kept, gaps={**kept.gaps, new_id("gap"): gap}))

    def stopped(self, principal: str, now_us: int) -> None:
        """Somebody ended the agent: an outage before it ends here, and another gap begins."""
        with self._lock:
            start_us = now_us if self._kept.open_id is not None else self._kept.ended_us
            if self._kept.open_id is not None:
                self._close(now_us)
            if start_us is not None:
                detail = f"Stopped by {principal}."[:LONGEST_DETAIL]
                self._open(AgentGap(start_us=start_us, end_us=None, cause=GapCause.STOPPED, detail=detail))

    def lost(self, segment_id: str, wall: TimeRange, cause: GapCause, detail: str) -> None:
        """A sealed segment does not reach the recorder; said again, it is the same gap."""
        gap = AgentGap(
            start_us=wall.start_us, end_us=wall.end_us, cause=cause, detail=detail[:LONGEST_DETAIL]
        )
        with self._lock:
            if self._kept.gaps.get(gap_of_segment(segment_id)) != gap:
                self._change(gap_of_segment(segment_id), gap)

    def arrived(self, segment_id: str) -> None:
        """The recorder has a segment; if a gap was declared for it, that is taken back."""
        gap_id = gap_of_segment(segment_id)
        with self._lock:
            gap = self._kept.gaps.get(gap_id)
            if gap is not None:
                self._change(gap_id, replace(gap, end_us=gap.start_us))

    def untold(self) -> list[tuple[str, AgentGap]]:
        """What the recorder does not know, oldest first."""
        with self._lock:
            kept = self._kept
            untold = [(one, gap) for one, gap in kept.gaps.items() if one not in kept.told]
            return sorted(untold, key=lambda pair: pair[1].start_us)

    def told(self, gap_id: str, gap: AgentGap) -> None:
        """The recorder knows this of a gap; unless it has changed since, that is all."""
        with self._lock:
            kept = self._kept
            if kept.gaps.get(gap_id) != gap:
                return
            may_change = gap.end_us is None or (segment_of_gap(gap_id) and gap.end_us > gap.start_us)
            if may_change:
                self._save(replace(kept, told=(*kept.told, gap_id)))
            else:
                self._save(replace(kept, gaps={one: g for one, g in kept.gaps.items() if one != gap_id}))

    def _change(self, gap_id: str, gap: AgentGap) -> None:
        told = tuple(one for one in self._kept.told if one != gap_id)
        self._save(replace(self._kept, gaps={**self._kept.gaps, gap_id: gap}, told=told))

    def _open(self, gap: AgentGap) -> None:
        gap_id = new_id("gap")
        self._save(replace(self._kept, open_id=gap_id, gaps={**self._kept.gaps, gap_id: gap}))
        _log.warning(gap.detail, action="gap.opened", cause=gap.cause.value)

    def _close(self, end_us: int) -> None:
        """End the gap that lasts, at its start if there was none after all."""
        kept = self._kept
        assert kept.open_id is not None
        gap = kept.gaps[kept.open_id]
        ended = replace(gap, end_us=max(gap.start_us, end_us))
        told = tuple(one for one in kept.told if one != kept.open_id)
        self._save(replace(kept, open_id=None, gaps={**kept.gaps, kept.open_id: ended}, told=told))

    def _save(self, kept: _Kept) -> None:
        self._kept = kept
        try:
            write_whole(self._path, _FILE.dump_json(kept))
        except StorageError as error:
            _log.error(str(error), action="gap.unsaved")


def _load(path: Path) -> _Kept:
    try:
        return _FILE.validate_json(path.read_bytes())
    except FileNotFoundError:
        return _Kept()
    except (OSError, ValidationError) as error:
        raise StorageError(
            f"{path} cannot be read ({type(error).__name__}).",
            hint="Move it away and start again: gaps that the recorder does not know yet are lost with it.",
        ) from None
