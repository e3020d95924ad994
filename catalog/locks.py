"""Rows that a transaction is about to change, locked before they are read.

One transaction writes at a time anyhow (``catalog.database``); on PostgreSQL these locks hold against
programs that write past that, too. SQLite leaves them out of its statements.
https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS
"""

from __future__ import annotations

from sqlmodel import Session as Transaction
from sqlmodel import col, select

from catalog.tables import ProjectRow, SessionRow
from kernel.errors import TimelineError


def find_locked_session(session: Transaction, session_id: str) -> SessionRow | None:
    """A session's row, and its project's with it: of the writers of a project's sessions one goes at a time.

    The project comes first everywhere, so that no two wait for each other. Its lock lets others refer to it.
    """
    of_project = (
        select(ProjectRow.id)
        .join(SessionRow, col(SessionRow.project_id) == col(ProjectRow.id))
        .where(SessionRow.id == session_id)
        .with_for_update(key_share=True, of=ProjectRow)
    )
    session.exec(of_project).first()
    return session.get(SessionRow, session_id, with_for_update=True)


def locked_session(session: Transaction, session_id: str) -> SessionRow:
    """The same of a session that has to be there.

    Raises:
        TimelineError: it is not.
    """
    row = find_locked_session(session, session_id)
    if row is None:
        raise TimelineError(f"there is no session {session_id}.", hint="Report its project first.")
    return row
