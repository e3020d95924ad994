"""All objects of a project in the store: its sessions' archives, every version, its addenda and documents."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session, col, select

from catalog.tables import (
    AddendumObjectRow,
    AddendumRow,
    ArchiveObjectRow,
    ArchiveRow,
    DisposalObjectRow,
    DocumentRow,
    SessionRow,
)
from kernel.model.life import DisposedObject


def _archives_of(project_id: str) -> Any:
    """Ids of a project's archives, all versions, as a condition."""
    return (
        select(ArchiveRow.id)
        .join(SessionRow, col(SessionRow.id) == col(ArchiveRow.session_id))
        .where(SessionRow.project_id == project_id)
    )


def objects_of(session: Session, project_id: str) -> list[DisposedObject]:
    """Objects of a project that are there, by key; none that are gone or being destroyed."""
    found: dict[str, DisposedObject] = {}
    archived = select(ArchiveObjectRow).where(col(ArchiveObjectRow.archive_id).in_(_archives_of(project_id)))
    for item in session.exec(archived).all():
        found[item.key] = _object(item.key, item.size_bytes, item.sha256, archive_id=item.archive_id)
    added = (
        select(AddendumObjectRow)
        .join(AddendumRow, col(AddendumRow.id) == col(AddendumObjectRow.addendum_id))
        .where(AddendumRow.project_id == project_id)
    )
    for extra in session.exec(added).all():
        found.setdefault(extra.key, _object(extra.key, extra.size_bytes, extra.sha256))
    for paper in session.exec(select(DocumentRow).where(DocumentRow.project_id == project_id)).all():
        one = _object(paper.object_key, paper.size_bytes, paper.sha256, sm3=paper.sm3 or "")
        found.setdefault(paper.object_key, one)
    gone = set(session.exec(select(DisposalObjectRow.key).where(col(DisposalObjectRow.key).in_(list(found)))))
    return [found[key] for key in sorted(found) if key not in gone]


def _object(
    key: str, size_bytes: int, sha256: str, *, archive_id: str | None = None, sm3: str = ""
) -> DisposedObject:
    return DisposedObject(key=key, archive_id=archive_id, size_bytes=size_bytes, sha256=sha256, sm3=sm3)
