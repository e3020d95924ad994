"""How long projects are kept: the retention table, what is known of projects, and what is due."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import ColumnElement, Engine, exists, not_
from sqlmodel import Session, col, func, select

from catalog.audit import append
from catalog.database import reading, writing
from catalog.held import project_held
from catalog.tables import (
    DisposalRow,
    FileSetRow,
    HallProjectRow,
    IndustryRow,
    ProjectDayRow,
    ProjectRow,
    RetentionChoiceRow,
    RetentionClassRow,
    RetentionRuleRow,
    RetentionTermRow,
    SessionRow,
)
from kernel.clock import SECOND_US
from kernel.errors import RetentionRefused
from kernel.ids import new_id
from kernel.model.audit import Act, Action, ActResult
from kernel.model.life import (
    RAW,
    TELLABLE,
    ClassChoice,
    ClassRule,
    DisposalState,
    ProjectFacts,
    Retention,
    RetentionClass,
    Standing,
    StartDay,
    Term,
    TermStart,
)
from kernel.model.timeline import ProjectKind, SessionState
from kernel.retention import (
    beijing_day,
    claim_of_choice,
    length_of,
    longest_of,
    retention_of,
    term_in_force,
)
from kernel.values import fields_of

_DATA = Path(__file__).parent / "data" / "retention.yaml"
_DAY_US = 24 * 3600 * SECOND_US
_OVER = (SessionState.ARCHIVED, SessionState.CANCELLED)


@dataclass(frozen=True, kw_only=True, slots=True)
class DueFilter:
    """What a list of what is due is narrowed by; None narrows nothing."""

    class_code: str | None = None
    year: int | None = None  # Beijing year in which its term ended
    region_codes: frozenset[str] | None = None  # of the project or of its trade place
    standings: frozenset[Standing] = frozenset({Standing.DUE})


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectRetention:
    """A line of that list."""

    project_id: str
    project_code: str
    name_zh: str
    region_code: str
    industry_code: str
    retention: Retention
    held: bool  # something holds it: it stays, whatever its term


class RetentionTable:
    """The catalogue's retention classes and rules, and how long each project is kept."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def load(self) -> None:
        """Fill the table where it is empty; what a deployment made of it stays."""
        with writing(self._engine) as session:
            if session.exec(select(RetentionClassRow).limit(1)).first() is not None:
                return
            told = yaml.safe_load(_DATA.read_text(encoding="utf-8"))
            session.add_all(RetentionClassRow(**row) for row in told["classes"])
            session.flush()
            session.add_all(RetentionTermRow(**row) for row in told["terms"])
            session.add_all(RetentionRuleRow(**row) for row in told["rules"])

    def classes(self) -> list[RetentionClass]:
        """All classes, by code."""
        with reading(self._engine) as session:
            rows = session.exec(select(RetentionClassRow).order_by(RetentionClassRow.code)).all()
            return [RetentionClass(**row.model_dump()) for row in rows]

    def terms(self) -> list[Term]:
        """All versions of all terms, by class and day."""
        with reading(self._engine) as session:
            return _terms(session)

    def rules(self) -> list[ClassRule]:
        """All rules that say which projects fall under which class."""
        with reading(self._engine) as session:
            return _rules(session)

    def minimum_age_us(self, now_us: int) -> int:
        """How old originals become at least, by the class of the ring in force; 0 where there is none."""
        found = term_in_force(self.terms(), RAW, beijing_day(now_us))
        return 0 if found is None else ((found.years or 0) * 366 + (found.days or 0)) * _DAY_US

    def add_term(self, term: Term, *, principal: str, at_us: int) -> None:
        """Say how long a class keeps from a day on; versions before it stay, and keep what they promised.

        Raises:
            RetentionRefused: the class is unknown, the day is past, or the term makes no sense.
        """
        with writing(self._engine) as session:
            _check_term(session, term, beijing_day(at_us))
            said = {"principal": principal, "recorded_us": at_us, "valid_from": term.valid_from.isoformat()}
            session.add(RetentionTermRow(**{**fields_of(term), **said}))
            told = {"class": term.class_code, "from": said["valid_from"], "basis": term.basis}
            told |= {"years": term.years, "days": term.days}
            append(session, _act(Action.RETENTION_CHANGED, term.id, principal, at_us, told))

    def tell_day(
        self, project_id: str, kind: TermStart, day: date, *, reason: str, principal: str, at_us: int
    ) -> None:
        """Say on which day something was from which a project's term is counted; the newest counts.

        Raises:
            RetentionRefused: there is no such project, no reason, or nobody can tell such a day.
        """
        with writing(self._engine) as session:
            _check_told(session, project_id, reason)
            if kind not in TELLABLE:
                raise RetentionRefused(f"{kind} is no day of a project.")
            row = ProjectDayRow(
                id=new_id("day"),
                project_id=project_id,
                kind=kind,
                day=day.isoformat(),
                reason=reason,
                principal=principal,
                recorded_us=at_us,
            )
            session.add(row)
            told = {"kind": str(kind), "day": row.day, "reason": reason}
            append(session, _act(Action.PROJECT_DAY_TOLD, project_id, principal, at_us, told))

    def choose(
        self, project_id: str, class_code: str, *, reason: str, principal: str, at_us: int
    ) -> ClassChoice:
        """Choose a class for a project. A longer one counts at once, a shorter one when another confirms it.

        Raises:
            RetentionRefused: there is no such project or class, or no reason.
        """
        with writing(self._engine) as session:
            _check_told(session, project_id, reason)
            return choose_class(session, project_id, class_code, reason, principal, at_us)

    def confirm(self, choice_id: str, *, principal: str, at_us: int) -> ClassChoice:
        """Confirm a shorter class that somebody else chose.

        Raises:
            RetentionRefused: there is no such choice, it needs no confirmation, something was chosen since,
                or it is the same person.
        """
        with writing(self._engine) as session:
            row = session.get(RetentionChoiceRow, choice_id)
            if row is None:
                raise RetentionRefused(f"there is no choice {choice_id}.")
            refusal = _why_not_confirm(session, row, principal)
            if refusal is None:
                row.confirmed_by, row.confirmed_us = principal, at_us
            result = ActResult.DONE if refusal is None else ActResult.REFUSED
            told = {"choice": choice_id, "class": row.class_code, "refused": refusal or ""}
            act = _act(Action.CLASS_CONFIRMED, row.project_id, principal, at_us, told, result)
            append(session, act)
            choice = _choice(row)
        if refusal is not None:
            raise RetentionRefused(refusal)
        return choice

    def choices_of(self, project_id: str) -> list[ClassChoice]:
        """Everything that was chosen for a project, the oldest first."""
        with reading(self._engine) as session:
            return _choices(session, [project_id])[project_id]

    def of_project(self, project_id: str, now_us: int) -> Retention:
        """How long a project is kept, and why.

        Raises:
            RetentionRefused: there is no such project.
        """
        with reading(self._engine) as session:
            return retention_in(session, project_id, beijing_day(now_us))

    def due(self, now_us: int, narrowed: DueFilter | None = None) -> list[ProjectRetention]:
        """Projects that pass a filter, longest due first; what was destroyed is none."""
        by = narrowed or DueFilter()
        query = select(ProjectRow).where(not_(_destroyed()))
        if by.region_codes is not None:
            own = col(ProjectRow.region_code).in_(by.region_codes)
            query = query.where(own | col(ProjectRow.trade_place).in_(by.region_codes))
        with reading(self._engine) as session:
            rows = session.exec(query).all()
            kept = _retentions(session, rows, beijing_day(now_us))
            held = set(session.exec(select(ProjectRow.id).where(project_held())).all())
        lines = [_line(row, kept[row.id], held) for row in rows if _passes(kept[row.id], by)]
        return sorted(lines, key=lambda one: (_last(one.retention), one.project_code))


