"""What the API says, as its OpenAPI description shows it. Times are wall time, UTC microseconds."""

from __future__ import annotations

from pydantic import BaseModel

from kernel.model.footage import GapCause, SourceState
from kernel.model.source import ContentKind
from kernel.model.timeline import Phase, SessionState


class RegionPublic(BaseModel):
    """A division of GB/T 2260."""

    code: str
    name_zh: str
    name_en: str
    level: str
    parent_code: str | None


class IndustryPublic(BaseModel):
    """An industry of the deployment's own table."""

    code: str
    name_zh: str
    name_en: str
    parent_code: str | None


class ProjectPublic(BaseModel):
    """A project in a list."""

    id: str
    project_code: str
    name_zh: str
    name_en: str
    region_code: str
    trade_place: str
    industry_code: str
    first_session_us: int | None
    session_count: int
    clip_count: int
    gap_count: int
    size_bytes: int
    budget_bytes: int
    raw_bytes: int
    state: SessionState
    """The state of the session that is furthest behind; running as soon as one has begun."""


class ProjectPage(BaseModel):
    """One page of a list of projects."""

    total: int
    projects: list[ProjectPublic]


class ClipGapPublic(BaseModel):
    """A part of a clip's expected time that nobody recorded."""

    start_us: int
    end_us: int
    cause: GapCause
    detail: str


class EventPublic(BaseModel):
    """A timeline event."""

    at_us: int
    type: str
    reason: str


class SourcePublic(BaseModel):
    """A source and how it is doing."""

    id: str
    room_id: str
    room_name_zh: str
    room_name_en: str
    seat_id: str | None
    seat_ordinal: int | None
    content_kind: ContentKind
    label_zh: str
    label_en: str
    state: SourceState | None
    detail: str
    last_frame_us: int | None


class ProgressPublic(BaseModel):
    """How far the archiving of a session has come."""

    session_id: str
    step: str
    fraction: float
    detail: str
    updated_us: int


class ClipPublic(BaseModel):
    """A clip, its gaps and, once archived, its file."""

    id: str
    source: SourcePublic
    member: str | None
    start_us: int
    end_us: int
    gaps: list[ClipGapPublic]
    rendition_id: str | None
    video_codec: str | None
    audio_codec: str | None
    width: int | None
    height: int | None
    size_bytes: int | None


class ArchivePublic(BaseModel):
    """The newest archive of a session."""

    id: str
    version: int
    size_bytes: int
    budget_bytes: int
    raw_bytes: int
    verified_us: int
    object_count: int
    overrun_reason: str


class SessionPublic(BaseModel):
    """A session with everything that a replay wall needs to know."""

    id: str
    project_id: str
    phase: Phase
    room_id: str
    room_name_zh: str
    room_name_en: str
    state: SessionState
    start_us: int | None
    end_us: int | None
    events: list[EventPublic]
    clips: list[ClipPublic]
    archive: ArchivePublic | None
    progress: ProgressPublic | None


class ProjectDetail(ProjectPublic):
    """A project with its sessions."""

    sessions: list[SessionPublic]
    sources: list[SourcePublic]


class FragmentPublic(BaseModel):
    """A byte range of a rendition that can be appended by itself; it starts with a key frame."""

    start_us: int
    end_us: int
    offset: int
    size: int


class RenditionIndex(BaseModel):
    """How to play a rendition by Media Source Extensions: fetch the init range, then fragments as needed.

    Media time 0 of the file is ``wall_start_us``.
    """

    rendition_id: str
    mime: str
    wall_start_us: int
    wall_end_us: int
    init_size: int
    size_bytes: int
    media_url: str
    fragments: list[FragmentPublic]
