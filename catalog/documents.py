"""Documents of projects: rows of what is stored and read back, the packages that hold them, and addenda."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, exists, or_
from sqlmodel import Session as Transaction
from sqlmodel import col, func, select

from catalog.audit import append
from catalog.database import reading, writing
from catalog.packages import GOING
from catalog.tables import (
    AddendumObjectRow,
    AddendumRow,
    DocumentCopyRow,
    DocumentRow,
    FileSetRow,
    HandedFileRow,
    ProjectRow,
    SessionRow,
)
from kernel.errors import DocumentRefused
from kernel.model.archive import ArchiveObject
from kernel.model.audit import Act, Action
from kernel.model.document import Addendum, Document, DocumentKind, FileType, FourCheck, HandedFile
from kernel.model.timeline import SessionState
from kernel.values import fields_of


class Documents:
    """The catalogue's documents and addenda."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, document: Document) -> Document:
        """Record a document that was stored and read back (invariant 10); the one that is there now.

        Of two that bring the same at once, the first wins, and both are told of it.

        Raises:
            DocumentRefused: its project or session is unknown, or what it supersedes is superseded already.
        """
        with writing(self._engine) as session:
            if session.get(ProjectRow, document.project_id) is None:
                raise DocumentRefused(f"there is no project {document.project_id}.")
            known = session.exec(_same(document.project_id, document.sha256)).first()
            if known is not None:
                return _document(known)
            _check_place(session, document)
            session.add(DocumentRow(**_fields(document)))
            append(session, _act(document))
        return document

    def check_place(self, project_id: str, session_id: str | None, supersedes: str | None) -> None:
        """Whether a document of that place may come, before its bytes are read.

        Raises:
            DocumentRefused: project or session is unknown, or what it supersedes is not there or superseded.
        """
        with reading(self._engine) as session:
            if session.get(ProjectRow, project_id) is None:
                raise DocumentRefused(
                    f"没有项目 {project_id}。There is no project {project_id}.", hint="Report it first."
                )
            _check_session(session, project_id, session_id)
            _check_supersedes(session, project_id, supersedes)

    def get(self, document_id: str) -> Document | None:
        with reading(self._engine) as session:
            row = session.get(DocumentRow, document_id)
            return _document(row) if row else None

    def same(self, project_id: str, sha256: str) -> Document | None:
        """The document of a project with those bytes."""
        with reading(self._engine) as session:
            row = session.exec(_same(project_id, sha256)).first()
            return _document(row) if row else None

    def of_project(self, project_id: str) -> list[Document]:
        """All documents of a project, superseded ones too, in the order in which they came."""
        return self._documents(DocumentRow.project_id == project_id)

    def of_session(self, session_id: str) -> list[Document]:
        """All documents of a session, superseded ones too, in the order in which they came."""
        return self._documents(DocumentRow.session_id == session_id)

    def _documents(self, which: Any) -> list[Document]:
        query = (
            select(DocumentRow)
            .where(which)
            .order_by(col(DocumentRow.at_us), col(DocumentRow.version), col(DocumentRow.id))
        )
        with reading(self._engine) as session:
            return [_document(row) for row in session.exec(query).all()]

    def copies_of(self, project_id: str) -> dict[str, list[str]]:
        """Keys of the files in packages that hold each document of a project, by document."""
        query = (
            select(DocumentCopyRow.document_id, DocumentCopyRow.object_key)
            .join(DocumentRow, col(DocumentRow.id) == col(DocumentCopyRow.document_id))
            .where(DocumentRow.project_id == project_id)
            .order_by(col(DocumentCopyRow.object_key))
        )
        found: dict[str, list[str]] = {}
        with reading(self._engine) as session:
            for document_id, key in session.exec(query).all():
                found.setdefault(document_id, []).append(key)
        return found

    def all_objects(self) -> list[ArchiveObject]:
        """Every object of documents and addenda, by key: for checks; none that was destroyed by decision."""
        own = select(DocumentRow.object_key, DocumentRow.size_bytes, DocumentRow.sha256)
        own = own.where(col(DocumentRow.object_key).not_in(GOING))
        added = select(AddendumObjectRow.key, AddendumObjectRow.size_bytes, AddendumObjectRow.sha256)
        added = added.where(col(AddendumObjectRow.key).not_in(GOING))
        with reading(self._engine) as session:
            rows = [*session.exec(own).all(), *session.exec(added).all()]
        return [ArchiveObject(key=key, size_bytes=size, sha256=sha256) for key, size, sha256 in sorted(rows)]

    # Addenda.

    def projects_to_add_to(self, before_us: int) -> list[str]:
        """Projects whose file has what no package tells yet: a sealed version, or documents taken in by then.

        A document of a session waits for that session's own package; one of the project for its sealing.
        """
        sealed = select(FileSetRow.project_id)
        waits = exists().where(
            col(SessionRow.id) == col(DocumentRow.session_id), col(SessionRow.state) == SessionState.ARCHIVED
        )
        of_whole = col(DocumentRow.session_id).is_(None) & col(DocumentRow.project_id).in_(sealed)
        late = (
            select(DocumentRow.project_id)
            .where(_unpackaged(), DocumentRow.at_us <= before_us, or_(waits, of_whole))
            .distinct()
        )
        told = exists().where(
            col(AddendumRow.project_id) == col(FileSetRow.project_id),
            col(AddendumRow.file_version) >= col(FileSetRow.version),
        )
        untold = select(FileSetRow.project_id).where(~told).distinct()
        with reading(self._engine) as session:
            return sorted({*session.exec(late).all(), *session.exec(untold).all()})

    def unpackaged(self, project_id: str) -> list[Document]:
        """Documents of a project that no package holds yet and no session's own package will."""
        coming = exists().where(
            col(SessionRow.id) == col(DocumentRow.session_id), col(SessionRow.state) != SessionState.ARCHIVED
        )
        return self._documents((col(DocumentRow.project_id) == project_id) & _unpackaged() & ~coming)

    def addenda_of(self, project_id: str) -> list[Addendum]:
        """Addenda of a project, the oldest first."""
        query = select(AddendumRow).where(AddendumRow.project_id == project_id)
        with reading(self._engine) as session:
            rows = session.exec(query.order_by(col(AddendumRow.number))).all()
            return [Addendum(**row.model_dump()) for row in rows]

    def record_addendum(
        self, addendum: Addendum, objects: Sequence[ArchiveObject], held: Mapping[str, str]
    ) -> None:
        """Record an addendum whose every object was read back (invariant 10).

        Args:
            held: the key of its file in the package, by document.
        """
        with writing(self._engine) as session:
            session.add(AddendumRow(**fields_of(addendum)))
            session.flush()
            for item in objects:
                session.add(AddendumObjectRow(**fields_of(item), addendum_id=addendum.id))
            add_copies(session, held, addendum_id=addendum.id)
            told = {"project": addendum.project_id, "number": addendum.number, "documents": sorted(held)}
            append(
                session,
                Act(
                    at_us=addendum.verified_us,
                    principal=addendum.principal,
                    action=Action.ADDENDUM_RECORDED,
                    subject=addendum.id,
                    details=told,
                ),
            )