def _destroyed() -> ColumnElement[bool]:
    """Of a project's row: its file was destroyed by decision, and nothing was archived since."""
    newer = exists(
        select(FileSetRow.version).where(
            FileSetRow.project_id == DisposalRow.project_id,
            col(FileSetRow.version) > col(DisposalRow.version),
        )
    )
    return exists(
        select(DisposalRow.id).where(
            DisposalRow.project_id == ProjectRow.id, DisposalRow.state == DisposalState.DONE, not_(newer)
        )
    )


def retention_in(session: Session, project_id: str, today: date) -> Retention:
    """How long a project is kept, seen within a transaction.

    Raises:
        RetentionRefused: there is no such project.
    """
    row = session.get(ProjectRow, project_id)
    if row is None:
        raise RetentionRefused(f"there is no project {project_id}.")
    return _retentions(session, [row], today)[project_id]


def choose_class(
    session: Session, project_id: str, class_code: str, reason: str, principal: str, at_us: int
) -> ClassChoice:
    """Choose a class for a project within a transaction, as its last statement.

    Raises:
        RetentionRefused: the class has no term in force.
    """
    today = beijing_day(at_us)
    row = session.get_one(ProjectRow, project_id)
    facts = _facts(session, [row])[project_id]
    claim = claim_of_choice(facts, class_code, _terms(session), today)
    if claim is None:
        raise RetentionRefused(f"there is no class {class_code} with a term in force.")
    now = _retentions(session, [row], today)[project_id].governing
    choice = ClassChoice(
        id=new_id("class"),
        project_id=project_id,
        class_code=class_code,
        reason=reason,
        principal=principal,
        at_us=at_us,
        shorter=now is not None and length_of(claim) < length_of(now),
    )
    session.add(RetentionChoiceRow(**fields_of(choice)))
    told = {"choice": choice.id, "class": class_code, "shorter": choice.shorter, "reason": reason}
    told["before"] = now.class_code if now is not None else ""
    append(session, _act(Action.CLASS_CHOSEN, project_id, principal, at_us, told))
    return choice


