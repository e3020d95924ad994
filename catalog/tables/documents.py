"""Documents beside the video, what was handed in, and archive numbers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Index

from catalog.tables.base import Table, byte_count, column, micros


class DocumentRow(Table, table=True):
    __tablename__ = "document"
    __table_args__ = (
        Index(None, "project_id", "sha256", unique=True),
        {"comment": "Documents of projects, stored and read back; never changed, only added to"},
    )
    id: str = column("Unique over all sites", primary_key=True)
    project_id: str = column("Project", foreign_key="project.id")
    session_id: str | None = column(
        "Session; empty: of the project as a whole", foreign_key="session.id", index=True, default=None
    )
    kind: str = column("DocumentKind")
    name: str = column("As it was handed in, cleaned; a label, never a path")
    file_type: str = column("FileType, by its content")
    size_bytes: int = byte_count("Size")
    sha256: str = column("SHA-256, lower-case hex")
    sm3: str | None = column(
        "SM3 (GB/T 32905), lower-case hex; empty where it was not computed", default=None
    )
    object_key: str = column("Key in the store, never overwritten", unique=True)
    version: int = column("From 1; a correction is the next one")
    supersedes: str | None = column(
        "The version before, which stays", foreign_key="document.id", unique=True, default=None
    )
    reason: str = column("Why it was corrected; empty for a first version")
    principal: str = column("Who brought it")
    at_us: int = micros("When it was taken in", index=True)
    checks: list[dict[str, Any]] = column("PropertyResult of each of the four properties", sa_type=JSON)


class AddendumRow(Table, table=True):
    __tablename__ = "addendum"
    __table_args__ = (
        Index(None, "project_id", "number", unique=True),
        {"comment": "Packages of a project beside those of its sessions: card and later documents"},
    )
    id: str = column("Unique over all sites", primary_key=True)
    project_id: str = column("Project", foreign_key="project.id")
    number: int = column("From 1 within the project; earlier ones stay (invariant 9)")
    file_version: int | None = column(
        "Version of the project's file that its card tells of; empty before the file is sealed", default=None
    )
    key_prefix: str = column("Common start of its keys", unique=True)
    size_bytes: int = byte_count("What it weighs, all objects")
    verified_us: int = micros("When the last object had been read back (invariant 10)")
    principal: str = column("Who or what made it")


class AddendumObjectRow(Table, table=True):
    __tablename__ = "addendum_object"
    __table_args__ = {"comment": "Objects of an addendum, as its manifests name them"}
    key: str = column("Key in the store, never overwritten", primary_key=True)
    addendum_id: str = column("Addendum", foreign_key="addendum.id", index=True)
    size_bytes: int = byte_count("Size")
    sha256: str = column("SHA-256, lower-case hex")


class DocumentCopyRow(Table, table=True):
    __tablename__ = "document_copy"
    __table_args__ = {"comment": "Packages that hold a document"}
    object_key: str = column("Its file in the package", primary_key=True)
    document_id: str = column("Document", foreign_key="document.id", index=True)
    archive_id: str | None = column(
        "Archive of a session that holds it", foreign_key="archive.id", index=True, default=None
    )
    addendum_id: str | None = column(
        "Addendum that holds it", foreign_key="addendum.id", index=True, default=None
    )


class ArchiveNumberRow(Table, table=True):
    __tablename__ = "archive_number"
    __table_args__ = (
        Index(None, "series", "serial", unique=True),
        {"comment": "Archive numbers (档号): given once, never given again; rows are never removed"},
    )
    number: str = column("As it is written", primary_key=True)
    project_id: str = column("Project", foreign_key="project.id", unique=True)
    series: str = column("What it is unique within: the number without its serial")
    serial: int = column("From 1 in its series")
    given_us: int = micros("When")
    principal: str = column("Who or what gave it")


class HandedFileRow(Table, table=True):
    __tablename__ = "handed_file"
    __table_args__ = (
        Index(None, "source_id", "size_bytes"),
        {"comment": "Recordings that were handed in, with their four-property check"},
    )
    run_id: str = column("Run that it became", primary_key=True, foreign_key="run.id")
    source_id: str = column("Source", foreign_key="source.id")
    session_id: str | None = column(
        "Session that its list names", foreign_key="session.id", index=True, default=None
    )
    listed_in: str = column("Name of the list; empty for a file that came alone")
    name: str = column("Of the file, without its directory; a label")
    size_bytes: int = byte_count("Size of the file as it was handed in")
    sha256: str = column("Its SHA-256, lower-case hex")
    offset_us: int = micros("Added to its times")
    wall_start_us: int = micros("Wall time of its first picture, offset applied")
    wall_end_us: int = micros("Wall time at which its last picture ends")
    principal: str = column("Who handed it in")
    at_us: int = micros("When")
    checks: list[dict[str, Any]] = column("PropertyResult of each of the four properties", sa_type=JSON)
