"""Sessions: events move them in any order, corrections keep the old, a refusal leaves no trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import ClauseElement
from sqlalchemy import event as event_of_database
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import ORMExecuteState
from sqlalchemy.orm import Session as OrmSession

from catalog.catalogue import Catalogue
from kernel.errors import TimelineChanged, TimelineError
from kernel.events import bounds
from kernel.model.cut import CutList
from kernel.model.timeline import Phase, SeatOccupation, SessionState, TimelineEvent, VenueRole
from kernel.timerange import TimeRange
from tests.support.catalogue import PROJECT, add_session
from tests.support.centre import Centre, moment
from tests.support.centre import session as planned_in
from tests.unit.catalog.test_projects import event, planned, with_seats

SHARED = settings(
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
"""Examples share one catalogue: each makes sessions of its own. Machines are shared: none is timed."""


def state(catalogue: Catalogue, session: str = "P-O") -> tuple[SessionState, int | None, int | None]:
    found = catalogue.sessions.get(session)
    assert found is not None
    return found.state, found.start_us, found.end_us


def tell(catalogue: Catalogue, *events: TimelineEvent) -> list[bool]:
    return [catalogue.sessions.record_event(one) for one in events]


def change_number(catalogue: Catalogue, session: str = "P-O") -> int:
    found = catalogue.sessions.get(session)
    assert found is not None
    return found.change_number


@pytest.fixture
def known(catalogue: Catalogue) -> Catalogue:
    catalogue.projects.add_project(PROJECT, [planned()])
    return catalogue


# --- events


def test_events_move_a_session_and_are_kept_in_the_order_they_happened(known: Catalogue) -> None:
    told = [event("opening.start", 100), event("opening.read_prices", 150), event("opening.end", 200)]
    tell(known, told[0], told[2], told[1])
    assert state(known) == (SessionState.ENDED, 100, 200)
    assert known.sessions.events_of("P-O") == told


def test_an_event_comes_back_with_all_that_its_reporter_said(known: Catalogue) -> None:
    details = {"section": 2, "标段": ["A", None, 1.5]}
    told = replace(event("eval.section_switch", 100), details=details, reason="口头")
    tell(known, told)
    assert known.sessions.events_of("P-O") == [told]


def test_an_end_that_comes_before_its_start_waits_for_it(known: Catalogue) -> None:
    tell(known, event("opening.end", 200))
    assert state(known) == (SessionState.PLANNED, None, 200)
    tell(known, event("opening.start", 100))
    assert state(known) == (SessionState.ENDED, 100, 200)


def test_the_first_start_and_the_last_end_count(known: Catalogue) -> None:
    tell(known, event("venue.ready", 120), event("opening.start", 100), event("opening.start", 110))
    tell(known, event("opening.end", 200), event("venue.left", 230), event("opening.end", 220))
    assert state(known) == (SessionState.ENDED, 100, 230)


def test_an_event_told_twice_changes_nothing_the_second_time(known: Catalogue) -> None:
    told = event("opening.start", 100, name="e1")
    again = replace(told, recorded_us=999, principal="another")
    assert tell(known, told, again) == [True, False]
    assert known.sessions.events_of("P-O") == [told]


@pytest.mark.parametrize(
    "other",
    [
        {"at_us": 101},
        {"type": "opening.end"},
        {"reason": "mistake"},
        {"details": {"section": 1}},
        {"session_id": "P-2"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_the_id_of_an_event_with_another_content_is_refused(
    known: Catalogue, other: dict[str, object]
) -> None:
    known.sessions.add([planned("P-2")])
    told = event("opening.start", 100, name="e1")
    tell(known, told)
    with pytest.raises(TimelineError, match=r"e1 belongs to another event: opening\.start of session P-O"):
        tell(known, replace(told, **other))  # type: ignore[arg-type]
    assert known.sessions.events_of("P-O") == [told]
    assert known.sessions.events_of("P-2") == []


def test_an_event_of_an_unknown_session_is_named(catalogue: Catalogue) -> None:
    with pytest.raises(TimelineError, match="session P-O, which does not exist"):
        tell(catalogue, event("opening.start", 100))


@pytest.mark.parametrize(
    ("before", "refused"),
    [
        ([event("opening.start", 100)], event("opening.end", 100)),
        ([event("opening.start", 100)], event("opening.end", 99)),
        ([event("opening.end", 100)], event("opening.start", 100)),
        ([event("opening.start", 100)], replace(event("opening.end", 200), replaces="none")),
        ([event("opening.start", 100)], replace(event("opening.end", 200), withdrawn=True)),
    ],
    ids=[
        "ends as it starts",
        "ends before it starts",
        "starts as it ends",
        "replaces nothing",
        "withdraws nothing",
    ],
)
def test_an_event_that_a_session_cannot_take_is_refused_and_leaves_no_trace(
    known: Catalogue, before: list[TimelineEvent], refused: TimelineEvent
) -> None:
    tell(known, *before)
    was = state(known)
    with pytest.raises(TimelineError):
        tell(known, refused)
    assert state(known) == was
    assert known.sessions.events_of("P-O") == before


def test_a_session_that_starts_after_its_end_runs_again(known: Catalogue) -> None:
    tell(known, event("opening.start", 0), event("opening.end", 100), event("opening.start", 120))
    assert state(known) == (SessionState.RUNNING, 0, None)
    tell(known, event("opening.end", 200))
    assert state(known) == (SessionState.ENDED, 0, 200)


def test_a_session_that_is_cancelled_while_it_runs_has_ended(known: Catalogue) -> None:
    tell(known, event("opening.start", 100), event("session.cancelled", 150))
    assert state(known) == (SessionState.ENDED, 100, 150)


@pytest.mark.parametrize(
    ("kind", "raised"),
    [
        ("eval.pause", 1),
        ("eval.overnight_seal", 1),
        ("seats.cleared", 1),
        ("handover.received", 1),
        ("opening.end", 1),
        ("opening.read_prices", 0),
        ("eval.section_switch", 0),
    ],
)
def test_what_a_session_is_cut_by_is_counted_with_every_event_that_changes_it(
    known: Catalogue, kind: str, raised: int
) -> None:
    tell(known, event("opening.start", 100), event("opening.end", 200))
    before = change_number(known)
    tell(known, event(kind, 150, name="e"))
    assert change_number(known) == before + raised
    tell(known, event(kind, 150, name="e"))  # told again
    assert change_number(known) == before + raised
    tell(known, replace(event(kind, 150, name="c"), replaces="e", withdrawn=True))
    assert change_number(known) == before + 2 * raised


# --- corrections


def test_a_correction_moves_the_session_and_keeps_what_was_said_before(known: Catalogue) -> None:
    end = event("opening.end", 200)
    right = replace(event("opening.end", 260), replaces=end.id, reason="the clock was wrong")
    tell(known, event("opening.start", 100), end, right)
    assert state(known) == (SessionState.ENDED, 100, 260)
    assert end in known.sessions.events_of("P-O")
    assert right in known.sessions.events_of("P-O")


def test_a_correction_of_a_correction_holds(known: Catalogue) -> None:
    end = event("opening.end", 200)
    second = replace(event("opening.end", 260), replaces=end.id)
    third = replace(event("opening.end", 180), replaces=second.id)
    tell(known, event("opening.start", 100), end, second, third)
    assert state(known) == (SessionState.ENDED, 100, 180)


def test_an_event_is_replaced_once_and_the_refusal_names_by_what(known: Catalogue) -> None:
    end = event("opening.end", 200)
    tell(
        known,
        event("opening.start", 100),
        end,
        replace(event("opening.end", 260, name="c1"), replaces=end.id),
    )
    with pytest.raises(TimelineError, match=r"was replaced by c1 already.*Correct c1 instead"):
        tell(known, replace(event("opening.end", 300), replaces=end.id))
    assert state(known) == (SessionState.ENDED, 100, 260)


def test_an_event_of_another_session_is_not_replaced(known: Catalogue) -> None:
    known.sessions.add([planned("P-2")])
    end = event("opening.end", 200)
    tell(known, event("opening.start", 100), end)
    with pytest.raises(TimelineError, match="which session P-2 does not have"):
        tell(known, replace(event("opening.end", 300, session="P-2"), replaces=end.id))
    assert state(known) == (SessionState.ENDED, 100, 200)


@pytest.mark.parametrize("order", ["cancelled first", "withdrawn first"])
def test_a_session_that_was_started_by_mistake_and_cancelled_is_cancelled(
    known: Catalogue, order: str
) -> None:
    start = event("opening.start", 100)
    told = [
        event("session.cancelled", 120),
        replace(event("opening.start", 101), replaces=start.id, withdrawn=True),
    ]
    tell(known, start, *(told if order == "cancelled first" else told[::-1]))
    assert state(known) == (SessionState.CANCELLED, None, None)


def test_a_session_that_was_cancelled_and_takes_place_runs(known: Catalogue) -> None:
    tell(known, event("session.cancelled", 50))
    assert state(known)[0] is SessionState.CANCELLED
    tell(known, event("opening.start", 100))
    assert state(known)[0] is SessionState.RUNNING


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["session.start", "session.end", "session.cancelled", "eval.pause", "seats.cleared"]),
        st.integers(min_value=0, max_value=9),
        st.none() | st.integers(min_value=0, max_value=5),  # which of the events before it corrects
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


def history(name: str, steps: list[tuple[str, int, int | None, bool]]) -> list[TimelineEvent]:
    """Events of a session that starts between 0 and 9 and ends between 100 and 109."""
    made: list[TimelineEvent] = []
    taken: set[str | None] = set()
    for number, (kind, at_us, wanted, withdrawn) in enumerate(steps):
        replaces = made[wanted].id if wanted is not None and wanted < number else None
        replaces = None if replaces in taken else replaces
        taken.add(replaces)
        at_us += 100 if kind == "session.end" else 0
        told = event(kind, at_us, name=f"{name} {number}", session=name)
        made.append(replace(told, replaces=replaces, withdrawn=withdrawn and replaces is not None))
    return made


@SHARED
@given(STEPS, st.data())
def test_any_order_of_arrival_leads_to_the_same_times_and_state(
    known: Catalogue, steps: list[tuple[str, int, int | None, bool]], data: st.DataObject
) -> None:
    """A correction comes after what it corrects; all else in any order."""
    count = len(known.sessions.of_project("P"))
    first, second = f"{count}-a", f"{count}-b"
    known.sessions.add([planned(first), planned(second)])
    tell(known, *history(first, steps))
    waiting = history(second, steps)
    while waiting:
        left = {one.id for one in waiting}
        one = data.draw(st.sampled_from([one for one in waiting if one.replaces not in left]))
        waiting.remove(one)
        tell(known, one)
    told = bounds(history(first, steps))
    assert state(known, first) == state(known, second)
    assert state(known, second)[1:] == (told.start_us, told.end_us)


@pytest.mark.parametrize("to", [SessionState.ENDED, SessionState.ARCHIVED])
def test_a_session_does_not_skip_a_state(catalogue: Catalogue, to: SessionState) -> None:
    add_session(catalogue, 100, 200)
    with pytest.raises(TimelineError, match=f"ended and cannot become {to}"):
        catalogue.sessions.advance("P-O", to, was=SessionState.ENDED)
    assert state(catalogue)[0] is SessionState.ENDED


def test_a_session_that_moved_on_meanwhile_is_not_moved_from_where_it_was_seen(
    catalogue: Catalogue,
) -> None:
    add_session(catalogue, 100, 200)
    with pytest.raises(TimelineChanged, match="P-O is ended, no longer cut"):
        catalogue.sessions.advance("P-O", SessionState.RUNNING, was=SessionState.CUT)
    assert state(catalogue)[0] is SessionState.ENDED


# --- what belongs to a session


def test_a_session_comes_back_with_all_that_belongs_to_it(centre: Centre) -> None:
    seats = (
        SeatOccupation(seat_id="er-1", member="E1", expert_key="k1", to_us=50),
        SeatOccupation(seat_id="er-1", member="E6", expert_key="k6", from_us=60),
    )
    told = planned_in(
        "S",
        "ER",
        seats=seats,
        venue_role=VenueRole.SECONDARY,
        section_numbers=(1, 3),
        extra_room_ids=("CO",),
        source_ids=("ext-1", "ext-2"),
    )
    centre.plan(told)
    assert centre.get("S") == told
    assert centre.catalogue.sessions.in_state(SessionState.PLANNED) == [told]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"extra_room_ids": ("NONE",)}, "room NONE"),
        ({"seats": (SeatOccupation(seat_id="x", member="E1"),)}, "x"),
    ],
)
def test_a_session_that_names_what_is_unknown_is_not_taken_in(
    centre: Centre, wrong: dict[str, object], named: str
) -> None:
    with pytest.raises(TimelineError, match=named):
        centre.plan(planned_in("S", **wrong))  # type: ignore[arg-type]
    assert centre.catalogue.sessions.get("S") is None


def test_who_sits_where_is_put_right_and_said_once_only(catalogue: Catalogue) -> None:
    with_seats(catalogue)
    first, second = (SeatOccupation(seat_id=f"seat-0{n}", member=f"E{n}") for n in (1, 2))
    catalogue.projects.add_project(PROJECT, [planned(seats=(first,))])
    for at_us in (10, 20):
        catalogue.sessions.set_seats("P-O", [first, second], principal="w", reason="r", at_us=at_us)
    found = catalogue.sessions.get("P-O")
    assert found is not None
    assert found.seats == (first, second)
    catalogue.sessions.set_seats("P-O", [second], principal="w", reason="r", at_us=30)
    found = catalogue.sessions.get("P-O")
    assert found is not None
    assert found.seats == (second,)


# --- plans


FULL = planned_in(
    "S",
    "ER",
    "er-1",
    section_numbers=(1, 2),
    extra_room_ids=("CO",),
    venue_role=VenueRole.SECONDARY,
)
OTHERS: dict[str, dict[str, object]] = {
    "phase": {"phase": Phase.CLARIFICATION},
    "sections": {"section_numbers": (2, 3)},
    "extra rooms": {"extra_room_ids": ()},
    "seats": {"seats": ()},
    "member": {"seats": (SeatOccupation(seat_id="er-1", member="E9"),)},
    "room": {"room_id": "HALL", "seats": (SeatOccupation(seat_id="hall-2", member="E1"),)},
    "venue": {"venue_role": VenueRole.MAIN},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("cancelled", [False, True])
def test_another_plan_of_a_session_that_has_not_begun_takes_the_place_of_the_first(
    centre: Centre, other: dict[str, object], cancelled: bool
) -> None:
    """The wrong room would be recorded, and the right one lost."""
    centre.plan(FULL)
    if cancelled:
        centre.tell("S", "session.cancelled", 0)
    was = centre.get("S")
    now = replace(FULL, **other)  # type: ignore[arg-type]
    centre.plan(now)
    found = centre.get("S")
    assert replace(found, change_number=0, state=SessionState.PLANNED) == now
    cut_by_it = "section_numbers" not in other and "venue_role" not in other
    assert found.change_number == was.change_number + cut_by_it


def test_who_was_to_sit_where_stays_on_record(centre: Centre) -> None:
    centre.plan(FULL)
    centre.plan(replace(FULL, seats=(SeatOccupation(seat_id="er-1", member="E9"),)))
    said = centre.catalogue.sessions.seatings_of("S")
    assert {one.occupation.member: one.replaced_us is None for one in said} == {"E1": False, "E9": True}


@pytest.mark.parametrize("begun", [False, True])
def test_the_same_plan_again_changes_nothing_even_what_was_put_right_since(
    centre: Centre, begun: bool
) -> None:
    """A trading system sends the whole project again because its result was published."""
    centre.plan(FULL)
    if begun:
        centre.tell("S", "session.start", 100)
    right = [SeatOccupation(seat_id="er-1", member="E1", to_us=moment(150))]
    centre.catalogue.sessions.set_seats("S", right, principal="w", reason="r", at_us=1)
    was = centre.get("S")
    said = centre.catalogue.sessions.seatings_of("S")
    centre.plan(FULL, replace(FULL, section_numbers=(2, 1)))
    assert centre.get("S") == was
    assert centre.catalogue.sessions.seatings_of("S") == said
    centre.plan(replace(FULL, section_numbers=(1, 2, 3)))  # nor do its seats, where other parts are new
    assert centre.get("S") == replace(was, section_numbers=(1, 2, 3))


@pytest.mark.parametrize("part", ["phase", "room"])
def test_a_plan_that_moves_what_has_begun_is_refused_and_says_what_to_do(centre: Centre, part: str) -> None:
    centre.plan(FULL)
    centre.tell("S", "session.start", 100)
    was = centre.get("S")
    with pytest.raises(TimelineError, match=r"S has begun, as evaluation in room ER.*session of its own"):
        centre.plan(replace(FULL, **OTHERS[part]))  # type: ignore[arg-type]
    assert centre.get("S") == was


def test_a_plan_only_adds_to_what_has_begun(centre: Centre) -> None:
    """What is left out may have been recorded, and is somebody's evidence."""
    centre.plan(planned_in("S", "HALL", "hall-1", section_numbers=(1,), extra_room_ids=("CO",)))
    centre.hold("S", 100, 200)
    was = centre.get("S")
    late = SeatOccupation(seat_id="hall-2", member="E2", from_us=moment(150))
    centre.plan(replace(FULL, room_id="HALL", seats=(late,), section_numbers=(2,), extra_room_ids=("ER",)))
    found = centre.get("S")
    assert found.seats == (*was.seats, late)
    assert (found.section_numbers, found.extra_room_ids) == ((1, 2), ("CO", "ER"))
    assert found.change_number > was.change_number


