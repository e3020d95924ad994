"""檔案保存: whether stored objects are still what they were, where their copies are, and restore drills."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

MAIN = "main"
"""The store that archives are made in, whichever ``store_url`` names; copies are named by their address."""


class Fixity(StrEnum):
    """What a copy of an object was when it was last read back."""

    OK = "ok"
    BAD = "bad"
    """Its size or SHA-256 is not what the manifest names."""
    MISSING = "missing"
    UNREADABLE = "unreadable"
    """It is there, or its store does not answer; nothing is known of its bytes."""


class PackageKind(StrEnum):
    """What rests in the store as one."""

    ARCHIVE = "archive"
    """The package of a session."""
    ADDENDUM = "addendum"
    """A package of a project beside those of its sessions."""
    DOCUMENT = "document"
    """A document as it was taken in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredPackage:
    """Objects that rest together."""

    id: str
    kind: PackageKind
    project_id: str
    version: int
    size_bytes: int
    verified_us: int  # when all of it had been read back from MAIN (invariant 10)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredCopy:
    """An object in one store, and what it must be."""

    key: str
    store: str  # MAIN, or the address of a copy without credentials
    package_id: str
    project_id: str
    size_bytes: int
    sha256: str
    checked_us: int  # when it was last read back


@dataclass(frozen=True, kw_only=True, slots=True)
class FixityCheck:
    """What came of reading an object back."""

    result: Fixity
    found: str = ""  # what was found instead of what should be; empty where all is well
    at_us: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Trouble:
    """A copy of an object that is not as it should be: an alarm until a later check finds it whole."""

    key: str
    store: str
    package_id: str
    project_id: str
    result: Fixity
    found: str
    checked_us: int
    good_us: int | None  # when it was last found whole
    good_stores: tuple[str, ...]  # where copies were whole when they were last read


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreReport:
    """One line of the media report: what a store holds."""

    store: str
    packages: int  # whole ones
    packages_missing: int  # not there yet, or not whole
    size_bytes: int
    objects: int
    troubled: int  # objects that are not as they should be
    overdue: int  # objects that were not read back within the set period
    oldest_check_us: int | None  # of the object that waits longest


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageCopy:
    """A whole package in one store."""

    store: str
    whole_us: int  # when its last object had been read back there (invariant 10)
    oldest_check_us: int  # when the object that waits longest was last read back
    troubled: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaLine:
    """Where a package's copies are."""

    package: StoredPackage
    copies: tuple[PackageCopy, ...]  # by store


class DrillResult(StrEnum):
    """How a restore drill ended."""

    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class DrilledFile:
    """A file of an archive in a restore drill."""

    key: str
    faults: tuple[str, ...]  # nothing: it passed
    pictures: int  # how many were decoded; 0 where it holds none
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Drill:
    """A restore drill: a project's archives fetched, verified and decoded as an outsider would."""

    id: str
    started_us: int
    ended_us: int
    principal: str
    seed: str  # what the project was drawn by; empty where one was named
    candidates: int  # projects that it was drawn from
    project_id: str
    result: DrillResult
    size_bytes: int  # what was fetched
    files: tuple[DrilledFile, ...]
    faults: tuple[str, ...]  # of packages as a whole


@dataclass(frozen=True, kw_only=True, slots=True)
class Preserved:
    """Whether archives are safe, in few figures: for status, metrics and page."""

    troubles: tuple[Trouble, ...]  # the newest ones; ``troubled`` counts all
    troubled: int
    overdue: int  # copies of objects that were not read back within the set period
    oldest_check_us: int | None
    copies_missing: int  # packages that a store of the settings does not hold whole, for each such store
    failed_drills: tuple[Drill, ...]  # the newest of its project, and failed
    last_drill_us: int | None
    drill_overdue: bool

    @property
    def alarm(self) -> bool:
        """Whether somebody has to do something now."""
        return bool(self.troubled or self.failed_drills)


def drawn(seed: str, project_ids: Sequence[str]) -> str:
    """The project that a seed draws: anybody who has seed and list draws the same.

    The list is sorted; SHA-256 of the seed (UTF-8), as a number, modulo its length is the place.
    """
    place = int(hashlib.sha256(seed.encode()).hexdigest(), 16) % len(project_ids)
    return sorted(project_ids)[place]
