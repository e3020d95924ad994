"""The encode plan: bytes of a project divided over its clips so that all get the same quality. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archiver.profile import Profile


@dataclass(frozen=True, kw_only=True, slots=True)
class RatePoint:
    """One measurement: so many bits a second at this quality setting."""

    crf: int
    bits_per_second: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipDemand:
    """A clip as the plan sees it."""

    clip_id: str
    seconds: float  # of recorded footage
    has_audio: bool
    points: tuple[RatePoint, ...]  # at least one

    def bits_per_second(self, crf: float) -> float:
        """Rate at a quality setting: log-linear in CRF between and beyond the measured points.

        Encoders halve the rate about every so many CRF steps; with a single point the slope is that of
        x264's rule of thumb, one half every six.
        """
        ordered = sorted(self.points, key=lambda point: point.crf)
        if len(ordered) == 1:
            only = ordered[0]
            return only.bits_per_second * 2 ** ((only.crf - crf) / 6)
        below = [point for point in ordered[:-1] if point.crf <= crf]
        left = below[-1] if below else ordered[0]
        right = ordered[ordered.index(left) + 1]
        slope = (math.log(right.bits_per_second) - math.log(left.bits_per_second)) / (right.crf - left.crf)
        # A curve that rises with CRF is noise of the measurement; flat is the safe reading.
        return left.bits_per_second * math.exp(min(slope, 0.0) * (crf - left.crf))


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodePlan:
    """What each clip is encoded with."""

    crf: Mapping[str, int]  # by clip id
    forecast_bytes: int
    overrun_reason: str  # empty while the forecast is within the budget (invariant 13)


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """What a package may weigh, and what of it is spoken for."""

    total_bytes: int
    metadata_bytes: int  # receipts, manifests, catalogue
    audio_bits_per_second: float
    safety: float = 0.94  # share of the rest that is planned: a curve through two points is no promise


def budget_bytes(kbps: float, stream_seconds: float) -> int:
    """A project's storage budget: kilobits a second, for every second that some stream recorded."""
    return int(kbps * 1000 / 8 * stream_seconds)


def plan(demands: Sequence[ClipDemand], budget: Budget, profile: Profile) -> EncodePlan:
    """The best common quality at which all clips fit into the budget.

    The same CRF for all clips gives each the bytes that its content needs, and none is better at the cost
    of another. Where even the worst legible quality does not fit, legibility wins and the reason is named.
    """
    audio = sum(demand.seconds for demand in demands if demand.has_audio) * budget.audio_bits_per_second / 8
    room = (budget.total_bytes - budget.metadata_bytes - audio) * budget.safety
    chosen = profile.worst_crf
    for crf in range(profile.best_crf, profile.worst_crf + 1):
        if _bytes_at(demands, crf) <= room:
            chosen = crf
            break
    video = _bytes_at(demands, chosen)
    reason = ""
    if video > room:
        reason = (
            f"At the worst legible quality (CRF {chosen}) the clips need about {math.ceil(video)} bytes "
            f"of video; the budget leaves {max(0, math.floor(room))}."
        )
    forecast = math.ceil(video + audio + budget.metadata_bytes)
    return EncodePlan(
        crf={demand.clip_id: chosen for demand in demands}, forecast_bytes=forecast, overrun_reason=reason
    )


def _bytes_at(demands: Sequence[ClipDemand], crf: int) -> float:
    return sum(demand.bits_per_second(crf) * demand.seconds / 8 for demand in demands)
