"""Totals of projects, counted by the database: what lists and reports show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session as Transaction
from sqlmodel import col, func, select

from catalog.database import reading
from catalog.tables import ArchiveRow, ClipGapRow, ClipRow, SessionRow
from kernel.model.timeline import SESSION_TRANSITIONS, SessionState

_ORDER = {state: number for number, state in enumerate(SESSION_TRANSITIONS)}


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectSummary:
    """Totals of one project over its sessions' newest archives."""

    first_session_us: int | None = None
    session_count: int = 0
    clip_count: int = 0
    gap_count: int = 0
    size_bytes: int = 0
    budget_bytes: int = 0
    raw_bytes: int = 0
    state: SessionState = SessionState.PLANNED  # see _state


class Summaries:
    """Totals of projects."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, project_ids: Sequence[str]) -> dict[str, ProjectSummary]:
        """Totals of these projects, by id."""
        with reading(self._engine) as session:
            return {one: _summary(session, one) for one in project_ids}


def _summary(session: Transaction, project_id: str) -> ProjectSummary:
    sessions = session.exec(select(SessionRow).where(SessionRow.project_id == project_id)).all()
    ids = [row.id for row in sessions]
    holding = col(ClipRow.retired_us).is_(None)
    clips = session.exec(
        select(func.count()).select_from(ClipRow).where(col(ClipRow.session_id).in_(ids), holding)
    ).one()
    gaps = session.exec(
        select(func.count())
        .select_from(ClipGapRow)
        .join(ClipRow, col(ClipRow.id) == col(ClipGapRow.clip_id))
        .where(col(ClipGapRow.backfilled).is_(False))
        .where(col(ClipRow.session_id).in_(ids), holding)
    ).one()
    size, budget, raw = _weights(session, ids)
    states = [SessionState(row.state) for row in sessions]
    return ProjectSummary(
        first_session_us=min((row.start_us for row in sessions if row.start_us is not None), default=None),
        session_count=len(sessions),
        clip_count=clips,
        gap_count=gaps,
        size_bytes=size,
        budget_bytes=budget,
        raw_bytes=raw,
        state=_state(states),
    )


def _state(states: Sequence[SessionState]) -> SessionState:
    """Of the session that is furthest behind; but a project of which something has begun is not planned.

    Cancelled sessions count where there are no others.
    """
    states = [state for state in states if state is not SessionState.CANCELLED] or states
    behind = min(states, key=_ORDER.__getitem__, default=SessionState.PLANNED)
    begun = any(state is not SessionState.PLANNED for state in states)
    return SessionState.RUNNING if begun and behind is SessionState.PLANNED else behind


def _weights(session: Transaction, session_ids: Sequence[str]) -> tuple[int, int, int]:
    """Size, budget and raw bytes of the newest archive of each session, added up."""
    newest = (
        select(ArchiveRow.session_id, func.max(ArchiveRow.version).label("version"))
        .where(col(ArchiveRow.session_id).in_(session_ids))
        .group_by(col(ArchiveRow.session_id))
        .subquery()
    )
    total = select(
        func.coalesce(func.sum(ArchiveRow.size_bytes), 0),
        func.coalesce(func.sum(ArchiveRow.budget_bytes), 0),
        func.coalesce(func.sum(ArchiveRow.raw_bytes), 0),
    ).join(
        newest,
        (col(ArchiveRow.session_id) == newest.c.session_id) & (col(ArchiveRow.version) == newest.c.version),
    )
    size, budget, raw = session.exec(total).one()
    return int(size), int(budget), int(raw)
