"""What the API says, as its OpenAPI description shows it. Times are wall time, UTC microseconds."""

from __future__ import annotations

from pydantic import BaseModel

from catalog.readiness import DiskState, Shortfall
from kernel.model.archive import Grade, OverrunCause
from kernel.model.footage import Backfill, EndReason, Fault, GapCause, RunOrigin, SegmentState, SourceState
from kernel.model.source import ContentKind
from kernel.model.timeline import Phase, SessionState


class RegionPublic(BaseModel):
    """A division of GB/T 2260."""

    code: str
    name_zh: str
    name_en: str
    level: str
    parent_code: str | None
    today: str | None
    """Of a former code, which old archives keep: the code that it has become."""


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


class FleetPublic(BaseModel):
    """All projects whose file is whole, by the newest version of each: what the budget is held to."""

    project_count: int
    """Records of shared halls are no projects; what they weigh counts."""
    size_bytes: int
    budget_bytes: int
    recorded_us: int
    """Of footage, where that is known."""
    file_count: int
    below_count: int
    """Files that do not reach a floor."""
    mean_bytes: int | None
    """Null while there is no such project."""
    mean_bytes_limit: int


class ClipGapPublic(BaseModel):
    """A part of a clip's expected time that was not recorded when it happened."""

    start_us: int
    end_us: int
    cause: GapCause
    detail: str


class EventPublic(BaseModel):
    """A timeline event that is in force; corrections are told by the project's timeline."""

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
    fault: Fault | None
    """What is the matter with it, as a word; null while all is well, or where nobody knows."""
    detail: str
    """The same as a sentence of the recorder's, in English, for whoever mends it."""
    last_frame_us: int | None


class ProgressPublic(BaseModel):
    """How far the archiving of a session has come."""

    session_id: str
    step: str
    fraction: float
    detail: str
    updated_us: int


class QualityPublic(BaseModel):
    """How much is left of a file's pictures, and what had to be reached by the rules of that day."""

    recorded_us: int
    """Of footage; gaps do not count."""
    frames: int
    frames_seen: int
    """Pictures of the footage; more than are kept where a still screen was thinned out."""
    vmaf_mean: float | None
    vmaf_p5: float | None
    text_agreement: float | None
    """0..1, characters that OCR still reads; null where no text was read."""
    vmaf_floor: float
    vmaf_clear: float
    """Mean VMAF from which it counts as clear."""
    vmaf_ceiling: float
    text_floor: float | None
    floors_reached: bool
    """False: no rate that the rules allow was expected to reach the floors."""
    grade: Grade | None
    """Null where nothing was measured."""


class ClipPublic(BaseModel):
    """A clip, its gaps and, once archived, its file."""

    id: str
    source: SourcePublic
    member: str | None
    start_us: int
    end_us: int
    gaps: list[ClipGapPublic]
    backfilled: list[ClipGapPublic]  # were gaps; shown from what the device itself kept
    rendition_id: str | None
    video_codec: str | None
    audio_codec: str | None
    width: int | None
    height: int | None
    size_bytes: int | None
    quality: QualityPublic | None
    """Null where it is not archived, or was before quality was measured."""


class ArchivePublic(BaseModel):
    """The newest archive of a session."""

    id: str
    version: int
    size_bytes: int
    budget_bytes: int
    raw_bytes: int
    verified_us: int
    object_count: int
    originals_bytes: int
    """Of the segments that are kept as they were recorded, around what is held or marked."""
    overrun_cause: OverrunCause
    overrun_reason: str
    """The same as a sentence with figures, in English; empty while it is within its budget."""


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


class FileSetPublic(BaseModel):
    """A version of a project's file: an archive of each of its sessions."""

    version: int
    sealed_us: int
    archive_count: int


class ProjectDetail(ProjectPublic):
    """A project with its sessions."""

    sessions: list[SessionPublic]
    sources: list[SourcePublic]
    file_sets: list[FileSetPublic]
    """The oldest first; another is made when no session is still to come or on its way to the store."""