def test_a_session_that_was_cut_keeps_its_room_though_its_start_was_taken_back(centre: Centre) -> None:
    centre.plan(FULL)
    centre.hold("S", 100, 200)
    centre.cut(10_000)
    (start, _) = centre.catalogue.sessions.events_of("S")
    centre.tell("S", "session.start", 100, replaces=start.id, withdrawn=True)
    with pytest.raises(TimelineError, match="has begun"):
        centre.plan(replace(FULL, **OTHERS["room"]))  # type: ignore[arg-type]


# --- seats


@pytest.mark.parametrize("how", ["planned", "planned anew", "said", "room moved"])
def test_a_seat_in_another_room_is_refused_and_the_rooms_are_named(centre: Centre, how: str) -> None:
    """Its camera shows another project."""
    seats = (SeatOccupation(seat_id="hall-1", member="E1"),)
    if how != "planned":
        centre.plan(FULL)
    before = centre.catalogue.sessions.get("S")
    rooms = "HALL, CO" if how == "room moved" else "ER, CO"
    with pytest.raises(TimelineError, match=f"stands in room .*it is held in {rooms}"):
        if how == "said":
            centre.catalogue.sessions.set_seats("S", seats, principal="w", reason="r", at_us=1)
        else:
            moved = how == "room moved"
            centre.plan(replace(FULL, room_id="HALL") if moved else replace(FULL, seats=seats))
    assert centre.catalogue.sessions.get("S") == before


