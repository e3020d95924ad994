"""The retention table and what the catalogue knows of projects: classes, starts, choices, what is due."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from catalog.catalogue import Catalogue
from catalog.objects import MemoryStore
from catalog.retention import DueFilter
from cli.sample.files import read_sample
from kernel.clock import SECOND_US, from_datetime, to_datetime
from kernel.errors import RetentionRefused
from kernel.model.footage import Hold, HoldKind
from kernel.model.life import RAW, ClassChoice, Standing, StartDay, Term, TermStart
from kernel.model.timeline import Project, ProjectKind
from tests.support.catalogue import PROJECT
from tests.support.legacy import add_archived, add_legacy, legacy_rows

DAY_US = 86_400 * SECOND_US


def noon(year: int, month: int, day: int) -> int:
    """Noon of a Beijing day."""
    return from_datetime(to_datetime(0).replace(year=year, month=month, day=day, hour=4))


TODAY = noon(2026, 11, 22)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def term(code: str, years: int, day: date, **more: object) -> Term:
    fields: dict[str, object] = {
        "id": f"{code}-{day}",
        "class_code": code,
        "valid_from": day,
        "years": years,
        "days": None,
        "starts": TermStart.PROJECT_END,
    }
    return Term(**{**fields, **more})  # type: ignore[arg-type]


def choose(catalogue: Catalogue, code: str, *, by: str = "甲", at_us: int = TODAY) -> ClassChoice:
    return catalogue.retention.choose("X", code, reason="鉴定", principal=by, at_us=at_us)


# --- as shipped


def test_the_shipped_rules_class_the_sample_as_the_sample_says(catalogue: Catalogue) -> None:
    """DSP-01 among them: P11 failed on 11 March 2026 and is kept to 11 March 2036."""
    for told in read_sample().projects:
        project = replace(told.project(), retention_class="")
        catalogue.projects.add_project(project, [])
        found = catalogue.retention.of_project(project.id, TODAY)
        assert (project.id, found.class_code) == (project.id, told.retention_class)


def test_a_failed_bid_is_kept_ten_years_from_its_end(catalogue: Catalogue, store: MemoryStore) -> None:
    """DSP-01."""
    add_archived(catalogue, store, "X", day=date(2026, 3, 11), industry="A02", outcome="failed_bid")
    for today, standing in ((noon(2036, 3, 11), Standing.RUNNING), (noon(2036, 3, 12), Standing.DUE)):
        found = catalogue.retention.of_project("X", today)
        assert found.governing is not None
        assert (found.class_code, found.governing.last_day, found.standing) == (
            "Y10",
            date(2036, 3, 11),
            standing,
        )
        assert (found.governing.rule_id, found.governing.term_id) == ("failed-1", "Y10-1")
        assert found.governing.reason_zh == "流标"


def test_a_failed_procurement_falls_under_two_classes_and_the_longer_holds(
    catalogue: Catalogue, store: MemoryStore
) -> None:
    add_archived(catalogue, store, "X", day=date(2026, 3, 11), industry="D01", outcome="failed_bid")
    found = catalogue.retention.of_project("X", TODAY)
    assert [one.class_code for one in found.claims] == ["Y15", "Y10"]


def test_originals_become_thirty_days_old_at_least(catalogue: Catalogue) -> None:
    assert catalogue.retention.minimum_age_us(TODAY) == 30 * DAY_US


# --- what a term starts with


def test_an_open_project_has_a_class_and_no_start(catalogue: Catalogue) -> None:
    catalogue.projects.add_project(replace(PROJECT, industry_code="A01"), [])
    found = catalogue.retention.of_project("P", TODAY)
    assert (found.class_code, found.standing) == ("Y30", Standing.START_UNKNOWN)


def test_a_project_whose_session_is_not_archived_has_not_ended(
    catalogue: Catalogue, store: MemoryStore
) -> None:
    add_archived(catalogue, store, "X", day=date(1990, 1, 1), industry="A01")
    assert catalogue.retention.of_project("X", TODAY).standing is Standing.DUE
    with catalogue.footage._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE session SET state = 'cut'")
    assert catalogue.retention.of_project("X", TODAY).standing is Standing.START_UNKNOWN


def test_a_day_that_is_told_counts_and_nobody_can_put_an_end_earlier_than_it_was(
    catalogue: Catalogue, store: MemoryStore
) -> None:
    add_archived(catalogue, store, "X", day=date(2026, 3, 11), industry="A01")
    starts = []
    for number, told in enumerate((date(2027, 1, 1), date(1990, 1, 1))):
        catalogue.retention.tell_day(
            "X", TermStart.PROJECT_END, told, reason="验收", principal="甲", at_us=TODAY + number
        )
        found = catalogue.retention.of_project("X", TODAY).governing
        starts.append(found.start if found else None)
    timeline = StartDay(day=date(2026, 3, 11), told=False)
    assert starts == [StartDay(day=date(2027, 1, 1), told=True), timeline]


@pytest.mark.parametrize("wrong", ["project", "reason", "kind"])
def test_a_day_that_makes_no_sense_is_refused(catalogue: Catalogue, wrong: str) -> None:
    catalogue.projects.add_project(PROJECT, [])
    with pytest.raises(RetentionRefused):
        catalogue.retention.tell_day(
            "nobody" if wrong == "project" else "P",
            TermStart.RECORDING if wrong == "kind" else TermStart.PROJECT_END,
            date(2026, 1, 1),
            reason=" " if wrong == "reason" else "r",
            principal="p",
            at_us=TODAY,
        )


# --- choices


@pytest.fixture
def procured(catalogue: Catalogue, store: MemoryStore) -> str:
    return add_archived(catalogue, store, "X", day=date(2026, 3, 11))


def test_a_longer_class_counts_at_once(catalogue: Catalogue, procured: str) -> None:
    assert not choose(catalogue, "Y30").shorter
    found = catalogue.retention.of_project(procured, TODAY)
    assert (found.class_code, found.governing.reason_zh if found.governing else "") == ("Y30", "鉴定")


def test_a_shorter_class_needs_two_people(catalogue: Catalogue, procured: str) -> None:
    made = choose(catalogue, "Y10")
    assert made.shorter
    for same in ("甲", " 甲 "):
        with pytest.raises(RetentionRefused, match="two people"):
            catalogue.retention.confirm(made.id, principal=same, at_us=TODAY + 1)
    assert catalogue.retention.of_project(procured, TODAY).class_code == "Y15"
    catalogue.retention.confirm(made.id, principal="乙", at_us=TODAY + 2)
    assert catalogue.retention.of_project(procured, TODAY).class_code == "Y10"
    acts = [(one.action, one.result) for one in catalogue.audit.records(limit=3)]
    assert acts == [
        ("retention.class_confirmed", "done"),
        ("retention.class_confirmed", "refused"),
        ("retention.class_confirmed", "refused"),
    ]


def test_a_choice_that_was_overtaken_or_needs_nobody_is_not_confirmed(
    catalogue: Catalogue, procured: str
) -> None:
    shorter = choose(catalogue, "Y10")
    longer = choose(catalogue, "Y30", at_us=TODAY + 1)
    for one in (shorter.id, longer.id, "nothing"):
        with pytest.raises(RetentionRefused):
            catalogue.retention.confirm(one, principal="乙", at_us=TODAY + 2)
    assert catalogue.retention.of_project(procured, TODAY).class_code == "Y30"


def test_going_back_from_a_longer_class_is_a_shorter_one(catalogue: Catalogue, procured: str) -> None:
    choose(catalogue, "PERM")
    assert catalogue.retention.of_project(procured, TODAY).standing is Standing.PERMANENT
    assert choose(catalogue, "Y30", at_us=TODAY + 1).shorter


def test_a_class_that_is_unknown_is_not_chosen(catalogue: Catalogue, procured: str) -> None:
    with pytest.raises(RetentionRefused, match="Y99"):
        choose(catalogue, "Y99")
    assert catalogue.retention.choices_of(procured) == []


# --- the table changes


def test_a_new_version_holds_from_its_day_on_and_the_old_one_for_what_began_before(
    catalogue: Catalogue, store: MemoryStore
) -> None:
    table = catalogue.retention
    table.add_term(term("Y30", 5, date(2030, 1, 1), basis="新规"), principal="甲", at_us=TODAY)
    add_archived(catalogue, store, "X", day=date(2026, 3, 11), industry="A01")
    add_archived(catalogue, store, "Y", day=date(2031, 3, 11), industry="A01")
    found = [table.of_project(one, noon(2040, 1, 1)) for one in ("X", "Y")]
    assert [one.standing for one in found] == [Standing.RUNNING, Standing.DUE]
    assert [one.governing.term_id for one in found if one.governing] == ["Y30-1", "Y30-2030-01-01"]


@pytest.mark.parametrize("wrong", ["past", "class", "twice", "negative", "no start"])
def test_a_version_that_would_change_the_past_or_makes_no_sense_is_refused(
    catalogue: Catalogue, wrong: str
) -> None:
    wrongs: dict[str, dict[str, Any]] = {
        "past": {"valid_from": date(2026, 11, 21)},
        "class": {"class_code": "Y99"},
        "twice": {"id": "Y30-1"},
        "negative": {"years": -1},
        "no start": {"starts": None},
    }
    with pytest.raises(RetentionRefused):
        catalogue.retention.add_term(
            replace(term("Y30", 5, date(2026, 11, 22)), **wrongs[wrong]), principal="甲", at_us=TODAY
        )
    assert len(catalogue.retention.terms()) == 6


def test_what_a_deployment_made_of_the_table_stays(catalogue: Catalogue) -> None:
    catalogue.retention.add_term(term(RAW, 1, date(2027, 1, 1)), principal="甲", at_us=TODAY)
    catalogue.retention.load()
    assert len(catalogue.retention.terms()) == 7


# --- what is due


def test_what_is_due_is_listed_by_class_year_and_region(catalogue: Catalogue, store: MemoryStore) -> None:
    """I17: what was archived under Shuifu's old code is found under the new one."""
    names = [add_legacy(catalogue, store, row) for row in legacy_rows()]
    add_archived(catalogue, store, "new", day=date(2026, 3, 11))
    shuifu = catalogue.places.regions_within("530681")

    def listed(**narrowed: object) -> list[str]:
        found = catalogue.retention.due(TODAY, DueFilter(**narrowed))  # type: ignore[arg-type]
        return [one.project_id for one in found]

    assert listed() == sorted(names)
    assert listed(class_code="Y15", year=2025) == sorted(names)
    assert listed(class_code="Y30") == listed(year=2026) == []
    assert listed(region_codes=shuifu) == [names[0]]
    assert listed(standings=frozenset({Standing.RUNNING})) == ["new"]


