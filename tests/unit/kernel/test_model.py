"""States and their transitions: a session only goes forward, and no state is a dead end by mistake."""

from __future__ import annotations

import dataclasses
import importlib

import pytest

from kernel.model.footage import Codec
from kernel.model.timeline import END_EVENTS, SESSION_TRANSITIONS, START_EVENTS, EventType, SessionState

ROOMS = ("archive", "cut", "footage", "source", "timeline")


def value_types() -> list[type]:
    modules = [importlib.import_module(f"kernel.model.{room}") for room in ROOMS]
    return [
        one
        for module in modules
        for one in vars(module).values()
        if dataclasses.is_dataclass(one) and isinstance(one, type) and one.__module__ == module.__name__
    ]


def test_every_state_has_its_transitions_named() -> None:
    assert set(SESSION_TRANSITIONS) == set(SessionState)


def test_a_session_never_goes_back_to_a_state_that_it_left() -> None:
    for start in SessionState:
        seen: set[SessionState] = set()
        coming = set(SESSION_TRANSITIONS[start])
        while coming:
            seen |= coming
            coming = {after for state in coming for after in SESSION_TRANSITIONS[state]} - seen
        assert start not in seen


def test_every_state_can_be_reached_from_planned() -> None:
    reached = {SessionState.PLANNED}
    for _ in SessionState:
        reached |= {after for state in reached for after in SESSION_TRANSITIONS[state]}
    assert reached == set(SessionState)


def test_no_event_both_starts_and_ends_a_session_and_pauses_do_neither() -> None:
    assert not START_EVENTS & END_EVENTS
    assert set(EventType) - START_EVENTS - END_EVENTS == {
        EventType.EVALUATION_PAUSE,
        EventType.EVALUATION_RESUME,
    }


def test_sound_codecs_are_not_taken_for_pictures() -> None:
    assert {codec for codec in Codec if codec.is_video} == {Codec.H264, Codec.H265, Codec.MJPEG}


@pytest.mark.parametrize("kind", value_types(), ids=lambda kind: kind.__name__)
def test_a_value_type_cannot_be_changed_nor_filled_by_position(kind: type) -> None:
    settings = kind.__dataclass_params__  # type: ignore[attr-defined]
    assert settings.frozen
    assert all(field.kw_only for field in dataclasses.fields(kind))
    assert "__slots__" in vars(kind)
