"""Timelines: which sources belong to a session, and when it paused."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.errors import TimelineError
from kernel.model.source import ContentKind, Source
from kernel.model.timeline import Phase, SeatOccupation, Session, SessionState, TimelineEvent
from kernel.timerange import TimeRange
from segmenter.timeline import pauses, session_timeline, sources_of

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Machines are shared: no example is judged by the time it takes."""

WALL = TimeRange(start_us=100, end_us=200)


def event(kind: str, at_us: int) -> TimelineEvent:
    return TimelineEvent(
        id=f"{kind} {at_us}",
        session_id="S",
        at_us=at_us,
        type=kind,
        reason="",
        principal="test",
        recorded_us=at_us,
    )


def session(*seats: str, start: int | None = 100, end: int | None = 200) -> Session:
    return Session(
        id="S",
        project_id="P",
        phase=Phase.EVALUATION,
        room_id="ER",
        state=SessionState.ENDED,
        start_us=start,
        end_us=end,
        seats=tuple(SeatOccupation(seat_id=seat, member=f"E{n}") for n, seat in enumerate(seats, 1)),
    )


def source(name: str, room: str = "ER", seat: str | None = None) -> Source:
    return Source(
        id=name,
        room_id=room,
        seat_id=seat,
        content_kind=ContentKind.ROOM,
        label_zh=name,
        label_en=name,
    )


def spans(*events: tuple[str, int]) -> list[tuple[int, int]]:
    found = pauses([event(f"eval.{kind}", at) for kind, at in events], WALL)
    return [(pause.start_us, pause.end_us) for pause in found]


def test_a_pause_lasts_from_its_event_to_the_resumption() -> None:
    assert spans(("pause", 120), ("resume", 130), ("pause", 150), ("resume", 160)) == [(120, 130), (150, 160)]


def test_a_pause_that_is_never_resumed_lasts_to_the_end() -> None:
    assert spans(("pause", 150)) == [(150, 200)]


def test_a_second_pause_event_does_not_shorten_the_pause() -> None:
    assert spans(("pause", 120), ("pause", 125), ("resume", 130)) == [(120, 130)]


def test_a_resumption_without_a_pause_is_no_pause() -> None:
    assert spans(("resume", 130), ("pause", 150), ("resume", 160), ("resume", 170)) == [(150, 160)]


def test_events_that_are_told_out_of_order_make_the_same_pauses() -> None:
    assert spans(("resume", 130), ("pause", 120)) == [(120, 130)]


def test_a_pause_after_the_end_is_no_pause_of_the_session() -> None:
    assert spans(("pause", 200)) == []
    assert spans(("pause", 250)) == []


def test_other_marks_do_not_pause() -> None:
    assert spans(("leader_elected", 120), ("scoring_complete", 130)) == []


@UNTIMED
@given(
    st.lists(
        st.tuples(st.sampled_from(["pause", "resume", "mark"]), st.integers(min_value=0, max_value=300)),
        max_size=10,
    )
)
def test_pauses_never_overlap_nor_reach_outside_the_session(events: list[tuple[str, int]]) -> None:
    found = spans(*events)
    assert all(left[1] <= right[0] for left, right in pairwise(found))
    assert all(WALL.start_us <= start <= end <= WALL.end_us for start, end in found)


def test_a_session_sees_its_room_and_its_own_seats_only() -> None:
    known = [
        source("seat-02-face", seat="seat-02"),
        source("room-cam"),
        source("seat-01-face", seat="seat-01"),
        source("hall-cam", room="OH"),
        source("seat-03-face", seat="seat-03"),
    ]
    mine = sources_of(session("seat-01", "seat-02"), known)
    assert [one.id for one in mine] == ["room-cam", "seat-01-face", "seat-02-face"]


@pytest.mark.parametrize(("start", "end"), [(None, None), (100, None)])
def test_a_session_that_has_not_ended_is_not_cut(start: int | None, end: int | None) -> None:
    with pytest.raises(TimelineError, match="S has not ended"):
        session_timeline(session(start=start, end=end), [], [])


def test_the_timeline_names_wall_time_sources_and_pauses() -> None:
    found = session_timeline(
        session("seat-01"),
        [event("eval.pause", 120), event("eval.resume", 130)],
        [source("room-cam"), source("seat-01-face", seat="seat-01")],
    )
    assert found.wall == WALL
    assert found.source_ids == ("room-cam", "seat-01-face")
    assert found.pauses == (TimeRange(start_us=120, end_us=130),)
