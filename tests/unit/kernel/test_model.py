"""States and their transitions: plans and corrections lead anywhere, only work makes a cut or an archive."""

from __future__ import annotations

import dataclasses
import importlib

import pytest

from kernel.model.footage import Codec
from kernel.model.timeline import SESSION_TRANSITIONS, SessionState

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


def test_a_session_is_cut_only_after_its_end_and_archived_only_after_its_cut() -> None:
    before = {
        after: {state for state in SessionState if after in SESSION_TRANSITIONS[state]}
        for after in SessionState
    }
    assert before[SessionState.CUT] == {SessionState.ENDED}
    assert before[SessionState.ARCHIVED] == {SessionState.CUT}


@pytest.mark.parametrize("told", ["planned", "running", "ended", "cancelled"])
def test_what_events_say_can_be_put_right_in_every_state(told: str) -> None:
    """Whatever was cut or archived: a correction that comes late is never refused for it."""
    to = SessionState(told)
    hindered = {state for state in SessionState if state is not to and to not in SESSION_TRANSITIONS[state]}
    assert hindered == set()


def test_every_state_can_be_reached_from_planned() -> None:
    reached = {SessionState.PLANNED}
    for _ in SessionState:
        reached |= {after for state in reached for after in SESSION_TRANSITIONS[state]}
    assert reached == set(SessionState)


def test_sound_codecs_are_not_taken_for_pictures() -> None:
    assert {codec for codec in Codec if codec.is_video} == {Codec.H264, Codec.H265, Codec.MJPEG}


@pytest.mark.parametrize("kind", value_types(), ids=lambda kind: kind.__name__)
def test_a_value_type_cannot_be_changed_nor_filled_by_position(kind: type) -> None:
    settings = kind.__dataclass_params__  # type: ignore[attr-defined]
    assert settings.frozen
    assert all(field.kw_only for field in dataclasses.fields(kind))
    assert "__slots__" in vars(kind)
