"""Events: what kinds do is data, corrections keep the old, and the order of arrival changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.events import bounds, effect_of, event_kinds, in_force, kinds_called
from kernel.model.timeline import CUTTING_EFFECTS, Effect, TimelineEvent

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Machines are shared: no example is judged by the time it takes."""


def event(
    kind: str, at_us: int, name: str = "", replaces: str | None = None, gone: bool = False
) -> TimelineEvent:
    return TimelineEvent(
        id=name or f"{kind} {at_us}",
        session_id="S",
        at_us=at_us,
        type=kind,
        reason="",
        principal="test",
        recorded_us=at_us,
        replaces=replaces,
        withdrawn=gone,
    )


def told(*events: TimelineEvent) -> tuple[int | None, int | None, bool]:
    found = bounds(events)
    return found.start_us, found.end_us, found.cancelled


# --- kinds


def test_every_kind_says_in_two_languages_what_it_is() -> None:
    kinds = event_kinds()
    assert all(kind.zh and kind.en and kind.type == name for name, kind in kinds.items())
    assert {kind.effect for kind in kinds.values()} == set(Effect)


def test_a_kind_that_nobody_described_is_a_mark() -> None:
    assert effect_of("lunch.served") is Effect.MARK


def test_one_chinese_name_is_of_one_kind_in_each_phase() -> None:
    """Else a file that says it would mean two things."""
    names = {name for kind in event_kinds().values() for name in (kind.zh, *kind.also)}
    for name in names:
        phases = [phase for kind in kinds_called(name) for phase in kind.phases]
        assert len(phases) == len(set(phases)), name
    assert [kind.type for kind in kinds_called("暂停")] == ["eval.pause"]
    switches = [kind.type for kind in kinds_called("切换标段")]
    assert switches == ["opening.section_switch", "eval.section_switch"]
    assert kinds_called("午餐") == []


def test_what_begins_can_end() -> None:
    """Of one moment the beginning comes first: the enumeration is the order."""
    order = list(Effect)
    for first, last in (
        (Effect.SESSION_START, Effect.SESSION_END),
        (Effect.PAUSE, Effect.RESUME),
        (Effect.NIGHT_START, Effect.NIGHT_END),
        (Effect.SEATS_ENTERED, Effect.SEATS_CLEARED),
        (Effect.FAULT_START, Effect.FAULT_END),
    ):
        assert order.index(first) < order.index(last)


def test_marks_sections_and_faults_open_nothing_that_was_cut() -> None:
    assert effect_of("opening.read_prices") not in CUTTING_EFFECTS
    assert effect_of("eval.section_switch") not in CUTTING_EFFECTS
    assert effect_of("fault.start") not in CUTTING_EFFECTS
    assert effect_of("seats.entered") in CUTTING_EFFECTS


# --- bounds


def test_a_session_lasts_from_its_first_start_to_its_last_end() -> None:
    events = [event("session.start", at) for at in (100, 120)] + [
        event("session.end", at) for at in (180, 200)
    ]
    assert told(*events) == (100, 200, False)


def test_a_session_that_took_place_was_not_cancelled() -> None:
    cancelled = event("session.cancelled", 50)
    assert told(cancelled) == (None, None, True)
    assert told(cancelled, event("session.start", 100)) == (100, None, False)


@pytest.mark.parametrize(
    ("more", "end"),
    [
        ([], 100),
        ([("session.start", 120)], None),
        ([("session.start", 120), ("session.end", 200)], 200),
        ([("session.start", 100)], 100),  # reported by both sides of a hand-over
        ([("session.start", 120), ("session.end", 120)], 120),
    ],
)
def test_a_session_that_starts_after_its_end_runs_again_from_its_first_start(
    more: list[tuple[str, int]], end: int | None
) -> None:
    """Nobody reports a second beginning of what is over: what happens now is evidence, too."""
    events = [event("session.start", 0), event("session.end", 100), *(event(*one) for one in more)]
    assert told(*events) == (0, end, False)


@pytest.mark.parametrize("kind", ["session.cancelled", "extraction.cancelled"])
def test_a_session_that_is_cancelled_while_it_runs_ends_then(kind: str) -> None:
    start, end = event("session.start", 100), event("session.end", 200)
    assert told(start, event(kind, 150)) == (100, 150, False)
    assert told(start, event(kind, 150), end) == (100, 200, False)
    assert told(start, end, event(kind, 300)) == (100, 200, False)  # it was over
    assert told(start, event(kind, 150), event("session.start", 160)) == (100, None, False)


def test_an_extraction_that_is_cancelled_before_it_begins_does_not_take_place() -> None:
    assert told(event("extraction.cancelled", 100)) == (None, None, True)
    assert told(event("extraction.end", 100)) == (None, 100, False)  # its start is on the way


# --- corrections


def test_a_correction_counts_and_what_it_replaces_does_not() -> None:
    start, end = event("eval.start", 100), event("eval.end", 200)
    assert told(start, end, event("eval.end", 300, replaces=end.id)) == (100, 300, False)
    assert told(start, end, event("eval.end", 150, replaces=end.id)) == (100, 150, False)


def test_a_correction_of_a_correction_counts() -> None:
    start, end = event("eval.start", 100), event("eval.end", 200)
    second = event("eval.end", 300, replaces=end.id)
    third = event("eval.end", 250, replaces=second.id)
    assert told(start, end, second, third) == (100, 250, False)


def test_what_is_withdrawn_never_happened_and_neither_did_the_withdrawal() -> None:
    start, end = event("eval.start", 100), event("eval.end", 200)
    gone = event("eval.end", 210, replaces=end.id, gone=True)
    assert told(start, end, gone) == (100, None, False)
    assert in_force([start, end, gone]) == [start]


def test_an_event_may_be_put_right_to_be_of_another_kind() -> None:
    start, end = event("eval.start", 100), event("eval.end", 200)
    assert told(start, end, event("eval.pause", 200, "p", replaces=end.id)) == (100, None, False)


KINDS = ["session.start", "session.end", "session.cancelled", "eval.pause", "eval.resume", "note"]


@st.composite
def histories(draw: st.DrawFn) -> list[TimelineEvent]:
    """Events, some of which correct or withdraw one before them."""
    made: list[TimelineEvent] = []
    open_ids: list[str] = []
    for number in range(draw(st.integers(min_value=1, max_value=8))):
        replaces = draw(st.none() | st.sampled_from(open_ids)) if open_ids else None
        gone = replaces is not None and draw(st.booleans())
        kind, at_us = draw(st.sampled_from(KINDS)), draw(st.integers(min_value=0, max_value=5))
        made.append(event(kind, at_us, f"e{number}", replaces, gone))
        open_ids = [one for one in (*open_ids, f"e{number}") if one != replaces]
    return made


@UNTIMED
@given(histories(), st.randoms(use_true_random=False), st.lists(st.integers(0, 9), min_size=8, max_size=8))
def test_neither_order_nor_time_of_arrival_changes_what_holds(
    events: list[TimelineEvent], random: object, arrivals: list[int]
) -> None:
    later = [replace(one, recorded_us=arrivals[number]) for number, one in enumerate(events)]
    random.shuffle(later)  # type: ignore[attr-defined]
    assert bounds(later) == bounds(events)
    assert [one.id for one in in_force(later)] == [one.id for one in in_force(events)]


@UNTIMED
@given(histories())
def test_what_was_replaced_never_counts_and_all_else_does(events: list[TimelineEvent]) -> None:
    replaced = {one.replaces for one in events}
    expected = {one.id for one in events if one.id not in replaced and not one.withdrawn}
    assert {one.id for one in in_force(events)} == expected