def test_a_seat_of_an_extra_room_is_taken(centre: Centre) -> None:
    seats = (SeatOccupation(seat_id="hall-1", member="E1"),)
    told = planned_in("S", "ER", seats=seats, extra_room_ids=("HALL",))
    centre.plan(told)
    assert centre.get("S") == told


def test_nobody_is_dropped_from_a_session_that_has_begun(centre: Centre) -> None:
    """A system that lists who sits there now would erase who sat there before."""
    centre.plan(planned_in("S", "HALL", "hall-1", "hall-2"))
    centre.tell("S", "session.start", 100)
    was = centre.get("S")
    new = SeatOccupation(seat_id="hall-1", member="E9", from_us=moment(150))
    with pytest.raises(TimelineError, match=r"drops E1 on seat hall-1\..*with the time of leaving"):
        centre.catalogue.sessions.set_seats("S", [new, was.seats[1]], principal="w", reason="r", at_us=1)
    assert centre.get("S") == was
    left = replace(was.seats[0], to_us=moment(140))
    now = [left, new, was.seats[1]]
    centre.catalogue.sessions.set_seats("S", now, principal="w", reason="r", at_us=1)
    assert centre.get("S").seats == tuple(now)


@pytest.mark.parametrize("off_hours", [-8, 8])
def test_a_seating_in_the_wrong_zone_is_refused_and_nothing_is_lost(centre: Centre, off_hours: int) -> None:
    before = SeatOccupation(seat_id="er-1", member="E1")
    centre.plan(planned_in("S", "ER", "er-1"))
    centre.tell("S", "eval.start", 0)
    centre.tell("S", "eval.end", 3600)
    off = off_hours * 3600
    elsewhen = SeatOccupation(seat_id="er-1", member="E2", from_us=moment(off), to_us=moment(off + 1800))
    with pytest.raises(TimelineError, match="time zone"):
        centre.catalogue.sessions.set_seats("S", [before, elsewhen], principal="w", reason="r", at_us=1)
    assert centre.get("S").seats == (before,)


