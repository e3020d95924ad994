"""Notices: what is odd about an event is told, and nothing is lost by it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cli.sample.files import read_sample
from kernel.clock import SECOND_US, from_datetime
from kernel.event_notices import Notice, NoticeCode, nearest, notices_for, notices_of
from kernel.model.timeline import Phase, TimelineEvent

HOUR_US = 3600 * SECOND_US


def event(kind: str, hour: float, name: str = "", replaces: str | None = None) -> TimelineEvent:
    return TimelineEvent(
        id=name or kind,
        session_id="S",
        at_us=round(hour * HOUR_US),
        type=kind,
        reason="",
        principal="test",
        recorded_us=0,
        replaces=replaces,
    )


HELD = [event("eval.start", 100), event("eval.end", 103)]


def told(*events: TimelineEvent, phase: Phase = Phase.EVALUATION) -> list[Notice]:
    return notices_of([*HELD, *events], phase)


def test_the_whole_sample_is_nothing_odd() -> None:
    for project in read_sample().projects:
        for session in project.sessions:
            mine = [one for one in project.events if one.session == session.id]
            events = [one.event("test", from_datetime(one.at)) for one in mine]
            assert notices_of(events, session.phase) == []


@pytest.mark.parametrize(
    ("kind", "hour", "said"),
    [
        ("eval.pause", 92, "lies 8 h before the start of session S"),
        ("eval.resume", 110.5, "lies 7 h 30 min after the end of session S"),
        ("eval.overnight_seal", 99.9999, "lies 0.36 s before the start"),
        ("eval.section_switch", 103.05, "lies 3 min after the end"),
        ("eval.report_signed", 111, "lies 8 h after the end"),
        ("seats.entered", 92, "lies 8 h before the start"),
        ("seats.entered", 104, "lies 1 h after the end"),
        ("seats.cleared", 99, "lies 1 h before the start"),
    ],
)
def test_what_lies_outside_its_session_is_told(kind: str, hour: float, said: str) -> None:
    (notice,) = told(event(kind, hour))
    assert notice.code is NoticeCode.OUTSIDE_SESSION
    assert said in notice.message
    assert "time zone" in notice.hint


@pytest.mark.parametrize(
    ("kind", "hour"),
    [
        ("eval.pause", 100),
        ("eval.resume", 103),
        ("eval.report_signed", 104),
        ("seats.entered", 99.5),
        ("seats.cleared", 103.1),
        ("fault.start", 99),
        ("handover.received", 190),
        ("session.cancelled", 90),
    ],
)
def test_what_usually_lies_before_or_after_a_session_is_not(kind: str, hour: float) -> None:
    assert told(event(kind, hour)) == []


def test_before_a_session_has_begun_nothing_lies_outside() -> None:
    assert notices_of([event("eval.pause", 92)], Phase.EVALUATION) == []
    assert notices_of([event("eval.pause", 92), HELD[1]], Phase.EVALUATION) == []
    (notice,) = notices_of([event("eval.pause", 92), HELD[0]], Phase.EVALUATION)
    assert notice.event == "eval.pause"
    assert notices_of([event("eval.pause", 192), HELD[0]], Phase.EVALUATION) == []  # it still runs


def test_what_was_put_right_is_odd_no_longer() -> None:
    wrong = event("eval.pause", 92)
    assert told(wrong, event("eval.pause", 101, "right", replaces=wrong.id)) == []


def test_a_kind_of_another_phase_is_told_and_pauses_belong_to_all() -> None:
    (notice,) = notices_of([event("eval.leader_elected", 1)], Phase.OPENING)
    assert notice.code is NoticeCode.OTHER_PHASE
    assert "belongs to evaluation or re_evaluation or negotiation; session S is opening" in notice.message
    assert notices_of([event("eval.pause", 1), event("session.start", 0)], Phase.OPENING) == []


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("eval.puase", "eval.pause"),
        ("eval.overnight_seel", "eval.overnight_seal"),
        ("evaluation.start", "eval.start"),
    ],
)
def test_a_slip_of_the_pen_is_told_with_what_was_meant(typo: str, meant: str) -> None:
    (notice,) = told(event(typo, 101))
    assert notice.code is NoticeCode.UNKNOWN_KIND
    assert typo in notice.message
    assert f"If {meant} was meant" in notice.hint


def test_a_mark_of_a_system_of_its_own_is_told_without_a_guess() -> None:
    (notice,) = told(event("lunch.served", 101))
    assert notice.hint == "It is kept as a mark and moves nothing."


def test_whoever_begins_or_ends_a_session_hears_what_lies_outside_now() -> None:
    """The pause came first, when nobody knew when the session would begin."""
    odd = told(event("eval.pause", 92), event("lunch.served", 101))
    pause = next(one for one in odd if one.event == "eval.pause")
    assert notices_for(HELD[0], odd) == notices_for(HELD[1], odd) == (pause,)
    assert notices_for(HELD[0], odd, told={"eval.pause"}) == ()
    assert notices_for(event("eval.resume", 102), odd) == ()
    assert notices_for(event("lunch.served", 101), odd) == tuple(one for one in odd if one is not pause)


def test_a_guess_needs_some_likeness() -> None:
    assert nearest("停电", ["暂停", "恢复"]) == "暂停"
    assert nearest("午餐", ["暂停", "恢复"]) is None
    assert nearest("lunch", ["eval.start"]) is None
    assert nearest("replace", ["replaces", "reason"]) == "replaces"


def test_a_session_without_length_is_no_wall() -> None:
    same = [replace(HELD[0], at_us=5), replace(HELD[1], at_us=5)]
    assert notices_of(same, Phase.EVALUATION) == []
