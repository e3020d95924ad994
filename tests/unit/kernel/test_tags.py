"""Tags: what may be marked, which of them hold, what an irregularity locks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kernel.model.footage import HoldKind
from kernel.model.source import ContentKind, Source
from kernel.model.timeline import Phase, Session, SessionState, Tag, TimelineEvent
from kernel.tags import LockRule, fits, locks, needs_lock, section_at, tag_words, tags_in_force
from kernel.timerange import TimeRange

RULE = LockRule(before_us=300, after_us=600)
TAG = Tag(
    id="T",
    project_id="P",
    session_id="S",
    at_us=1000,
    kind="irregular",
    severity="major",
    text="使用手机",
    principal="w",
    recorded_us=1100,
    source_id="face-4",
    seat_id="seat-4",
)


def source(name: str, seat: str | None = None) -> Source:
    return Source(
        id=name, room_id="R", seat_id=seat, content_kind=ContentKind.ROOM, label_zh=name, label_en=name
    )


SOURCES = [
    source("face-4", "seat-4"),
    source("desk-4", "seat-4"),
    source("face-5", "seat-5"),
    source("room"),
]


def test_every_kind_and_severity_has_a_digit_of_its_own() -> None:
    words = tag_words()
    for rows in (words.kinds.values(), words.severities.values()):
        keys = [one.key for one in rows]
        assert len(set(keys)) == len(keys)
        assert set(keys) <= set(range(1, 10))
    assert {one for kind in words.kinds.values() for one in kind.severities} <= words.severities.keys()
    assert [kind.type for kind in words.kinds.values() if kind.locks] == ["irregular"]


@pytest.mark.parametrize(
    ("kind", "severity", "may"),
    [
        ("note", "", True),
        ("note", "major", False),
        ("irregular", "major", True),
        ("irregular", "", False),
        ("irregular", "terrible", False),
        ("opening.decrypt_start", "", False),  # the system marks that by itself
    ],
)
def test_a_mark_has_a_severity_if_and_only_if_its_kind_has_any(kind: str, severity: str, may: bool) -> None:
    assert fits(kind, severity) is may


def test_what_was_put_right_or_taken_back_does_not_hold_any_more() -> None:
    right = replace(TAG, id="T2", replaces="T", text="使用手环")
    back = replace(right, id="T3", replaces="T2", withdrawn=True)
    other = replace(TAG, id="U")
    assert tags_in_force([TAG, right, other]) == [right, other]
    assert tags_in_force([TAG, right, back, other]) == [other]


def test_an_irregularity_locks_face_and_desktop_of_its_seat_around_the_moment() -> None:
    held = locks(TAG, SOURCES, RULE, "act")
    wall = TimeRange(start_us=700, end_us=1600)
    assert [(one.source_id, one.wall, one.kind) for one in held] == [
        ("desk-4", wall, HoldKind.SOURCE),
        ("face-4", wall, HoldKind.SOURCE),
    ]
    assert {(one.act_id, one.tag_id, one.principal, one.made_us) for one in held} == {("act", "T", "w", 1100)}
    assert all("使用手机" in one.reason for one in held)


def test_at_no_seat_it_locks_its_source_and_at_no_source_the_whole_session() -> None:
    """Too much rather than too little."""
    (room,) = locks(replace(TAG, seat_id=None, source_id="room"), SOURCES, RULE, "act")
    assert (room.kind, room.source_id) == (HoldKind.SOURCE, "room")
    (whole,) = locks(replace(TAG, seat_id=None, source_id=None), SOURCES, RULE, "act")
    assert (whole.kind, whole.session_id, whole.source_id) == (HoldKind.SESSION, "S", "")
    (project,) = locks(replace(TAG, seat_id=None, source_id=None, session_id=None), SOURCES, RULE, "act")
    assert (project.kind, project.project_id) == (HoldKind.PROJECT, "P")


def test_a_correction_locks_only_what_was_not_locked_before() -> None:
    assert needs_lock(TAG, None)
    assert not needs_lock(replace(TAG, text="other words"), TAG)
    assert not needs_lock(replace(TAG, withdrawn=True), TAG)
    assert needs_lock(replace(TAG, at_us=5000), TAG)
    assert needs_lock(TAG, replace(TAG, kind="note", severity=""))
    assert not needs_lock(replace(TAG, kind="fault"), None)


SESSION = Session(
    id="S",
    project_id="P",
    phase=Phase.EVALUATION,
    room_id="R",
    state=SessionState.RUNNING,
    start_us=0,
    end_us=None,
    seats=(),
)


def event(name: str, at_us: int, kind: str, section: int, replaces: str | None = None) -> TimelineEvent:
    return TimelineEvent(
        id=name,
        session_id="S",
        at_us=at_us,
        type=kind,
        reason="",
        principal="x",
        recorded_us=at_us,
        details={"section": section},
        replaces=replaces,
    )


def test_the_section_of_a_moment_is_the_one_switched_to_last() -> None:
    events = [event("a", 0, "eval.start", 1), event("b", 100, "eval.section_switch", 2)]
    assert [section_at(SESSION, [1, 2, 3], events, us) for us in (50, 100, 900)] == [1, 2, 2]
    corrected = [*events, event("c", 500, "eval.section_switch", 2, replaces="b")]
    assert section_at(SESSION, [1, 2, 3], corrected, 400) == 1


def test_where_nobody_said_the_section_is_told_only_if_there_is_one() -> None:
    assert section_at(SESSION, [1], [], 50) == 1
    assert section_at(SESSION, [1, 2], [], 50) is None
    assert section_at(replace(SESSION, section_numbers=(2,)), [1, 2], [], 50) == 2
    assert section_at(SESSION, [1, 2], [event("a", 0, "eval.section_switch", 7)], 50) is None