def test_of_two_times_of_a_member_on_a_seat_neither_is_dropped(centre: Centre) -> None:
    first = SeatOccupation(seat_id="er-1", member="E1", to_us=moment(120))
    second = replace(first, from_us=moment(150), to_us=None)
    centre.plan(planned_in("S", "ER", seats=(first, second)))
    centre.tell("S", "session.start", 100)
    with pytest.raises(TimelineError, match="drops E1 on seat er-1"):
        centre.catalogue.sessions.set_seats("S", [second], principal="w", reason="r", at_us=1)
    assert centre.get("S").seats == (first, second)


def test_who_never_sat_there_is_no_longer_seated_and_stays_on_record(centre: Centre) -> None:
    centre.plan(planned_in("S", "ER", seats=(SeatOccupation(seat_id="er-1", member="E1", expert_key="k"),)))
    centre.tell("S", "session.start", 100)
    never = SeatOccupation(
        seat_id="er-1", member="E1", expert_key="k", from_us=moment(100), to_us=moment(100)
    )
    sessions = centre.catalogue.sessions
    for at_us in (1, 2):
        sessions.set_seats("S", [never], principal="w", reason="wrong seat", at_us=at_us)
    assert centre.get("S").seats == ()
    assert sessions.of_expert("k") == []
    assert [one.recorded_us for one in sessions.seatings_of("S")] == [0, 1]
    number = centre.get("S").change_number
    sessions.set_seats("S", [], principal="w", reason="again", at_us=3)
    assert (centre.get("S").seats, centre.get("S").change_number) == ((), number + 1)


