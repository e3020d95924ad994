"""Archives: packages that are stored, read back and recorded; and how far others have come."""

from __future__ import annotations

from sqlalchemy import Engine
from sqlmodel import Session as Transaction
from sqlmodel import col, func, select

from catalog.database import reading, writing
from catalog.file_sets import seal_file_set
from catalog.locks import locked_session
from catalog.tables import (
    ArchiveObjectRow,
    ArchiveRow,
    ClipRow,
    FileSetArchiveRow,
    FileSetRow,
    ProgressRow,
    RenditionRow,
    SeatingRow,
    SessionRow,
    SessionSectionRow,
    TimelineEventRow,
)
from kernel.errors import TimelineChanged, TimelineError
from kernel.model.archive import Archive, ArchiveObject, FileSet, Progress, Rendition
from kernel.model.timeline import SessionState
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

    def record(self, archive: Archive, renditions: list[Rendition]) -> None:
        """Record an archive whose every object was read back (invariant 10), and mark its session archived.

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
            row.state = SessionState.ARCHIVED
            seal_file_set(session, row.project_id, archive.verified_us)

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
        """The renditions that an archive holds."""
        with reading(self._engine) as session:
            rows = session.exec(select(RenditionRow).where(RenditionRow.archive_id == archive_id)).all()
            return [_rendition(session, row) for row in rows]

    def rendition(self, rendition_id: str) -> Rendition | None:
        with reading(self._engine) as session:
            row = session.get(RenditionRow, rendition_id)
            return _rendition(session, row) if row else None

    def all_objects(self) -> list[ArchiveObject]:
        """Every object of every archive, by key: for checks."""
        with reading(self._engine) as session:
            rows = session.exec(select(ArchiveObjectRow).order_by(ArchiveObjectRow.key)).all()
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
    return Archive(**row.model_dump(), objects=tuple(_object(item) for item in objects))


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
    )


def _rendition(session: Transaction, row: RenditionRow) -> Rendition:
    clip = session.get_one(ClipRow, row.clip_id)
    item = session.get_one(ArchiveObjectRow, row.object_key)
    return Rendition(
        id=row.id,
        clip_id=clip.id,
        session_id=clip.session_id,
        source_id=clip.source_id,
        wall=TimeRange(start_us=clip.wall_start_us, end_us=clip.wall_end_us),
        object_key=item.key,
        video_codec=row.video_codec,
        audio_codec=row.audio_codec,
        width=row.width,
        height=row.height,
        size_bytes=item.size_bytes,
        sha256=item.sha256,
        receipt=row.receipt,
    )
