"""Fetches gaps from the memory of devices that have one: one device at a time, only while it records well."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from capture.backfill.fetch import Around, Wanted, fetch
from capture.backfill.plan import (
    correction_us,
    in_pieces,
    nearest_live,
    outcome,
    still_missing,
    worth_fetching,
)
from capture.patience import Complaints
from kernel.clock import SECOND_US
from kernel.errors import JianzhengError, SourceError, SourceNotFound
from kernel.log import logger
from kernel.model.footage import Backfill, ClockBasis, Gap, Segment
from kernel.settings import SourceSpec
from kernel.timerange import TimeRange

_LOOK_S = 10.0  # between two looks for gaps
SETTLE_S = 30.0
"""How long a gap must be over: devices write to their memory with a delay."""
_OLDEST_US = 7 * 24 * 3600 * SECOND_US  # what a device kept is overwritten by then, or the session archived
_TRIES = 5
_PAUSE_US = 60 * SECOND_US  # before the second try; doubled before each one after it
_PIECE_US = 600 * SECOND_US  # fetched in one go; then live recording is looked at
_LIVE_SOON_US = 300 * SECOND_US
_BESIDE_US = 3600 * SECOND_US  # live footage so near tells the device's clock

_log = logger("capture")


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """Where a device plays back what it kept."""

    uri: str  # rtsp(s)
    offset_us: int | None  # device clock minus recorder clock, measured now; None: not known


FindMemory = Callable[[SourceSpec], Awaitable[Memory]]
"""Where a source's memory is; raises ``SourceNotFound`` where its device has none."""