def same_person(one: str, other: str) -> bool:
    """Whether two principals are one, however their names are written."""
    return _folded(one) == _folded(other)


def _folded(principal: str) -> str:
    return "".join(unicodedata.normalize("NFKC", principal).casefold().split())


def _why_not_confirm(session: Session, row: RetentionChoiceRow, principal: str) -> str | None:
    if not row.shorter or row.confirmed_us is not None:
        return f"choice {row.id} needs no confirmation."
    if same_person(row.principal, principal):
        return "a shorter class needs two people, and you are the one who chose it."
    later = select(RetentionChoiceRow.id).where(
        RetentionChoiceRow.project_id == row.project_id, RetentionChoiceRow.at_us > row.at_us
    )
    if session.exec(later).first() is not None:
        return f"something else was chosen for {row.project_id} since."
    return None


def _check_term(session: Session, term: Term, today: date) -> None:
    if session.get(RetentionClassRow, term.class_code) is None:
        raise RetentionRefused(f"there is no class {term.class_code}.")
    if session.get(RetentionTermRow, term.id) is not None:
        raise RetentionRefused(f"there is a term {term.id} already.")
    if term.valid_from < today:
        hint = "Let it hold from today: what was promised in the past is not changed."
        raise RetentionRefused(f"{term.valid_from} is past.", hint=hint)
    if min(term.years or 1, term.days or 1) < 1 or (term.permanent != (term.starts is None)):
        hint = "Give years or days and what they start with, or none of them for ever."
        raise RetentionRefused("the term makes no sense.", hint=hint)


def _check_told(session: Session, project_id: str, reason: str) -> None:
    if session.get(ProjectRow, project_id) is None:
        raise RetentionRefused(f"there is no project {project_id}.")
    if not reason.strip():
        raise RetentionRefused("it needs a reason.", hint="Give one; it stays on record.")


def _act(
    action: Action,
    subject: str,
    principal: str,
    at_us: int,
    details: Mapping[str, Any],
    result: ActResult = ActResult.DONE,
) -> Act:
    return Act(
        at_us=at_us, principal=principal, action=action, subject=subject, result=result, details=details
    )


def _passes(retention: Retention, by: DueFilter) -> bool:
    if retention.standing not in by.standings or by.class_code not in (None, retention.class_code):
        return False
    return by.year is None or _last(retention).year == by.year


def _last(retention: Retention) -> date:
    return (retention.governing.last_day if retention.governing else None) or date.max


def _line(row: ProjectRow, retention: Retention, held: Collection[str]) -> ProjectRetention:
    return ProjectRetention(
        project_id=row.id,
        project_code=row.project_code,
        name_zh=row.name_zh,
        region_code=row.region_code,
        industry_code=row.industry_code,
        retention=retention,
        held=row.id in held,
    )


def _retentions(session: Session, rows: Sequence[ProjectRow], today: date) -> dict[str, Retention]:
    rules, terms = _rules(session), _terms(session)
    facts = _facts(session, rows)
    kept = {one.project_id: retention_of(one, rules, terms, today) for one in facts.values()}
    for hall in (row for row in rows if row.kind == ProjectKind.HALL):
        shown = _retentions(session, _shown_by(session, hall.id), today)
        kept[hall.id] = longest_of(hall.id, [kept[hall.id], *shown.values()], today)
    return kept


def _shown_by(session: Session, hall_id: str) -> Sequence[ProjectRow]:
    shown = select(HallProjectRow.project_id).where(HallProjectRow.hall_id == hall_id)
    query = select(ProjectRow).where(col(ProjectRow.id).in_(shown), ProjectRow.kind != ProjectKind.HALL)
    return session.exec(query).all()


def _facts(session: Session, rows: Sequence[ProjectRow]) -> dict[str, ProjectFacts]:
    """What retention looks at, of all of them in few questions."""
    ids = [row.id for row in rows]
    above = _above(session)
    ends, told, choices = _ends(session, ids), _told_days(session, ids), _choices(session, ids)
    facts = {}
    for row in rows:
        counting = [one for one in choices[row.id] if one.counts]
        facts[row.id] = ProjectFacts(
            project_id=row.id,
            industry_codes=above.get(row.industry_code, frozenset({row.industry_code})),
            outcome=row.outcome,
            told_class=row.retention_class,
            starts=_latest(_derived(row, ends.get(row.id)), told[row.id]),
            choice=counting[-1] if counting else None,
        )
    return facts


