"""The time strip: a picture's capture time as 64 black and white cells along its top edge.

Two rows of 32 cells over the full width, each a thirtieth of the picture high. The four corner cells are
fixed (white, black / black, white), 42 cells are milliseconds since the Unix epoch (until 2109), 18 are a
check over them: ``crc32`` cut to 18 bits. With the corners a random strip is taken for a time once in four
million.

The time is plain binary, not Gray code: about half of the 18 check cells change with every picture anyhow, so
what has to survive an encoder is a change of many cells at once, whatever the code. What makes it survive is
size (20 pixels wide in a picture 640 wide) and full contrast.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

COLUMNS = 32
TIME_BITS = 42
CHECK_BITS = 18
BLACK = 16  # luma, limited range (ITU-R BT.601)
WHITE = 235
HEIGHT_DIVISOR = 30  # picture height / cell height
MIN_CELL_HEIGHT = 8  # pixels
MIN_CONTRAST = 40  # luma between the darkest and the brightest cell below which nothing is read

_CORNERS = (0, COLUMNS - 1, COLUMNS, 2 * COLUMNS - 1)
_CORNER_BITS = np.array([True, False, False, True])
_FREE = np.setdiff1d(np.arange(2 * COLUMNS), _CORNERS)
_CORE = 0.25  # of a cell on either side of its middle is averaged

Luma = NDArray[np.uint8]


def cell_height(picture_height: int) -> int:
    """Height of one of the two rows, pixels."""
    return max(MIN_CELL_HEIGHT, -(-picture_height // HEIGHT_DIVISOR))


def strip_height(picture_height: int) -> int:
    """Height of the whole strip, pixels (even)."""
    return 2 * cell_height(picture_height)


def draw(luma: Luma, time_ms: int) -> None:
    """Draw a time, milliseconds since the Unix epoch, onto the top rows of a picture's luma plane."""
    height, width = luma.shape
    rows = cell_height(height)
    levels = np.where(_encode(time_ms), WHITE, BLACK).astype(np.uint8).reshape(2, COLUMNS)
    edges = np.rint(np.arange(COLUMNS + 1) * (width / COLUMNS)).astype(int)
    for row in range(2):
        luma[row * rows : (row + 1) * rows] = np.repeat(levels[row], np.diff(edges))


def read(gray: Luma) -> int | None:
    """The time that a picture carries, milliseconds since the Unix epoch; None where none can be trusted.

    ``gray`` is a luma plane or grey picture (height x width), from about 260 pixels of width on, or a
    screenshot of one whose borders are off by up to about 2 % of the width, on either side.
    """
    table = _SumTable(gray)
    exact = _decode(table.cells(_as_drawn(gray)))
    return exact if exact is not None else _search(gray, table)


def _encode(time_ms: int) -> NDArray[np.bool_]:
    """The 64 cells of a time, True for white, upper row first."""
    if not 0 <= time_ms < 1 << TIME_BITS:
        raise ValueError(f"{time_ms} ms does not fit the {TIME_BITS} bits of a time strip")
    number = time_ms << CHECK_BITS | _check(time_ms)
    bits = np.empty(2 * COLUMNS, np.bool_)
    bits[list(_CORNERS)] = _CORNER_BITS
    bits[_FREE] = [number >> place & 1 for place in reversed(range(TIME_BITS + CHECK_BITS))]
    return bits


def _check(time_ms: int) -> int:
    return zlib.crc32(time_ms.to_bytes(6, "big")) & ((1 << CHECK_BITS) - 1)


def _decode(levels: NDArray[np.float64]) -> int | None:
    """The time of 64 cell levels, None if corners, contrast or check are wrong."""
    low, high = levels.min(), levels.max()
    if high - low < MIN_CONTRAST:
        return None
    bits = levels > (low + high) / 2
    if not np.array_equal(bits[list(_CORNERS)], _CORNER_BITS):
        return None
    number = int("".join("1" if bit else "0" for bit in bits[_FREE]), 2)
    time_ms = number >> CHECK_BITS
    return time_ms if _check(time_ms) == number & ((1 << CHECK_BITS) - 1) else None


