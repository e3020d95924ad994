"""From rows to what people may see: ``…Public`` schemas out of value types."""

from __future__ import annotations

from collections.abc import Callable

from catalog.catalogue import Catalogue
from catalog.places import Division
from catalog.summaries import ProjectSummary
from kernel.events import in_force
from kernel.model.archive import Archive, Fleet, Progress, Quality, RenditionFacts
from kernel.model.cut import Clip, ClipGap
from kernel.model.footage import SourceHealth
from kernel.model.source import Room, Seat, Source
from kernel.model.timeline import Project, Session
from kernel.values import fields_of
from player_api.schemas import (
    ArchivePublic,
    ClipGapPublic,
    ClipPublic,
    EventPublic,
    FileSetPublic,
    FleetPublic,
    IndustryPublic,
    ProgressPublic,
    ProjectDetail,
    ProjectPublic,
    QualityPublic,
    RegionPublic,
    SessionPublic,
    SourcePublic,
)


def region_public(region: Division, today: str | None) -> RegionPublic:
    """``today``: the code that this one has become, where it is a former one."""
    return RegionPublic(
        code=region.code,
        name_zh=region.name_zh,
        name_en=region.name_en,
        level=region.level,
        parent_code=region.parent_code,
        today=today,
    )


def industry_public(industry: Division) -> IndustryPublic:
    return IndustryPublic(
        code=industry.code,
        name_zh=industry.name_zh,
        name_en=industry.name_en,
        parent_code=industry.parent_code,
    )


def project_public(project: Project, summary: ProjectSummary) -> ProjectPublic:
    totals = fields_of(summary)
    return ProjectPublic(**fields_of(project), **totals)


def fleet_public(fleet: Fleet) -> FleetPublic:
    return FleetPublic(**fields_of(fleet), mean_bytes=fleet.mean_bytes)


def project_detail(catalogue: Catalogue, project: Project, sees: Callable[[str], bool]) -> ProjectDetail:
    """A project with its sessions, their sources and the versions of its file.

    Args:
        sees: whether a session, by its id, may be known to whoever asks.
    """
    plain = project_public(project, catalogue.summaries.of([project.id])[project.id])
    held = [one for one in catalogue.sessions.of_project(project.id) if sees(one.id)]
    sources = [one for one in sources_public(catalogue).values() if any(_is_of(one, each) for each in held)]
    file_sets = [
        FileSetPublic(version=one.version, sealed_us=one.sealed_us, archive_count=len(one.archive_ids))
        for one in catalogue.archives.file_sets_of(project.id)
    ]
    return ProjectDetail(
        **plain.model_dump(),
        sessions=[session_public(catalogue, one) for one in held],
        sources=sources,
        file_sets=file_sets,
    )


def _is_of(source: SourcePublic, session: Session) -> bool:
    """Whether a source may show a session: of a room that projects share, only the seats of this one."""
    if session.source_ids:
        return source.id in session.source_ids
    if source.room_id not in (session.room_id, *session.extra_room_ids):
        return False
    return (
        source.seat_id is None
        or not session.seats
        or source.seat_id in {one.seat_id for one in session.seats}
    )


def session_public(catalogue: Catalogue, session: Session) -> SessionPublic:
    """A session with its events, clips and newest archive."""
    room = catalogue.places.rooms()[session.room_id]
    archive = catalogue.archives.newest(session.id)
    progress = catalogue.archives.progress(session.id)
    return SessionPublic(
        id=session.id,
        project_id=session.project_id,
        phase=session.phase,
        room_id=session.room_id,
        room_name_zh=room.name_zh,
        room_name_en=room.name_en,
        state=session.state,
        start_us=session.start_us,
        end_us=session.end_us,
        events=[
            EventPublic(at_us=event.at_us, type=event.type, reason=event.reason)
            for event in in_force(catalogue.sessions.events_of(session.id))
        ],
        clips=_clips(catalogue, session, archive),
        archive=_archive_public(archive) if archive else None,
        progress=_progress_public(progress) if progress else None,
    )


def _clips(catalogue: Catalogue, session: Session, archive: Archive | None) -> list[ClipPublic]:
    sources = sources_public(catalogue)
    members = {occupation.seat_id: occupation.member for occupation in session.seats}
    renditions = catalogue.archives.facts_of(archive.id) if archive else []
    by_clip = {rendition.clip_id: rendition for rendition in renditions}
    return [
        _clip_public(
            clip,
            sources[clip.source_id],
            members.get(sources[clip.source_id].seat_id or ""),
            by_clip.get(clip.id),
        )
        for clip in catalogue.clips.of_session(session.id)
    ]


def _clip_public(
    clip: Clip, source: SourcePublic, member: str | None, rendition: RenditionFacts | None
) -> ClipPublic:
    return ClipPublic(
        id=clip.id,
        source=source,
        member=member,
        start_us=clip.wall.start_us,
        end_us=clip.wall.end_us,
        gaps=[_gap_public(gap) for gap in clip.gaps],
        backfilled=[_gap_public(gap) for gap in clip.backfilled],
        rendition_id=rendition.id if rendition else None,
        video_codec=rendition.video_codec if rendition else None,
        audio_codec=rendition.audio_codec if rendition else None,
        width=rendition.width if rendition else None,
        height=rendition.height if rendition else None,
        size_bytes=rendition.size_bytes if rendition else None,
        quality=_quality_public(rendition.quality) if rendition and rendition.quality else None,
    )


def _quality_public(quality: Quality) -> QualityPublic:
    return QualityPublic(**fields_of(quality), vmaf_clear=quality.vmaf_clear, grade=quality.grade)


def _gap_public(gap: ClipGap) -> ClipGapPublic:
    return ClipGapPublic(
        start_us=gap.wall.start_us, end_us=gap.wall.end_us, cause=gap.cause, detail=gap.detail
    )


def sources_public(catalogue: Catalogue) -> dict[str, SourcePublic]:
    """All sources with their places and how they are doing, by id."""
    rooms, seats, health = catalogue.places.rooms(), catalogue.places.seats(), catalogue.footage.health()
    return {
        source.id: _source_public(
            source, rooms[source.room_id], seats.get(source.seat_id or ""), health.get(source.id)
        )
        for source in catalogue.places.sources().values()
    }


def _source_public(
    source: Source, room: Room, seat: Seat | None, health: SourceHealth | None
) -> SourcePublic:
    return SourcePublic(
        **fields_of(source),
        room_name_zh=room.name_zh,
        room_name_en=room.name_en,
        seat_ordinal=seat.ordinal if seat else None,
        state=health.state if health else None,
        fault=health.fault if health else None,
        detail=health.detail if health else "",
        last_frame_us=health.last_frame_us if health else None,
    )


def _archive_public(archive: Archive) -> ArchivePublic:
    return ArchivePublic(
        id=archive.id,
        version=archive.version,
        size_bytes=archive.size_bytes,
        budget_bytes=archive.budget_bytes,
        raw_bytes=archive.raw_bytes,
        verified_us=archive.verified_us,
        object_count=len(archive.objects),
        originals_bytes=archive.originals_bytes,
        overrun_cause=archive.overrun_cause,
        overrun_reason=archive.overrun_reason,
    )


def _progress_public(progress: Progress) -> ProgressPublic:
    return ProgressPublic(**fields_of(progress))
