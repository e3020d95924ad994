"""Rehearsals: the shipped day loads, faults in a file are named, true times come out in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kernel.clock import SECOND_US, iso_utc
from kernel.errors import TimelineError
from kernel.events import effect_of
from kernel.model.timeline import Effect, Phase, SessionState, TimelineEvent
from kernel.settings import load_cameras
from segmenter.rehearsal import (
    FaultAction,
    FaultPart,
    Rehearsal,
    RehearsalFile,
    load_rehearsal,
    schedule,
)

ROOT = Path(__file__).parents[3]
START = 1_772_420_400 * SECOND_US + 123_456


def content() -> dict[str, Any]:
    return {
        "project": {
            "name_zh": "样例",
            "name_en": "Sample",
            "region": "530602",
            "trade_place": "530602",
            "industry": "A01",
        },
        "sessions": [{"key": "O", "phase": "opening", "room": "OH"}],
        "events": [
            {"after_seconds": 20, "session": "O", "type": "opening.end"},
            {"after_seconds": 0.25, "session": "O", "type": "opening.start"},
        ],
        "faults": [{"after_seconds": 5, "source": "cam", "action": "lose"}],
    }


def load(tmp_path: Path, what: Any) -> RehearsalFile:
    path = tmp_path / "day.yaml"
    path.write_text(what if isinstance(what, str) else yaml.safe_dump(what), encoding="utf-8")
    return load_rehearsal(path)


@pytest.fixture
def shipped() -> Rehearsal:
    return schedule(load_rehearsal(ROOT / "cli" / "demo_day.yaml"), START, "demo")


def test_the_shipped_day_starts_and_ends_every_session_in_order(shipped: Rehearsal) -> None:
    assert {session.phase for session in shipped.sessions} == {
        Phase.OPENING,
        Phase.EXTRACTION,
        Phase.EVALUATION,
    }
    for session in shipped.sessions:
        types = [event.type for event in shipped.events if event.session_id == session.id]
        assert effect_of(types[0]) is Effect.SESSION_START
        assert effect_of(types[-1]) is Effect.SESSION_END
        assert (session.state, session.start_us, session.end_us) == (SessionState.PLANNED, None, None)


def test_the_shipped_day_names_only_what_the_shipped_cameras_file_has(shipped: Rehearsal) -> None:
    cameras = load_cameras(ROOT / "cameras.yaml")
    assert {session.room_id for session in shipped.sessions} <= {room.id for room in cameras.rooms_public()}
    seats = {seat.seat_id for session in shipped.sessions for seat in session.seats}
    assert seats <= {seat.id for seat in cameras.seats_public()}
    assert {fault.source for _, fault in shipped.faults} <= {source.id for source in cameras.specs()}


def test_every_source_that_the_shipped_day_loses_comes_back(shipped: Rehearsal) -> None:
    last = {fault.source: fault.action for _, fault in shipped.faults}
    assert set(last.values()) == {FaultAction.RESTORE}


@pytest.mark.parametrize(
    ("where", "named"),
    [
        ((), "unknown key colour"),
        (("project",), "unknown key project.colour"),
        (("sessions", 0), "unknown key sessions.0.colour"),
        (("events", 1), "unknown key events.1.colour"),
        (("faults", 0), "unknown key faults.0.colour"),
    ],
)
def test_an_unknown_key_fails_and_is_named(tmp_path: Path, where: tuple[Any, ...], named: str) -> None:
    broken = content()
    part: Any = broken
    for step in where:
        part = part[step]
    part["colour"] = "red"
    with pytest.raises(TimelineError, match=named):
        load(tmp_path, broken)


@pytest.mark.parametrize(
    ("where", "value", "named"),
    [
        (("events", 0, "after_seconds"), -1, "events.0.after_seconds"),
        (("sessions", 0, "phase"), "lunch", "sessions.0.phase"),
        (("faults", 0, "action"), "explode", "faults.0.action"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(
    tmp_path: Path, where: tuple[Any, ...], value: Any, named: str
) -> None:
    broken = content()
    part: Any = broken
    for step in where[:-1]:
        part = part[step]
    part[where[-1]] = value
    with pytest.raises(TimelineError, match=named):
        load(tmp_path, broken)


def test_an_event_of_a_session_that_the_file_lacks_is_named(tmp_path: Path) -> None:
    broken = content()
    broken["events"][0]["session"] = "Z"
    with pytest.raises(TimelineError, match=r"opening\.end names session Z"):
        load(tmp_path, broken)


@pytest.mark.parametrize("text", ["project: [", "a: b: c", ""])
def test_a_file_that_is_no_rehearsal_is_refused_in_words(tmp_path: Path, text: str) -> None:
    with pytest.raises(TimelineError, match=r"day\.yaml"):
        load(tmp_path, text)


def test_a_missing_file_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(TimelineError, match=r"none\.yaml cannot be read"):
        load_rehearsal(tmp_path / "none.yaml")


def test_events_get_true_wall_times_and_come_in_order(tmp_path: Path) -> None:
    rehearsal = schedule(load(tmp_path, content()), START, "trainer")
    assert [(event.type, event.at_us) for event in rehearsal.events] == [
        ("opening.start", START + 250_000),
        ("opening.end", START + 20 * SECOND_US),
    ]
    assert {event.principal for event in rehearsal.events} == {"trainer"}
    assert len({event.id for event in rehearsal.events}) == 2


def test_faults_and_events_happen_in_one_order(tmp_path: Path) -> None:
    rehearsal = schedule(load(tmp_path, content()), START, "trainer")
    moments = list(rehearsal.moments())
    assert [at_us - START for at_us, _ in moments] == [250_000, 5 * SECOND_US, 20 * SECOND_US]
    assert [type(what) for _, what in moments] == [TimelineEvent, FaultPart, TimelineEvent]


def test_events_of_one_moment_keep_the_order_of_the_file(tmp_path: Path) -> None:
    day = content()
    day["events"] = [
        {"after_seconds": 3, "session": "O", "type": f"opening.mark_{number}"} for number in range(5)
    ]
    rehearsal = schedule(load(tmp_path, day), START, "trainer")
    assert [event.type for event in rehearsal.events] == [f"opening.mark_{number}" for number in range(5)]


def test_every_run_makes_a_project_of_its_own_named_after_its_start(tmp_path: Path) -> None:
    day = load(tmp_path, content())
    first, second = (schedule(day, START + after * SECOND_US, "trainer") for after in (0, 1))
    assert first.project.id != second.project.id
    assert first.project.project_code != second.project.project_code
    assert first.sessions[0].id == f"{first.project.id}-O"
    assert first.sessions[0].project_id == first.project.id
    assert {event.session_id for event in first.events} == {first.sessions[0].id}
    stamp = iso_utc(START)
    assert first.project.id == f"R{stamp[:10].replace('-', '')}-{stamp[11:19].replace(':', '')}"
