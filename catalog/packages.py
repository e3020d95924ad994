"""What rests in the store as one: archives of sessions, addenda of projects, documents.

Each kind has tables of its own; whoever keeps them whole does not care which. What is being destroyed by
decision is none of them any more.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import literal, union_all
from sqlalchemy import select as sqlalchemy_select
from sqlmodel import Session as Transaction
from sqlmodel import col, select

from catalog.tables import (
    AddendumObjectRow,
    AddendumRow,
    ArchiveObjectRow,
    ArchiveRow,
    DisposalObjectRow,
    DocumentRow,
    SessionRow,
)
from kernel.model.archive import ArchiveObject
from kernel.model.preservation import PackageKind, StoredPackage

GOING = select(DisposalObjectRow.key).where(col(DisposalObjectRow.going_us).is_not(None))
"""Keys of what was destroyed, or is about to be: it is not missing."""


def packages() -> Any:
    """All packages, as a table to select from: the fields of ``StoredPackage``."""
    destroyed = sqlalchemy_select(col(DisposalObjectRow.archive_id)).where(
        col(DisposalObjectRow.going_us).is_not(None), col(DisposalObjectRow.archive_id).is_not(None)
    )
    archives = (
        sqlalchemy_select(
            col(ArchiveRow.id),
            literal(PackageKind.ARCHIVE.value).label("kind"),
            col(SessionRow.project_id),
            col(ArchiveRow.version),
            col(ArchiveRow.size_bytes),
            col(ArchiveRow.verified_us),
        )
        .join(SessionRow, col(SessionRow.id) == col(ArchiveRow.session_id))
        .where(col(ArchiveRow.id).not_in(destroyed))
    )
    gone = sqlalchemy_select(col(AddendumObjectRow.addendum_id)).where(col(AddendumObjectRow.key).in_(GOING))
    addenda = sqlalchemy_select(
        col(AddendumRow.id),
        literal(PackageKind.ADDENDUM.value),
        col(AddendumRow.project_id),
        col(AddendumRow.number),
        col(AddendumRow.size_bytes),
        col(AddendumRow.verified_us),
    ).where(col(AddendumRow.id).not_in(gone))
    documents = sqlalchemy_select(
        col(DocumentRow.id),
        literal(PackageKind.DOCUMENT.value),
        col(DocumentRow.project_id),
        col(DocumentRow.version),
        col(DocumentRow.size_bytes),
        col(DocumentRow.at_us),
    ).where(col(DocumentRow.object_key).not_in(GOING))
    return union_all(archives, addenda, documents).subquery()


def package_of(row: Any) -> StoredPackage:
    """A package from a row of ``packages()``."""
    return StoredPackage(
        id=row.id,
        kind=PackageKind(row.kind),
        project_id=row.project_id,
        version=row.version,
        size_bytes=row.size_bytes,
        verified_us=row.verified_us,
    )


def objects_of(session: Transaction, package_id: str) -> list[ArchiveObject]:
    """The objects of a package, by key."""
    rows: list[ArchiveObjectRow | AddendumObjectRow] = [
        *session.exec(select(ArchiveObjectRow).where(ArchiveObjectRow.archive_id == package_id)).all(),
        *session.exec(select(AddendumObjectRow).where(AddendumObjectRow.addendum_id == package_id)).all(),
    ]
    found = [ArchiveObject(key=row.key, size_bytes=row.size_bytes, sha256=row.sha256) for row in rows]
    document = session.get(DocumentRow, package_id)
    if document is not None:
        size = document.size_bytes
        found.append(ArchiveObject(key=document.object_key, size_bytes=size, sha256=document.sha256))
    return sorted(found, key=lambda one: one.key)
