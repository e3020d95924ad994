"""Seats that pass from project to project: no moment stands in both files, and nobody's own time is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from kernel.model.cut import CutRules, PauseRule
from kernel.model.source import ContentKind, RoomKind, Source
from kernel.model.timeline import Phase, SeatOccupation, Session, SessionState, TimelineEvent
from kernel.timerange import TimeRange, merge, subtract
from segmenter.timeline import neighbour_uses, session_timeline

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Machines are shared: no example is judged by the time it takes."""

FACE = Source(
    id="face",
    room_id="HALL",
    seat_id="seat-01",
    content_kind=ContentKind.SEAT_FACE,
    label_zh="",
    label_en="",
)
HALL = {"HALL": RoomKind.SCATTERED_HALL}
RULES = CutRules(pre_roll_us=20, post_roll_us=30)
History = tuple[Session, list[TimelineEvent]]


def session(
    name: str, start: int, end: int, *events: tuple[str, int], seats: list[tuple[int, int]] | None = None
) -> History:
    """A session of a project of the same name on the one seat; ``seats``: from when to when."""
    known = [(None, None)] if seats is None else seats
    made = Session(
        id=name,
        project_id=name,
        phase=Phase.EVALUATION,
        room_id="HALL",
        state=SessionState.ENDED,
        start_us=start,
        end_us=end,
        seats=tuple(
            SeatOccupation(seat_id="seat-01", member=f"E{n}", from_us=since, to_us=until)
            for n, (since, until) in enumerate(known, 1)
        ),
    )
    return made, [
        TimelineEvent(
            id=f"{name}-{number}",
            session_id=name,
            at_us=at_us,
            type=kind,
            reason="",
            principal="test",
            recorded_us=0,
        )
        for number, (kind, at_us) in enumerate(events)
    ]


def shown(one: History, *others: History, rules: CutRules = RULES) -> list[TimeRange]:
    """When the seat's camera is expected to have recorded for a session."""
    uses = [use for other in others for use in neighbour_uses(*other)]
    found = session_timeline(*one, [FACE], rules, room_kinds=HALL, neighbours=uses)
    return [part.wall for part in found.expected]


def both(one: History, other: History, rules: CutRules = RULES) -> tuple[list[tuple[int, int]], ...]:
    """The same of both sessions, each as the other's neighbour."""
    views = (shown(one, other, rules=rules), shown(other, one, rules=rules))
    return tuple([(part.start_us, part.end_us) for part in view] for view in views)


# --- cases


def test_a_seat_that_nobody_else_uses_keeps_its_whole_rolls() -> None:
    assert shown(session("A", 100, 200)) == [TimeRange(start_us=80, end_us=230)]


def test_between_leaving_and_taking_the_seats_nobody_is_shown() -> None:
    """Taken over after a few minutes: post-roll to the clearing, pre-roll from the entering."""
    before = session("A", 100, 200, ("seats.cleared", 206))
    after = session("B", 210, 300, ("seats.entered", 208))
    assert both(before, after) == ([(80, 206)], [(208, 330)])


@pytest.mark.parametrize("told_by", ["A", "B"])
def test_one_of_both_events_is_enough_for_both_sessions(told_by: str) -> None:
    before = session("A", 100, 200, *([("seats.cleared", 206)] if told_by == "A" else []))
    after = session("B", 210, 300, *([("seats.entered", 206)] if told_by == "B" else []))
    assert both(before, after) == ([(80, 206)], [(206, 330)])


def test_without_a_word_of_it_the_middle_divides_two_projects() -> None:
    assert both(session("A", 100, 200), session("B", 210, 300)) == ([(80, 205)], [(205, 330)])


def test_an_event_in_somebody_elses_time_takes_nothing_away_from_them() -> None:
    """Cleared while the next session runs already, entered while the last one still does."""
    late = both(session("A", 100, 200, ("seats.cleared", 250)), session("B", 210, 300))
    assert late == ([(80, 210)], [(210, 330)])
    early = both(session("A", 100, 200), session("B", 210, 300, ("seats.entered", 150)))
    assert early == ([(80, 200)], [(200, 330)])