class FragmentPublic(BaseModel):
    """A byte range of a rendition that can be appended by itself; it starts with a key frame."""

    start_us: int
    end_us: int
    offset: int
    size: int


class RenditionIndex(BaseModel):
    """How to play a rendition by Media Source Extensions: take the init range, fetch fragments as needed.

    Media time 0 of the file is ``wall_start_us``.
    """

    rendition_id: str
    mime: str
    wall_start_us: int
    wall_end_us: int
    init_size: int
    init: str = ""
    """The bytes of the init range, base64 (RFC 4648, section 4): a request less for each pane of a wall."""
    size_bytes: int
    media_url: str
    fragments: list[FragmentPublic]


class MissingPublic(BaseModel):
    """A source that should be recorded now and is not."""

    source_id: str
    shortfall: Shortfall
    fault: Fault | None
    detail: str
    why_wanted: str
    since_us: int | None
    """Since when, as far as anybody knows."""


class ReadinessPublic(BaseModel):
    """Whether everything that should be recorded now is being recorded."""

    ready: bool
    at_us: int
    recorder_alive: bool
    wanted: int
    cameras_problem: str
    """Why cameras.yaml as it is now is not in use, but what it said before; empty while it is."""
    missing: list[MissingPublic]


class DiskPublic(BaseModel):
    """The disk of the ring."""

    state: DiskState
    free_bytes: int | None
    size_bytes: int | None
    reserve_bytes: int
    days_left: float | None
    """Until it is full at the present rate; null where that is not known."""


class GapTotalPublic(BaseModel):
    """The gaps of one cause in the last 24 hours."""

    cause: GapCause
    count: int
    duration_us: int


class SegmentPublic(BaseModel):
    """A file of the ring."""

    id: str
    start_us: int
    end_us: int
    media_start_us: int
    """Media time of its first picture: media times go on from segment to segment of a run."""
    size_bytes: int
    sha256: str
    state: SegmentState
    origin: RunOrigin
    media_url: str


class SourceStatusPublic(SourcePublic):
    """A source, how it is doing, and whether that is as it should be."""

    site_id: str
    site_name_zh: str
    site_name_en: str
    configured: bool
    """Whether cameras.yaml names it; others stay for the footage that there is of them."""
    should_record: bool
    why_wanted: str
    shortfall: Shortfall | None
    """Why it is not being recorded; null: it is."""
    since_us: int | None
    """Since when it stands so, as far as anybody knows."""
    updated_us: int | None
    codec: str
    width: int
    height: int
    bit_rate_kbps: float | None
    frame_rate: float | None
    lost_packets: int
    clock_offset_us: int | None
    gaps_day: list[GapTotalPublic]
    newest_segment: SegmentPublic | None


class SourcesOverview(BaseModel):
    """All sources at one moment of the server's clock."""

    at_us: int
    ready: bool
    recorder_alive: bool
    disk: DiskPublic
    sources: list[SourceStatusPublic]


class GapPublic(BaseModel):
    """Expected time that nobody recorded; without an end while it lasts."""

    id: str
    start_us: int
    end_us: int | None
    cause: GapCause
    fault: Fault | None
    """Finer than the cause, where that is known."""
    detail: str
    """A sentence of the recorder's, in English."""
    backfill: Backfill


class RunPublic(BaseModel):
    """One unbroken connection."""

    id: str
    started_us: int
    ended_us: int | None
    end_reason: EndReason | None
    origin: RunOrigin


class StretchPublic(BaseModel):
    """Time that was recorded without a hole, by the way in which it came."""

    start_us: int
    end_us: int
    origin: RunOrigin


class SourceDetail(BaseModel):
    """A source over a range of time; of runs and segments the newest that were asked for, newest first."""

    at_us: int
    start_us: int
    end_us: int
    source: SourceStatusPublic
    stretches: list[StretchPublic]
    gaps: list[GapPublic]
    runs: list[RunPublic]
    segments: list[SegmentPublic]
