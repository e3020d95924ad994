"""告警: one row each from when something is the matter until it is over, and who took notice."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Engine
from sqlmodel import Session as Transaction
from sqlmodel import col, func, select

from catalog.audit import append
from catalog.database import reading, writing
from catalog.projects import ProjectScope, ids_in
from catalog.tables import AlertRow
from kernel.errors import SeenToAlready, SupervisionRefused
from kernel.model.alert import UNTIL_SEEN_TO, Alert, AlertRule
from kernel.model.audit import Act, Action
from kernel.values import fields_of

_MOST = 1000


class Alerts:
    """The catalogue's alerts. Rows are never deleted."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def settle(self, rules: Collection[AlertRule], standing: Sequence[Alert], at_us: int) -> bool:
        """Say what is the matter by some rules now: new rows for what is new, an end for what is over.

        Several programs may say so; of a rule and a subject one row at most is open. Nothing is written where
        nothing changed. Whether it did.
        """
        if not self._differs(rules, standing):
            return False
        with writing(self._engine) as session:
            lasting = _lasting(session, rules)
            for one in standing:
                if (one.rule, one.subject) not in lasting:
                    session.add(_row(one))
            wanted = {(one.rule, one.subject) for one in standing}
            for key, row in lasting.items():
                if key not in wanted:
                    row.over_us = max(at_us, row.since_us)
        return True

    def _differs(self, rules: Collection[AlertRule], standing: Sequence[Alert]) -> bool:
        with reading(self._engine) as session:
            return set(_lasting(session, rules)) != {(one.rule, one.subject) for one in standing}

    def put(self, alert: Alert) -> None:
        """Take in an alert as it was told; one whose id is known stays as it is.

        Raises:
            SupervisionRefused: there is an open one of its rule and subject.
        """
        with writing(self._engine) as session:
            if session.get(AlertRow, alert.id) is not None:
                return
            if alert.over_us is None and (alert.rule, alert.subject) in _lasting(session, [alert.rule]):
                raise SupervisionRefused(f"{alert.rule} of {alert.subject} is told already.")
            session.add(_row(alert))

    def over(self, rule: AlertRule, subject: str, at_us: int) -> None:
        """Say that something is not the matter any more; nothing happens where it was not."""
        with writing(self._engine) as session:
            row = _lasting(session, [rule]).get((rule, subject))
            if row is not None:
                row.over_us = max(at_us, row.since_us)

    def acknowledge(self, alert_id: str, note: str, *, principal: str, at_us: int) -> Alert:
        """Take notice of an alert, with a note; the same again changes nothing.

        Raises:
            SupervisionRefused: there is none, it has no note, or somebody else took notice before.
        """
        with writing(self._engine) as session:
            row = session.get(AlertRow, alert_id, with_for_update=True)
            if row is None:
                raise SupervisionRefused(f"there is no alert {alert_id}.")
            if row.acknowledged_us is not None:
                if (row.acknowledged_by, row.note) == (principal, note):
                    return _alert(row)
                raise SeenToAlready(f"{row.acknowledged_by} took notice of this alert already.")
            if not note.strip():
                raise SupervisionRefused("taking notice needs a note.", hint="Say what is being done.")
            row.acknowledged_by, row.acknowledged_us, row.note = principal, at_us, note
            if row.rule in UNTIL_SEEN_TO:
                row.over_us = max(at_us, row.since_us)
            details = {"alert": row.id, "rule": row.rule, "about": row.subject, "note": note}
            append(
                session,
                Act(
                    at_us=at_us,
                    principal=principal,
                    action=Action.ALERT_ACKNOWLEDGED,
                    subject=row.project_id or row.subject,
                    details=details,
                ),
            )
            return _alert(row)

    def get(self, alert_id: str) -> Alert | None:
        with reading(self._engine) as session:
            row = session.get(AlertRow, alert_id)
            return None if row is None else _alert(row)

    def count_open(self, scope: ProjectScope | None) -> int:
        """How many alerts of projects within a scope nobody took notice of."""
        query = select(func.count()).where(
            col(AlertRow.acknowledged_us).is_(None), col(AlertRow.project_id).is_not(None)
        )
        if scope is not None:
            query = query.where(col(AlertRow.project_id).in_(ids_in(scope)))
        with reading(self._engine) as session:
            return session.exec(query).one()

    def all(
        self,
        *,
        project_id: str | None = None,
        scope: ProjectScope | None = None,
        only_open: bool = False,
        since_us: int | None = None,
        limit: int = _MOST,
    ) -> list[Alert]:
        """Alerts, the newest first.

        Args:
            project_id: of this project only.
            scope: of projects within it only, and what is about none.
            only_open: those that last, or of which nobody took notice.
            since_us: those that began then or later, or last.
        """
        query = select(AlertRow).order_by(col(AlertRow.since_us).desc(), col(AlertRow.id)).limit(limit)
        if project_id is not None:
            query = query.where(AlertRow.project_id == project_id)
        if scope is not None:
            of_none = col(AlertRow.project_id).is_(None)
            query = query.where(of_none | col(AlertRow.project_id).in_(ids_in(scope)))
        if only_open:
            query = query.where(col(AlertRow.over_us).is_(None) | col(AlertRow.acknowledged_us).is_(None))
        if since_us is not None:
            query = query.where(col(AlertRow.over_us).is_(None) | (col(AlertRow.since_us) >= since_us))
        with reading(self._engine) as session:
            return [_alert(row) for row in session.exec(query).all()]


def _lasting(session: Transaction, rules: Collection[AlertRule]) -> dict[tuple[str, str], AlertRow]:
    """Alerts of some rules that are not over, by rule and subject."""
    query = select(AlertRow).where(col(AlertRow.over_us).is_(None), col(AlertRow.rule).in_(rules))
    return {(row.rule, row.subject): row for row in session.exec(query).all()}


def _row(alert: Alert) -> AlertRow:
    return AlertRow(**{**fields_of(alert), "details": dict(alert.details)})


def _alert(row: AlertRow) -> Alert:
    told = row.model_dump(exclude={"rule"})
    if row.rule in UNTIL_SEEN_TO and row.acknowledged_us is None:
        told["over_us"] = None  # rows of earlier versions have the moment at which they were told
    return Alert(**told, rule=AlertRule(row.rule))
