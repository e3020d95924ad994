"""A project's file as a whole (一项一档): when a version of it is complete."""

from __future__ import annotations

from sqlmodel import Session as Transaction
from sqlmodel import col, func, select

from catalog.tables import ArchiveRow, FileSetArchiveRow, FileSetRow, SessionRow
from kernel.model.timeline import SessionState

_OVER = (SessionState.ARCHIVED, SessionState.CANCELLED)


def seal_file_set(session: Transaction, project_id: str, at_us: int) -> None:
    """A version of the project's file, when none of its sessions is still to come or on its way.

    A session that is added or corrected later ends in another version; the older ones stay (invariant 9).
    What is the same as the newest version is none of its own. The caller holds the project's lock
    (``catalog.locks``): of two sessions that are archived at once the second sees the first.
    """
    session.flush()
    of_project = select(SessionRow.id).where(SessionRow.project_id == project_id)
    if session.exec(of_project.where(col(SessionRow.state).not_in(_OVER)).limit(1)).first() is not None:
        return
    archives = _newest_archives(session, project_id)
    version = session.exec(
        select(func.max(FileSetRow.version)).where(FileSetRow.project_id == project_id)
    ).one()
    if not archives or archives == _held(session, project_id, version):
        return
    session.add(FileSetRow(project_id=project_id, version=(version or 0) + 1, sealed_us=at_us))
    session.flush()
    for archive_id in sorted(archives):
        session.add(
            FileSetArchiveRow(project_id=project_id, version=(version or 0) + 1, archive_id=archive_id)
        )


def _newest_archives(session: Transaction, project_id: str) -> set[str]:
    """The newest archive of each of its sessions that are archived."""
    query = (
        select(ArchiveRow.session_id, ArchiveRow.id)
        .join(SessionRow, col(SessionRow.id) == col(ArchiveRow.session_id))
        .where(SessionRow.project_id == project_id, SessionRow.state == SessionState.ARCHIVED)
        .order_by(col(ArchiveRow.version))
    )
    return set(dict(session.exec(query).all()).values())


def _held(session: Transaction, project_id: str, version: int | None) -> set[str]:
    query = select(FileSetArchiveRow.archive_id).where(
        FileSetArchiveRow.project_id == project_id, FileSetArchiveRow.version == version
    )
    return set(session.exec(query).all())
