"""Archives: packages that are stored, read back and recorded; and how far others have come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, case, or_
from sqlalchemy.orm import defer
from sqlmodel import Session as Transaction
from sqlmodel import col, func, select
from sqlmodel.sql.expression import Select

from catalog.audit import append
from catalog.database import reading, writing
from catalog.documents import add_copies
from catalog.file_sets import seal_file_set
from catalog.locks import locked_session
from catalog.packages import GOING
from catalog.tables import (
    ArchiveObjectRow,
    ArchiveRow,
    ClipRow,
    FileSetArchiveRow,
    FileSetRow,
    ProgressRow,
    ProjectRow,
    RenditionRow,
    SeatingRow,
    SessionRow,
    SessionSectionRow,
    TimelineEventRow,
)
from kernel.audit_chain import digest
from kernel.errors import TimelineChanged, TimelineError
from kernel.model.archive import (
    Archive,
    ArchiveObject,
    FileSet,
    Fleet,
    OverrunCause,
    Progress,
    Quality,
    Rendition,
    RenditionFacts,
)
from kernel.model.audit import Act, Action
from kernel.model.timeline import ProjectKind, SessionState
from kernel.timerange import TimeRange
from kernel.values import fields_of


class Archives:
    """The catalogue's archives, renditions and progress."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def next_version(self, session_id: str) -> int:
        """The version that a new archive of a session gets, from 1."""
        with reading(self._engine) as session:
            newest = session.exec(
                select(func.max(ArchiveRow.version)).where(ArchiveRow.session_id == session_id)
            ).one()
            return int(newest or 0) + 1

    def known_number(self, session_id: str) -> int:
        """How much is known of a session; it grows with every event, seating and section, corrections too.

        Two that are the same mean that nothing became known between them. Not every correction changes what
        a session is cut by, so its change number says less. Tags are not counted: they may come for ever.
        """
        with reading(self._engine) as session:
            return _known_number(session, session.get_one(SessionRow, session_id))

    def record(
        self, archive: Archive, renditions: list[Rendition], documents: Mapping[str, str] | None = None
    ) -> None:
        """Record an archive whose every object was read back (invariant 10), and mark its session archived.

        Args:
            documents: those that its package holds, each with the key of its file there.

        Raises:
            TimelineError: the session is not waiting to be archived.
            TimelineChanged: its clips changed meanwhile, or only what the package's document tells of it.
        """
        with writing(self._engine) as session:
            row = locked_session(session, archive.session_id)
            _check_same(session, row, archive)
            fields = {
                name: getattr(archive, name) for name in archive.__dataclass_fields__ if name != "objects"
            }
            session.add(ArchiveRow(**fields))
            session.flush()
            for item in archive.objects:
                session.add(
                    ArchiveObjectRow(
                        key=item.key, archive_id=archive.id, size_bytes=item.size_bytes, sha256=item.sha256
                    )
                )
            session.flush()
            for rendition in renditions:
                session.add(_rendition_row(rendition, archive.id))
            add_copies(session, documents or {}, archive_id=archive.id)
            row.state = SessionState.ARCHIVED
            seal_file_set(session, row.project_id, archive.verified_us)
            append(session, _recorded(archive))

    def file_sets_of(self, project_id: str) -> list[FileSet]:
        """The versions of a project's file, the oldest first."""
        query = select(FileSetRow).where(FileSetRow.project_id == project_id)
        with reading(self._engine) as session:
            rows = session.exec(query.order_by(col(FileSetRow.version))).all()
            return [_file_set(session, row) for row in rows]

    def newest(self, session_id: str) -> Archive | None:
        """The newest archive of a session."""
        query = (
            select(ArchiveRow)
            .where(ArchiveRow.session_id == session_id)
            .order_by(col(ArchiveRow.version).desc())
            .limit(1)
        )
        with reading(self._engine) as session:
            row = session.exec(query).first()
            return _archive(session, row) if row else None

    def renditions_of(self, archive_id: str) -> list[Rendition]:
        """The renditions that an archive holds, with their receipts."""
        with reading(self._engine) as session:
            rows = session.exec(_renditions(archive_id)).all()
            return [_rendition(*row) for row in rows]

    def rendition(self, rendition_id: str) -> Rendition | None:
        """A rendition with its receipt."""
        query = _RENDITIONS.where(RenditionRow.id == rendition_id)
        with reading(self._engine) as session:
            row = session.exec(query).first()
            return _rendition(*row) if row else None

    def facts_of(self, archive_id: str) -> list[RenditionFacts]:
        """The renditions that an archive holds, without their receipts: for lists."""
        with reading(self._engine) as session:
            rows = session.exec(_renditions(archive_id).options(_NO_RECEIPT)).all()
            return [RenditionFacts(**_facts(*row)) for row in rows]

    def facts(self, rendition_id: str) -> RenditionFacts | None:
        """A rendition without its receipt."""
        query = _RENDITIONS.where(RenditionRow.id == rendition_id).options(_NO_RECEIPT)
        with reading(self._engine) as session:
            row = session.exec(query).first()
            return RenditionFacts(**_facts(*row)) if row else None

    def fleet(self) -> Fleet:
        """What all projects weigh whose file is whole, by its newest version; what was destroyed is out."""
        with reading(self._engine) as session:
            return _fleet(session)

    def all_objects(self) -> list[ArchiveObject]:
        """Every object of every archive, by key: for checks. What was destroyed by decision is none."""
        query = select(ArchiveObjectRow).where(col(ArchiveObjectRow.key).not_in(GOING))
        with reading(self._engine) as session:
            rows = session.exec(query.order_by(ArchiveObjectRow.key)).all()
            return [_object(row) for row in rows]

    def report_progress(self, progress: Progress) -> None:
        """Say how far the archiving of a session has come."""
        with writing(self._engine) as session:
            fields = fields_of(progress)
            session.merge(ProgressRow(**fields))

    def progress(self, session_id: str) -> Progress | None:
        with reading(self._engine) as session:
            row = session.get(ProgressRow, session_id)
            return Progress(**row.model_dump()) if row else None


