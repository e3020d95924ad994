"""What people asked of the archiver: leave a session alone, or go on with it. Rows are never deleted."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlmodel import col, select

from catalog.audit import append
from catalog.database import reading, writing
from catalog.locks import locked_session
from catalog.tables import ArchiveRequestRow, SessionRow
from kernel.errors import CatalogError
from kernel.model.archive import ArchiveRequest, RequestKind
from kernel.model.audit import Act, Action
from kernel.model.timeline import SessionState
from kernel.values import fields_of

_ACTIONS = {RequestKind.CANCEL: Action.ARCHIVE_CANCELLED, RequestKind.RETRY: Action.ARCHIVE_RETRIED}


class ArchiveRequests:
    """The catalogue's requests to the archiver."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def make(self, request: ArchiveRequest) -> None:
        """Ask for something.

        Raises:
            CatalogError: there is no such session, it is archived already, or there is no reason to cancel.
        """
        if request.kind is RequestKind.CANCEL and not request.reason.strip():
            raise CatalogError("cancelling an archive needs a reason.", hint="Give one.")
        with writing(self._engine) as session:
            if session.get(SessionRow, request.session_id) is None:
                raise CatalogError(f"there is no session {request.session_id}.", hint="Look at its project.")
            if locked_session(session, request.session_id).state == SessionState.ARCHIVED:
                raise CatalogError(f"session {request.session_id} is archived already.", hint="It stays.")
            session.add(ArchiveRequestRow(**fields_of(request)))
            append(
                session,
                Act(
                    at_us=request.at_us,
                    principal=request.principal,
                    action=_ACTIONS[request.kind],
                    subject=request.session_id,
                    details={"request": request.id, "reason": request.reason},
                ),
            )

    def newest(self, session_id: str) -> ArchiveRequest | None:
        """What was asked last of a session."""
        query = (
            select(ArchiveRequestRow)
            .where(ArchiveRequestRow.session_id == session_id)
            .order_by(col(ArchiveRequestRow.at_us).desc(), col(ArchiveRequestRow.id).desc())
            .limit(1)
        )
        with reading(self._engine) as session:
            row = session.exec(query).first()
            return _request(row) if row else None

    def cancelled(self, session_id: str) -> bool:
        """Whether somebody cancelled a session's archiving, and nobody has asked for it since."""
        newest = self.newest(session_id)
        return newest is not None and newest.kind is RequestKind.CANCEL


def _request(row: ArchiveRequestRow) -> ArchiveRequest:
    return ArchiveRequest(**{**row.model_dump(), "kind": RequestKind(row.kind)})
