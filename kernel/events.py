"""What timeline events do: their kinds, read from ``kernel/data/event_kinds.yaml``, and their corrections."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from kernel.model.timeline import Effect, TimelineEvent

_FILE = Path(__file__).parent / "data" / "event_kinds.yaml"
_ORDER = {effect: number for number, effect in enumerate(Effect)}  # each beginning stands before its end


@dataclass(frozen=True, kw_only=True, slots=True)
class EventKind:
    """A kind of event that the timeline knows."""

    type: str
    effect: Effect
    zh: str
    en: str


@cache
def event_kinds() -> dict[str, EventKind]:
    """All kinds that are known, by type."""
    rows = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return {row["type"]: EventKind(**{**row, "effect": Effect(row["effect"])}) for row in rows}


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
