"""The check-up of a room before a session: what was looked at, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Aspect(StrEnum):
    """What a check-up looks at."""

    DELIVERS = "delivers"
    """The source can be opened and sends pictures."""
    PICTURE_BLACK = "picture_black"
    PICTURE_FROZEN = "picture_frozen"
    PICTURE_COVERED = "picture_covered"
    PICTURE_BLURRED = "picture_blurred"
    PICTURE_COLOUR = "picture_colour"
    SOUND_SILENT = "sound_silent"
    SOUND_HUMMING = "sound_humming"
    SOUND_CLIPPING = "sound_clipping"
    CLOCK = "clock"
    KEY_FRAMES = "key_frames"
    LOSS = "loss"
    DISK = "disk"


class Verdict(StrEnum):
    """What was found of one aspect."""

    GOOD = "good"
    FAILED = "failed"
    NOT_JUDGED = "not_judged"
    """It says nothing of this kind of source, such as stillness of a desktop, or could not be looked at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckResult:
    """One aspect of one source, or of the recorder's disk."""

    source_id: str  # empty for the disk
    aspect: Aspect
    verdict: Verdict
    measured: str  # for people: the figure with its unit
    limit: str  # for people: what it was compared with
    remedy: str  # what to do; empty where it is good


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkup:
    """A check-up of a room."""

    id: str
    room_id: str
    at_us: int
    principal: str  # who asked for it
    results: tuple[CheckResult, ...]
    overridden_by: str = ""  # who lets the session begin although it failed
    override_reason: str = ""
    overridden_us: int | None = None

    @property
    def passed(self) -> bool:
        return all(one.verdict is not Verdict.FAILED for one in self.results)
