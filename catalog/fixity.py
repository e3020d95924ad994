"""Reads stored objects back, slowly and for ever, and keeps what came of it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from catalog.preservation import Preservation, Promise
from kernel.clock import SECOND_US, Clock
from kernel.errors import FixityError, ObjectMissing, StorageError
from kernel.log import logger
from kernel.model.preservation import Fixity, FixityCheck, StoredCopy

_LARGEST_BLOCK = 1 << 20
_BLOCKS_PER_SECOND = 4  # so that nobody who says stop waits for longer than such a pause
_GIVE_UP = 3  # copies in succession that a store does not give: it is the store, not they
_log = logger("catalog")


class SweepStopped(Exception):
    """Whoever sweeps was told to stop; what was being read counts as not read."""


class Readable(Protocol):
    """What is needed of a store to read objects back."""

    def size(self, key: str) -> int: ...

    def open(self, key: str) -> BinaryIO: ...


class Reader:
    """Reads objects back at a bounded rate, and stops at once when told to."""

    def __init__(self, clock: Clock, bytes_per_second: int, stop: threading.Event) -> None:
        self._clock = clock
        self._rate = bytes_per_second
        self._stop = stop
        self._block = min(_LARGEST_BLOCK, max(1, bytes_per_second // _BLOCKS_PER_SECOND))

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    def check(self, store: Readable, copy: StoredCopy) -> FixityCheck:
        """Compare an object's size and SHA-256 with what was recorded; all that can be wrong is a result.

        Raises:
            SweepStopped: told to stop.
        """
        try:
            result, found = self._compare(store, copy)
        except ObjectMissing as error:
            result, found = Fixity.MISSING, error.message
        except FixityError as error:  # a store that compares by itself
            result, found = Fixity.BAD, error.message
        except (StorageError, OSError) as error:
            told = error.message if isinstance(error, StorageError) else str(error)
            result, found = Fixity.UNREADABLE, told
        return FixityCheck(result=result, found=found, at_us=self._clock.now_us())

    def _compare(self, store: Readable, copy: StoredCopy) -> tuple[Fixity, str]:
        size = store.size(copy.key)
        if size != copy.size_bytes:
            return Fixity.BAD, f"{size} bytes instead of {copy.size_bytes}"
        digest, count = self._digest(store, copy.key)
        if count != copy.size_bytes:
            return Fixity.BAD, f"{count} bytes could be read instead of {copy.size_bytes}"
        return (Fixity.OK, "") if digest == copy.sha256 else (Fixity.BAD, f"SHA-256 {digest}")

    def _digest(self, store: Readable, key: str) -> tuple[str, int]:
        digest, count = hashlib.sha256(), 0
        begun_us = self._clock.monotonic_us()
        with store.open(key) as source:
            while block := source.read(self._block):
                if self._stop.is_set():
                    raise SweepStopped
                digest.update(block)
                count += len(block)
                self._pause(begun_us, count)
        return digest.hexdigest(), count

    def _pause(self, begun_us: int, count: int) -> None:
        """Until as much time has passed as so many bytes may take."""
        ahead_us = count * SECOND_US // self._rate - (self._clock.monotonic_us() - begun_us)
        if ahead_us > 0:
            self._clock.sleep(ahead_us / SECOND_US)


@dataclass(kw_only=True, slots=True)
class Swept:
    """What a sweep has done."""

    objects: int = 0
    size_bytes: int = 0
    troubled: int = 0  # of them


class Sweep:
    """Reads back what is due, oldest-checked first. What is done is in the catalogue: this may forget all."""

    def __init__(
        self,
        preservation: Preservation,
        stores: Mapping[str, Readable],
        promise: Promise,
        reader: Reader,
        principal: str,
    ) -> None:
        self._preservation = preservation
        self._stores = stores  # those that could be opened, by name
        self._promise = promise
        self._reader = reader
        self._principal = principal
        self._silent: dict[str, int] = {}  # copies in succession that a store did not give

    def run(
        self,
        clock: Clock,
        which: Callable[[list[str]], list[StoredCopy]] | None = None,
        budget_bytes: int | None = None,
        go_on: Callable[[], bool] = lambda: True,
    ) -> Swept:
        """Until nothing is due, the budget is used up, or it is not to go on; told to stop, it ends at once.

        Args:
            which: what to read of these stores, a few at a time, nothing at the end; without it what is due.
            budget_bytes: no object is begun behind so much.
            go_on: asked before each object.
        """
        swept = Swept()
        self._silent.clear()
        while go_on() and not self._reader.stopped and self._preservation.enrol():
            pass
        try:
            while found := self._next(clock, which):
                for copy in found:
                    if not go_on() or (budget_bytes is not None and swept.size_bytes >= budget_bytes):
                        return swept
                    if self._answers(copy.store):
                        self._check(copy, swept)
        except SweepStopped:
            pass
        return swept

    def _next(self, clock: Clock, which: Callable[[list[str]], list[StoredCopy]] | None) -> list[StoredCopy]:
        stores = [name for name in self._stores if self._answers(name)]
        if not stores:
            return []
        if which is not None:
            return which(stores)
        return self._preservation.due(self._promise, clock.now_us(), stores)

    def _answers(self, store: str) -> bool:
        return self._silent.get(store, 0) < _GIVE_UP

    def _check(self, copy: StoredCopy, swept: Swept) -> None:
        check = self._reader.check(self._stores[copy.store], copy)
        self._preservation.record(copy, check, self._principal)
        silent = check.result is Fixity.UNREADABLE
        self._silent[copy.store] = self._silent.get(copy.store, 0) + 1 if silent else 0
        swept.objects += 1
        swept.size_bytes += copy.size_bytes
        if check.result is not Fixity.OK:
            swept.troubled += 1
            _log.error(
                f"{copy.key} in {copy.store} is {check.result}: {check.found}",
                action="fixity.lost",
                key=copy.key,
                store=copy.store,
            )
