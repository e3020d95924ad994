"""What the agent keeps: sealed segments, each beside a small file that says what became of it.

``segments/RUN-SEQUENCE.mp4`` is a segment, ``….mp4.part`` one that is being written, ``….json`` its entry:
claim, and the receipt once it is there. What cannot be read lies in ``aside/`` with the reason. A segment
without a receipt is never removed (invariant 3); one with a receipt rests in the recorder's ring, too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from kernel.durable import fsync_directory, make_directory, storage_error, write_whole
from kernel.errors import DiskFull
from kernel.ids import new_id
from kernel.log import logger
from kernel.model.agent import ID, Receipt, SegmentClaim
from kernel.model.footage import EndReason
from kernel.segments.readable import Readable, read_segment
from kernel.segments.segment_file import PART_SUFFIX
from kernel.timerange import TimeRange

_SEGMENT, _ENTRY = ".mp4", ".json"

_log = logger("agent")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A sealed segment on the shelf."""

    name: str  # of its file, without the suffix
    claim: SegmentClaim
    run_id: str
    start_us: int  # wall time
    end_us: int
    receipt: Receipt | None = None
    received_us: int | None = None  # when the receipt came, recorder's time
    refusal: str = ""  # why the recorder does not get it; empty while it may

    @property
    def wall(self) -> TimeRange:
        """When it was recorded."""
        return TimeRange(start_us=self.start_us, end_us=self.end_us)


_FILE: TypeAdapter[Entry] = TypeAdapter(Entry)


def disk_free(directory: Path) -> int:
    """Bytes that are left on the disk of a directory."""
    return shutil.disk_usage(directory).free


