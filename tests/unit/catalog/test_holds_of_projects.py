"""Holds on sessions, projects and agencies: no clean-up touches what they hold (V15, I15, invariant 4)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from catalog.audit import AuditFilter
from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from kernel.errors import CatalogError
from kernel.ids import new_id
from kernel.model.cut import CutRules
from kernel.model.footage import Hold, HoldKind, Tombstone
from kernel.timerange import TimeRange
from tests.support.centre import Centre, moment, project
from tests.support.centre import session as planned
from tests.support.legacy import HOUR_US, add_archived

RULES = CutRules(pre_roll_us=0, post_roll_us=0)
BEFORE = -(1 << 62)


def hold(kind: HoldKind, what: str = "", *, name: str = "", **more: Any) -> Hold:
    fields = {HoldKind.SOURCE: "source_id", HoldKind.SESSION: "session_id", HoldKind.PROJECT: "project_id"}
    told: dict[str, Any] = {fields.get(kind, "agency"): what}
    return Hold(
        id=name or new_id("hold"), kind=kind, reason="复评", principal="s-sw-1", made_us=5, **told, **more
    )


def removable(catalogue: Catalogue) -> set[str]:
    """What a clean-up would take, and does."""
    found = catalogue.removal.look(BEFORE, 100, 100, RULES, now_us=moment(100_000)).removable
    return {one.id for one in found}


def release(catalogue: Catalogue, *ids: str) -> set[str]:
    gone = catalogue.removal.release(
        ids, RULES, at_us=moment(100_000), reason="Too old.", principal="recorder"
    )
    return {one.id for one in gone}


@pytest.fixture
def archived(centre: Centre) -> Iterator[list[str]]:
    """Session S of project P, 10 to 40 s, archived; footage of its camera from 0 to 60 s in tens."""
    made = [centre.record("er-cam", at, at + 10) for at in range(0, 60, 10)]
    centre.plan(planned("S", "ER"))
    centre.hold("S", 20, 30)
    centre.cut(10_000)
    centre.archive("S")
    assert removable(centre.catalogue) == set(made)
    yield made


# --- what is held stays


@pytest.mark.parametrize("kind", [HoldKind.SESSION, HoldKind.PROJECT])
def test_a_hold_keeps_the_originals_of_an_archived_session(
    centre: Centre, archived: list[str], kind: HoldKind
) -> None:
    """V15: rolls of 10 and 30 s belong to the clip."""
    centre.catalogue.holds.make(hold(kind, "S" if kind is HoldKind.SESSION else "P", name="h"))
    kept = set(archived) - removable(centre.catalogue)
    assert kept == set(archived[1:])
    assert release(centre.catalogue, *archived) == {archived[0]}
    centre.catalogue.holds.release("h", at_us=9, principal="x", reason="复评结果已公布")
    assert removable(centre.catalogue) == set(archived[1:])


def test_a_hold_on_another_session_or_project_keeps_nothing(centre: Centre, archived: list[str]) -> None:
    centre.plan(planned("T", "CO", project_id="Q"))
    centre.catalogue.holds.make_all([hold(HoldKind.SESSION, "T"), hold(HoldKind.PROJECT, "Q")])
    assert removable(centre.catalogue) == set(archived)


def test_sessions_that_a_held_project_gets_later_are_held(centre: Centre) -> None:
    """Present and to come: archived, nothing else would keep them."""
    centre.plan(planned("S", "ER"))
    centre.catalogue.holds.make(hold(HoldKind.PROJECT, "P"))
    made = centre.record("co-cam", 500, 510)
    centre.plan(planned("T", "CO"))
    assert removable(centre.catalogue) == {made}
    centre.hold("T", 500, 505)
    centre.cut(20_000)
    centre.archive("T")
    assert removable(centre.catalogue) == set()


def test_clips_of_a_session_whose_start_was_taken_back_are_held(centre: Centre, archived: list[str]) -> None:
    """Nothing of its time is known any more; its old clips still name the originals."""
    centre.catalogue.holds.make(hold(HoldKind.SESSION, "S"))
    with centre.catalogue.footage._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE session SET start_us = NULL, end_us = NULL, state = 'cancelled'")
        connection.exec_driver_sql("UPDATE clip SET retired_us = 1")
    assert removable(centre.catalogue) == {archived[0]}


def test_a_project_is_held_with_the_records_of_halls_that_show_it(centre: Centre) -> None:
    made = centre.record("co-cam", 0, 60)
    centre.plan(planned("H-day", "CO", project_id="H"), planned("S", "ER"))
    centre.hold("H-day", 10, 20)
    centre.cut(10_000)
    centre.archive("H-day")
    centre.catalogue.projects.show_in_hall("H", ["P"], principal="test", at_us=1)
    assert removable(centre.catalogue) == {made}
    centre.catalogue.holds.make(hold(HoldKind.PROJECT, "P"))
    assert removable(centre.catalogue) == set()
    assert centre.catalogue.holds.is_held("H")


def test_several_sources_are_held_in_one_act_and_let_go_of_in_one(centre: Centre) -> None:
    made = {one: centre.record(one, 0, 60) for one in ("er-cam", "er-face", "co-cam")}
    wall = TimeRange(start_us=moment(10), end_us=moment(20))
    act = [
        hold(HoldKind.SOURCE, one, name=f"act.{one}", wall=wall, act_id="act", tag_id="TAG-05")
        for one in ("er-cam", "er-face")
    ]
    centre.catalogue.holds.make_all(act)
    assert removable(centre.catalogue) == {made["co-cam"]}
    assert {one.tag_id for one in centre.catalogue.holds.find("act")} == {"TAG-05"}
    centre.catalogue.holds.release("act.er-cam", at_us=8, principal="x", reason="y")
    assert removable(centre.catalogue) == {made["co-cam"], made["er-cam"]}
    centre.catalogue.holds.release("act", at_us=9, principal="x", reason="y")
    assert removable(centre.catalogue) == set(made.values())
    assert [one.released_us for one in centre.catalogue.holds.find("act")] == [8, 9]


def test_one_thing_of_an_act_that_cannot_be_held_holds_nothing_at_all(centre: Centre) -> None:
    wall = TimeRange(start_us=moment(10), end_us=moment(20))
    with pytest.raises(CatalogError, match="nobody"):
        centre.catalogue.holds.make_all(
            [hold(HoldKind.SOURCE, one, wall=wall) for one in ("er-cam", "nobody")]
        )
    assert centre.catalogue.holds.all() == []


@pytest.mark.parametrize("kind", [HoldKind.SESSION, HoldKind.PROJECT, HoldKind.AGENCY])
def test_what_is_not_known_cannot_be_held(centre: Centre, kind: HoldKind) -> None:
    """A slip of the pen must not look like a hold."""
    for what in ("nobody", ""):
        with pytest.raises(CatalogError):
            centre.catalogue.holds.make(hold(kind, what))
    assert centre.catalogue.holds.all(released=True) == []


# --- an agency (I15)


def agency_project(centre: Centre, name: str, agency: str, start: float, source: str) -> str:
    """A project of an agency with an archived session of ten seconds; its segment."""
    made = centre.record(source, start, start + 10)
    room = {"er-cam": "ER", "co-cam": "CO"}[source]
    centre.catalogue.projects.add_project(
        replace(project(name), agency=agency), [planned(f"{name}-E", room, project_id=name)]
    )
    centre.hold(f"{name}-E", start + 1, start + 9)
    centre.cut(start + 10_000)
    centre.archive(f"{name}-E")
    return made


def test_all_projects_of_an_agency_in_a_date_range_are_held_in_one_act_and_lifted_in_one(
    centre: Centre,
) -> None:
    """I15."""
    inside = agency_project(centre, "A1", "乙", 0, "er-cam")
    late = agency_project(centre, "A2", "乙", 200_000, "co-cam")
    other = agency_project(centre, "B1", "甲", 300_000, "er-cam")
    march = TimeRange(start_us=moment(0), end_us=moment(100_000))
    centre.catalogue.holds.make(hold(HoldKind.AGENCY, "乙", name="act", wall=march))
    assert removable(centre.catalogue) == {late, other}
    kinds = {one.kind: one.project_id for one in centre.catalogue.holds.find("act")}
    assert kinds == {HoldKind.AGENCY: "", HoldKind.PROJECT: "A1"}
    centre.catalogue.holds.release("act", at_us=9, principal="纪检", reason="查结")
    assert removable(centre.catalogue) == {inside, late, other}
    (made, lifted) = reversed(centre.catalogue.audit.records(AuditFilter(action="hold.")))
    assert (made.subject, lifted.subject) == ("act", "act")
    assert (made.details["count"], lifted.details["count"]) == (2, 2)
    assert lifted.details["reason"] == "查结"


def test_a_project_of_the_agency_that_comes_later_is_held_too(centre: Centre) -> None:
    centre.catalogue.projects.add_project(replace(project("A0"), agency="乙"), [])
    year = TimeRange(start_us=moment(0), end_us=moment(1_000_000))
    centre.catalogue.holds.make(hold(HoldKind.AGENCY, "乙", wall=year))
    inside = agency_project(centre, "A1", "乙", 500_000, "er-cam")
    outside = agency_project(centre, "A2", "乙", 1_500_000, "co-cam")
    assert removable(centre.catalogue) == {outside}
    assert release(centre.catalogue, inside, outside) == {outside}


def test_an_agency_that_is_called_otherwise_does_not_free_its_projects(centre: Centre) -> None:
    agency_project(centre, "A1", "乙", 0, "er-cam")
    wall = TimeRange(start_us=moment(0), end_us=moment(100))
    centre.catalogue.holds.make(hold(HoldKind.AGENCY, "乙", wall=wall))
    centre.catalogue.projects.add_project(replace(project("A1"), agency="丙"), [])
    assert removable(centre.catalogue) == set()
    assert centre.catalogue.holds.is_held("A1")


# --- files


def test_a_file_is_held_by_its_project_its_session_and_a_range_of_what_it_shows(catalogue: Catalogue) -> None:
    store = MemoryStore()
    for name in ("X", "Y"):
        add_archived(catalogue, store, name, day=date(2010, 5, 1 if name == "X" else 2))
    nine = next(one for one in catalogue.sessions.of_project("X")).start_us or 0
    inside = TimeRange(start_us=nine + HOUR_US, end_us=nine + HOUR_US + 1)
    before = TimeRange(start_us=nine - HOUR_US, end_us=nine)
    made = [
        hold(HoldKind.PROJECT, "X"),
        hold(HoldKind.SESSION, "X-O"),
        hold(HoldKind.SOURCE, "cam", wall=inside),
        hold(HoldKind.SOURCE, "cam", wall=before),
        hold(HoldKind.SOURCE, "screen", wall=inside),
    ]
    held = []
    for one in made:
        catalogue.holds.make(one)
        held.append((catalogue.holds.is_held("X"), catalogue.holds.is_held("Y")))
        catalogue.holds.release(one.id, at_us=9, principal="p", reason="r")
    assert held == [(True, False)] * 3 + [(False, False)] * 2


# --- the race


@contextmanager
def pausing_before(catalogue: Catalogue, words: str, go_on: threading.Event) -> Iterator[threading.Event]:
    arrived = threading.Event()

    def before(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if words in statement:
            arrived.set()
            assert go_on.wait(10)

    event.listen(catalogue.footage._engine, "before_cursor_execute", before)
    yield arrived
    event.remove(catalogue.footage._engine, "before_cursor_execute", before)


@pytest.mark.parametrize("kind", [HoldKind.SESSION, HoldKind.PROJECT])
def test_of_a_hold_and_a_clean_up_at_the_same_time_each_knows_of_the_other(
    centre: Centre, archived: list[str], kind: HoldKind
) -> None:
    """Invariant 4: the clean-up is in the middle of its transaction when the hold comes."""
    catalogue, go_on = centre.catalogue, threading.Event()
    told: list[Tombstone] = []
    gone: list[str] = []
    asked = hold(kind, "S" if kind is HoldKind.SESSION else "P")
    with pausing_before(catalogue, "UPDATE segment", go_on) as deciding:
        removing = threading.Thread(target=lambda: gone.extend(release(catalogue, archived[2])))
        removing.start()
        assert deciding.wait(10)
        holding = threading.Thread(target=lambda: told.extend(catalogue.holds.make(asked)))
        holding.start()
        go_on.set()
        removing.join(10)
        holding.join(10)
    assert [one.segment.id for one in told] == gone == [archived[2]]
    assert release(catalogue, *archived[1:]) == set()


@pytest.mark.parametrize("kind", [HoldKind.SESSION, HoldKind.PROJECT, HoldKind.AGENCY])
def test_a_clean_up_waits_for_a_hold_that_is_being_made_and_then_removes_nothing(
    centre: Centre, kind: HoldKind
) -> None:
    """Invariant 4: the hold is in the middle of its transaction when the clean-up comes."""
    catalogue, go_on = centre.catalogue, threading.Event()
    gone: list[str] = []
    segment = agency_project(centre, "A1", "乙", 0, "er-cam")
    what = {HoldKind.SESSION: "A1-E", HoldKind.PROJECT: "A1", HoldKind.AGENCY: "乙"}[kind]
    with pausing_before(catalogue, "INSERT INTO audit", go_on) as inserted:
        holding = threading.Thread(target=lambda: catalogue.holds.make(hold(kind, what)))
        holding.start()
        assert inserted.wait(10)
        removing = threading.Thread(target=lambda: gone.extend(release(catalogue, segment)))
        removing.start()
        removing.join(0.3)  # long enough to do wrong; it waits for the hold
        go_on.set()
        holding.join(10)
        removing.join(10)
    assert gone == []


ACTS = st.lists(
    st.sampled_from(["hold session", "hold project", "hold source", "let go", "clean up"]), max_size=10
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_whatever_is_done_in_whatever_order_what_is_held_is_never_removed(
    centre: Centre, acts: list[str]
) -> None:
    """Invariant 4: a segment goes only in a clean-up at a moment at which nothing held it."""
    name = new_id("P")
    base = 1000.0 * len(centre.catalogue.projects.projects()) + 1_000_000
    segment = agency_project(centre, name, "乙", base, "er-cam")
    wall = TimeRange(start_us=moment(base), end_us=moment(base + 1))
    holds = centre.catalogue.holds
    standing: list[str] = []
    gone = False
    for act in acts:
        if act == "clean up":
            taken = centre.catalogue.removal.release(
                [segment], RULES, at_us=moment(base), reason="r", principal="p"
            )
            assert bool(taken) == (not standing and not gone)
            gone = gone or bool(taken)
        elif act == "let go" and standing:
            holds.release(standing.pop(), at_us=1, principal="p", reason="r")
        elif act.startswith("hold"):
            kind = HoldKind(act.removeprefix("hold "))
            what = {HoldKind.SESSION: f"{name}-E", HoldKind.PROJECT: name, HoldKind.SOURCE: "er-cam"}[kind]
            more: dict[str, Any] = {"wall": wall} if kind is HoldKind.SOURCE else {}
            one = hold(kind, what, **more)
            assert [stone.segment.id for stone in holds.make(one)] == ([segment] if gone else [])
            standing.append(one.id)
    for hold_id in standing:
        holds.release(hold_id, at_us=1, principal="p", reason="r")
