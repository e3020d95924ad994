"""Rows that the catalogue could not take when they were due: written as soon as it can. On the writer thread.

A file is sealed and a run has ended whether or not the catalogue has room to say so. What it does not take
is owed and tried again before the next connection; what is still owed at the end, ``recover`` settles.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from kernel.errors import JianzhengError


class OwedRows:
    """Remembers what is still to be written, in order."""

    def __init__(self) -> None:
        self._calls: deque[Callable[[], None]] = deque()

    def write(self, call: Callable[[], None]) -> None:
        """Write now, or later what cannot be written now.

        Raises:
            CatalogError: the catalogue fails; the row is owed.
        """
        try:
            call()
        except JianzhengError:
            self._calls.append(call)
            raise

    def write_all(self, calls: Iterable[Callable[[], None]]) -> None:
        """Each of several, whatever becomes of the others.

        Raises:
            CatalogError: the catalogue fails; what it did not take is owed.
        """
        failed: JianzhengError | None = None
        for call in calls:
            try:
                self.write(call)
            except JianzhengError as error:
                failed = error
        if failed is not None:
            raise failed

    def later(self, call: Callable[[], None]) -> None:
        """Write it when what is owed is written."""
        self._calls.append(call)

    def settle(self) -> None:
        """Write what is owed; what fails again stays owed.

        Raises:
            CatalogError: the catalogue still fails.
        """
        failed: JianzhengError | None = None
        for _ in range(len(self._calls)):
            call = self._calls.popleft()
            try:
                call()
            except JianzhengError as error:
                self._calls.append(call)
                failed = error
        if failed is not None:
            raise failed
