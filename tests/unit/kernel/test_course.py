"""Where a session stands in its course at a moment."""

from __future__ import annotations

from kernel.course import Course, course_of
from kernel.model.timeline import TimelineEvent


def event(at_us: int, kind: str, *, replaces: str | None = None, withdrawn: bool = False) -> TimelineEvent:
    return TimelineEvent(
        id=f"{kind}@{at_us}",
        session_id="S",
        at_us=at_us,
        type=kind,
        reason="午餐" if kind == "eval.pause" else "",
        principal="x",
        recorded_us=at_us,
        replaces=replaces,
        withdrawn=withdrawn,
    )


EVENTS = [
    event(10, "eval.start"),
    event(20, "eval.pause"),
    event(30, "eval.resume"),
    event(40, "eval.overnight_seal"),
    event(50, "eval.overnight_unseal"),
    event(60, "eval.pause"),
    event(70, "eval.end"),
]


def test_a_pause_holds_from_its_event_until_it_is_resumed() -> None:
    assert course_of(EVENTS, 19) == Course()
    assert course_of(EVENTS, 25) == Course(paused_since_us=20, pause_reason="午餐")
    assert course_of(EVENTS, 30) == Course()


def test_a_night_seals_and_the_morning_begins_another_part() -> None:
    assert course_of(EVENTS, 45) == Course(sealed_since_us=40)
    assert course_of(EVENTS, 55) == Course(part=2)


def test_the_end_ends_a_pause_that_nobody_resumed() -> None:
    assert course_of(EVENTS, 65).paused_since_us == 60
    assert course_of(EVENTS, 75) == Course(part=2)


def test_a_pause_that_was_taken_back_was_none() -> None:
    taken_back = event(20, "eval.pause", replaces="eval.pause@20", withdrawn=True)
    taken_back = TimelineEvent(**{**{n: getattr(taken_back, n) for n in taken_back.__slots__}, "id": "x"})
    assert course_of([*EVENTS, taken_back], 25) == Course()
