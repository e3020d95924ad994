"""How long a file is kept: days, versions of rules, and which of several classes holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.clock import SECOND_US, from_datetime
from kernel.clock import to_datetime as utc
from kernel.model.life import (
    ClaimOrigin,
    ClassChoice,
    ClassRule,
    ProjectFacts,
    Standing,
    StartDay,
    Term,
    TermStart,
)
from kernel.retention import beijing_day, last_day, longest_of, retention_of, term_in_force

LONG_AGO = date(2000, 1, 1)
END = date(2026, 3, 11)
DAYS = st.dates(min_value=date(2001, 1, 1), max_value=date(2200, 12, 31))


def term(code: str = "Y15", years: int | None = 15, **more: object) -> Term:
    fields: dict[str, object] = {
        "id": f"{code}-{more.get('valid_from', 1)}",
        "class_code": code,
        "valid_from": LONG_AGO,
        "years": years,
        "days": None,
        "starts": TermStart.PROJECT_END if years else None,
    }
    return Term(**{**fields, **more})  # type: ignore[arg-type]


def rule(code: str = "Y15", **more: object) -> ClassRule:
    fields: dict[str, object] = {
        "id": f"to-{code}",
        "class_code": code,
        "valid_from": LONG_AGO,
        "valid_until": None,
    }
    return ClassRule(**{**fields, **more})  # type: ignore[arg-type]


def facts(end: date | None = END, **more: object) -> ProjectFacts:
    starts = {} if end is None else {TermStart.PROJECT_END: StartDay(day=end, told=False)}
    fields: dict[str, object] = {
        "project_id": "P",
        "industry_codes": frozenset({"A", "A02"}),
        "outcome": "result",
        "starts": starts,
    }
    return ProjectFacts(**{**fields, **more})  # type: ignore[arg-type]


def choice(code: str, *, shorter: bool, at: date, confirmed: bool = True) -> ClassChoice:
    at_us = round((at - date(1970, 1, 1)).days * 86_400 * SECOND_US)
    return ClassChoice(
        id="c",
        project_id="P",
        class_code=code,
        reason="r",
        principal="p",
        at_us=at_us,
        shorter=shorter,
        confirmed_us=at_us if confirmed else None,
    )


# --- days


@pytest.mark.parametrize(
    ("start", "years", "days", "last"),
    [
        (date(2026, 3, 11), 10, None, date(2036, 3, 11)),  # DSP-01
        (date(2010, 12, 31), 15, None, date(2025, 12, 31)),  # DSP-02
        (date(2024, 2, 29), 15, None, date(2039, 2, 28)),
        (date(2024, 2, 29), 20, None, date(2044, 2, 29)),
        (date(2023, 2, 28), 1, None, date(2024, 2, 28)),
        (date(2026, 1, 31), None, 30, date(2026, 3, 2)),
        (date(2026, 12, 31), 9999, None, date.max),
        (date.max, None, 30, date.max),
    ],
)
def test_the_last_day_of_a_term(start: date, years: int | None, days: int | None, last: date) -> None:
    """Civil Code, art. 201 and 202."""
    assert last_day(start, years, days) == last


@given(start=DAYS, years=st.integers(1, 50))
def test_a_term_ends_on_the_same_day_of_the_same_month_or_the_last_of_it(start: date, years: int) -> None:
    found = last_day(start, years, None)
    assert (found.year, found.month) == (start.year + years, start.month)
    assert found.day == start.day or (start.month, start.day, found.day) == (2, 29, 28)


@given(start=DAYS, later=DAYS, years=st.integers(0, 50), days=st.integers(0, 4000))
def test_what_starts_later_never_ends_earlier(start: date, later: date, years: int, days: int) -> None:
    first, second = sorted((start, later))
    assert last_day(first, years, days) <= last_day(second, years, days)


def test_a_day_is_a_beijing_day_not_one_of_utc() -> None:
    evening = from_datetime(utc(0).replace(year=2026, month=3, day=10, hour=16))
    assert beijing_day(evening) == date(2026, 3, 11)
    assert beijing_day(evening - 1) == date(2026, 3, 10)


def test_a_file_is_due_on_the_day_after_its_last_day() -> None:
    told = (facts(), [rule()], [term()])
    assert retention_of(*told, date(2041, 3, 11)).standing is Standing.RUNNING
    assert retention_of(*told, date(2041, 3, 12)).standing is Standing.DUE


# --- which class


def test_of_several_classes_the_longest_holds_and_all_are_told() -> None:
    rules = [rule("Y15"), rule("Y10", outcome="failed_bid")]
    found = retention_of(facts(outcome="failed_bid"), rules, [term("Y15"), term("Y10", 10)], date(2036, 6, 1))
    assert [one.class_code for one in found.claims] == ["Y15", "Y10"]
    assert (found.class_code, found.standing) == ("Y15", Standing.RUNNING)


def test_a_rule_is_of_its_industry_and_what_is_below_and_of_its_outcome() -> None:
    rules = [rule("A", industry_code="A"), rule("B", industry_code="B"), rule("F", not_outcome="result")]
    found = retention_of(facts(), rules, [term(code) for code in "ABF"], END)
    assert [one.class_code for one in found.claims] == ["A"]


def test_what_nobody_classified_is_kept() -> None:
    found = retention_of(facts(), [], [term()], date(2999, 1, 1))
    assert (found.standing, found.governing) == (Standing.UNCLASSIFIED, None)


def test_an_unknown_start_is_never_due_whatever_else_has_ended() -> None:
    terms = [term("Y10", 10), term("Y15", starts=TermStart.BID_VALIDITY_END)]
    found = retention_of(facts(), [rule("Y10"), rule("Y15")], terms, date(2999, 1, 1))
    assert (found.standing, found.class_code) == (Standing.START_UNKNOWN, "Y15")


def test_where_the_first_start_is_not_known_the_other_one_is_taken() -> None:
    one = term(starts=TermStart.PROCUREMENT_END, starts_else=TermStart.PROJECT_END)
    found = retention_of(facts(), [rule()], [one], END)
    assert found.governing is not None
    assert found.governing.starts is TermStart.PROJECT_END


def test_for_ever_is_longer_than_anything() -> None:
    found = retention_of(
        facts(None), [rule("PERM"), rule("Y15")], [term("PERM", None), term()], date(2999, 1, 1)
    )
    assert (found.class_code, found.standing) == ("PERM", Standing.PERMANENT)


def test_what_the_trading_system_reports_lengthens_and_never_shortens() -> None:
    terms = [term("Y30", 30), term(), term("Y10", 10)]
    for told, holds in (("Y30", "Y30"), ("Y10", "Y15"), ("nonsense", "Y15")):
        found = retention_of(facts(told_class=told), [rule()], terms, END)
        assert found.class_code == holds


# --- rules change


def test_a_shorter_version_holds_for_what_starts_after_it_only() -> None:
    terms = [term(), term(years=5, valid_from=date(2030, 1, 1))]
    before = retention_of(facts(END), [rule()], terms, date(2040, 1, 1))
    after = retention_of(facts(date(2030, 1, 2)), [rule()], terms, date(2040, 1, 1))
    assert (before.standing, after.standing) == (Standing.RUNNING, Standing.DUE)
    assert before.governing is not None
    assert before.governing.term_id == "Y15-1"


def test_a_longer_version_holds_for_what_is_there_already() -> None:
    terms = [term(), term(years=30, valid_from=date(2030, 1, 1))]
    found = retention_of(facts(END), [rule()], terms, date(2050, 1, 1))
    assert found.governing is not None
    assert (found.standing, found.governing.term_id) == (Standing.RUNNING, "Y15-2030-01-01")


def test_a_version_of_the_future_says_nothing_yet() -> None:
    terms = [term(), term(years=30, valid_from=date(2050, 1, 1))]
    assert retention_of(facts(END), [rule()], terms, date(2041, 3, 12)).standing is Standing.DUE


def test_a_rule_that_was_ended_still_holds_for_what_began_under_it() -> None:
    ended = rule(valid_until=date(2027, 1, 1))
    for end, count in ((END, 1), (date(2027, 1, 1), 1), (date(2027, 1, 2), 0)):
        assert len(retention_of(facts(end), [ended], [term()], date(2030, 1, 1)).claims) == count


def test_the_term_in_force_is_the_newest_that_has_begun() -> None:
    terms = [term(valid_from=date(2030, 1, 1)), term()]
    found = [term_in_force(terms, "Y15", day) for day in (date(1999, 1, 1), END, date(2030, 1, 1))]
    assert [one.id if one else None for one in found] == [None, "Y15-1", "Y15-2030-01-01"]


@given(
    start=DAYS,
    today=DAYS,
    versions=st.lists(st.tuples(DAYS, st.integers(1, 40)), max_size=4, unique_by=lambda one: one[0]),
)
def test_no_version_of_a_rule_takes_back_what_the_one_at_the_start_promised(
    start: date, today: date, versions: list[tuple[date, int]]
) -> None:
    terms = [term(), *(term(years=years, valid_from=day) for day, years in versions)]
    at_start = term_in_force(terms, "Y15", start)
    found = retention_of(facts(start), [rule()], terms, max(start, today))
    assert at_start is not None
    assert found.governing is not None
    assert found.governing.last_day is not None
    assert found.governing.last_day >= last_day(start, at_start.years, None)


@given(today=DAYS, more=st.integers(0, 20_000))
def test_what_is_due_stays_due_while_nothing_changes(today: date, more: int) -> None:
    told = (facts(), [rule()], [term()])
    later = min(today + timedelta(days=more), date(9999, 12, 31))
    if retention_of(*told, today).standing is Standing.DUE:
        assert retention_of(*told, later).standing is Standing.DUE


# --- chosen by hand


def test_a_longer_class_by_hand_counts_beside_the_rules() -> None:
    longer = choice("Y30", shorter=False, at=END)
    found = retention_of(facts(choice=longer), [rule()], [term(), term("Y30", 30)], END)
    assert (found.class_code, len(found.claims)) == ("Y30", 2)
    assert found.claims[0].origin is ClaimOrigin.CHOSEN


def test_a_shorter_class_that_two_confirmed_goes_before_the_rules_of_that_day() -> None:
    shorter = choice("Y10", shorter=True, at=END)
    told = facts(choice=shorter, told_class="Y15")
    found = retention_of(told, [rule()], [term(), term("Y10", 10)], END)
    assert [one.class_code for one in found.claims] == ["Y10"]


def test_a_law_that_came_after_a_shorter_choice_holds() -> None:
    shorter = choice("Y10", shorter=True, at=END)
    newer = [rule(), rule("Y30", valid_from=date(2030, 1, 1))]
    terms = [term(), term("Y10", 10), term("Y30", 30)]
    assert retention_of(facts(choice=shorter), newer, terms, date(2037, 1, 1)).class_code == "Y30"
    versions = [*terms, term(years=40, valid_from=date(2030, 1, 1))]
    assert retention_of(facts(choice=shorter), [rule()], versions, date(2037, 1, 1)).class_code == "Y15"


# --- records of halls


def test_the_record_of_a_hall_is_kept_as_long_as_any_project_in_it() -> None:
    today = date(2050, 1, 1)
    own = retention_of(facts(project_id="H"), [], [], today)
    short, long = (retention_of(facts(), [rule()], [term(years=years)], today) for years in (15, 30))
    assert longest_of("H", [own, short, long], today).standing is Standing.RUNNING
    assert longest_of("H", [own, short], today).standing is Standing.DUE
    nobody = replace(own, project_id="Q")
    assert longest_of("H", [own, short, nobody], today).standing is Standing.UNCLASSIFIED
    assert longest_of("H", [own], today).standing is Standing.UNCLASSIFIED