def test_a_seat_cleared_before_the_end_leaves_the_session_its_time() -> None:
    assert both(session("A", 100, 200, ("seats.cleared", 150)), session("B", 201, 300)) == (
        [(80, 200)],
        [(200, 330)],
    )


def test_a_seat_handed_over_in_mid_session_belongs_to_the_other_project_from_then_on() -> None:
    before = session("A", 100, 400, seats=[(100, 200)])
    after = session("B", 150, 500, seats=[(220, 500)])
    assert both(before, after) == ([(80, 210)], [(210, 530)])


def test_a_seat_lent_in_mid_session_comes_back() -> None:
    """Interleaved projects in one hall: two parts around the other's."""
    lender = session("A", 100, 400, seats=[(100, 200), (300, 400)])
    borrower = session("B", 220, 280)
    assert both(lender, borrower) == ([(80, 210), (290, 430)], [(210, 290)])


def test_who_uses_a_seat_at_night_is_in_no_clip_of_the_session_that_sleeps() -> None:
    sleeper = session("A", 100, 400, ("eval.overnight_seal", 200), ("eval.overnight_unseal", 300))
    guest = session("B", 204, 290)
    assert both(sleeper, guest) == ([(80, 202), (295, 430)], [(202, 295)])


def test_two_projects_that_claim_the_same_time_both_keep_it_and_no_more() -> None:
    """A mistake of whoever reports: nothing is lost until it is put right, and no roll makes it worse."""
    assert both(session("A", 100, 200), session("B", 180, 300)) == ([(80, 200)], [(180, 330)])


def test_a_session_that_runs_is_not_reached_into() -> None:
    told, events = session("B", 210, 300)
    open_ended = replace(told, state=SessionState.RUNNING, end_us=None)
    assert shown(session("A", 100, 200), (open_ended, events)) == [TimeRange(start_us=80, end_us=205)]


def test_another_seat_of_the_same_hall_sets_no_limit() -> None:
    other, events = session("B", 201, 300)
    elsewhere = replace(other, seats=(SeatOccupation(seat_id="seat-02", member="E1"),))
    assert shown(session("A", 100, 200), (elsewhere, events)) == [TimeRange(start_us=80, end_us=230)]


def test_a_seat_in_an_extra_room_is_divided_like_any_other() -> None:
    before, told = session("A", 100, 200)
    before = replace(before, room_id="ER", extra_room_ids=("HALL",))
    rooms = {**HALL, "ER": RoomKind.EVALUATION_ROOM}
    after = session("B", 210, 300)
    uses = neighbour_uses(*after, room_id=before.room_id)
    found = session_timeline(before, told, [FACE], RULES, room_kinds=rooms, neighbours=uses)
    assert [part.wall for part in found.expected] == [TimeRange(start_us=80, end_us=205)]
    assert shown(after, (before, told)) == [TimeRange(start_us=205, end_us=330)]


def test_to_a_session_in_another_room_only_the_seats_matter() -> None:
    uses = neighbour_uses(*session("B", 210, 300), room_id="ER")
    assert [use.seat_id for use in uses] == ["seat-01"]


@pytest.mark.parametrize("times", [(250, 280), (20, 60), (180, 120), (150, 150)])
def test_who_sat_there_outside_the_session_only_did_not_sit_there(times: tuple[int, int]) -> None:
    """Before, after, since a time after the end, or for no time: the seat has no clip."""
    told, events = session("A", 100, 200)
    nobody = replace(told, seats=(replace(told.seats[0], from_us=times[0], to_us=times[1]),))
    assert shown((nobody, events)) == []
    seated = session("B", 205, 300)
    assert shown(seated, (nobody, events)) == [TimeRange(start_us=185, end_us=330)]


def test_one_occupation_outside_the_session_takes_nothing_from_the_others() -> None:
    told, events = session("A", 100, 200)
    seats = (replace(told.seats[0], to_us=50), replace(told.seats[0], from_us=120))
    assert shown((replace(told, seats=seats), events)) == [TimeRange(start_us=80, end_us=230)]