class Backfiller:
    """Everything that must last is in the catalogue: a gap is fetched once, whatever ends in between.

    A gap is marked when its device has played it or will not. What a fetch that was interrupted brought is in
    the ring already and is not asked for again.

    Args:
        specs: sources of this process that may have a memory (``may_have_memory``).
        healthy: whether a source records well, or is not to be recorded now; back-fill waits for it.
    """

    def __init__(
        self,
        specs: Sequence[SourceSpec],
        around: Around,
        *,
        find_memory: FindMemory,
        healthy: Callable[[str], bool],
        settle_seconds: float = SETTLE_S,
    ) -> None:
        self._specs = {spec.id: spec for spec in specs}
        self._around = around
        self._find_memory = find_memory
        self._healthy = healthy
        self._settle_us = round(settle_seconds * SECOND_US)
        self._tries: dict[str, int] = {}  # of gaps whose fetching failed
        self._not_before_us: dict[str, int] = {}  # monotonic, by source
        self._complaints = Complaints(around.clock)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                busy = await self.run_once()
                self._complaints.over()
            except Exception as error:  # noqa: BLE001 - the one place: whatever it is, back-fill goes on
                busy = False
                self._complain(error)
            if not busy:
                await self._around.clock.wait(_LOOK_S)

    def _complain(self, error: Exception) -> None:
        said = str(error) if isinstance(error, JianzhengError) else type(error).__name__  # invariant 16
        if self._complaints.is_news(said):
            _log.error(f"back-fill failed: {said}", action="backfill.failed")

    async def run_once(self) -> bool:
        """Fetch the oldest gap that is due; whether there was one.

        Raises:
            CatalogError: the catalogue cannot be read or written.
            StorageError: the disk does not take it; the gap stays for later.
        """
        gap = await self._due()
        if gap is None:
            return False
        self._put_off(gap)  # whatever happens now: a device that fails is left alone for a while
        try:
            complete = await self._fetch(self._specs[gap.source_id], gap)
        except SourceNotFound as error:
            await self._give_up(gap, error)
        except SourceError as error:
            await self._failed(gap, error)
        else:
            if complete:
                await self._mark(gap)
        return True

    async def _due(self) -> Gap | None:
        clock = self._around.clock
        since_us = clock.now_us() - _OLDEST_US
        gaps = await self._around.thread.call(self._around.rows.gaps_to_backfill, list(self._specs), since_us)
        return next((gap for gap in gaps if self._is_due(gap)), None)

    def _is_due(self, gap: Gap) -> bool:
        clock = self._around.clock
        if not worth_fetching(gap) or not self._healthy(gap.source_id):
            return False
        if clock.now_us() < (gap.end_us or 0) + self._settle_us:
            return False
        return clock.monotonic_us() >= self._not_before_us.get(gap.source_id, 0)

    async def _fetch(self, spec: SourceSpec, gap: Gap) -> bool:
        """Piece by piece; whether all of it was asked for, or live recording began to need the device."""
        segments = await self._beside(gap)
        missing = still_missing(gap, segments)
        if not missing:
            return True
        if nearest_live(gap, segments) is None and not self._waited_for_live(gap):
            return False
        memory = await self._find_memory(spec)
        offset_us, basis = _clock_of(gap, segments, memory)
        for stretch in in_pieces(missing, _PIECE_US):
            if not self._healthy(spec.id):
                return False
            wanted = Wanted(
                spec=spec,
                uri=memory.uri,
                stretch=stretch,
                offset_us=offset_us,
                correction_us=correction_us(offset_us, basis),
            )
            await fetch(wanted, self._around)
        return True

    def _waited_for_live(self, gap: Gap) -> bool:
        """Footage beside the gap tells the device's clock best, and is sealed a minute after it."""
        return self._around.clock.now_us() >= (gap.end_us or 0) + _LIVE_SOON_US

    async def _beside(self, gap: Gap) -> list[Segment]:
        wall = _widened(gap, _BESIDE_US)
        return await self._around.thread.call(self._around.rows.segments_of, gap.source_id, wall)

    async def _failed(self, gap: Gap, error: SourceError) -> None:
        tries = self._tries[gap.id] = self._tries.get(gap.id, 0) + 1
        if tries >= _TRIES:
            await self._give_up(gap, error)
            return
        _log.warning(error.message, action="backfill.put_off", source=gap.source_id, tries=tries)

    def _put_off(self, gap: Gap) -> None:
        pause_us = _PAUSE_US << self._tries.get(gap.id, 0)
        self._not_before_us[gap.source_id] = self._around.clock.monotonic_us() + pause_us

    async def _give_up(self, gap: Gap, error: SourceError) -> None:
        _log.warning(
            f"a gap is not fetched any more: {error.message}", action="backfill.gave_up", source=gap.source_id
        )
        await self._mark(gap)

    async def _mark(self, gap: Gap) -> None:
        """Say what has come of it, as the ring now shows it."""
        found = await self._around.thread.call(self._look_and_mark, gap)
        self._tries.pop(gap.id, None)
        self._not_before_us.pop(gap.source_id, None)
        _log.info(
            f"a gap was asked for: {found}", action="backfill.done", source=gap.source_id, found=found.value
        )

    def _look_and_mark(self, gap: Gap) -> Backfill:
        """On the writer thread."""
        rows, wall = self._around.rows, _widened(gap, 0)
        holes = [
            TimeRange(start_us=one.start_us, end_us=one.end_us)
            for one in rows.gaps_of(gap.source_id, wall)
            if one.backfill is Backfill.NOTHING and one.end_us is not None
        ]
        found = outcome(gap, rows.segments_of(gap.source_id, wall), holes)
        rows.mark_backfill(gap.id, found)
        return found


def _widened(gap: Gap, by_us: int) -> TimeRange:
    end_us = gap.start_us if gap.end_us is None else gap.end_us
    return TimeRange(start_us=max(gap.start_us - by_us, 0), end_us=end_us + by_us)


def _clock_of(gap: Gap, segments: Sequence[Segment], memory: Memory) -> tuple[int, ClockBasis | None]:
    """The device's offset, and the clock of the live footage beside the gap.

    The offset that was recorded beside the gap, else what the device's clock shows now.
    """
    beside = nearest_live(gap, segments)
    if beside is None:
        return memory.offset_us or 0, None
    return beside.clock_offset_us or memory.offset_us or 0, beside.clock_basis
