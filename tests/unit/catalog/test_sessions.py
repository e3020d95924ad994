"""Sessions: events move them in any order, corrections keep the old, a refusal leaves no trace."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.catalogue import Catalogue
from kernel.errors import TimelineError
from kernel.events import bounds
from kernel.model.timeline import SeatOccupation, SessionState, TimelineEvent, VenueRole
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
        catalogue.sessions.advance("P-O", to)
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
            sessions.add_sources("S", ["ext-1", "none"])
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
