"""What is odd about events that were taken in: they are kept, and whoever reports them is told. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache

from kernel.clock import SECOND_US
from kernel.events import bounds, effect_of, event_kinds, in_force, outside_us
from kernel.model.timeline import Effect, Phase, TimelineEvent
from kernel.timerange import EVER_US, TimeRange

_MINUTE_US = 60 * SECOND_US
_ALIKE, _ALIKE_CHINESE = 0.7, 0.5
"""Least likeness of a slip of the pen to what was meant, by ``difflib``; of two characters one is half."""
_BOUNDS = (Effect.SESSION_START, Effect.SESSION_END, Effect.SESSION_CANCELLED)


class NoticeCode(StrEnum):
    """What is odd about an event."""

    OUTSIDE_SESSION = "outside_session"
    """It lies before the session's start or after its end, and has no effect."""
    OTHER_PHASE = "other_phase"
    """Its kind belongs to sessions of another phase."""
    UNKNOWN_KIND = "unknown_kind"
    """Its kind is not known: it is a mark."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """What is odd about an event that was taken in."""

    code: NoticeCode
    event: str  # id of the event, in force, that it is about
    message: str
    hint: str  # what to do about it


def notices_of(events: Iterable[TimelineEvent], phase: Phase) -> list[Notice]:
    """What is odd about a session's events in force, by their own time.

    Args:
        events: all events of the session, those that were replaced included.
        phase: of the session.
    """
    told = list(events)
    found = bounds(told)
    wall = None
    if found.start_us is not None and (found.end_us is None or found.start_us < found.end_us):
        wall = TimeRange(start_us=found.start_us, end_us=found.end_us or EVER_US)
    notices: list[Notice] = []
    for event in in_force(told):
        notices += _of_kind(event, phase)
        if wall is not None and (off_us := outside_us(event, wall)):
            notices.append(_outside(event, off_us))
    return notices


def notices_for(
    event: TimelineEvent, notices: Iterable[Notice], told: Collection[str] = ()
) -> tuple[Notice, ...]:
    """What to tell whoever reports an event.

    Args:
        event: it; one that begins or ends its session hears also of those that lie outside it now.
        notices: of its session.
        told: ids of events that hear for themselves.
    """
    moves = effect_of(event.type) in _BOUNDS
    others = NoticeCode.OUTSIDE_SESSION
    return tuple(
        one
        for one in notices
        if one.event == event.id or (moves and one.code is others and one.event not in told)
    )


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was meant by a slip of the pen; None where none is like it."""
    cutoff = _ALIKE if word.isascii() else _ALIKE_CHINESE
    return next(iter(get_close_matches(word, list(known), n=1, cutoff=cutoff)), None)


@lru_cache(maxsize=1024)  # systems have marks of their own, and send them often
def _meant(event_type: str, phase: Phase) -> str | None:
    """The kind that is like it: one of that phase rather than another."""
    own = [kind.type for kind in event_kinds().values() if phase in kind.phases]
    return nearest(event_type, own) or nearest(event_type, event_kinds())


def _of_kind(event: TimelineEvent, phase: Phase) -> list[Notice]:
    kind = event_kinds().get(event.type)
    if kind is None:
        meant = _meant(event.type, phase)
        return [
            Notice(
                code=NoticeCode.UNKNOWN_KIND,
                event=event.id,
                message=f"the type {event.type} of event {event.id} is not known.",
                hint="It is kept as a mark and moves nothing."
                + (f" If {meant} was meant, send a correction that replaces it." if meant else ""),
            )
        ]
    if phase in kind.phases:
        return []
    belongs = " or ".join(one for one in Phase if one in kind.phases)
    return [
        Notice(
            code=NoticeCode.OTHER_PHASE,
            event=event.id,
            message=f"event {event.id} ({event.type}) belongs to {belongs}; session {event.session_id} is "
            f"{phase}.",
            hint="It is kept and counts all the same. If session or type are wrong, send a correction that "
            "replaces it.",
        )
    ]


def _outside(event: TimelineEvent, off_us: int) -> Notice:
    side = "before the start" if off_us < 0 else "after the end"
    return Notice(
        code=NoticeCode.OUTSIDE_SESSION,
        event=event.id,
        message=f"event {event.id} ({event.type}) lies {_lasting(abs(off_us))} {side} of session "
        f"{event.session_id}.",
        hint="It is kept and has no effect. Check the clock and time zone of the system that reports it, and "
        "send a correction that replaces it.",
    )


def _lasting(us: int) -> str:
    """Such as ``8 h``, ``7 h 30 min``, ``12 min`` or ``3.5 s``."""
    if us < _MINUTE_US:
        return f"{us // 1000 / 1000:g} s"
    hours, minutes = divmod(us // _MINUTE_US, 60)
    return " ".join(f"{n} {unit}" for n, unit in ((hours, "h"), (minutes, "min")) if n)
