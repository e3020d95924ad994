"""Where a session stands in its course: paused, sealed for the night, in which part. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kernel.events import effect_of, in_force
from kernel.model.timeline import Effect, TimelineEvent


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """What holds at a moment."""

    part: int = 1  # of the session; another begins when it is unsealed after a night
    paused_since_us: int | None = None  # None: it is not paused
    pause_reason: str = ""
    sealed_since_us: int | None = None  # None: it is not sealed for the night


def course_of(events: Iterable[TimelineEvent], at_us: int) -> Course:
    """Where a session stands at a moment, by its events in force up to then.

    Args:
        events: of the session, those that were put right included.
    """
    part, paused, sealed = 1, None, None
    for event in in_force(events):
        if event.at_us > at_us:
            break
        match effect_of(event.type):
            case Effect.PAUSE:
                paused = paused or event
            case Effect.RESUME:
                paused = None
            case Effect.NIGHT_START:
                sealed = sealed or event
            case Effect.NIGHT_END:
                part, sealed = part + (sealed is not None), None
            case Effect.SESSION_END | Effect.SESSION_CANCELLED:
                paused = sealed = None
    return Course(
        part=part,
        paused_since_us=paused.at_us if paused else None,
        pause_reason=paused.reason if paused else "",
        sealed_since_us=sealed.at_us if sealed else None,
    )