def _recorded(archive: Archive) -> Act:
    objects = sorted([item.key, item.size_bytes, item.sha256] for item in archive.objects)
    return Act(
        at_us=archive.verified_us,
        principal=archive.principal,
        action=Action.ARCHIVE_RECORDED,
        subject=archive.session_id,
        details={
            "archive": archive.id,
            "version": archive.version,
            "prefix": archive.key_prefix,
            "size_bytes": archive.size_bytes,
            "objects": len(objects),
            "objects_sha256": digest(objects),
        },
    )


def _check_same(session: Transaction, row: SessionRow, archive: Archive) -> None:
    """Whether an archive holds a session as it is now."""
    if row.state != SessionState.CUT:
        raise TimelineError(f"session {row.id} is {row.state}; only one that is cut can be archived.")
    if archive.cut_number != row.cut_number:
        raise TimelineChanged(f"session {row.id} was cut anew while it was being archived.")
    if archive.known_number not in (None, _known_number(session, row)):
        raise TimelineChanged(f"session {row.id} was corrected while it was being archived.")


def _known_number(session: Transaction, row: SessionRow) -> int:
    """Each of these only ever grows, and so does their sum: where it is the same, nothing was added."""
    events = select(func.count()).where(TimelineEventRow.session_id == row.id)
    seatings = select(func.count(), func.count(col(SeatingRow.replaced_us))).where(
        SeatingRow.session_id == row.id
    )
    sections = select(func.count()).where(SessionSectionRow.session_id == row.id)
    said, replaced = session.exec(seatings).one()
    return row.change_number + session.exec(events).one() + said + replaced + session.exec(sections).one()


def _file_set(session: Transaction, row: FileSetRow) -> FileSet:
    held = select(FileSetArchiveRow.archive_id).where(
        FileSetArchiveRow.project_id == row.project_id, FileSetArchiveRow.version == row.version
    )
    return FileSet(
        project_id=row.project_id,
        version=row.version,
        sealed_us=row.sealed_us,
        archive_ids=tuple(sorted(session.exec(held).all())),
    )


def _object(row: ArchiveObjectRow) -> ArchiveObject:
    return ArchiveObject(key=row.key, size_bytes=row.size_bytes, sha256=row.sha256)


def _archive(session: Transaction, row: ArchiveRow) -> Archive:
    objects = session.exec(
        select(ArchiveObjectRow).where(ArchiveObjectRow.archive_id == row.id).order_by(ArchiveObjectRow.key)
    ).all()
    fields = row.model_dump() | {"overrun_cause": OverrunCause(row.overrun_cause)}
    return Archive(**fields, objects=tuple(_object(item) for item in objects))


