"""What keeping archives whole puts together: stores, sweeps, copies, and the restore drill."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from catalog.catalogue import Catalogue
from catalog.copies import Absent, Copies, Shelf, marked
from catalog.fixity import Reader, Sweep, Swept
from catalog.objects import ObjectStore, open_store
from catalog.preservation import Promise
from kernel.clock import Clock
from kernel.errors import JianzhengError, StorageError
from kernel.log import logger
from kernel.model.preservation import MAIN
from kernel.settings import CopySettings, Settings, url_of_copy

_LATE = 1.1
"""An object that waits so much longer than it may is read back even while there is other work."""
_log = logger("cli")


def open_shelves(
    settings: Settings, catalogue: Catalogue, main: ObjectStore, clock: Clock
) -> dict[str, Shelf]:
    """The stores by name; one for copies that is not there stands among them and says so when it is asked.

    Raises:
        SettingsError: a store cannot be used as it is set.
    """
    found: dict[str, Shelf] = {MAIN: main}
    for one in settings.preservation.copies:
        name = url_of_copy(one)
        options = one if isinstance(one, CopySettings) else settings.store
        try:
            known = catalogue.preservation.holds_any(name)
            found[name] = marked(open_store(name, settings.store_dir, options, clock), known=known)
        except StorageError as error:
            _log.error(f"copies in {name} cannot be reached: {error}", action="copies.absent")
            found[name] = Absent(str(error))
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Keeping:
    """What one round of preservation works with."""

    settings: Settings
    catalogue: Catalogue
    store: ObjectStore
    clock: Clock
    stop: threading.Event
    principal: str

    @property
    def promise(self) -> Promise:
        return Promise.of(self.settings.preservation)

    def shelves(self) -> dict[str, Shelf]:
        return open_shelves(self.settings, self.catalogue, self.store, self.clock)

    def reader(self) -> Reader:
        return Reader(self.clock, self.settings.preservation.sweep_bytes_per_second, self.stop)

    def sweep(self, shelves: Mapping[str, Shelf]) -> Sweep:
        return Sweep(self.catalogue.preservation, shelves, self.promise, self.reader(), self.principal)

    def copies(self, shelves: Mapping[str, Shelf]) -> Copies:
        return Copies(
            self.catalogue.preservation, shelves, self.reader(), self.clock, self.stop, self.principal
        )

    def run_once(self, busy: Callable[[], bool] = lambda: False) -> Swept:
        """Copy what is missing and read back what is due, as far as nothing more urgent waits.

        Args:
            busy: whether there is other work; what is far too late is read back nevertheless.

        Raises:
            SweepStopped: told to stop while a copy was being made.
        """
        shelves = self.shelves()
        if not busy():
            self.copies(shelves).run(lambda: not busy())
        late = self._late()
        return self.sweep(shelves).run(self.clock, go_on=lambda: late or not busy())

    def _late(self) -> bool:
        now_us, promise = self.clock.now_us(), self.promise
        oldest_us = self.catalogue.preservation.state(promise, now_us).oldest_check_us
        return oldest_us is not None and now_us - oldest_us > promise.sweep_us * _LATE


def told(error: Exception) -> None:
    """Log what went wrong in a round; the next one tries again."""
    ours = isinstance(error, JianzhengError)
    _log.error(str(error), action="preservation.failed", exc_info=None if ours else error)
