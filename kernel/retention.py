"""How long a project's file is kept: terms, days, and which of several classes holds. Pure.

Days are Beijing days. The day on which a term starts does not count; its last day is the one of the same
date, or the last of its month where that has no such date (Civil Code, art. 201 and 202): from 29 February
fifteen years lead to 28 February. A file is due on the day after.

A rule that changes does not take back what was promised: of the versions of a term that were in force at any
time since the term's start the longest holds. A longer one holds at once, for what is there already, too.
"""

from __future__ import annotations

from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterable, Iterator, Sequence
from datetime import MAXYEAR, date, datetime, time, timedelta

from kernel.clock import BEIJING, from_datetime, to_datetime
from kernel.model.life import (
    Claim,
    ClaimOrigin,
    ClassRule,
    ProjectFacts,
    Retention,
    Standing,
    StartDay,
    Term,
    TermStart,
)
from kernel.timerange import TimeRange


def beijing_day(us: int) -> date:
    """The Beijing day of a wall time."""
    return to_datetime(us).astimezone(BEIJING).date()


def beijing_days(first: date, last: date) -> TimeRange:
    """From the start of the first day to the end of the last one; empty where that is earlier."""
    start_us, end_us = (_midnight(day) for day in (first, last + timedelta(days=1)))
    return TimeRange(start_us=start_us, end_us=max(start_us, end_us))


def _midnight(day: date) -> int:
    return from_datetime(datetime.combine(day, time(), tzinfo=BEIJING))


def last_day(start: date, years: int | None, days: int | None) -> date:
    """The last day of a term that starts on that day; the calendar's last one where it would be later."""
    year = start.year + (years or 0)
    if year > MAXYEAR:
        return date.max
    shifted = start.replace(year=year, day=min(start.day, monthrange(year, start.month)[1]))
    try:
        return shifted + timedelta(days=days or 0)
    except OverflowError:
        return date.max


def term_in_force(terms: Iterable[Term], class_code: str, today: date) -> Term | None:
    """The version of a class's term that is in force on a day."""
    versions = _versions(terms, class_code)
    number = bisect_right([one.valid_from for one in versions], today)
    return versions[number - 1] if number else None


def retention_of(
    facts: ProjectFacts, rules: Sequence[ClassRule], terms: Sequence[Term], today: date
) -> Retention:
    """How long a project is kept, seen on a day: of all classes that it falls under the longest holds."""
    claims = sorted(_claims(facts, rules, terms, today), key=length_of, reverse=True)
    governing = claims[0] if claims else None
    return Retention(
        project_id=facts.project_id,
        standing=_standing(governing, today),
        governing=governing,
        claims=tuple(claims),
    )


def longest_of(project_id: str, shown: Sequence[Retention], today: date) -> Retention:
    """How long the record of a hall is kept: as long as any project that it shows, and itself.

    Args:
        shown: its own, first, and those of the projects; while one of them is not classified, it is kept.
    """
    claims = sorted((claim for one in shown for claim in one.claims), key=length_of, reverse=True)
    kept = not claims or any(one.governing is None for one in shown[1:])
    governing = None if kept else claims[0]
    return Retention(
        project_id=project_id,
        standing=_standing(governing, today),
        governing=governing,
        claims=tuple(claims),
    )


def claim_of_choice(facts: ProjectFacts, class_code: str, terms: Sequence[Term], today: date) -> Claim | None:
    """What it would mean to choose a class for a project; None: the class has no term in force."""
    found = _of_class(facts, class_code, terms, today, ClaimOrigin.CHOSEN)
    return max(found, key=length_of, default=None)


def length_of(claim: Claim) -> tuple[bool, bool, date, int]:
    """What orders claims: for ever, then those of unknown start, then by their last day."""
    unknown = not claim.permanent and claim.last_day is None
    return claim.permanent, unknown, claim.last_day or date.min, claim.nominal_days


def _standing(governing: Claim | None, today: date) -> Standing:
    if governing is None:
        return Standing.UNCLASSIFIED
    if governing.permanent:
        return Standing.PERMANENT
    if governing.last_day is None:
        return Standing.START_UNKNOWN
    return Standing.DUE if today > governing.last_day else Standing.RUNNING


def _claims(
    facts: ProjectFacts, rules: Sequence[ClassRule], terms: Sequence[Term], today: date
) -> Iterator[Claim]:
    choice = facts.choice
    if choice is not None:
        told = (ClaimOrigin.CHOSEN, choice.id, choice.reason, choice.reason, "")
        yield from _of_class(facts, choice.class_code, terms, today, *told)
    since = None
    if choice is not None and choice.shorter:
        since = beijing_day(choice.confirmed_us or choice.at_us)  # two people went below what held by then
    elif facts.told_class:
        reasons = ("交易系统报送", "As the trading system reports")
        yield from _of_class(facts, facts.told_class, terms, today, ClaimOrigin.REPORTED, "", *reasons, "")
    began = {term.id: term.valid_from for term in terms}
    for rule in rules:
        if rule.valid_from > today or not _matches(rule, facts):
            continue
        told = (ClaimOrigin.RULE, rule.id, rule.reason_zh, rule.reason_en, rule.basis)
        for claim in _of_class(facts, rule.class_code, terms, today, *told):
            newer = since is None or max(rule.valid_from, began[claim.term_id]) > since
            if newer and _was_in_force(rule, claim.start, today):
                yield claim


def _matches(rule: ClassRule, facts: ProjectFacts) -> bool:
    return (
        (not rule.industry_code or rule.industry_code in facts.industry_codes)
        and rule.outcome in ("", facts.outcome)
        and (not rule.not_outcome or rule.not_outcome != facts.outcome)
    )


def _was_in_force(rule: ClassRule, start: StartDay | None, today: date) -> bool:
    """At some time since the start, or where that is not known, today."""
    since = min(start.day, today) if start is not None else today
    return rule.valid_until is None or rule.valid_until >= since


def _of_class(
    facts: ProjectFacts,
    class_code: str,
    terms: Sequence[Term],
    today: date,
    origin: ClaimOrigin,
    rule_id: str = "",
    reason_zh: str = "",
    reason_en: str = "",
    basis: str = "",
) -> Iterator[Claim]:
    """A claim for each version of a class's term that was in force since the term's start."""
    versions = _versions(terms, class_code)
    for number, term in enumerate(versions):
        starts, start = _start_of(term, facts)
        ended = versions[number + 1].valid_from if number + 1 < len(versions) else date.max
        since = min(start.day, today) if start is not None else today
        if term.valid_from > today or ended <= since:
            continue
        known = None if start is None else last_day(start.day, term.years, term.days)
        yield Claim(
            class_code=class_code,
            origin=origin,
            rule_id=rule_id,
            term_id=term.id,
            permanent=term.permanent,
            starts=None if term.permanent else starts,
            start=None if term.permanent else start,
            last_day=None if term.permanent else known,
            nominal_days=(term.years or 0) * 366 + (term.days or 0),
            reason_zh=reason_zh,
            reason_en=reason_en,
            basis="; ".join(filter(None, (basis, term.basis))),
        )


def _versions(terms: Iterable[Term], class_code: str) -> list[Term]:
    own = (one for one in terms if one.class_code == class_code)
    return sorted(own, key=lambda one: (one.valid_from, one.id))


def _start_of(term: Term, facts: ProjectFacts) -> tuple[TermStart | None, StartDay | None]:
    for kind in (term.starts, term.starts_else):
        if kind is not None and kind in facts.starts:
            return kind, facts.starts[kind]
    return term.starts, None
