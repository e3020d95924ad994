"""Columns of equal length that grow, and codes as small numbers."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Code = TypeVar("Code", bound=Hashable)
_LEAST = 1024


class Table:
    """Arrays of equal length, by name; what is added goes to their ends.

    Row 0 is there from the start: zeros, which stand for nothing and match nothing.
    """

    def __init__(self, **types: Any) -> None:
        self.count = 1
        self._arrays: dict[str, Array] = {name: np.zeros(_LEAST, kind) for name, kind in types.items()}

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name][: self.count]

    @property
    def nbytes(self) -> int:
        return sum(one.nbytes for one in self._arrays.values())

    def add(self, columns: dict[str, Sequence[int] | Array]) -> range:
        """Rows, given by column; returns where they are."""
        more = len(next(iter(columns.values())))
        rows = range(self.count, self.count + more)
        self._make_room(rows.stop)
        for name, array in self._arrays.items():
            array[rows.start : rows.stop] = columns[name]
        self.count = rows.stop
        return rows

    def keep(self, wanted: Array) -> None:
        """Only those rows, in their order; row 0 among them."""
        for name, array in self._arrays.items():
            self._arrays[name] = array[: self.count][wanted].copy()
        self.count = int(np.count_nonzero(wanted))

    def _make_room(self, wanted: int) -> None:
        for name, array in self._arrays.items():
            if len(array) < wanted:
                grown = np.zeros(max(wanted, len(array) + len(array) // 4), array.dtype)
                grown[: self.count] = array[: self.count]
                self._arrays[name] = grown


class Codes(Generic[Code]):
    """Values as numbers from 0, in the order in which they were first seen."""

    def __init__(self) -> None:
        self.values: list[Code] = []
        self._numbers: dict[Code, int] = {}

    def __len__(self) -> int:
        return len(self.values)

    def number(self, value: Code) -> int:
        """The number of a value, a new one for one that is new."""
        found = self._numbers.get(value)
        if found is None:
            found = self._numbers[value] = len(self.values)
            self.values.append(value)
        return found

    def table(self, wanted: Iterable[Code]) -> Array:
        """Which values are among those wanted, by number."""
        found = np.zeros(len(self.values), bool)
        found[[self._numbers[one] for one in wanted if one in self._numbers]] = True
        return found
