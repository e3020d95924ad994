"""Check-ups of rooms before sessions, and who overrode a failed one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, update
from sqlmodel import col, select

from catalog.audit import append
from catalog.database import reading, writing
from catalog.tables import CheckupRow, RoomRow
from kernel.errors import CatalogError, OverrideRefused
from kernel.model.audit import Act, Action
from kernel.model.checkup import Aspect, CheckResult, Checkup, Verdict
from kernel.values import fields_of


class Checkups:
    """The catalogue's check-ups. Never changed, but for the one override that a failed one may get."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, checkup: Checkup) -> None:
        """Keep a new check-up.

        Raises:
            CatalogError: its room is unknown.
        """
        with writing(self._engine) as session:
            if session.get(RoomRow, checkup.room_id) is None:
                raise CatalogError(f"the catalogue knows no room {checkup.room_id}.")
            fields = {**fields_of(checkup), "results": [_stored(one) for one in checkup.results]}
            session.add(CheckupRow(**fields, passed=checkup.passed))
            append(
                session,
                Act(
                    at_us=checkup.at_us,
                    principal=checkup.principal,
                    action=Action.CHECKUP_MADE,
                    subject=checkup.room_id,
                    details={"checkup": checkup.id, "passed": checkup.passed},
                ),
            )

    def checkup(self, checkup_id: str) -> Checkup | None:
        """A check-up by its id."""
        with reading(self._engine) as session:
            row = session.get(CheckupRow, checkup_id)
            return None if row is None else _checkup(row)

    def of_room(self, room_id: str, limit: int = 50) -> list[Checkup]:
        """The newest check-ups of a room, newest first."""
        newest = (
            select(CheckupRow)
            .where(CheckupRow.room_id == room_id)
            .order_by(col(CheckupRow.at_us).desc(), col(CheckupRow.id))
            .limit(limit)
        )
        with reading(self._engine) as session:
            return [_checkup(row) for row in session.exec(newest).all()]

    def override(self, checkup_id: str, name: str, reason: str, now_us: int) -> Checkup:
        """Let the session begin although the check-up failed. One statement: of two at once, one is refused.

        Raises:
            OverrideRefused: name or reason are missing, there is nothing to override, or it was done already.
        """
        name, reason = name.strip(), reason.strip()
        if not name or not reason:
            raise OverrideRefused("an override needs a name and a reason.")
        change = (
            update(CheckupRow)
            .where(col(CheckupRow.id) == checkup_id)
            .where(col(CheckupRow.passed).is_(False), col(CheckupRow.overridden_us).is_(None))
            .values(overridden_by=name, override_reason=reason, overridden_us=now_us)
        )
        with writing(self._engine) as session:
            changed = session.connection().execute(change).rowcount
            row = session.get(CheckupRow, checkup_id)
            if row is None:
                raise OverrideRefused(f"there is no check-up {checkup_id}.")
            if not changed:
                raise OverrideRefused(_why_not(row))
            overridden = _checkup(row)
            append(
                session,
                Act(
                    at_us=now_us,
                    principal=name,
                    action=Action.CHECKUP_OVERRIDDEN,
                    subject=row.room_id,
                    details={"checkup": row.id, "reason": reason},
                ),
            )
            return overridden


def _why_not(row: CheckupRow) -> str:
    if row.passed:
        return f"check-up {row.id} passed: there is nothing to override."
    return f"check-up {row.id} was overridden by {row.overridden_by} already."


def _stored(result: CheckResult) -> dict[str, Any]:
    return fields_of(result)


def _checkup(row: CheckupRow) -> Checkup:
    fields = row.model_dump(exclude={"passed", "results"})
    return Checkup(**fields, results=tuple(_result(one) for one in row.results))


def _result(stored: dict[str, Any]) -> CheckResult:
    return CheckResult(
        **{**stored, "aspect": Aspect(stored["aspect"]), "verdict": Verdict(stored["verdict"])}
    )