# --- PostgreSQL


def test_whoever_changes_a_session_locks_its_row_before_reading_it(centre: Centre) -> None:
    """Two writers at once: on PostgreSQL the second would else decide by what the first is changing."""
    centre.plan(FULL)
    centre.hold("S", 100, 200)
    sessions, clips = centre.catalogue.sessions, centre.catalogue.clips
    cut = CutList(session_id="S", clips=(), change_number=centre.get("S").change_number)
    with locks_taken() as locks:
        for write in (
            lambda: centre.plan(FULL),
            lambda: centre.tell("S", "note", 100),
            lambda: sessions.set_seats("S", FULL.seats, principal="w", reason="r", at_us=1),
            lambda: clips.preview(cut),
            lambda: clips.record(cut),
            lambda: centre.archive("S"),
            lambda: sessions.advance("S", SessionState.ENDED, was=SessionState.ARCHIVED),
            lambda: sessions.add_sources("S", ["co-cam"], principal="w", at_us=1),
        ):
            locks.clear()
            write()
            assert locks == ["FOR NO KEY UPDATE OF project", "FOR UPDATE"]


@contextmanager
def locks_taken() -> Iterator[list[str]]:
    """What PostgreSQL would be asked to lock, in order."""
    taken: list[str] = []

    def told(state: ORMExecuteState) -> None:
        assert isinstance(state.statement, ClauseElement)
        said = str(state.statement.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
        if " FOR " in said:
            taken.append("FOR" + said.rpartition(" FOR")[2])

    event_of_database.listen(OrmSession, "do_orm_execute", told)
    try:
        yield taken
    finally:
        event_of_database.remove(OrmSession, "do_orm_execute", told)


@pytest.mark.parametrize("wrong", ["session", "seat", "source"])
def test_seats_and_sources_that_are_unknown_are_named_and_change_nothing(centre: Centre, wrong: str) -> None:
    centre.plan(planned_in("S", "ER", "er-1"))
    was = centre.get("S")
    sessions, seat = centre.catalogue.sessions, SeatOccupation(seat_id="none", member="E1")
    with pytest.raises(TimelineError):
        if wrong == "session":
            sessions.set_seats("none", [], principal="w", reason="r", at_us=1)
        elif wrong == "seat":
            sessions.set_seats("S", [seat], principal="w", reason="r", at_us=1)
        else:
            sessions.add_sources("S", ["ext-1", "none"], principal="w", at_us=1)
    assert centre.get("S") == was


def test_sessions_of_a_room_and_time_are_found_but_for_those_of_a_project(centre: Centre) -> None:
    names = [("A", "P", 0, 100), ("B", "Q", 100, 200), ("C", "Q", 200, 300), ("D", "R", 150, None)]
    for name, project_id, start, end in names:
        centre.plan(planned_in(name, project_id=project_id))
        centre.tell(name, "session.start", start)
        if end is not None:
            centre.tell(name, "session.end", end)
    centre.plan(planned_in("E", "HALL", project_id="S"), planned_in("F", project_id="S"))
    centre.tell("E", "session.start", 150)
    wall = TimeRange(start_us=moment(100), end_us=moment(200))
    found = centre.catalogue.sessions.in_room("ER", wall)
    assert [one.id for one in found] == ["B", "D"]
    assert [one.id for one in centre.catalogue.sessions.in_room("ER", wall, not_of="Q")] == ["D"]