def _rendition_row(rendition: Rendition, archive_id: str) -> RenditionRow:
    return RenditionRow(
        id=rendition.id,
        archive_id=archive_id,
        clip_id=rendition.clip_id,
        object_key=rendition.object_key,
        video_codec=rendition.video_codec,
        audio_codec=rendition.audio_codec,
        width=rendition.width,
        height=rendition.height,
        receipt=rendition.receipt,
        **(fields_of(rendition.quality) if rendition.quality else {}),
    )


_RENDITIONS = (
    select(RenditionRow, ClipRow, ArchiveObjectRow)
    .join(ClipRow, col(ClipRow.id) == col(RenditionRow.clip_id))
    .join(ArchiveObjectRow, col(ArchiveObjectRow.key) == col(RenditionRow.object_key))
)
_NO_RECEIPT = defer(RenditionRow.receipt, raiseload=True)  # type: ignore[arg-type]


def _renditions(archive_id: str) -> Select[RenditionRow, ClipRow, ArchiveObjectRow]:
    return _RENDITIONS.where(RenditionRow.archive_id == archive_id)


def _rendition(row: RenditionRow, clip: ClipRow, item: ArchiveObjectRow) -> Rendition:
    return Rendition(**_facts(row, clip, item), receipt=row.receipt)


def _facts(row: RenditionRow, clip: ClipRow, item: ArchiveObjectRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "clip_id": clip.id,
        "session_id": clip.session_id,
        "source_id": clip.source_id,
        "wall": TimeRange(start_us=clip.wall_start_us, end_us=clip.wall_end_us),
        "object_key": item.key,
        "video_codec": row.video_codec,
        "audio_codec": row.audio_codec,
        "width": row.width,
        "height": row.height,
        "size_bytes": item.size_bytes,
        "sha256": item.sha256,
        "quality": _quality(row),
    }


def _quality(row: RenditionRow) -> Quality | None:
    """None of what was archived before quality was measured."""
    if row.recorded_us is None:
        return None
    return Quality(**{name: getattr(row, name) for name in Quality.__dataclass_fields__})


def _fleet(session: Transaction) -> Fleet:
    versions = (
        select(FileSetRow.project_id, func.max(FileSetRow.version).label("version"))
        .group_by(col(FileSetRow.project_id))
        .subquery()
    )
    newest = (col(FileSetArchiveRow.project_id) == versions.c.project_id) & (
        col(FileSetArchiveRow.version) == versions.c.version
    )
    destroyed = select(ArchiveRow.id).where(col(ArchiveRow.disposed_us).is_not(None))
    in_newest = select(FileSetArchiveRow.archive_id).join(versions, newest)
    held = in_newest.where(col(FileSetArchiveRow.archive_id).not_in(destroyed))
    gone = (
        select(FileSetArchiveRow.project_id)
        .join(versions, newest)
        .where(col(FileSetArchiveRow.archive_id).in_(destroyed))
    )
    projects = (
        select(func.count())
        .select_from(ProjectRow)
        .join(versions, col(ProjectRow.id) == versions.c.project_id)
        .where(col(ProjectRow.id).not_in(gone))
    )
    size, budget = session.exec(
        select(_sum(ArchiveRow.size_bytes), _sum(ArchiveRow.budget_bytes)).where(col(ArchiveRow.id).in_(held))
    ).one()
    count, recorded_us, below = session.exec(
        select(func.count(), _sum(RenditionRow.recorded_us), _sum(case((_BELOW, 1), else_=0)))
        .select_from(RenditionRow)
        .where(col(RenditionRow.archive_id).in_(held))
    ).one()
    return Fleet(
        project_count=session.exec(projects.where(ProjectRow.kind != ProjectKind.HALL)).one(),
        size_bytes=int(size),
        budget_bytes=int(budget),
        recorded_us=int(recorded_us),
        file_count=count,
        below_count=int(below),
    )


_BELOW = or_(
    col(RenditionRow.vmaf_p5) < col(RenditionRow.vmaf_floor),
    col(RenditionRow.text_agreement) < col(RenditionRow.text_floor),
)
"""``Quality.grade`` is below, as the database says it."""


def _sum(column: Any) -> Any:
    return func.coalesce(func.sum(column), 0)