class HandedFiles:
    """Recordings that were handed in, with what was checked of them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, handed: HandedFile) -> None:
        """Record one whose run is in the ring; again, it changes nothing."""
        fields = {name: value for name, value in fields_of(handed).items() if name != "check"}
        with writing(self._engine) as session:
            if session.get(HandedFileRow, handed.run_id) is not None:
                return
            session.add(HandedFileRow(**fields, checks=handed.check.told()))
            told = {"source": handed.source_id, "sha256": handed.sha256, "list": handed.listed_in}
            append(
                session,
                Act(
                    at_us=handed.at_us,
                    principal=handed.principal,
                    action=Action.FOOTAGE_HANDED_IN,
                    subject=handed.run_id,
                    details=told,
                ),
            )

    def of_size(self, source_id: str, size_bytes: int) -> list[HandedFile]:
        """What was handed in for a source with that many bytes, the oldest first."""
        which = (col(HandedFileRow.source_id) == source_id) & (col(HandedFileRow.size_bytes) == size_bytes)
        return self._handed(which)

    def of_session(self, session_id: str) -> list[HandedFile]:
        """What lists say belongs to a session."""
        return self._handed(col(HandedFileRow.session_id) == session_id)

    def _handed(self, which: Any) -> list[HandedFile]:
        query = select(HandedFileRow).where(which)
        with reading(self._engine) as session:
            rows = session.exec(query.order_by(col(HandedFileRow.at_us), col(HandedFileRow.run_id))).all()
            return [
                HandedFile(**row.model_dump(exclude={"checks"}), check=FourCheck.of(row.checks))
                for row in rows
            ]


def add_copies(
    session: Transaction,
    held: Mapping[str, str],
    *,
    archive_id: str | None = None,
    addendum_id: str | None = None,
) -> None:
    """Say within a transaction that a package holds documents; the key of its file, by document."""
    for document_id, key in held.items():
        row = DocumentCopyRow(
            object_key=key, document_id=document_id, archive_id=archive_id, addendum_id=addendum_id
        )
        session.add(row)


def _unpackaged() -> Any:
    return ~exists().where(col(DocumentCopyRow.document_id) == col(DocumentRow.id))


def _same(project_id: str, sha256: str) -> Any:
    return select(DocumentRow).where(DocumentRow.project_id == project_id, DocumentRow.sha256 == sha256)


def _check_place(session: Transaction, document: Document) -> None:
    _check_session(session, document.project_id, document.session_id)
    _check_supersedes(session, document.project_id, document.supersedes)


def _check_session(session: Transaction, project_id: str, session_id: str | None) -> None:
    if session_id is None:
        return
    row = session.get(SessionRow, session_id)
    if row is None or row.project_id != project_id:
        raise DocumentRefused(
            f"项目 {project_id} 没有场次 {session_id}。Project {project_id} has no session {session_id}."
        )


def _check_supersedes(session: Transaction, project_id: str, supersedes: str | None) -> None:
    if supersedes is None:
        return
    row = session.get(DocumentRow, supersedes)
    if row is None or row.project_id != project_id:
        raise DocumentRefused(
            f"项目 {project_id} 没有文件 {supersedes}。Project {project_id} has no document {supersedes}."
        )
    newer = session.exec(select(func.count()).where(DocumentRow.supersedes == supersedes)).one()
    if newer:
        raise DocumentRefused(
            f"文件 {supersedes} 已有更正版。Document {supersedes} is superseded already.",
            hint="Correct its newest version.",
        )


def _fields(document: Document) -> dict[str, Any]:
    told = {name: value for name, value in fields_of(document).items() if name != "check"}
    return {**told, "checks": document.check.told()}


def _document(row: DocumentRow) -> Document:
    told = row.model_dump(exclude={"checks"})
    return Document(
        **{
            **told,
            "kind": DocumentKind(row.kind),
            "file_type": FileType(row.file_type),
            "check": FourCheck.of(row.checks),
        }
    )


def _act(document: Document) -> Act:
    told = {
        "project": document.project_id,
        "kind": document.kind.value,
        "sha256": document.sha256,
        "size_bytes": document.size_bytes,
        "version": document.version,
        **({"supersedes": document.supersedes, "reason": document.reason} if document.supersedes else {}),
    }
    return Act(
        at_us=document.at_us,
        principal=document.principal,
        action=Action.DOCUMENT_CORRECTED if document.supersedes else Action.DOCUMENT_TAKEN_IN,
        subject=document.id,
        details=told,
    )
