"""Somebody watches: what was opened, what of it was on the screen, and for how long (invariant 14)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from kernel.audit_chain import canonical
from kernel.clock import SECOND_US
from kernel.timerange import TimeRange, merge
from kernel.values import fields_of

LASTS_US = 30 * SECOND_US
"""A watch that nobody tells of for so long is over, and ended when it was told of last."""
_NEAR_US = 2 * SECOND_US  # pieces that are no further apart are one: the page tells every few seconds
_SAME_SPEED = 0.2  # speeds that differ by no more of themselves are one


class WatchKind(StrEnum):
    """How footage is looked at."""

    REPLAY = "replay"
    LIVE = "live"


class WatchEnd(StrEnum):
    """Why a watch is over."""

    CLOSED = "closed"
    """The page said so."""
    LOST = "lost"
    """Nobody told of it any more: it ended when it was told of last."""
    WITHDRAWN = "withdrawn"
    """Whoever watched may not any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Watched:
    """One thing that a watch is of: a source live, or a clip of one; of a project and session, if of any."""

    source_id: str
    clip_id: str = ""
    project_id: str = ""
    session_id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """Somebody has something open. Nothing of it is sent without (invariant 14)."""

    id: str
    account_id: str
    role: str  # ``Role`` at that time; empty: the local user of a server without accounts
    login_id: str  # with which it was opened, and with which alone it can be used
    origin: str  # address
    kind: WatchKind
    things: tuple[Watched, ...]
    opened_us: int
    beat_us: int  # when it was told of last
    wall_start_us: int | None = None  # only footage from here on; None: all
    wall_end_us: int | None = None
    closed_us: int | None = None  # when it ended, which may be before that was noticed
    end: WatchEnd | None = None

    def lasts(self, now_us: int) -> bool:
        """Whether something of it may be sent at a moment."""
        return self.closed_us is None and now_us < self.beat_us + LASTS_US

    @property
    def sources(self) -> frozenset[str]:
        return frozenset(one.source_id for one in self.things)

    @property
    def clips(self) -> frozenset[str]:
        return frozenset(one.clip_id for one in self.things if one.clip_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What a page says that it showed of a source since it last told; several follow each other."""

    source_id: str
    from_us: int  # wall time of the footage
    to_us: int
    rate: float = 1.0  # times real time; 0: a picture that stands still


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What of a source was on the screen, and when: footage of a time, at a time."""

    source_id: str
    seen_from_us: int
    seen_to_us: int
    footage_from_us: int
    footage_to_us: int

    @property
    def speed(self) -> float:
        seen_us = self.seen_to_us - self.seen_from_us
        return (self.footage_to_us - self.footage_from_us) / seen_us if seen_us else 0.0


def placed(shown: Sequence[Shown], since_us: int, now_us: int) -> list[Seen]:
    """When each thing was on the screen, between two beats; of each source one behind the other up to now.

    A moving picture takes its length by its rate, standing ones share what is left. Where the page claims
    more than there was time for, it is all shortened alike.
    """
    found: list[Seen] = []
    for source_id in dict.fromkeys(one.source_id for one in shown):
        pieces = [one for one in shown if one.source_id == source_id]
        took = _durations(pieces, max(0, now_us - since_us))
        at_us = now_us - sum(took)
        for one, lasted_us in zip(pieces, took, strict=True):
            found.append(
                Seen(
                    source_id=source_id,
                    seen_from_us=at_us,
                    seen_to_us=at_us + lasted_us,
                    footage_from_us=one.from_us,
                    footage_to_us=one.to_us,
                )
            )
            at_us += lasted_us
    return found


def _durations(pieces: Sequence[Shown], whole_us: int) -> list[int]:
    """Real time that each piece was on the screen."""
    moving = [round((one.to_us - one.from_us) / one.rate) if one.rate > 0 else 0 for one in pieces]
    still = sum(one.rate <= 0 for one in pieces)
    if sum(moving) > whole_us:
        return [one * whole_us // sum(moving) for one in moving]
    left_us = (whole_us - sum(moving)) // still if still else 0
    return [left_us if one.rate <= 0 else took for one, took in zip(pieces, moving, strict=True)]


def joined(before: Seen, after: Seen) -> Seen | None:
    """Two pieces of a source as one, where the second goes on with the first at the same speed."""
    apart_us = abs(after.footage_from_us - before.footage_to_us)
    if before.source_id != after.source_id or abs(after.seen_from_us - before.seen_to_us) > _NEAR_US:
        return None
    speed = max(before.speed, after.speed)
    if apart_us > _NEAR_US * max(1.0, speed) or abs(before.speed - after.speed) > _SAME_SPEED * speed:
        return None
    return replace(
        before,
        seen_to_us=after.seen_to_us,
        footage_to_us=max(before.footage_to_us, after.footage_to_us),
    )


def seen_us(intervals: Iterable[Seen]) -> int:
    """How long somebody looked; several pictures at once count once."""
    spans = merge(TimeRange(start_us=one.seen_from_us, end_us=one.seen_to_us) for one in intervals)
    return sum(one.duration_us for one in spans)


def intervals_sha256(intervals: Iterable[Seen]) -> str:
    """Hash by which the audit chain knows what a watch showed: over canonical JSON, in the order of times."""
    told = sorted(list(fields_of(one).values()) for one in intervals)
    return hashlib.sha256(canonical(told).encode()).hexdigest()
