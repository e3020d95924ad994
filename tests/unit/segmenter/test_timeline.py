"""Timelines: which sources belong to a session, what each is expected to show, and what people see of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.clock import SECOND_US
from kernel.errors import TimelineError
from kernel.events import in_force
from kernel.model.cut import CutRules, PauseRule
from kernel.model.source import ContentKind, RoomKind, Source
from kernel.model.timeline import (
    Effect,
    Phase,
    SeatOccupation,
    Session,
    SessionState,
    SessionTimeline,
    TimelineEvent,
)
from kernel.timerange import TimeRange
from segmenter import timeline as rules_of
from segmenter.timeline import session_timeline, sources_of

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Machines are shared: no example is judged by the time it takes."""

WALL = TimeRange(start_us=100, end_us=200)
RULES = CutRules(pre_roll_us=5, post_roll_us=7)
KINDS = {
    "ER": RoomKind.EVALUATION_ROOM,
    "OH": RoomKind.OPENING_HALL,
    "CO": RoomKind.CORRIDOR,
    "HALL": RoomKind.SCATTERED_HALL,
    "EXT": RoomKind.EXTERNAL_VENUE,
}


def event(kind: str, at_us: int, **details: object) -> TimelineEvent:
    return TimelineEvent(
        id=f"{kind} {at_us}",
        session_id="S",
        at_us=at_us,
        type=kind,
        reason="",
        principal="test",
        recorded_us=at_us,
        details=details,
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
        content_kind=ContentKind.SEAT_FACE if seat else ContentKind.ROOM,
        label_zh=name,
        label_en=name,
    )


def timeline(
    one: Session, events: list[TimelineEvent], sources: list[Source], rules: CutRules = RULES
) -> SessionTimeline:
    return session_timeline(one, events, sources, rules, room_kinds=KINDS)


def parts(found: SessionTimeline, source_id: str) -> list[tuple[int, int]]:
    mine = [one for one in found.expected if one.source_id == source_id]
    assert [one.part for one in mine] == list(range(1, len(mine) + 1))
    return [(one.wall.start_us, one.wall.end_us) for one in mine]


def spans(*events: tuple[str, int]) -> list[tuple[int, int]]:
    told = in_force([event(f"eval.{kind}", at) for kind, at in events])
    found = rules_of.spans(told, Effect.PAUSE, Effect.RESUME, WALL)
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


def test_a_session_begins_unpaused_whatever_was_told_before() -> None:
    """A pause eight hours off must not reach into the session, nor its resumption end a pause there."""
    assert spans(("pause", 20), ("resume", 150)) == []
    assert spans(("pause", 20)) == []
    assert spans(("pause", 20), ("pause", 120), ("resume", 130)) == [(120, 130)]
    assert spans(("pause", 150), ("resume", 300)) == [(150, 200)]


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
    mine = sources_of(session("seat-01", "seat-02"), known, RULES, KINDS)
    assert [one.id for one in mine] == ["room-cam", "seat-01-face", "seat-02-face"]


def test_rooms_that_are_recorded_with_a_session_belong_to_it() -> None:
    known = [source("corridor", "CO"), source("room-cam"), source("hall-cam", "OH")]
    one = replace(session(), extra_room_ids=("CO",))
    assert [found.id for found in sources_of(one, known, RULES, KINDS)] == ["corridor", "room-cam"]


def test_files_that_were_handed_over_are_all_that_an_external_session_has() -> None:
    known = [source("room-cam"), source("file-1", "EXT"), source("file-2", "EXT"), source("file-3", "EXT")]
    one = replace(session(), room_id="EXT", source_ids=("file-1", "file-3"))
    assert [found.id for found in sources_of(one, known, RULES, KINDS)] == ["file-1", "file-3"]
    found = timeline(one, [], known)
    assert parts(found, "file-1") == [(100, 200)]  # from start to end, without rolls


def test_what_shows_a_shared_hall_belongs_to_its_record_alone() -> None:
    """Invariant 15: a panorama with several projects in it stands in none of their files."""
    known = [
        source("panorama", "HALL"),
        source("face", "HALL", "seat-01"),
        source("other", "HALL", "seat-02"),
    ]
    project = replace(session("seat-01"), room_id="HALL")
    hall = replace(session(), room_id="HALL", phase=Phase.HALL)
    assert [one.id for one in sources_of(project, known, RULES, KINDS)] == ["face"]
    assert [one.id for one in sources_of(hall, known, RULES, KINDS)] == ["panorama"]
    assert parts(timeline(hall, [], known), "panorama") == [(95, 207)]