def _latest(
    derived: Mapping[TermStart, StartDay], told: Mapping[TermStart, StartDay]
) -> dict[TermStart, StartDay]:
    """What was told beside what follows from the timeline, which nobody can put earlier."""
    later = {kind: one for kind, one in told.items() if kind not in derived or one.day > derived[kind].day}
    return {**derived, **later}


def _derived(row: ProjectRow, end_us: int | None) -> dict[TermStart, StartDay]:
    """Days that follow from the timeline: nothing ended while it is open."""
    if not row.outcome:
        return {}
    found = {}
    if row.result_published_us is not None:
        published = StartDay(day=beijing_day(row.result_published_us), told=False)
        found[TermStart.RESULT_PUBLISHED] = published
    if end_us is not None:
        last_us = max(end_us, row.result_published_us or end_us)
        found[TermStart.PROJECT_END] = StartDay(day=beijing_day(last_us), told=False)
    return found


def _ends(session: Session, ids: Collection[str]) -> dict[str, int]:
    """When the last session of each project ended all of whose sessions are over."""
    query = select(SessionRow.project_id, SessionRow.state, func.max(SessionRow.end_us)).group_by(
        col(SessionRow.project_id), col(SessionRow.state)
    )
    ends: dict[str, int] = {}
    going: set[str] = set()
    for project_id, state, end_us in session.exec(_of(query, SessionRow.project_id, ids)).all():
        if state not in _OVER:
            going.add(project_id)
        elif end_us is not None:
            ends[project_id] = max(end_us, ends.get(project_id, end_us))
    return {project_id: end_us for project_id, end_us in ends.items() if project_id not in going}


def _told_days(session: Session, ids: Collection[str]) -> dict[str, dict[TermStart, StartDay]]:
    query = select(ProjectDayRow).order_by(col(ProjectDayRow.recorded_us), col(ProjectDayRow.id))
    told: dict[str, dict[TermStart, StartDay]] = defaultdict(dict)
    for row in session.exec(_of(query, ProjectDayRow.project_id, ids)).all():
        told[row.project_id][TermStart(row.kind)] = StartDay(day=date.fromisoformat(row.day), told=True)
    return told


def _choices(session: Session, ids: Collection[str]) -> dict[str, list[ClassChoice]]:
    query = select(RetentionChoiceRow).order_by(col(RetentionChoiceRow.at_us), col(RetentionChoiceRow.id))
    found: dict[str, list[ClassChoice]] = defaultdict(list)
    for row in session.exec(_of(query, RetentionChoiceRow.project_id, ids)).all():
        found[row.project_id].append(_choice(row))
    return found


def _of(query: Any, column: Any, ids: Collection[str]) -> Any:
    """Of one project, its rows alone; of many, all: lists as long as a province are no conditions."""
    return query.where(col(column).in_(ids)) if len(ids) <= 100 else query


def _above(session: Session) -> dict[str, frozenset[str]]:
    """Of each industry, itself and all above it."""
    parents = {row.code: row.parent_code for row in session.exec(select(IndustryRow)).all()}
    return {code: frozenset(_line_of(code, parents)) for code in parents}


def _line_of(code: str, parents: Mapping[str, str | None]) -> Iterable[str]:
    found: list[str] = []
    above: str | None = code
    while above is not None and above not in found:
        found.append(above)
        above = parents.get(above)
    return found


def _terms(session: Session) -> list[Term]:
    query = select(RetentionTermRow).order_by(
        RetentionTermRow.class_code, RetentionTermRow.valid_from, RetentionTermRow.id
    )
    return [_term(row) for row in session.exec(query).all()]


def _term(row: RetentionTermRow) -> Term:
    return Term(
        id=row.id,
        class_code=row.class_code,
        valid_from=date.fromisoformat(row.valid_from),
        years=row.years,
        days=row.days,
        starts=TermStart(row.starts) if row.starts else None,
        starts_else=TermStart(row.starts_else) if row.starts_else else None,
        basis=row.basis,
    )


def _rules(session: Session) -> list[ClassRule]:
    rows = session.exec(select(RetentionRuleRow).order_by(RetentionRuleRow.id)).all()
    return [_rule(row) for row in rows]


def _rule(row: RetentionRuleRow) -> ClassRule:
    return ClassRule(
        id=row.id,
        class_code=row.class_code,
        valid_from=date.fromisoformat(row.valid_from),
        valid_until=date.fromisoformat(row.valid_until) if row.valid_until else None,
        industry_code=row.industry_code,
        outcome=row.outcome,
        not_outcome=row.not_outcome,
        reason_zh=row.reason_zh,
        reason_en=row.reason_en,
        basis=row.basis,
    )


def _choice(row: RetentionChoiceRow) -> ClassChoice:
    return ClassChoice(**row.model_dump())
