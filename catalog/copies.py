"""Copies of archives in other stores: made when an archive is verified, read back there (invariant 10)."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Mapping
from typing import BinaryIO, Protocol

from catalog.fixity import Readable, Reader
from catalog.preservation import Preservation
from kernel.clock import Clock
from kernel.errors import FixityError, ObjectExists, ObjectMissing, StorageError
from kernel.log import logger
from kernel.model.archive import ArchiveObject
from kernel.model.preservation import MAIN, Fixity, StoredCopy, StoredPackage

MARK = "jianzheng-copies.txt"
"""Object of a store for copies that tells it from an empty place."""
_log = logger("catalog")


class Shelf(Readable, Protocol):
    """What is needed of a store that takes copies."""

    def put(self, key: str, source: BinaryIO) -> str: ...


class Absent:
    """A store that is not there: whatever is asked of it fails, and says why."""

    def __init__(self, why: str) -> None:
        self._why = why

    def put(self, key: str, source: BinaryIO) -> str:
        raise StorageError(self._why)

    def size(self, key: str) -> int:
        raise StorageError(self._why)

    def open(self, key: str) -> BinaryIO:
        raise StorageError(self._why)


def marked(shelf: Shelf, *, known: bool) -> Shelf:
    """A store for copies, if it is the one that it was: it bears a mark from its first use on.

    An empty directory where a medium is not mounted must not be filled as if all copies were lost.

    Args:
        known: whether copies rest in it already.

    Raises:
        StorageError: copies rest in it, and the mark is not there; or it does not do its duty.
    """
    try:
        shelf.size(MARK)
    except ObjectMissing:
        if known:
            raise StorageError(
                "it lacks its mark: its medium is not there, or another one is in its place.",
                hint="Mount the medium that the copies are on.",
            ) from None
        shelf.put(MARK, io.BytesIO(b"Copies of archives of Jianzheng rest here.\n"))
    return shelf


class Copies:
    """Steps through what copies lack. What is there is in the catalogue: this may forget everything."""

    def __init__(
        self,
        preservation: Preservation,
        stores: Mapping[str, Shelf],
        reader: Reader,
        clock: Clock,
        stop: threading.Event,
        principal: str,
    ) -> None:
        self._preservation = preservation
        self._main = stores[MAIN]
        self._copies = {name: store for name, store in stores.items() if name != MAIN}
        self._reader = reader
        self._clock = clock
        self._stop = stop
        self._principal = principal

    def run(self, go_on: Callable[[], bool] = lambda: True) -> int:
        """Copy everything that is missing; returns how many packages became whole somewhere.

        A package that cannot be copied does not hold up the others; a store that does not do its duty is left
        for the next run.

        Args:
            go_on: asked before each package.

        Raises:
            SweepStopped: told to stop.
        """
        made = 0
        for name in self._copies:
            failed: list[str] = []
            while go_on() and not self._stop.is_set():
                package = self._preservation.next_missing(name, failed)
                if package is None:
                    break
                try:
                    whole = self.copy(package, name)
                except FixityError as error:
                    whole = False
                    _log.error(f"{package.kind} {package.id} is not copied: {error}", action="copy.failed")
                except StorageError as error:
                    _log.error(f"Copying to {name} is broken off: {error}", action="copy.failed")
                    break
                if whole:
                    made += 1
                else:
                    failed.append(package.id)
        return made

    def copy(self, package: StoredPackage, name: str) -> bool:
        """Copy what a store lacks of a package, object by object; whether it is whole there now.

        Raises:
            FixityError: the original is not what its manifest names; it is not copied, and it is an alarm.
            StorageError: a store does not do its duty; what was copied stays, and is not copied again.
            SweepStopped: told to stop.
        """
        for item in self._preservation.objects_missing(package.id, name):
            if self._stop.is_set():
                return False
            self._copy_object(item, package, name)
        return self._preservation.record_whole(package, name, self._clock.now_us(), self._principal)

    def _copy_object(self, item: ArchiveObject, package: StoredPackage, name: str) -> None:
        original = self._as_copy(item, package, MAIN)
        check = self._reader.check(self._main, original)
        self._preservation.record(original, check, self._principal)
        if check.result is not Fixity.OK:
            raise FixityError(f"{item.key} is {check.result} in the store itself: {check.found}.")
        try:
            with self._main.open(item.key) as source:
                self._copies[name].put(item.key, source)
        except ObjectExists:
            pass  # of an attempt that broke off, or of somebody else: what is read back decides
        except OSError as error:
            raise StorageError(f"{item.key} cannot be read: {error}.") from error
        copy = self._as_copy(item, package, name)
        check = self._reader.check(self._copies[name], copy)
        self._preservation.record(copy, check, self._principal)
        if check.result is not Fixity.OK:
            raise FixityError(f"the copy of {item.key} in {name} is {check.result}: {check.found}.")

    def _as_copy(self, item: ArchiveObject, package: StoredPackage, store: str) -> StoredCopy:
        return StoredCopy(
            key=item.key,
            store=store,
            package_id=package.id,
            project_id=package.project_id,
            size_bytes=item.size_bytes,
            sha256=item.sha256,
            checked_us=self._clock.now_us(),
        )
