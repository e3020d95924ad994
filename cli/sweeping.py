"""Ends watches that nobody tells of any more, while pages are served."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from catalog.catalogue import Catalogue
from kernel.clock import Clock
from kernel.log import logger

_EVERY_SECONDS = 10.0
_log = logger("cli")


class Sweeper:
    """Looks for them again and again; reading the log does it, too, so that nothing waits for this."""

    def __init__(self, catalogue: Catalogue, clock: Clock) -> None:
        self._catalogue = catalogue
        self._clock = clock

    def run(self, stop: threading.Event) -> None:
        """Until told to stop."""
        while not stop.is_set():
            try:
                self.run_once()
            except Exception as error:  # noqa: BLE001 - nothing else may end because of it
                _log.error(f"Watches were not ended: {error}", action="watch.sweep")
            stop.wait(_EVERY_SECONDS)

    def run_once(self) -> int:
        """How many were ended."""
        return self._catalogue.watches.sweep(self._clock.now_us())


@contextmanager
def sweeping(catalogue: Catalogue, clock: Clock) -> Iterator[None]:
    """Watches are ended meanwhile, in a thread of its own."""
    stop = threading.Event()
    thread = threading.Thread(target=Sweeper(catalogue, clock).run, args=(stop,), name="watch-sweep")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