@pytest.mark.parametrize(("start", "end"), [(None, None), (100, None)])
def test_a_session_that_has_not_ended_is_not_cut(start: int | None, end: int | None) -> None:
    with pytest.raises(TimelineError, match="S has not ended"):
        timeline(session(start=start, end=end), [], [])


def test_the_timeline_names_wall_time_sources_and_pauses() -> None:
    found = timeline(
        session("seat-01"),
        [event("eval.pause", 120), event("eval.resume", 130)],
        [source("room-cam"), source("seat-01-face", seat="seat-01")],
    )
    assert found.wall == WALL
    assert found.source_ids == ("room-cam", "seat-01-face")
    assert found.pauses == (TimeRange(start_us=120, end_us=130),)
    assert found.needed == TimeRange(start_us=95, end_us=207)


# --- pauses and nights

NIGHT = [event("eval.overnight_seal", 140), event("eval.overnight_unseal", 170)]
BREAK = [event("eval.pause", 140), event("eval.resume", 170)]
SEEN = [source("room-cam"), source("face", seat="seat-01")]


def test_a_pause_that_is_kept_stays_inside_the_clip() -> None:
    found = timeline(session("seat-01"), BREAK, SEEN)
    assert parts(found, "room-cam") == parts(found, "face") == [(95, 207)]


def test_a_pause_that_is_omitted_divides_every_source() -> None:
    found = timeline(session("seat-01"), BREAK, SEEN, replace(RULES, pauses=PauseRule.OMIT))
    assert parts(found, "room-cam") == parts(found, "face") == [(95, 147), (165, 207)]


def test_in_a_night_seats_stop_and_the_room_goes_on() -> None:
    found = timeline(session("seat-01"), NIGHT, SEEN)
    assert parts(found, "room-cam") == [(95, 207)]
    assert parts(found, "face") == [(95, 147), (165, 207)]
    assert found.nights == (TimeRange(start_us=140, end_us=170),)


def test_what_stops_at_night_is_a_setting() -> None:
    found = timeline(
        session("seat-01"), NIGHT, SEEN, replace(RULES, night_stops=frozenset({ContentKind.ROOM}))
    )
    assert parts(found, "room-cam") == [(95, 147), (165, 207)]
    assert parts(found, "face") == [(95, 207)]


@pytest.mark.parametrize(("resumed", "divided"), [(152, False), (153, True)])
def test_a_break_that_is_no_longer_than_both_rolls_is_none(resumed: int, divided: bool) -> None:
    night = [event("eval.overnight_seal", 140), event("eval.overnight_unseal", resumed)]
    assert len(parts(timeline(session("seat-01"), night, SEEN), "face")) == 1 + divided


def test_a_night_that_never_ended_lasts_to_the_end_of_the_session() -> None:
    found = timeline(session("seat-01"), NIGHT[:1], SEEN)
    assert parts(found, "face") == [(95, 147)]
    assert parts(found, "room-cam") == [(95, 207)]


def test_two_nights_make_three_parts() -> None:
    nights = [*NIGHT, event("eval.overnight_seal", 180), event("eval.overnight_unseal", 195)]
    assert parts(timeline(session("seat-01"), nights, SEEN), "face") == [(95, 147), (165, 187), (190, 207)]


# --- sections


def sections(one: Session, *events: TimelineEvent) -> list[tuple[int, int, int]]:
    found = timeline(one, list(events), [])
    return [(span.number, span.wall.start_us, span.wall.end_us) for span in found.sections]


def test_a_section_is_dealt_with_until_the_next_one_is_named() -> None:
    told = [event("eval.start", 100, section=1), event("eval.section_switch", 150, section=2)]
    assert sections(session(), *told) == [(1, 100, 150), (2, 150, 200)]


def test_a_section_may_be_taken_up_again() -> None:
    told = [event("eval.section_switch", at, section=number) for at, number in ((110, 1), (130, 2), (150, 1))]
    assert sections(session(), *told) == [(1, 110, 130), (2, 130, 150), (1, 150, 200)]


def test_the_only_section_of_a_session_is_dealt_with_all_the_time() -> None:
    assert sections(replace(session(), section_numbers=(3,))) == [(3, 100, 200)]
    assert sections(replace(session(), section_numbers=(1, 2))) == []
    assert sections(session()) == []


def test_a_switch_that_names_no_section_and_one_after_the_end_mean_nothing() -> None:
    told = [event("eval.section_switch", 120, section=1), event("eval.section_switch", 140)]
    late = event("eval.section_switch", 220, section=2)
    assert sections(session(), *told, late) == [(1, 120, 200)]


