"""The encode plan: bytes divided over clips so that the worst of them is as good as it can be. Pure.

The worst clip is the one with the largest *deficit*: the points of mean VMAF that it lacks of 100, times its
weight. One deficit is allowed to all; each clip takes the cheapest setting that stays within it, but never
worse than its floors and never better than its ceiling. The smallest deficit whose bytes fit is the plan;
what is left by rounding goes to the worst clips, one step at a time. Bytes that change nothing are not spent:
a screen whose pictures are thinned out, say, lacks points that no rate gives back, and nobody waits for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archiver.curve import Curve

_HALVINGS = 30  # of the range of deficits; a step of CRF is far coarser
_WORTH = 0.05  # points of VMAF that a step of CRF must bring: less is noise of the measurement


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What the rules say of a clip's kind, and what its encoder can do."""

    floor: float  # p5 of VMAF
    text_floor: float | None  # share of characters
    ceiling: float  # mean VMAF
    weight: float
    most_bits_per_second: float  # a floor that needs more is not chased
    best_crf: int
    worst_crf: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """Footage that is encoded with one setting: a clip, or its tagged moments."""

    id: str
    seconds: float  # of recorded footage that is still to be encoded
    limits: Limits
    curves: tuple[Curve, ...]  # at least one; at most one for each height
    correction: float = 1.0  # what was really needed over what its curve said, so far


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What a demand is encoded with, and what that is expected to give."""

    crf: int
    height: float
    bytes: float
    mean: float
    unreachable: bool  # no setting reaches its floors within what the rules allow to try


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodePlan:
    """What everything is encoded with."""

    choices: Mapping[str, Choice]  # by demand
    bytes: float  # of all pictures
    overrun_bytes: int  # above what was there to divide; floors win (invariant 13)
    overrun_reason: str  # empty while it fits


def plan(demands: Sequence[Demand], room_bytes: float) -> EncodePlan:
    """Divide bytes over demands.

    Args:
        room_bytes: for the pictures of all demands; may be negative.
    """
    menus = {demand.id: Menu(demand) for demand in demands}
    worst = {name: menu.within(math.inf) for name, menu in menus.items()}
    if _total(worst) > room_bytes:
        return _floors_win(demands, worst, room_bytes)
    tight, loose = 0.0, 100.0 * max((demand.limits.weight for demand in demands), default=1.0)
    chosen = worst
    for _ in range(_HALVINGS):
        middle = (tight + loose) / 2
        tried = {name: menu.within(middle) for name, menu in menus.items()}
        if _total(tried) <= room_bytes:
            loose, chosen = middle, tried
        else:
            tight = middle
    chosen = _rest_to_the_worst(menus, chosen, room_bytes)
    return EncodePlan(choices=chosen, bytes=_total(chosen), overrun_bytes=0, overrun_reason="")


def _total(choices: Mapping[str, Choice]) -> float:
    return sum(choice.bytes for choice in choices.values())


def _floors_win(demands: Sequence[Demand], worst: Mapping[str, Choice], room_bytes: float) -> EncodePlan:
    over = math.ceil(_total(worst) - room_bytes)
    reason = overrun_told(over, room_bytes, {one.id: worst[one.id].bytes for one in demands})
    return EncodePlan(choices=worst, bytes=_total(worst), overrun_bytes=over, overrun_reason=reason)


def overrun_told(over: int, room_bytes: float, needs: Mapping[str, float]) -> str:
    """Why pictures are over their room, by how much, and whose they are."""
    most = sorted(needs, key=lambda name: -needs[name])[:3]
    told = ", ".join(f"{name} {math.ceil(needs[name])} bytes" for name in most)
    return (
        f"The floors of legibility need {over} bytes more than the {max(0, math.floor(room_bytes))} that are "
        f"left for pictures; most is needed by {told}."
    )


def _rest_to_the_worst(
    menus: Mapping[str, Menu], chosen: Mapping[str, Choice], room_bytes: float
) -> dict[str, Choice]:
    """Steps of CRF are coarse: what they leave makes the worst clips better, as long as a step fits.

    Where the step of one does not fit, nobody else goes past what it would have come to: the bytes are of
    more use later, when less is left to encode, and tagged moments never fall behind what lies around them.
    """
    result = dict(chosen)
    left = room_bytes - _total(result)
    open_ones = set(menus)
    bound = 0.0  # the deficit that nobody goes below
    while open_ones:
        name = max(open_ones, key=lambda one: (menus[one].deficit(result[one]), one))
        better = menus[name].better(result[name])
        if better is None or menus[name].deficit(better) < bound:
            open_ones.discard(name)
        elif better.bytes - result[name].bytes > left:
            open_ones.discard(name)
            bound = max(bound, menus[name].deficit(better))
        else:
            left -= better.bytes - result[name].bytes
            result[name] = better
    return result


class Menu:
    """All settings of a demand that its limits allow, for each height, from the best to the worst."""

    def __init__(self, demand: Demand) -> None:
        self._demand = demand
        limits = demand.limits
        rows = [[self._choice(curve, crf) for crf in self._allowed(curve)] for curve in demand.curves]
        self._rows = [_worth_their_bytes(row) for row in rows if row]
        self._unreachable = not self._rows
        if self._unreachable:
            crfs = range(limits.best_crf, limits.worst_crf + 1)
            self._rows = [self._affordable(curve, crfs) for curve in demand.curves]

    def row(self, height: float) -> Sequence[Choice]:
        """All settings that are allowed at a height, from the best to the worst."""
        return next(row for row in self._rows if row[0].height == height)

    def _allowed(self, curve: Curve) -> list[int]:
        """Settings that keep all floors at a rate that may be spent."""
        limits = self._demand.limits
        found = []
        for crf in range(limits.best_crf, limits.worst_crf + 1):
            text = curve.text(crf)
            legible = text is None or limits.text_floor is None or text >= limits.text_floor
            if legible and curve.p5(crf) >= limits.floor and self._rate(curve, crf) <= self._most(curve):
                found.append(crf)
        return found

    def _most(self, curve: Curve) -> float:
        """The rate that may be spent, or the least there is."""
        limits = self._demand.limits
        return max(limits.most_bits_per_second, self._rate(curve, limits.worst_crf))

    def _rate(self, curve: Curve, crf: int) -> float:
        return curve.bits_per_second(crf) * self._demand.correction

    def _affordable(self, curve: Curve, crfs: Sequence[int]) -> list[Choice]:
        """Where no setting reaches the floors: the best one that may be spent on them, and no other."""
        best = next((crf for crf in crfs if self._rate(curve, crf) <= self._most(curve)), crfs[-1])
        return [self._choice(curve, best)]

    def _choice(self, curve: Curve, crf: int) -> Choice:
        return Choice(
            crf=crf,
            height=curve.height,
            bytes=self._rate(curve, crf) * self._demand.seconds / 8,
            mean=curve.mean(crf),
            unreachable=False,
        )

    def deficit(self, choice: Choice) -> float:
        return (100.0 - choice.mean) * self._demand.limits.weight

    def within(self, deficit: float) -> Choice:
        """The cheapest setting whose deficit is allowed; the best there is where none is so good."""
        wanted = min(self._demand.limits.ceiling, 100.0 - deficit / self._demand.limits.weight)
        good = [self._last(row, wanted) for row in self._rows]
        reaching = [one for one in good if one.mean >= wanted]
        if reaching:
            return self._told(min(reaching, key=lambda one: (one.bytes, -one.mean)))
        return self._told(max(good, key=lambda one: (one.mean, -one.bytes)))

    def _last(self, row: Sequence[Choice], wanted: float) -> Choice:
        """The worst of a row that is good enough; its best where none is."""
        return next((one for one in reversed(row) if one.mean >= wanted), row[0])

    def better(self, choice: Choice) -> Choice | None:
        """One step better at the same height; None at the ceiling and at the best."""
        if choice.mean >= self._demand.limits.ceiling:
            return None
        above = [one for one in self.row(choice.height) if one.crf < choice.crf]
        return self._told(above[-1]) if above else None

    def worse(self, choice: Choice) -> Choice | None:
        """One step cheaper at the same height; None at the floors."""
        below = [one for one in self.row(choice.height) if one.crf > choice.crf]
        return self._told(below[0]) if below else None

    def _told(self, choice: Choice) -> Choice:
        return Choice(
            crf=choice.crf,
            height=choice.height,
            bytes=choice.bytes,
            mean=choice.mean,
            unreachable=self._unreachable,
        )


def _worth_their_bytes(row: Sequence[Choice]) -> list[Choice]:
    """Of settings from the best to the worst those that show more than the next cheaper one."""
    kept = [row[-1]]
    for choice in reversed(row[:-1]):
        if choice.mean - kept[-1].mean >= _WORTH * (kept[-1].crf - choice.crf):
            kept.append(choice)
    return kept[::-1]
