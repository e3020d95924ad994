"""What timeline events do: their kinds, read from ``kernel/data/event_kinds.yaml``, and their corrections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from kernel.clock import SECOND_US
from kernel.model.timeline import Effect, Phase, TimelineEvent
from kernel.timerange import EVER_US, TimeRange

_FILE = Path(__file__).parent / "data" / "event_kinds.yaml"
_ORDER = {effect: number for number, effect in enumerate(Effect)}  # each beginning stands before its end
NEAR_US = 4 * 3600 * SECOND_US
"""Nobody takes a seat so long before a session; a system that mistakes Beijing time for UTC is 8 h off."""
_REACH: Mapping[Effect, tuple[int, int]] = {
    Effect.SESSION_START: (EVER_US, EVER_US),
    Effect.SESSION_END: (EVER_US, EVER_US),
    Effect.SESSION_CANCELLED: (EVER_US, EVER_US),
    Effect.FILES_RECEIVED: (EVER_US, EVER_US),  # days later
    Effect.SEATS_ENTERED: (NEAR_US, 0),
    Effect.SEATS_CLEARED: (0, NEAR_US),
    Effect.FAULT_START: (NEAR_US, NEAR_US),
    Effect.FAULT_END: (NEAR_US, NEAR_US),
    Effect.MARK: (NEAR_US, NEAR_US),  # people sign in before and sign reports after
}
"""How long before and after a session what has that effect belongs to it; of other effects: not at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EventKind:
    """A kind of event that the timeline knows."""

    type: str
    effect: Effect
    zh: str
    en: str
    also: tuple[str, ...] = ()  # what else people call it in Chinese
    phases: frozenset[Phase] = frozenset(Phase)  # of the sessions that it belongs to


@cache
def event_kinds() -> dict[str, EventKind]:
    """All kinds that are known, by type."""
    rows = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return {row["type"]: _kind(row) for row in rows}


def _kind(row: dict[str, Any]) -> EventKind:
    return EventKind(
        type=row["type"],
        effect=Effect(row["effect"]),
        zh=row["zh"],
        en=row["en"],
        also=tuple(row.get("also", ())),
        phases=frozenset(map(Phase, row.get("phases", Phase))),
    )


def kinds_called(name: str) -> list[EventKind]:
    """The kinds that people call so in Chinese; several where only the phase tells them apart."""
    return [kind for kind in event_kinds().values() if name in (kind.zh, *kind.also)]


def effect_of(event_type: str) -> Effect:
    """What an event of that type does; a type that nobody described is a mark."""
    kind = event_kinds().get(event_type)
    return Effect.MARK if kind is None else kind.effect


def in_force(events: Iterable[TimelineEvent]) -> list[TimelineEvent]:
    """The events that hold now, by their own time: without those that another replaces or takes back.

    Of one moment, what begins comes before what ends; when we learnt of them does not matter.
    """
    told = list(events)
    replaced = {event.replaces for event in told}
    held = [event for event in told if event.id not in replaced and not event.withdrawn]
    return sorted(held, key=lambda event: (event.at_us, _ORDER[effect_of(event.type)], event.id))


def outside_us(event: TimelineEvent, wall: TimeRange) -> int:
    """How far before (negative) or after a session an event lies that does not belong to it; else 0.

    Args:
        event: the event.
        wall: the session, from its start to its end.
    """
    before_us, after_us = _REACH.get(effect_of(event.type), (0, 0))
    if event.at_us < wall.start_us - before_us:
        return event.at_us - wall.start_us
    return event.at_us - wall.end_us if event.at_us > wall.end_us + after_us else 0


def acting(events: Iterable[TimelineEvent], wall: TimeRange) -> list[TimelineEvent]:
    """The events in force that act on a session, by their own time.

    What lies outside the session does not act on it: a session begins neither paused nor sealed, and a system
    whose time zone is wrong moves nothing of what is kept. Such an event is kept and shown all the same.
    """
    return [event for event in in_force(events) if not outside_us(event, wall)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """When a session started and ended, as far as its events say."""

    start_us: int | None
    end_us: int | None
    cancelled: bool


def bounds(events: Iterable[TimelineEvent]) -> Bounds:
    """From the first start to the last end; order of arrival does not matter.

    A start after an end means that the session runs again; the time between is inside it. A cancellation
    while it runs is its end.
    """
    start_us: int | None = None
    end_us: int | None = None
    cancelled = False
    for event in in_force(events):
        effect = effect_of(event.type)
        runs = start_us is not None and start_us < event.at_us and end_us is None
        if effect is Effect.SESSION_START:
            if start_us is None:
                start_us = event.at_us
            elif end_us is not None and start_us < end_us < event.at_us:
                end_us = None
        elif effect is Effect.SESSION_END or (effect is Effect.SESSION_CANCELLED and runs):
            end_us = event.at_us
        elif effect is Effect.SESSION_CANCELLED:
            cancelled = True
    return Bounds(start_us=start_us, end_us=end_us, cancelled=cancelled and start_us is None)
