"""Leave to watch or to take a copy, as requests gave it: what inspectors, and others by form, may see."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlmodel import col, or_, select

from catalog.database import reading
from catalog.tables import UseRequestRow
from kernel.model.account import Grant, Principal
from kernel.model.use import UseKind
from kernel.timerange import EVER_US


class Grants:
    """Finds them. Nothing is kept of its own: a grant is a request that somebody else approved."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def grants_of(self, principal: Principal, now_us: int) -> list[Grant]:
        """What is in force for somebody at a moment, the oldest first.

        Leave to take a copy is leave to look, too; once the copy was taken only that is left of it.
        """
        query = (
            select(UseRequestRow)
            .where(
                UseRequestRow.principal == principal.id,
                col(UseRequestRow.approved).is_(True),
                col(UseRequestRow.decided_us) <= now_us,
                or_(col(UseRequestRow.expires_us).is_(None), col(UseRequestRow.expires_us) > now_us),
            )
            .order_by(col(UseRequestRow.decided_us), col(UseRequestRow.id))
        )
        with reading(self._engine) as session:
            return [_grant(row) for row in session.exec(query).all()]


def _grant(row: UseRequestRow) -> Grant:
    return Grant(
        project_id=row.project_id,
        basis=row.basis_no,
        from_us=row.decided_us or 0,
        to_us=EVER_US if row.expires_us is None else row.expires_us,
        session_ids=frozenset(row.session_ids) or None,
        source_ids=frozenset(row.source_ids) or None,
        wall_start_us=row.start_us,
        wall_end_us=row.end_us,
        export=row.kind == UseKind.EXPORT and row.used_us is None,
    )
