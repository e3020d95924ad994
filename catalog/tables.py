"""The tables. Every table and column says what it is for; times are wall time, UTC microseconds.

A source's address and credentials are never here (invariant 16): they live in ``cameras.yaml`` alone.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKeyConstraint, Index, MetaData, text
from sqlmodel import Field, SQLModel

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


LONG_SEGMENT_US = 3_600_000_000  # an hour; a source that sends no key frames makes longer ones
IS_LONG = text(f"wall_end_us - wall_start_us > {LONG_SEGMENT_US}")


class Table(SQLModel):
    """Base of all tables: one metadata with fixed constraint names, so that migrations can name them."""

    metadata = METADATA


def _column(comment: str, default_sql: str | None = None, **more: Any) -> Any:
    """A column; ``default_sql`` fills it in the rows that are there when a migration adds it."""
    kwargs: dict[str, Any] = {"comment": comment}
    if default_sql is not None:
        kwargs["server_default"] = default_sql
    return Field(sa_column_kwargs=kwargs, **more)


def _micros(comment: str, **more: Any) -> Any:
    return _column(comment, sa_type=BigInteger, **more)


def _bytes(comment: str, **more: Any) -> Any:
    return _column(comment, sa_type=BigInteger, **more)


class RegionRow(Table, table=True):
    __tablename__ = "region"
    __table_args__ = {"comment": "Administrative divisions, GB/T 2260"}
    code: str = _column("Six digits", primary_key=True)
    name_zh: str = _column("Chinese name")
    name_en: str = _column("English name")
    level: str = _column("province, prefecture or county")
    parent_code: str | None = _column(
        "Division that this one belongs to", foreign_key="region.code", index=True
    )


class RegionAliasRow(Table, table=True):
    __tablename__ = "region_alias"
    __table_args__ = {"comment": "Codes that a division had before; old archives keep theirs"}
    old_code: str = _column("Six digits, as it was", primary_key=True)
    code: str = _column("Division that it is today", foreign_key="region.code", index=True)
    old_name_zh: str = _column("Chinese name, as it was")
    until: str = _column("Day on which the code ended, ISO 8601; empty where it is not known", default="")
    note: str = _column("Why it changed, for people", default="")


class IndustryRow(Table, table=True):
    __tablename__ = "industry"
    __table_args__ = {"comment": "Industries; a deployment edits them"}
    code: str = _column("Code of the deployment's own table, opaque", primary_key=True)
    name_zh: str = _column("Chinese name")
    name_en: str = _column("English name")
    parent_code: str | None = _column(
        "Industry that this one refines", foreign_key="industry.code", index=True
    )
    deal_classify: str = _column("Class of the national deal platform, opaque", default="", default_sql="")
    supervising: str = _column("Which authorities supervise it, for people", default="", default_sql="")


class SiteRow(Table, table=True):
    __tablename__ = "site"
    __table_args__ = {"comment": "Trading centres"}
    id: str = _column("Id from cameras.yaml", primary_key=True)
    region_code: str = _column("Division it stands in", foreign_key="region.code")
    name_zh: str = _column("Chinese name")
    name_en: str = _column("English name")


class RoomRow(Table, table=True):
    __tablename__ = "room"
    __table_args__ = {"comment": "Rooms of a site"}
    id: str = _column("Id from cameras.yaml", primary_key=True)
    site_id: str = _column("Site it belongs to", foreign_key="site.id", index=True)
    kind: str = _column("RoomKind")
    name_zh: str = _column("Chinese name")
    name_en: str = _column("English name")


class SeatRow(Table, table=True):
    __tablename__ = "seat"
    __table_args__ = {"comment": "Numbered evaluation seats"}
    id: str = _column("Id from cameras.yaml", primary_key=True)
    room_id: str = _column("Room it stands in", foreign_key="room.id", index=True)
    ordinal: int = _column("Number written on the seat")


class SourceRow(Table, table=True):
    __tablename__ = "source"
    __table_args__ = {"comment": "Cameras and desktops, without their addresses"}
    id: str = _column("Id from cameras.yaml", primary_key=True)
    room_id: str = _column("Room it stands in", foreign_key="room.id", index=True)
    seat_id: str | None = _column("Seat it looks at, if any", foreign_key="seat.id")
    content_kind: str = _column("ContentKind")
    label_zh: str = _column("Chinese label")
    label_en: str = _column("English label")


class SourceHealthRow(Table, table=True):
    __tablename__ = "source_health"
    __table_args__ = {"comment": "What the recorder last knew of a source"}
    source_id: str = _column("Source", primary_key=True, foreign_key="source.id")
    state: str = _column("SourceState")
    detail: str = _column("For people; empty while all is well")
    since_us: int = _micros("When this state began")
    updated_us: int = _micros("When the recorder last said so")
    last_frame_us: int | None = _micros("Wall time of the newest frame received", default=None)
    codec: str = _column("Codec of its video; empty before the first run", default="", default_sql="")
    width: int = _column("Pixels", default=0, default_sql="0")
    height: int = _column("Pixels", default=0, default_sql="0")
    bit_rate_kbps: float | None = _column("All tracks, over the last seconds", default=None)
    frame_rate: float | None = _column("Pictures a second, over the last seconds", default=None)
    lost_packets: int = _bytes(
        "RTP packets missing or damaged since this recorder took it up", default=0, default_sql="0"
    )
    clock_offset_us: int | None = _micros("Source clock minus recorder clock", default=None)
    fault: str | None = _column("Fault: what the detail says, as a word", default=None)


class RunRow(Table, table=True):
    __tablename__ = "run"
    __table_args__ = {"comment": "Unbroken connections to a source"}
    id: str = _column("Unique over all sites", primary_key=True)
    source_id: str = _column("Source", foreign_key="source.id", index=True)
    started_us: int = _micros("Wall time of its first frame")
    ended_us: int | None = _micros("Wall time of its end; empty while it lasts", default=None)
    end_reason: str | None = _column("EndReason; empty while it lasts", default=None)
    origin: str = _column("RunOrigin", default="live", default_sql="live")


class SegmentRow(Table, table=True):
    __tablename__ = "segment"
    __table_args__ = (
        # A ring holds millions: the end of a chain and a stretch of time are found without a scan.
        Index(None, "source_id", "chain_number", unique=True),  # a chain cannot fork
        Index(None, "source_id", "wall_start_us"),
        Index(None, "state", "size_bytes"),
        Index(None, "state", "wall_start_us"),  # the oldest that is kept, past years of tombstones
        # The few that last long: all others that touch a time begin less than LONG_SEGMENT_US before it.
        Index("ix_segment_long", "source_id", sqlite_where=IS_LONG, postgresql_where=IS_LONG),
        {"comment": "Sealed files of the ring: a row here has its file (invariant 1)"},
    )
    id: str = _column("Unique over all sites", primary_key=True)
    run_id: str = _column("Run it belongs to", foreign_key="run.id", index=True)
    source_id: str = _column("Source", foreign_key="source.id")
    sequence: int = _column("Position in its run, from 0")
    wall_start_us: int = _micros("Wall time of its first frame", index=True)
    wall_end_us: int = _micros("Wall time at which its last frame ends")
    media_start: int = _micros("Decode time of its first video sample, ticks")
    media_duration: int = _micros("Length, ticks")
    timescale: int = _column("Ticks per second of the video track")
    clock_basis: str = _column("ClockBasis of its wall time")
    clock_offset_us: int = _micros("Source clock minus recorder clock")
    path: str = _column("Below the ring's root; a label, never truth", unique=True)
    size_bytes: int = _bytes("Size of the file")
    sha256: str = _column("SHA-256 of the file, lower-case hex")
    chain: str = _column("SHA-256 over the source's previous chain value and this SHA-256")
    chain_number: int = _column("Place in the source's chain, from 1: the order of sealing")
    end_reason: str = _column("EndReason")
    state: str = _column("SegmentState", default="sealed", default_sql="sealed")
    removed_us: int | None = _micros("When its file was released; empty while it is kept", default=None)
    removal_reason: str = _column("By which rule its file was removed", default="", default_sql="")
    removed_by: str = _column("In whose name", default="", default_sql="")


class HoldRow(Table, table=True):
    __tablename__ = "hold"
    __table_args__ = {"comment": "Footage that must not be removed, and why (invariant 4)"}
    id: str = _column("Unique over all sites", primary_key=True)
    source_id: str = _column("Source", foreign_key="source.id", index=True)
    wall_start_us: int = _micros("Start of the held time")
    wall_end_us: int = _micros("End of the held time")
    reason: str = _column("Why")
    principal: str = _column("Who holds it")
    made_us: int = _micros("When it was made")
    released_us: int | None = _micros("When it was released; empty while it holds", default=None)
    released_by: str = _column("Who released it", default="")
    release_reason: str = _column("Why it was released", default="")


class BookingRow(Table, table=True):
    __tablename__ = "booking"
    __table_args__ = {"comment": "When a room is to be recorded; sessions that overrun are recorded on"}
    id: str = _column("Unique over all sites", primary_key=True)
    room_id: str = _column("Room", foreign_key="room.id", index=True)
    wall_start_us: int = _micros("Start")
    wall_end_us: int = _micros("End", index=True)
    title: str = _column("What it is for, for people")
    principal: str = _column("Who booked")
    status: str = _column("BookingStatus", default="confirmed", default_sql="confirmed")
    project_id: str | None = _column(
        "Project it is for, where that is known", foreign_key="project.id", index=True, default=None
    )


class RecorderKeyRow(Table, table=True):
    __tablename__ = "recorder_key"
    __table_args__ = {"comment": "Public keys of recorders, with which checkpoints are verified"}
    id: str = _column("SHA-256 of the raw public key, lower-case hex", primary_key=True)
    public_key: str = _column("Ed25519 public key, raw, lower-case hex")
    made_us: int = _micros("When the recorder made it")


class ChainCheckpointRow(Table, table=True):
    __tablename__ = "chain_checkpoint"
    __table_args__ = {"comment": "Signed heads of the segments' chains, one a minute"}
    key_id: str = _column("Key it is signed with", primary_key=True, foreign_key="recorder_key.id")
    number: int = _column("From 1, without holes", primary_key=True, sa_type=BigInteger)
    at_us: int = _micros("When it was signed", index=True)
    statement: str = _column("Canonical JSON: new heads and the hash of the checkpoint before")
    signature: str = _column("Ed25519 over the statement, lower-case hex")


class RingDiskRow(Table, table=True):
    __tablename__ = "ring_disk"
    __table_args__ = {"comment": "The disk that the ring is on: a marker file with this id lies at its root"}
    id: str = _column("Id in the marker file", primary_key=True)
    made_us: int = _micros("When the ring was made or adopted")
    principal: str = _column("Who made or adopted it")


class CheckupRow(Table, table=True):
    __tablename__ = "checkup"
    __table_args__ = {"comment": "Check-ups of rooms before sessions"}
    id: str = _column("Unique over all sites", primary_key=True)
    room_id: str = _column("Room", foreign_key="room.id", index=True)
    at_us: int = _micros("When", index=True)
    principal: str = _column("Who asked for it")
    passed: bool = _column("Whether nothing failed")
    results: list[dict[str, Any]] = _column("CheckResult of each source and aspect", sa_type=JSON)
    overridden_by: str = _column("Who lets the session begin although it failed", default="")
    override_reason: str = _column("Why", default="")
    overridden_us: int | None = _micros("When", default=None)


class GapRow(Table, table=True):
    __tablename__ = "gap"
    __table_args__ = (
        Index(None, "source_id", "wall_start_us"),  # the last one before a moment is found without a scan
        {"comment": "Expected time that nobody recorded (invariant 5)"},
    )
    id: str = _column("Unique over all sites", primary_key=True)
    source_id: str = _column("Source", foreign_key="source.id", index=True)
    wall_start_us: int = _micros("When it began", index=True)
    wall_end_us: int | None = _micros("When it ended; empty while it lasts", default=None, index=True)
    cause: str = _column("GapCause")
    detail: str = _column("What happened, for people, without credentials")
    backfill: str = _column(
        "Backfill: what was fetched from the device's own memory", default="none", default_sql="none"
    )
    fault: str | None = _column("Fault, finer than the cause, where that is known", default=None)


class ProjectRow(Table, table=True):
    __tablename__ = "project"
    __table_args__ = {"comment": "Tender projects"}
    id: str = _column("Id given by the trading system", primary_key=True)
    project_code: str = _column("Project code, opaque", unique=True)
    name_zh: str = _column("Chinese name")
    name_en: str = _column("English name")
    region_code: str = _column("Division of the project", foreign_key="region.code", index=True)
    trade_place: str = _column("Division where it is traded", foreign_key="region.code", index=True)
    industry_code: str = _column("Industry", foreign_key="industry.code", index=True)
    kind: str = _column("ProjectKind", default="tender", default_sql="tender")
    tender_project_code: str = _column("Code of the tender project, opaque", default="", default_sql="")
    method: str = _column("How it is tendered, as the trading system says", default="", default_sql="")
    evaluation_mode: str = _column("local, remote, scattered or none", default="", default_sql="")
    committee_size: int = _column("Members of the committee", default=0, default_sql="0")
    agency: str = _column("Tendering agency, as the trading system says", default="", default_sql="")
    supervising_account: str = _column("Account assigned to supervise it", default="", default_sql="")
    outcome: str = _column("How it came out; empty while it is open", default="", default_sql="")
    result_published_us: int | None = _micros("When its result was made public", default=None)
    retention_class: str = _column("Code of its retention class", default="", default_sql="")
    reported_by: str = _column(
        "Principal of the trading system that it belongs to; empty: of none yet", default="", default_sql=""
    )


class HallProjectRow(Table, table=True):
    __tablename__ = "hall_project"
    __table_args__ = {"comment": "Projects that the record of a shared hall's day shows"}
    hall_id: str = _column(
        "Record of the hall, a project of kind hall", primary_key=True, foreign_key="project.id"
    )
    project_id: str = _column("Project seen in it", primary_key=True, foreign_key="project.id", index=True)


class SectionRow(Table, table=True):
    __tablename__ = "section"
    __table_args__ = {"comment": "Sections (lots) of projects"}
    project_id: str = _column("Project", primary_key=True, foreign_key="project.id")
    number: int = _column("From 1", primary_key=True)
    section_code: str = _column("Code of the section, opaque", unique=True)
    name_zh: str = _column("Chinese name")
    unified_deal_code: str = _column("Unified deal code, opaque", index=True)


class VenueRow(Table, table=True):
    __tablename__ = "venue"
    __table_args__ = {"comment": "Sites that a project is held at"}
    project_id: str = _column("Project", primary_key=True, foreign_key="project.id")
    site_id: str = _column("Site", primary_key=True, foreign_key="site.id", index=True)
    role: str = _column("VenueRole")


class SessionRow(Table, table=True):
    __tablename__ = "session"
    __table_args__ = {"comment": "One phase of one project in one room"}
    id: str = _column("Id given by the trading system", primary_key=True)
    project_id: str = _column("Project", foreign_key="project.id", index=True)
    phase: str = _column("Phase")
    room_id: str = _column("Room", foreign_key="room.id")
    state: str = _column("SessionState", index=True)
    start_us: int | None = _micros("Time of its start event", default=None, index=True)
    end_us: int | None = _micros("Time of its end event", default=None, index=True)
    venue_role: str = _column("VenueRole of its site", default="main", default_sql="main")
    cut_number: int = _column("How often its clips were made or changed", default=0, default_sql="0")
    change_number: int = _column(
        "How often what it is cut by was changed: events, seats, rooms, sources", default=0, default_sql="0"
    )
    plan: dict[str, Any] = _column(
        "Its plan as it was last reported: the same again changes nothing",
        default_factory=dict,
        default_sql="{}",
        sa_type=JSON,
    )


class SessionSectionRow(Table, table=True):
    __tablename__ = "session_section"
    __table_args__ = {"comment": "Sections that a session deals with; none: all of its project"}
    session_id: str = _column("Session", primary_key=True, foreign_key="session.id")
    number: int = _column("Section of the session's project", primary_key=True)


class SessionRoomRow(Table, table=True):
    __tablename__ = "session_room"
    __table_args__ = {"comment": "Rooms that are recorded with a session beside its own: a corridor"}
    session_id: str = _column("Session", primary_key=True, foreign_key="session.id")
    room_id: str = _column("Room", primary_key=True, foreign_key="room.id", index=True)


class SessionSourceRow(Table, table=True):
    __tablename__ = "session_source"
    __table_args__ = {
        "comment": "Sources of a session whose footage was handed over; none: those of its rooms"
    }
    session_id: str = _column("Session", primary_key=True, foreign_key="session.id")
    source_id: str = _column("Source", primary_key=True, foreign_key="source.id")


class SeatingRow(Table, table=True):
    __tablename__ = "seating"
    __table_args__ = {"comment": "Who sits where in a session, by ordinal and opaque key, never by name"}
    id: str = _column("Unique over all sites", primary_key=True)
    session_id: str = _column("Session", foreign_key="session.id", index=True)
    seat_id: str = _column("Seat", foreign_key="seat.id", index=True)
    member: str = _column("O1, E2, ...: owner's representative or expert by ordinal")
    expert_key: str = _column(
        "Opaque key of the expert, made by the trading system with its own secret",
        default="",
        default_sql="",
        index=True,
    )
    from_us: int | None = _micros("Since when; empty: the session's start", default=None)
    to_us: int | None = _micros("Until when; empty: the session's end", default=None)
    principal: str = _column("Who said so", default="", default_sql="")
    reason: str = _column("Why it was put right; empty for what was planned", default="", default_sql="")
    recorded_us: int = _micros("When we learnt of it", default=0, default_sql="0")
    replaced_us: int | None = _micros("When it was put right; empty while it holds", default=None)


class TimelineEventRow(Table, table=True):
    __tablename__ = "timeline_event"
    __table_args__ = {"comment": "What happened in a session; never changed, only added to"}
    id: str = _column("Unique over all sites", primary_key=True)
    session_id: str = _column("Session", foreign_key="session.id", index=True)
    at_us: int = _micros("When it happened, by the clock of whoever reports it")
    type: str = _column(
        "A kind that kernel/data/event_kinds.yaml knows, or another mark of the trading system"
    )
    reason: str = _column("Why, in words; may be empty")
    principal: str = _column("Who reported it")
    recorded_us: int = _micros("When we learnt of it")
    details: dict[str, Any] = _column(
        "What else the reporter said, as it came", default_factory=dict, default_sql="{}", sa_type=JSON
    )
    replaces: str | None = _column(
        "Event that this one puts right; both stay",
        foreign_key="timeline_event.id",
        unique=True,
        default=None,
    )
    withdrawn: bool = _column(
        "Only takes back what it replaces: nothing of the kind happened", default=False, default_sql="false"
    )


class TagRow(Table, table=True):
    __tablename__ = "tag"
    __table_args__ = (
        Index(None, "project_id", "at_us"),
        {"comment": "Moments that somebody marked; never changed, only added to"},
    )
    id: str = _column("Unique over all sites", primary_key=True)
    project_id: str = _column("Project", foreign_key="project.id")
    session_id: str | None = _column("Session", foreign_key="session.id", index=True, default=None)
    source_id: str | None = _column("Source that showed it", foreign_key="source.id", default=None)
    at_us: int = _micros("The moment, by the time of the frame on the screen")
    kind: str = _column("note, irregular, fault, quality, or the kind of an event")
    severity: str = _column("minor or major; empty for a note", default="")
    text: str = _column("In words, without names of people")
    principal: str = _column("Who marked it")
    recorded_us: int = _micros("When it was marked")


class TradingSystemRow(Table, table=True):
    __tablename__ = "trading_system"
    __table_args__ = {"comment": "Electronic trading systems that may report projects and events"}
    id: str = _column("Short name; its reports bear it as their principal", primary_key=True)
    name_zh: str = _column("Chinese name")
    key_sha256: str = _column("SHA-256 of its key, lower-case hex; the key itself is nowhere", unique=True)
    made_us: int = _micros("When the key was made")
    principal: str = _column("Who made it")
    revoked_us: int | None = _micros("When the key was revoked; empty while it holds", default=None)


class ClipRow(Table, table=True):
    __tablename__ = "clip"
    __table_args__ = {"comment": "What one source saw of one session part"}
    id: str = _column("Unique over all sites", primary_key=True)
    session_id: str = _column("Session", foreign_key="session.id", index=True)
    source_id: str = _column("Source", foreign_key="source.id", index=True)
    part: int = _column("Session part, from 1")
    wall_start_us: int = _micros("Start of its expected time")
    wall_end_us: int = _micros("End of its expected time")
    revision: int = _column("From 1; a changed timeline makes a new one", default=1, default_sql="1")
    retired_us: int | None = _micros("When a later cut left it behind; empty while it holds", default=None)


class FileSetRow(Table, table=True):
    __tablename__ = "file_set"
    __table_args__ = {"comment": "A project's file (one project, one file): versions of it as a whole"}
    project_id: str = _column("Project", primary_key=True, foreign_key="project.id")
    version: int = _column("From 1; older versions stay (invariant 9)", primary_key=True)
    sealed_us: int = _micros("When the last of its sessions was archived")


class FileSetArchiveRow(Table, table=True):
    __tablename__ = "file_set_archive"
    project_id: str = _column("Project", primary_key=True)
    version: int = _column("Version of its file", primary_key=True)
    archive_id: str = _column("Archive of one of its sessions", primary_key=True, foreign_key="archive.id")
    __table_args__ = (
        ForeignKeyConstraint(["project_id", "version"], ["file_set.project_id", "file_set.version"]),
        {"comment": "Which archives make up a version of a project's file"},
    )


class ClipSliceRow(Table, table=True):
    __tablename__ = "clip_slice"
    __table_args__ = {"comment": "Used parts of segments; slices and gaps fill a clip exactly"}
    clip_id: str = _column("Clip", primary_key=True, foreign_key="clip.id")
    wall_start_us: int = _micros("Start of the used part", primary_key=True)
    wall_end_us: int = _micros("End of the used part")
    segment_id: str = _column("Segment", foreign_key="segment.id", index=True)


class ClipGapRow(Table, table=True):
    __tablename__ = "clip_gap"
    __table_args__ = {"comment": "Parts of a clip that nobody recorded"}
    clip_id: str = _column("Clip", primary_key=True, foreign_key="clip.id")
    wall_start_us: int = _micros("Start", primary_key=True)
    wall_end_us: int = _micros("End")
    cause: str = _column("GapCause")
    detail: str = _column("What happened, for people")
    backfilled: bool = _column("Whether it was fetched afterwards: slices cover it", default=False)


class RenditionRow(Table, table=True):
    __tablename__ = "rendition"
    __table_args__ = {"comment": "Encodings of clips that an archive holds"}
    id: str = _column("Unique over all sites", primary_key=True)
    archive_id: str = _column("Archive that holds it", foreign_key="archive.id", index=True)
    clip_id: str = _column("Clip it shows", foreign_key="clip.id", index=True)
    object_key: str = _column("Its file in the store", foreign_key="archive_object.key", unique=True)
    video_codec: str = _column("RFC 6381 codec string")
    audio_codec: str | None = _column("RFC 6381 codec string; empty without sound", default=None)
    width: int = _column("Pixels")
    height: int = _column("Pixels")
    receipt: dict[str, Any] = _column("Transcode receipt (invariant 11)", sa_type=JSON)
    recorded_us: int | None = _micros(
        "Length of the footage in it, without gaps; this and what follows is empty where it was not measured",
        default=None,
    )
    frames: int | None = _column("Pictures kept", default=None)
    frames_seen: int | None = _column("Pictures of the footage", default=None)
    vmaf_mean: float | None = _column("Mean VMAF of the sampled pictures, 0..100", default=None)
    vmaf_p5: float | None = _column("Fifth percentile of VMAF: the worst pictures", default=None)
    text_agreement: float | None = _column("Share of characters that OCR still reads, 0..1", default=None)
    vmaf_floor: float | None = _column("What vmaf_p5 had to reach", default=None)
    vmaf_ceiling: float | None = _column(
        "Mean VMAF above which nobody sees a difference, by the rules of that day", default=None
    )
    text_floor: float | None = _column(
        "What text_agreement had to reach; empty where text does not count", default=None
    )
    floors_reached: bool | None = _column("Whether the rules allowed to reach the floors", default=None)


class ArchiveRow(Table, table=True):
    __tablename__ = "archive"
    __table_args__ = {"comment": "Packages stored, read back and recorded (invariant 10)"}
    id: str = _column("Unique over all sites", primary_key=True)
    session_id: str = _column("Session", foreign_key="session.id", index=True)
    version: int = _column("From 1; older versions stay (invariant 9)")
    key_prefix: str = _column("Common start of its keys", unique=True)
    budget_bytes: int = _bytes("What it may weigh (invariant 13)")
    size_bytes: int = _bytes("What it weighs, all objects")
    raw_bytes: int = _bytes("Share of the segments that its clips use")
    verified_us: int = _micros("When the last object had been read back")
    principal: str = _column("Who or what archived it")
    overrun_reason: str = _column("Why it is over its budget; empty while it is within")
    cut_number: int = _column("Which cut of the session it holds", default=0, default_sql="0")
    known_number: int | None = _column(
        "How much was known of the session that its document tells; empty where not noted", default=None
    )
    overrun_cause: str = _column("floors or beside; empty while it is within", default="", default_sql="")


class ArchiveObjectRow(Table, table=True):
    __tablename__ = "archive_object"
    __table_args__ = {"comment": "Objects of an archive, as its manifests name them"}
    key: str = _column("Key in the store, never overwritten", primary_key=True)
    archive_id: str = _column("Archive", foreign_key="archive.id", index=True)
    size_bytes: int = _bytes("Size")
    sha256: str = _column("SHA-256, lower-case hex")


class ArchiveRequestRow(Table, table=True):
    __tablename__ = "archive_request"
    __table_args__ = {"comment": "What people asked of the archiver; the newest of a session holds"}
    id: str = _column("Unique", primary_key=True)
    session_id: str = _column("Session", foreign_key="session.id", index=True)
    kind: str = _column("cancel or retry")
    reason: str = _column("Why, as was said")
    principal: str = _column("Who asked")
    at_us: int = _micros("When")


class ProgressRow(Table, table=True):
    __tablename__ = "progress"
    __table_args__ = {"comment": "How far the archiving of a session has come; for people, never truth"}
    session_id: str = _column("Session", primary_key=True, foreign_key="session.id")
    step: str = _column("cut, encode, package, store, verify, done or failed")
    fraction: float = _column("0..1 of the whole session's work")
    detail: str = _column("What is being done, for people")
    updated_us: int = _micros("When this was said")