def test_what_is_held_is_due_and_shown_as_held(catalogue: Catalogue, store: MemoryStore) -> None:
    names = [add_legacy(catalogue, store, row) for row in legacy_rows()]
    catalogue.holds.make(
        Hold(id="h", kind=HoldKind.PROJECT, project_id=names[1], reason="r", principal="p", made_us=1)
    )
    assert {one.project_id: one.held for one in catalogue.retention.due(TODAY)} == {
        names[0]: False,
        names[1]: True,
    }


def test_the_record_of_a_hall_is_due_when_all_that_it_shows_is(
    catalogue: Catalogue, store: MemoryStore
) -> None:
    for name, year in (("X", 1990), ("Y", 2020)):
        add_archived(catalogue, store, name, day=date(year, 1, 1), industry="A01")
    hall: Project = replace(
        PROJECT, id="H", project_code="H", industry_code="H", kind=ProjectKind.HALL, retention_class=""
    )
    catalogue.projects.add_project(hall, [])
    catalogue.projects.show_in_hall("H", ["X"], principal="p", at_us=1)
    assert catalogue.retention.of_project("H", TODAY).standing is Standing.DUE
    catalogue.projects.show_in_hall("H", ["Y"], principal="p", at_us=1)
    assert catalogue.retention.of_project("H", TODAY).standing is Standing.RUNNING


def test_what_is_looked_at_for_many_is_what_is_looked_at_for_one(
    catalogue: Catalogue, store: MemoryStore
) -> None:
    for year in (1990, 2005, 2020):
        add_archived(catalogue, store, f"X{year}", day=date(year, 2, 28), industry="A01")
    every = frozenset(Standing)
    for one in catalogue.retention.due(TODAY, DueFilter(standings=every)):
        assert one.retention == catalogue.retention.of_project(one.project_id, TODAY)


def test_a_project_that_is_not_there_has_no_term(catalogue: Catalogue) -> None:
    with pytest.raises(RetentionRefused, match="nobody"):
        catalogue.retention.of_project("nobody", TODAY)