class Shelf:
    """Shared by the thread that records and the one that sends."""

    def __init__(
        self,
        data_dir: Path,
        *,
        limit_bytes: int,
        reserve_bytes: int,
        free: Callable[[Path], int] = disk_free,
    ) -> None:
        """Raises: StorageError: the directory cannot be made."""
        self.directory = data_dir / "segments"
        self._aside = data_dir / "aside"
        self._limit_bytes = limit_bytes
        self._reserve_bytes = reserve_bytes
        self._free = free
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}  # by name
        self._not_before_us: dict[str, int] = {}  # monotonic time of the next try, by name
        try:
            make_directory(self.directory, data_dir)
        except OSError as error:
            raise storage_error(error) from error

    # --- at the start

    def settle(self, tell_gone: Callable[[Entry], None]) -> int | None:
        """Take in what is there; seal what a crash left, up to its last whole fragment.

        Args:
            tell_gone: told of each segment that the recorder never had and that is here no more.

        Returns:
            Wall time at which the newest footage ends; None where there is none.

        Raises:
            StorageError: the disk does not give or take what it must.
        """
        try:
            self._take_in(tell_gone)
            for path in self._unsealed():
                self._settle_one(path)
        except OSError as error:
            raise storage_error(error) from error
        return max((entry.end_us for entry in self._entries.values()), default=None)

    def _take_in(self, tell_gone: Callable[[Entry], None]) -> None:
        for path in sorted(self.directory.glob("*" + _ENTRY)):
            try:
                entry = _FILE.validate_json(path.read_bytes())
            except ValidationError:
                self._put_aside(path, "it is no entry of a segment")
                continue
            if self.path_of(entry).exists():
                self._entries[entry.name] = entry
            elif entry.receipt is not None:
                path.unlink()  # its removal was interrupted
            else:
                tell_gone(entry)  # first: a start in between finds it again
                self._put_aside(path, "its segment is gone, and the recorder never had it")

    def _unsealed(self) -> list[Path]:
        """Files without an entry, in the order of their names: a run's in the order of recording."""
        found = (
            path
            for path in self.directory.iterdir()
            if path.name.endswith((_SEGMENT, _SEGMENT + PART_SUFFIX))
        )
        return sorted(path for path in found if _stem(path) not in self._entries)

    def _settle_one(self, path: Path) -> None:
        found = read_segment(path)
        if found is None or not ID.match(found.label.segment_id):
            self._put_aside(path, "no whole fragment can be read from it")
            return
        self._cut_tail(path, found.size)
        with path.open("r+b") as file:
            os.fsync(file.fileno())
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        path.replace(self.directory / (_stem(path) + _SEGMENT))
        fsync_directory(self.directory)
        self.add(_recovered(_stem(path), found, sha256))
        _log.warning("a segment was recovered after a crash", action="segment.recovered", file=_stem(path))

    def _cut_tail(self, path: Path, size: int) -> None:
        if path.stat().st_size <= size:
            return
        tail = self._free_name(path.name + ".tail")
        with path.open("rb") as source:
            source.seek(size)
            write_whole(tail, source.read())
        write_whole(tail.with_name(tail.name + ".reason.txt"), f"torn off behind byte {size}\n".encode())
        with path.open("r+b") as file:
            file.truncate(size)

    def _put_aside(self, path: Path, reason: str) -> None:
        target = self._free_name(path.name)
        write_whole(target.with_name(target.name + ".reason.txt"), (reason + "\n").encode())
        path.replace(target)
        fsync_directory(self._aside)
        fsync_directory(path.parent)
        _log.error(f"{path.name} was put aside: {reason}.", action="segment.aside")

    def _free_name(self, name: str) -> Path:
        make_directory(self._aside, self._aside.parent)
        target = self._aside / name
        return target if not target.exists() else target.with_name(f"{name}.{new_id('again')}")

    # --- while it records

    def path_of(self, entry: Entry) -> Path:
        """Where its footage lies."""
        return self.directory / (entry.name + _SEGMENT)

    def add(self, entry: Entry) -> None:
        """A segment was sealed. Raises: StorageError: its entry could not be written; ``settle`` will."""
        with self._lock:
            self._save(entry)

    def _save(self, entry: Entry) -> None:
        self._entries[entry.name] = entry  # even if the disk does not take it: its footage is to be sent
        write_whole(self.directory / (entry.name + _ENTRY), _FILE.dump_json(entry))

    def need_room(self, being_written_bytes: int) -> None:
        """See to it that there is room for more; what the recorder has goes first, the oldest of it.

        Raises:
            DiskFull: all that is left to remove has no receipt (invariants 3 and 8).
        """
        with self._lock:
            kept = being_written_bytes + sum(one.claim.size_bytes for one in self._entries.values())
            for entry in self._received():
                if kept < self._limit_bytes and self._enough_is_free():
                    return
                self._remove(entry)
                kept -= entry.claim.size_bytes
            if kept >= self._limit_bytes:
                raise DiskFull(f"the agent keeps as much as it may: limit_bytes is {self._limit_bytes}.")
            if not self._enough_is_free():
                raise DiskFull(
                    f"the agent's disk is full: of its bytes {self._reserve_bytes} are to stay free."
                )

    def _enough_is_free(self) -> bool:
        try:
            return self._free(self.directory) >= self._reserve_bytes
        except OSError as error:
            raise storage_error(error) from error

    def _received(self) -> list[Entry]:
        return sorted((one for one in self._entries.values() if one.receipt is not None), key=_oldest_first)

    def _remove(self, entry: Entry) -> None:
        """The footage first: an entry without it, but with a receipt, is removed at the next start."""
        try:
            self.path_of(entry).unlink(missing_ok=True)
            fsync_directory(self.directory)
            (self.directory / (entry.name + _ENTRY)).unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(error) from error
        del self._entries[entry.name]

    # --- while it sends

    def waiting(self) -> list[Entry]:
        """What the recorder does not have, oldest first; not what it refused."""
        with self._lock:
            waiting = (one for one in self._entries.values() if one.receipt is None and not one.refusal)
            return sorted(waiting, key=_oldest_first)

    def due(self, now_us: int) -> list[Entry]:
        """What is to be sent now, oldest first: what waits, and what may be tried again by now."""
        with self._lock:
            due = (
                one
                for one in self._entries.values()
                if one.receipt is None and self._not_before_us.get(one.name, now_us) <= now_us
            )
            return sorted(due, key=_oldest_first)

    def is_whole(self, entry: Entry) -> bool:
        """Whether the disk still gives what was sealed."""
        try:
            with self.path_of(entry).open("rb") as file:
                same_size = os.fstat(file.fileno()).st_size == entry.claim.size_bytes
                return same_size and hashlib.file_digest(file, "sha256").hexdigest() == entry.claim.sha256
        except OSError:
            return False

    def refused(self) -> int:
        """How many segments the recorder does not get."""
        with self._lock:
            return sum(1 for one in self._entries.values() if one.refusal)

    def received(self, entry: Entry, receipt: Receipt, now_us: int) -> None:
        """The recorder has it.

        Raises:
            FixityError: the receipt is of something else.
            StorageError: it could not be kept; the recorder is asked again after the next start.
        """
        receipt.check(entry.claim)
        with self._lock:
            self._not_before_us.pop(entry.name, None)
            self._save(replace(entry, receipt=receipt, received_us=now_us, refusal=""))

    def refuse(self, entry: Entry, why: str, again_us: int) -> None:
        """The recorder does not get it: it is kept, and tried again at that monotonic time."""
        with self._lock:
            self._entries[entry.name] = replace(entry, refusal=why)
            self._not_before_us[entry.name] = again_us

    def put_off(self, entry: Entry, again_us: int) -> None:
        """It waits until that monotonic time; others do not wait for it."""
        with self._lock:
            self._entries[entry.name] = replace(entry, refusal="")
            self._not_before_us[entry.name] = again_us

    def sweep(self, before_us: int) -> None:
        """Remove what the recorder has had since before then."""
        with self._lock:
            for entry in self._received():
                if entry.received_us is not None and entry.received_us < before_us:
                    self._remove(entry)


def _oldest_first(entry: Entry) -> tuple[int, str]:
    return entry.start_us, entry.name


def _stem(path: Path) -> str:
    return path.name.removesuffix(PART_SUFFIX).removesuffix(_SEGMENT)


def _recovered(name: str, found: Readable, sha256: str) -> Entry:
    claim = SegmentClaim(
        segment_id=found.label.segment_id,
        sha256=sha256,
        size_bytes=found.size,
        end_reason=EndReason.CRASH,
    )
    return Entry(
        name=name,
        claim=claim,
        run_id=found.label.run_id,
        start_us=found.wall.start_us,
        end_us=found.wall.end_us,
    )
