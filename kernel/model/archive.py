"""Renditions, receipts, packages and archives: what archiving makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kernel.timerange import TimeRange


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendition:
    """One encoding of a clip, as an archive holds it."""

    id: str
    clip_id: str
    session_id: str
    source_id: str
    wall: TimeRange  # media time 0 is wall.start_us
    object_key: str
    video_codec: str  # RFC 6381, such as av01.0.05M.08
    audio_codec: str | None  # RFC 6381, such as mp4a.40.2
    width: int
    height: int
    size_bytes: int
    sha256: str
    receipt: dict[str, Any]  # the transcode receipt (invariant 11), as stored beside the file


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveObject:
    """One object of an archive, as its manifest names it."""

    key: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """A package stored, verified and recorded."""

    id: str
    session_id: str
    version: int  # from 1; an older one stays readable (invariant 9)
    key_prefix: str
    budget_bytes: int
    size_bytes: int  # all of its objects
    raw_bytes: int  # the share of the segments that its clips use
    verified_us: int  # when every object had been read back with its checksum (invariant 10)
    principal: str
    overrun_reason: str  # empty while it is within its budget (invariant 13)
    objects: tuple[ArchiveObject, ...]
    cut_number: int = 0  # which cut of the session it holds
    known_number: int | None = None  # how much was known when its document was written; None: not noted


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far the archiving of a session has come, for terminal and page."""

    session_id: str
    step: str  # cut, encode, package, store, verify, done, failed
    fraction: float  # 0..1 of the whole session's work
    detail: str
    updated_us: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FileSet:
    """一项一档: a version of a project's file, the archives of all its sessions at one time."""

    project_id: str
    version: int  # from 1; older versions stay
    sealed_us: int  # when the last of them was verified
    archive_ids: tuple[str, ...]
