"""Makes room in the ring: the oldest footage that nothing needs goes first (invariants 4 and 8).

What may go, one statement of the catalogue decides (``catalog.removal``); what is tried, and why, is a pure
function here. A file goes only after its row says so, and its row becomes a tombstone only after the file is
gone for good: a crash in between is settled by the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from capture.disk import free_bytes
from capture.patience import Complaints
from capture.ring_disk import RingDisk
from catalog.removal import Leaving, Removable, Removal
from kernel.clock import SECOND_US, Clock
from kernel.durable import fsync_directory, storage_error
from kernel.errors import DiskFull, StorageError
from kernel.log import logger
from kernel.model.cut import CutRules
from kernel.model.life import RAW
from kernel.settings import CutSettings, RingSettings
from kernel.timerange import EVER_US

_BATCH = 16
"""Segments a run: at one run in five seconds three times what 64 sources make, and over in a moment."""
_WINDOW, _WINDOWS = 4000, 10
"""Segments looked at in one question to the catalogue, and most questions a run: 0.2 s if all are held."""
_HOUR_US = 3600 * SECOND_US
_EARLIEST_US = -EVER_US
_NAMED_SESSIONS = 5  # in an alarm

_log = logger("capture")


@dataclass(frozen=True, kw_only=True, slots=True)
class EvictionRules:
    """When footage goes that nothing needs."""

    keep_us: int  # older goes in any case; 0: only when room is needed
    young_us: int  # younger goes only when recording would stop
    make_room_bytes: int  # free space to keep
    reserve_bytes: int  # free space below which recording stops
    cut: CutRules
    minimum_yields: bool = True  # what is younger than originals have to become goes before recording stops

    @classmethod
    def of(cls, ring: RingSettings, cut: CutSettings) -> EvictionRules:
        return cls(
            keep_us=round(ring.keep_days * 24 * _HOUR_US),
            young_us=round(ring.keep_hours * _HOUR_US),
            make_room_bytes=max(ring.make_room_bytes, ring.reserve_bytes),
            reserve_bytes=ring.reserve_bytes,
            cut=cut.rules(),
            minimum_yields=ring.minimum_yields,
        )

    @property
    def urgent_bytes(self) -> int:
        """Free space below which young footage goes: half-way between the room to keep and the reserve."""
        return (self.make_room_bytes + self.reserve_bytes) // 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """A segment that shall go."""

    segment_id: str
    reason: str  # what its tombstone says
    young: bool  # it goes although something might still ask for it
    immature: bool = False  # it goes although originals have to become older


def choose(
    oldest: Sequence[Removable], free: int, now_us: int, rules: EvictionRules, minimum_us: int = 0
) -> list[Choice]:
    """Which of the oldest removable segments go, and by which rule. Pure.

    Args:
        free: bytes free on the ring's disk; what is chosen is counted as freed.
        minimum_us: how old originals have to become, by the retention table.
    """
    chosen = []
    for one in oldest:
        age_us = now_us - one.wall.end_us
        immature = age_us < minimum_us
        reason = _reason(age_us, free, rules, minimum_us)
        if reason:
            young = immature or age_us < rules.young_us
            chosen.append(Choice(segment_id=one.id, reason=reason, young=young, immature=immature))
            free += one.size_bytes
    return chosen


def _reason(age_us: int, free: int, rules: EvictionRules, minimum_us: int) -> str:
    """Why a segment of that age goes; empty: it stays."""
    if rules.keep_us and age_us >= max(rules.keep_us, minimum_us):
        return "It was older than ring.keep_days."
    if free < rules.make_room_bytes and age_us >= max(rules.young_us, minimum_us):
        return "Room was needed: less than ring.make_room_bytes was free."
    if free >= rules.urgent_bytes:
        return ""
    if age_us >= minimum_us:
        return "Room was needed at once, although it was younger than ring.keep_hours."
    if rules.minimum_yields:
        return f"Room was needed at once, although it was younger than retention class {RAW} asks for."
    return ""


class _Search:
    """Goes through the ring, oldest first, a bounded stretch a run: most of it may be held."""

    def __init__(self, rows: Removal, rules: CutRules, clock: Clock) -> None:
        self._rows = rows
        self._rules = rules
        self._clock = clock
        self.exhausted = False  # the last pass through the whole ring found nothing
        self._begin()

    def _begin(self) -> None:
        self._from_us = _EARLIEST_US
        self._began_us = self._clock.monotonic_us()
        self._found = False

    def find(self) -> list[Removable]:
        """The next ones; none where this stretch has none."""
        if self._clock.monotonic_us() - self._began_us >= _HOUR_US:
            self._begin()  # what was passed over may have been let go of
        for _ in range(_WINDOWS):
            now_us = self._clock.now_us()
            seen = self._rows.look(self._from_us, _WINDOW, _BATCH, self._rules, now_us=now_us)
            if seen.removable:
                self._found, self.exhausted = True, False
                return seen.removable
            if seen.next_us is None:
                self.exhausted = not self._found
                self._begin()
                return []
            self._from_us = seen.next_us
        return []


class Evictor:
    """One for a ring. Synchronous; each run removes a small batch."""

    def __init__(
        self,
        *,
        root: Path,
        disk: RingDisk,
        rows: Removal,
        rules: EvictionRules,
        clock: Clock,
        principal: str,
        free: Callable[[Path], int] = free_bytes,
        minimum: Callable[[int], int] = lambda _now_us: 0,
    ) -> None:
        """
        Args:
            minimum: how old originals have to become, by a wall time; microseconds.
        """
        self._root = root
        self._disk = disk
        self._rows = rows
        self._rules = rules
        self._clock = clock
        self._principal = principal  # in whose name files are removed
        self._free = free
        self._minimum = minimum
        self._search = _Search(rows, rules.cut, clock)
        self._unsettled = True  # rows may say that a file goes which is still there
        self._young = Complaints(clock)

    def run_once(self) -> int:
        """Remove a batch, if room is needed or something is too old; how many segments went.

        Raises:
            DiskFull: room is needed and nothing may go: an alarm, before recording stops.
            DiskLost: the ring's disk is not there; nothing is touched.
            StorageError: a file cannot be removed; the others were.
            CatalogError: the catalogue does not answer.
        """
        self._disk.check()
        unsettled, self._unsettled = self._unsettled, True
        failed = self._remove(self._rows.leaving()) if unsettled else None
        released = self._make_way()
        failed = self._remove(released) or failed
        if failed is not None:
            raise failed
        self._unsettled = False
        return len(released)

    def _make_way(self) -> list[Leaving]:
        free = self._bytes_free()
        if not self._rules.keep_us and free >= self._rules.make_room_bytes:
            return []
        now_us = self._clock.now_us()
        minimum_us = self._minimum(now_us)
        found = self._search.find()
        chosen = choose(found, free, now_us, self._rules, minimum_us)
        if free < self._rules.urgent_bytes:
            if self._search.exhausted:
                raise self._nothing_may_go()
            if found and not chosen:
                raise _nothing_is_old_enough()
        return self._release(chosen, minimum_us)

    def _bytes_free(self) -> int:
        try:
            return self._free(self._root)
        except OSError as error:
            raise storage_error(error) from error

    def _nothing_may_go(self) -> DiskFull:
        open_ones = self._rows.open_sessions()
        named = ", ".join(open_ones[:_NAMED_SESSIONS]) + (", ..." if len(open_ones) > _NAMED_SESSIONS else "")
        return DiskFull(
            "the ring's disk is nearly full, and all footage on it is held or belongs to sessions "
            f"that are not archived ({named or 'none'}).",
            hint="Archive, release holds or give it a larger disk: recording stops at ring.reserve_bytes.",
        )

    def _release(self, chosen: Sequence[Choice], minimum_us: int) -> list[Leaving]:
        """The deciding statement, once for each reason."""
        released: list[Leaving] = []
        for reason in dict.fromkeys(one.reason for one in chosen):
            going = [one for one in chosen if one.reason == reason]
            released += self._rows.release(
                [one.segment_id for one in going],
                self._rules.cut,
                at_us=self._clock.now_us(),
                reason=reason,
                principal=self._principal,
                minimum_us=0 if any(one.immature for one in going) else minimum_us,
            )
        if any(one.young for one in chosen) and self._young.is_news("young"):
            immature = any(one.immature for one in chosen)
            what = f"retention class {RAW} asks for" if immature else "ring.keep_hours"
            _log.error(
                f"the ring is too small: footage younger than {what} is being removed",
                action="ring.young_removed",
                ring=str(self._root),
            )
        return released

    def _remove(self, leaving: Sequence[Leaving]) -> StorageError | None:
        """Files first, then the rows of those that are gone for good. A file costs only itself."""
        failed: StorageError | None = None
        unlinked: list[Leaving] = []
        for one in leaving:
            try:
                self._path(one).unlink(missing_ok=True)
                unlinked.append(one)
            except OSError as error:
                failed = storage_error(error)
            except StorageError as error:
                failed = error
        if unlinked:
            self._finish(unlinked)
        return failed

    def _path(self, leaving: Leaving) -> Path:
        path = self._root / leaving.path
        if ".." in path.parts or not path.is_relative_to(self._root):
            raise StorageError(f"the row of segment {leaving.id} names a file outside the ring.")
        return path

    def _finish(self, unlinked: Sequence[Leaving]) -> None:
        directories = {self._path(one).parent for one in unlinked}
        try:
            for directory in directories:
                with suppress(FileNotFoundError):  # somebody removed it, too
                    fsync_directory(directory)
        except OSError as error:
            raise storage_error(error) from error
        self._rows.finish([one.id for one in unlinked])
        _log.info("footage was removed by rule", action="ring.removed", segments=len(unlinked))


def _nothing_is_old_enough() -> DiskFull:
    return DiskFull(
        "the ring's disk is nearly full, and what nothing needs is younger than retention class "
        f"{RAW} asks for.",
        hint="Give it a larger disk, or set ring.minimum_yields: recording stops at ring.reserve_bytes.",
    )
