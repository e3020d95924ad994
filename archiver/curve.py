"""How rate and quality of a clip depend on the quality setting: curves through what probes measured. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

_HIGHEST = math.log(1e12)
"""No camera sends so many bits a second: a steep curve may be far off beyond its points, but is a number."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """What a probe measured at one quality setting."""

    crf: int
    bits_per_second: float  # of pictures, above 0
    mean: float  # VMAF over the sampled pictures, 0..100
    p5: float  # its fifth percentile
    text: float | None = None  # share of characters read as in the original, 0..1; None: no text looked for


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One way to encode a clip, at all quality settings.

    Between points the logarithm of the rate and the quality itself are linear in CRF, beyond them they go on
    with the slope of the nearest piece.
    """

    height: float  # of its pictures, as a share of the source's
    points: tuple[Point, ...]  # at least two, by rising CRF

    @cached_property
    def _crfs(self) -> list[int]:
        return [point.crf for point in self.points]

    def bits_per_second(self, crf: float) -> float:
        """Rate of the pictures."""
        return math.exp(min(_HIGHEST, self._along(crf, lambda point: math.log(point.bits_per_second))))

    def mean(self, crf: float) -> float:
        """Mean VMAF, 0..100."""
        return min(100.0, max(0.0, self._along(crf, lambda point: point.mean)))

    def p5(self, crf: float) -> float:
        """Fifth percentile of VMAF, 0..100."""
        return min(100.0, max(0.0, self._along(crf, lambda point: point.p5)))

    def text(self, crf: float) -> float | None:
        """Share of characters that are still read; None where no text was looked for."""
        if any(point.text is None for point in self.points):
            return None
        return min(1.0, max(0.0, self._along(crf, lambda point: point.text or 0.0)))

    def _along(self, crf: float, value: Callable[[Point], float]) -> float:
        right = min(max(1, bisect_right(self._crfs, crf)), len(self.points) - 1)
        before, after = self.points[right - 1], self.points[right]
        slope = (value(after) - value(before)) / (after.crf - before.crf)
        return value(before) + slope * (crf - before.crf)


def curve_through(height: float, points: Sequence[Point]) -> Curve:
    """A curve through measured points, in any order.

    A rate or a quality that rises where it must fall is noise of the measurement; flat is the safe reading.
    """
    falling: list[Point] = []
    for point in sorted(points, key=lambda point: point.crf):
        falling.append(_not_above(point, falling[-1]) if falling else point)
    return Curve(height=height, points=tuple(falling))


def _not_above(point: Point, before: Point) -> Point:
    text = point.text if point.text is None or before.text is None else min(point.text, before.text)
    return Point(
        crf=point.crf,
        bits_per_second=min(point.bits_per_second, before.bits_per_second),
        mean=min(point.mean, before.mean),
        p5=min(point.p5, before.p5),
        text=text,
    )
