"""Tags: moments that somebody marked. Only ever added to."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine, or_
from sqlmodel import Session as Transaction
from sqlmodel import col, select

from catalog.audit import append
from catalog.database import reading, writing
from catalog.holds import put_holds
from catalog.search.words import index_project
from catalog.tables import AlertRow, ProjectRow, SeatRow, SectionRow, SessionRow, SourceRow, TagRow
from kernel.audit_chain import digest
from kernel.errors import EventReplaced, TimelineError
from kernel.ids import new_id
from kernel.model.alert import AlertRule
from kernel.model.audit import Act, Action
from kernel.model.footage import Hold
from kernel.model.life import HoldEffect
from kernel.model.timeline import Tag
from kernel.values import fields_of


class Tags:
    """The catalogue's tags. Lists hold those that were put right, too: ``kernel.tags.tags_in_force``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, tag: Tag) -> None:
        """Take in a tag; one that is known already changes nothing.

        Raises:
            TimelineError: its project, session, source, seat or section is unknown, or what it replaces is
                no tag of its project.
            EventReplaced: what it replaces was put right already.
        """
        with writing(self._engine) as session:
            _put(session, tag)

    def report(self, tag: Tag, holds: Sequence[Hold]) -> HoldEffect:
        """Take in a tag of an irregularity, hold its footage and tell the supervisor: all of it or nothing.

        Returns what of the footage no hold can bring back.

        Raises:
            TimelineError, EventReplaced: as ``add``.
            CatalogError: a hold cannot be made (``Holds.make_all``).
        """
        with writing(self._engine) as session:
            if not _put(session, tag):
                return HoldEffect(gone=(), disposed=())
            lost = put_holds(session, holds)
            session.add(_alert(tag))
            return lost

    def get(self, tag_id: str) -> Tag | None:
        with reading(self._engine) as session:
            row = session.get(TagRow, tag_id)
            return None if row is None else Tag(**row.model_dump())

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


def _put(session: Transaction, tag: Tag) -> bool:
    """Take in a tag within a transaction; whether it was new."""
    if session.get(TagRow, tag.id) is not None:
        return False
    _check_known(session, tag)
    if tag.replaces is not None:
        _check_replaceable(session, tag, tag.replaces)
    session.add(TagRow(**fields_of(tag)))
    index_project(session, tag.project_id)
    append(session, _told(tag))
    return True


def _check_known(session: Transaction, tag: Tag) -> None:
    for table, wanted in (
        (ProjectRow, tag.project_id),
        (SessionRow, tag.session_id),
        (SourceRow, tag.source_id),
        (SeatRow, tag.seat_id),
    ):
        if wanted is not None and session.get(table, wanted) is None:
            raise TimelineError(f"tag {tag.id} names {table.__tablename__} {wanted}, which does not exist.")
    number = tag.section_number
    if number is not None and session.get(SectionRow, (tag.project_id, number)) is None:
        raise TimelineError(f"tag {tag.id} names section {number}, which project {tag.project_id} lacks.")


def _check_replaceable(session: Transaction, tag: Tag, old_id: str) -> None:
    old = session.get(TagRow, old_id)
    if old is None or old.project_id != tag.project_id:
        raise TimelineError(f"tag {old_id} is none of project {tag.project_id}.")
    if old.withdrawn or session.exec(select(TagRow.id).where(TagRow.replaces == old_id)).first():
        raise EventReplaced(f"tag {old_id} was put right or taken back already.")


def _told(tag: Tag) -> Act:
    action = Action.TAG_ADDED if tag.replaces is None else Action.TAG_CORRECTED
    return Act(
        at_us=tag.recorded_us,
        principal=tag.principal,
        action=Action.TAG_WITHDRAWN if tag.withdrawn else action,
        subject=tag.session_id or tag.project_id,
        details={
            "tag": tag.id,
            "project": tag.project_id,
            "kind": tag.kind,
            "at_us": tag.at_us,
            **({} if tag.replaces is None else {"replaces": tag.replaces, "reason": tag.reason}),
            "said": digest(fields_of(tag)),
        },
    )


def _alert(tag: Tag) -> AlertRow:
    """The notice to the supervisor, of the moment that was marked; it lasts until notice is taken."""
    said = {"tag": tag.id, "at_us": tag.at_us, "severity": tag.severity, "seat": tag.seat_id or ""}
    return AlertRow(
        id=new_id("alert"),
        rule=AlertRule.IRREGULARITY,
        subject=tag.id,
        project_id=tag.project_id,
        session_id=tag.session_id,
        source_id=tag.source_id,
        since_us=tag.at_us,
        details={**said, "text": tag.text},
    )