@UNTIMED
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 4)), max_size=8))
def test_sections_follow_one_another_within_the_session(switches: list[tuple[int, int]]) -> None:
    told = [event("eval.section_switch", at, section=number) for at, number in switches]
    found = sections(session(), *told)
    assert all(left[2] <= right[1] for left, right in pairwise(found))
    assert all(WALL.start_us <= start < end <= WALL.end_us for _, start, end in found)


# --- seats of one session


def test_a_seat_with_two_members_is_one_clip_of_the_whole_session() -> None:
    """A replaced expert: the seat shows the committee all the time."""
    seats = (
        SeatOccupation(seat_id="seat-01", member="E1", to_us=140),
        SeatOccupation(seat_id="seat-01", member="E6", from_us=150),
    )
    found = timeline(replace(session(), seats=seats), [], SEEN)
    assert parts(found, "face") == [(95, 207)]


@pytest.mark.parametrize(
    ("kind", "at_us", "face"),
    [
        ("seats.entered", 97, (97, 207)),
        ("seats.entered", 90, (95, 207)),
        ("seats.entered", 120, (100, 207)),
        ("seats.cleared", 203, (95, 203)),
        ("seats.cleared", 300, (95, 207)),
        ("seats.cleared", 180, (95, 200)),
    ],
)
def test_rolls_of_seats_stop_where_their_members_came_and_went_and_the_room_does_not(
    kind: str, at_us: int, face: tuple[int, int]
) -> None:
    found = timeline(session("seat-01"), [event(kind, at_us)], SEEN)
    assert parts(found, "face") == [face]
    assert parts(found, "room-cam") == [(95, 207)]


# --- what lies outside the session

HOUR_US = 3600 * SECOND_US
LONG = TimeRange(start_us=100 * HOUR_US, end_us=103 * HOUR_US)
ACTING = ["pause", "resume", "overnight_seal", "overnight_unseal", "section_switch", "leader_elected"]
FAR = ["seats.entered", "seats.cleared", "fault.start", "fault.end", "session.cancelled", "no.such"]
INSIDE = st.integers(LONG.start_us, LONG.end_us)
BEFORE, AFTER = st.integers(0, LONG.start_us - 1), st.integers(LONG.end_us + 1, 2 * LONG.end_us)
FAR_OFF = st.integers(0, 95 * HOUR_US) | st.integers(108 * HOUR_US, 200 * HOUR_US)


def happened(kinds: list[str], at_us: st.SearchStrategy[int]) -> st.SearchStrategy[list[TimelineEvent]]:
    sections = st.integers(1, 3)
    one = st.builds(lambda kind, at, n: event(kind, at, section=n), st.sampled_from(kinds), at_us, sections)
    return st.lists(one, max_size=6, unique_by=lambda found: found.id)


@UNTIMED
@given(
    happened([*(f"eval.{kind}" for kind in ACTING), "seats.entered", "seats.cleared"], INSIDE),
    happened([f"eval.{kind}" for kind in ACTING], BEFORE | AFTER),
    happened(FAR, FAR_OFF),
    st.sampled_from(PauseRule),
)
def test_no_event_outside_a_session_changes_how_it_is_cut(
    inside: list[TimelineEvent], outside: list[TimelineEvent], far: list[TimelineEvent], pauses: PauseRule
) -> None:
    """Neither this session nor the one after it on the same seat."""
    rules = replace(RULES, pauses=pauses)
    mine = session("seat-01", start=LONG.start_us, end=LONG.end_us)
    next_one = replace(mine, id="T", project_id="Q", start_us=LONG.end_us + 8, end_us=LONG.end_us + 99)

    def cut_by(events: list[TimelineEvent]) -> list[SessionTimeline]:
        uses = rules_of.neighbour_uses(mine, events)
        after = session_timeline(next_one, [], SEEN, rules, room_kinds=KINDS, neighbours=uses)
        return [timeline(mine, events, SEEN, rules), after]

    assert cut_by([*inside, *outside, *far]) == cut_by(inside)


def test_seats_that_were_taken_shortly_before_count_and_those_of_a_wrong_zone_do_not() -> None:
    """Eight hours late, it would cost the pre-roll; eight hours early, the post-roll of whoever sat there."""
    mine = session("seat-01", start=LONG.start_us, end=LONG.end_us)
    whole = [(LONG.start_us - 5, LONG.end_us + 7)]
    for kind, at_us in (("entered", 111), ("entered", 92), ("cleared", 95), ("cleared", 111)):
        told = [event(f"seats.{kind}", at_us * HOUR_US)]
        assert parts(timeline(mine, told, SEEN), "face") == whole
    told = [event("seats.entered", 92 * HOUR_US), event("seats.entered", LONG.start_us - 2)]
    assert parts(timeline(mine, told, SEEN), "face") == [(LONG.start_us - 2, LONG.end_us + 7)]
