"""Tags: moments that somebody marked. Only ever added to."""

from __future__ import annotations

from sqlalchemy import Engine, or_
from sqlmodel import col, select

from catalog.audit import append
from catalog.database import reading, writing
from catalog.search.words import index_project
from catalog.tables import ProjectRow, SessionRow, SourceRow, TagRow
from kernel.audit_chain import digest
from kernel.errors import TimelineError
from kernel.model.audit import Act, Action
from kernel.model.timeline import Tag
from kernel.values import fields_of


class Tags:
    """The catalogue's tags."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, tag: Tag) -> None:
        """Take in a tag; one that is known already changes nothing.

        Raises:
            TimelineError: its project, session or source is unknown.
        """
        with writing(self._engine) as session:
            if session.get(TagRow, tag.id) is not None:
                return
            for table, wanted in (
                (ProjectRow, tag.project_id),
                (SessionRow, tag.session_id),
                (SourceRow, tag.source_id),
            ):
                if wanted is not None and session.get(table, wanted) is None:
                    raise TimelineError(
                        f"tag {tag.id} names {table.__tablename__} {wanted}, which does not exist."
                    )
            session.add(TagRow(**fields_of(tag)))
            index_project(session, tag.project_id)
            append(session, _added(tag))

    def of_session(self, session_id: str) -> list[Tag]:
        """Tags of a session, and of its project as a whole, by the moment they mark."""
        project = select(SessionRow.project_id).where(SessionRow.id == session_id).scalar_subquery()
        query = (
            select(TagRow)
            .where(TagRow.project_id == project)
            .where(or_(col(TagRow.session_id).is_(None), col(TagRow.session_id) == session_id))
            .order_by(col(TagRow.at_us), col(TagRow.id))
        )
        with reading(self._engine) as session:
            return [Tag(**row.model_dump()) for row in session.exec(query).all()]

    def of_project(self, project_id: str) -> list[Tag]:
        """Tags of a project, by the moment they mark."""
        query = (
            select(TagRow).where(TagRow.project_id == project_id).order_by(col(TagRow.at_us), col(TagRow.id))
        )
        with reading(self._engine) as session:
            return [Tag(**row.model_dump()) for row in session.exec(query).all()]


def _added(tag: Tag) -> Act:
    return Act(
        at_us=tag.recorded_us,
        principal=tag.principal,
        action=Action.TAG_ADDED,
        subject=tag.session_id or tag.project_id,
        details={
            "tag": tag.id,
            "project": tag.project_id,
            "kind": tag.kind,
            "at_us": tag.at_us,
            "said": digest(fields_of(tag)),
        },
    )
