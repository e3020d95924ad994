"""What archiving made, and how far it has come."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKeyConstraint

from catalog.tables.base import Table, byte_count, column, micros


class FileSetRow(Table, table=True):
    __tablename__ = "file_set"
    __table_args__ = {"comment": "A project's file (one project, one file): versions of it as a whole"}
    project_id: str = column("Project", primary_key=True, foreign_key="project.id")
    version: int = column("From 1; older versions stay (invariant 9)", primary_key=True)
    sealed_us: int = micros("When the last of its sessions was archived")


class FileSetArchiveRow(Table, table=True):
    __tablename__ = "file_set_archive"
    project_id: str = column("Project", primary_key=True)
    version: int = column("Version of its file", primary_key=True)
    archive_id: str = column("Archive of one of its sessions", primary_key=True, foreign_key="archive.id")
    __table_args__ = (
        ForeignKeyConstraint(["project_id", "version"], ["file_set.project_id", "file_set.version"]),
        {"comment": "Which archives make up a version of a project's file"},
    )


class RenditionRow(Table, table=True):
    __tablename__ = "rendition"
    __table_args__ = {"comment": "Encodings of clips that an archive holds"}
    id: str = column("Unique over all sites", primary_key=True)
    archive_id: str = column("Archive that holds it", foreign_key="archive.id", index=True)
    clip_id: str = column("Clip it shows", foreign_key="clip.id", index=True)
    object_key: str = column("Its file in the store", foreign_key="archive_object.key", unique=True)
    video_codec: str = column("RFC 6381 codec string")
    audio_codec: str | None = column("RFC 6381 codec string; empty without sound", default=None)
    width: int = column("Pixels")
    height: int = column("Pixels")
    receipt: dict[str, Any] = column("Transcode receipt (invariant 11)", sa_type=JSON)
    recorded_us: int | None = micros(
        "Length of the footage in it, without gaps; this and what follows is empty where it was not measured",
        default=None,
    )
    frames: int | None = column("Pictures kept", default=None)
    frames_seen: int | None = column("Pictures of the footage", default=None)
    vmaf_mean: float | None = column("Mean VMAF of the sampled pictures, 0..100", default=None)
    vmaf_p5: float | None = column("Fifth percentile of VMAF: the worst pictures", default=None)
    text_agreement: float | None = column("Share of characters that OCR still reads, 0..1", default=None)
    vmaf_floor: float | None = column("What vmaf_p5 had to reach", default=None)
    vmaf_ceiling: float | None = column(
        "Mean VMAF above which nobody sees a difference, by the rules of that day", default=None
    )
    text_floor: float | None = column(
        "What text_agreement had to reach; empty where text does not count", default=None
    )
    floors_reached: bool | None = column("Whether the rules allowed to reach the floors", default=None)


class ArchiveRow(Table, table=True):
    __tablename__ = "archive"
    __table_args__ = {"comment": "Packages stored, read back and recorded (invariant 10)"}
    id: str = column("Unique over all sites", primary_key=True)
    session_id: str = column("Session", foreign_key="session.id", index=True)
    version: int = column("From 1; older versions stay (invariant 9)")
    key_prefix: str = column("Common start of its keys", unique=True)
    budget_bytes: int = byte_count("What it may weigh (invariant 13)")
    size_bytes: int = byte_count("What it weighs, all objects")
    raw_bytes: int = byte_count("Share of the segments that its clips use")
    verified_us: int = micros("When the last object had been read back")
    principal: str = column("Who or what archived it")
    overrun_reason: str = column("Why it is over its budget; empty while it is within")
    cut_number: int = column("Which cut of the session it holds", default=0, default_sql="0")
    known_number: int | None = column(
        "How much was known of the session that its document tells; empty where not noted", default=None
    )
    overrun_cause: str = column("floors or beside; empty while it is within", default="", default_sql="")
    disposed_us: int | None = micros("When the last of its objects was destroyed by rule", default=None)


class ArchiveObjectRow(Table, table=True):
    __tablename__ = "archive_object"
    __table_args__ = {"comment": "Objects of an archive, as its manifests name them"}
    key: str = column("Key in the store, never overwritten", primary_key=True)
    archive_id: str = column("Archive", foreign_key="archive.id", index=True)
    size_bytes: int = byte_count("Size")
    sha256: str = column("SHA-256, lower-case hex")


class ArchiveRequestRow(Table, table=True):
    __tablename__ = "archive_request"
    __table_args__ = {"comment": "What people asked of the archiver; the newest of a session holds"}
    id: str = column("Unique", primary_key=True)
    session_id: str = column("Session", foreign_key="session.id", index=True)
    kind: str = column("cancel or retry")
    reason: str = column("Why, as was said")
    principal: str = column("Who asked")
    at_us: int = micros("When")


class ProgressRow(Table, table=True):
    __tablename__ = "progress"
    __table_args__ = {"comment": "How far the archiving of a session has come; for people, never truth"}
    session_id: str = column("Session", primary_key=True, foreign_key="session.id")
    step: str = column("cut, encode, package, store, verify, done or failed")
    fraction: float = column("0..1 of the whole session's work")
    detail: str = column("What is being done, for people")
    updated_us: int = micros("When this was said")
