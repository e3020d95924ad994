"""Renditions, receipts, packages and archives: what archiving makes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kernel.timerange import TimeRange

FLEET_MEAN_BYTES = 5_000_000_000
"""What archived projects may weigh on average (invariant 13)."""
ORIGINALS_PART = "data/originals"
"""Where in a package segments lie as they were recorded."""


class Grade(StrEnum):
    """How well a file shows what happened, by the floors that it was held to."""

    CLEAR = "clear"
    """At least half-way from the floor to where nobody sees a difference."""
    LEGIBLE = "legible"
    """All floors are reached."""
    BELOW = "below"
    """A floor is not reached: the pictures', or that of text."""


class OverrunCause(StrEnum):
    """Why an archive is over its budget, as a word; the sentence has the figures."""

    NONE = ""
    FLOORS = "floors"
    """Floors of legibility win over the budget (invariant 13)."""
    BESIDE = "beside"
    """What must be kept beside the pictures: receipts, manifests, sound."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """What is left of the pictures, as measured on sampled stretches, and what had to be reached."""

    recorded_us: int  # of footage; gaps do not count
    frames: int  # kept
    frames_seen: int  # of the footage; more than are kept where a still screen was thinned out
    vmaf_mean: float | None  # None where no picture could be measured
    vmaf_p5: float | None  # fifth percentile: the worst pictures
    text_agreement: float | None  # 0..1, characters that OCR still reads; None where no text was read
    vmaf_floor: float  # of vmaf_p5
    vmaf_ceiling: float  # of vmaf_mean: nobody sees a difference above
    text_floor: float | None  # of text_agreement; None where text does not count
    floors_reached: bool  # False: no rate that the rules allow was expected to reach them

    @property
    def grade(self) -> Grade | None:
        """None where nothing was measured."""
        if self.vmaf_mean is None or self.vmaf_p5 is None:
            return None
        text = 1.0 if self.text_agreement is None else self.text_agreement
        if self.vmaf_p5 < self.vmaf_floor or text < (self.text_floor or 0.0):
            return Grade.BELOW
        return Grade.CLEAR if self.vmaf_mean >= self.vmaf_clear else Grade.LEGIBLE

    @property
    def vmaf_clear(self) -> float:
        """The mean from which a file counts as clear."""
        return (self.vmaf_floor + self.vmaf_ceiling) / 2


@dataclass(frozen=True, kw_only=True, slots=True)
class RenditionFacts:
    """One encoding of a clip, as an archive holds it, without its receipt, which is long."""

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
    quality: Quality | None = None  # None where it was archived before quality was measured


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendition(RenditionFacts):
    """The same with its receipt."""

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
    overrun_cause: OverrunCause = OverrunCause.NONE  # the reason as a word
    disposed_us: int | None = None  # when the last of its objects was destroyed by rule; its row stays

    @property
    def originals_bytes(self) -> int:
        """Of the segments that it holds as they were recorded."""
        below = f"{self.key_prefix}/{ORIGINALS_PART}/"
        return sum(one.size_bytes for one in self.objects if one.key.startswith(below))


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """All projects whose file is whole, by the newest version of each: what the budget is held to."""

    project_count: int  # records of shared halls are no projects; what they weigh counts
    size_bytes: int
    budget_bytes: int
    recorded_us: int  # of footage, where that is known
    file_count: int
    below_count: int  # files that do not reach a floor
    mean_bytes_limit: int = FLEET_MEAN_BYTES

    @property
    def mean_bytes(self) -> int | None:
        """Bytes of a project; None while there is none."""
        return self.size_bytes // self.project_count if self.project_count else None


class RequestKind(StrEnum):
    """What people may ask of the archiver."""

    CANCEL = "cancel"
    """Leave this session alone until it is asked for again; its footage stays."""
    RETRY = "retry"
    """Archive it, now: what was finished is not done again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveRequest:
    """What somebody asked of the archiver; the newest of a session holds, all stay on record."""

    id: str
    session_id: str
    kind: RequestKind
    reason: str
    principal: str
    at_us: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far the archiving of a session has come, for terminal and page."""

    session_id: str
    step: str  # a word; the page has words for those it knows
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