@dataclass(frozen=True, slots=True)
class _Placement:
    """Where the strip may lie in a picture, pixels."""

    left: float
    top: float
    width: float
    cell_height: float


class _SumTable:
    """Sums over any rectangle of the top of a picture (a summed-area table)."""

    def __init__(self, gray: Luma) -> None:
        if gray.ndim != 2 or min(gray.shape) < 16:
            raise ValueError(
                f"a time strip is read from a grey picture, not from an array of shape {gray.shape}"
            )
        rows = min(gray.shape[0], max(4 * MIN_CELL_HEIGHT, gray.shape[0] * 4 // HEIGHT_DIVISOR))
        self._sums = np.zeros((rows + 1, gray.shape[1] + 1))
        self._sums[1:, 1:] = gray[:rows].cumsum(0, dtype=np.float64).cumsum(1)

    def cells(self, placement: _Placement) -> NDArray[np.float64]:
        """Mean level of the core of each of the 64 cells."""
        rows, columns = self._sums.shape
        middles = _middles(placement.left, placement.width / COLUMNS, COLUMNS)
        x0, x1 = _span(middles, placement.width / COLUMNS, columns - 1)
        middles = _middles(placement.top, placement.cell_height, 2)
        y0, y1 = _span(middles, placement.cell_height, rows - 1)
        table = self._sums
        total = table[np.ix_(y1, x1)] - table[np.ix_(y0, x1)] - table[np.ix_(y1, x0)] + table[np.ix_(y0, x0)]
        means: NDArray[np.float64] = total / np.outer(y1 - y0, x1 - x0)
        return means.reshape(-1)


def _middles(start: float, size: float, count: int) -> NDArray[np.float64]:
    return np.array([start + (index + 0.5) * size for index in range(count)])


def _span(middles: NDArray[np.float64], size: float, limit: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and past-the-last pixel of each cell's core, at least one pixel, inside 0..limit."""
    first = np.clip(np.rint(middles - size * _CORE), 0, limit - 1).astype(np.intp)
    last = np.clip(np.rint(middles + size * _CORE), first + 1, limit).astype(np.intp)
    return first, last


def _as_drawn(gray: Luma) -> _Placement:
    height, width = gray.shape
    return _Placement(left=0.0, top=0.0, width=float(width), cell_height=float(cell_height(height)))


def _search(gray: Luma, table: _SumTable) -> int | None:
    """Read with the borders moved about. Only clear readings count, since there are many tries."""
    clear = ((_clarity(levels), _decode(levels)) for levels in map(table.cells, _placements(gray)))
    readings = [(clarity, time_ms) for clarity, time_ms in clear if time_ms is not None and clarity > 0.2]
    return max(readings)[1] if readings else None


def _placements(gray: Luma) -> list[_Placement]:
    """Strip positions around the borders, coarser than a cell's core is wide."""
    height, width = gray.shape
    step = width / COLUMNS / 4
    exact = height / HEIGHT_DIVISOR
    return [
        _Placement(
            left=left * step, top=top * exact, width=width + (right - left) * step, cell_height=exact * scale
        )
        for left, right in product((0, 1, -1, 2, -2, 3, -3), repeat=2)
        for top, scale in product((0.0, 0.4, -0.4, 0.8), (1.0, 0.92, 1.08))
    ]


def _clarity(levels: NDArray[np.float64]) -> float:
    """How empty the middle between black and white is: 1 is perfect, 0 is a grey cell at the threshold."""
    low, high = levels.min(), levels.max()
    if high - low < MIN_CONTRAST:
        return 0.0
    return float(np.abs(levels - (low + high) / 2).min() / ((high - low) / 2))