# --- any sessions


MOMENT = st.integers(min_value=0, max_value=400)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "seats.entered",
                "seats.cleared",
                "eval.overnight_seal",
                "eval.overnight_unseal",
                "eval.pause",
                "eval.resume",
            ]
        ),
        MOMENT,
    ),
    max_size=5,
)
SPANS = st.lists(st.tuples(MOMENT, MOMENT).map(lambda pair: (min(pair), max(pair))), min_size=1, max_size=3)
ANY_RULES = st.builds(
    CutRules,
    pre_roll_us=st.integers(min_value=0, max_value=60),
    post_roll_us=st.integers(min_value=0, max_value=60),
    pauses=st.sampled_from(PauseRule),
    night_stops=st.sampled_from([frozenset(), frozenset({ContentKind.SEAT_FACE})]),
)


@st.composite
def histories(draw: st.DrawFn, name: str) -> History:
    start, end = sorted(draw(st.lists(MOMENT, min_size=2, max_size=2, unique=True)))
    return session(name, start, end, *draw(EVENTS), seats=draw(st.none() | SPANS))


def own(one: History, rules: CutRules) -> list[TimeRange]:
    """When a session's members sat there: what belongs to it whatever happens around."""
    told, events = one
    assert told.start_us is not None
    assert told.end_us is not None
    wall = TimeRange(start_us=told.start_us, end_us=told.end_us)
    walls = [seat.within(wall) for seat in told.seats]
    alone = session_timeline(
        told,
        events,
        [FACE],
        CutRules(pre_roll_us=0, post_roll_us=0, pauses=rules.pauses, night_stops=rules.night_stops),
        room_kinds=HALL,
    )
    sat = [part for part in walls if not part.empty]
    return merge(
        inside for part in sat for one in alone.expected if (inside := part.intersect(one.wall)) is not None
    )


def common(left: list[TimeRange], right: list[TimeRange]) -> list[TimeRange]:
    return merge(part for one in left for other in right if (part := one.intersect(other)) is not None)


@UNTIMED
@given(histories("A"), histories("B"), ANY_RULES)
def test_no_moment_is_in_both_files_unless_both_claim_the_same_time(
    one: History, other: History, rules: CutRules
) -> None:
    """Who has no time of its own, its seat stopped from the first moment on, has nothing to roll from."""
    assume(own(one, rules) and own(other, rules))
    mine, theirs = shown(one, other, rules=rules), shown(other, one, rules=rules)
    if not common(own(one, rules), own(other, rules)):
        assert common(mine, theirs) == []


@UNTIMED
@given(histories("A"), histories("B"), ANY_RULES)
def test_no_roll_reaches_into_time_that_only_the_other_claims(
    one: History, other: History, rules: CutRules
) -> None:
    theirs_alone = [part for each in own(other, rules) for part in subtract(each, own(one, rules))]
    assert common(shown(one, other, rules=rules), theirs_alone) == []


@UNTIMED
@given(histories("A"), st.lists(histories("B"), max_size=3), ANY_RULES)
def test_nothing_of_a_sessions_own_time_is_lost(one: History, others: list[History], rules: CutRules) -> None:
    mine = shown(one, *others, rules=rules)
    assert mine == merge(mine)  # sorted and disjoint: every moment stands in one part at most
    assert all(subtract(part, mine) == [] for part in own(one, rules))


@UNTIMED
@given(histories("A"), st.lists(histories("B"), max_size=3), ANY_RULES)
def test_nothing_is_shown_beyond_the_rolls(one: History, others: list[History], rules: CutRules) -> None:
    """Others only take away."""
    alone = shown(one, rules=rules)
    assert all(subtract(part, alone) == [] for part in shown(one, *others, rules=rules))


@UNTIMED
@given(histories("A"), st.lists(histories("B"), max_size=3), st.randoms(use_true_random=False))
def test_the_order_of_neighbours_changes_nothing(one: History, others: list[History], random: object) -> None:
    shuffled = list(others)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert shown(one, *others) == shown(one, *shuffled)
