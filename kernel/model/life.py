"""A project's life in the archive: how long it is kept, what was decided of it, and its destruction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from kernel.model.footage import Tombstone

RAW = "RAW"
"""Class of the ring's originals: how old they become at least."""


class TermStart(StrEnum):
    """What a term is counted from."""

    RECORDING = "recording"
    PROJECT_END = "project_end"
    PROCUREMENT_END = "procurement_end"
    RESULT_PUBLISHED = "result_published"
    BID_VALIDITY_END = "bid_validity_end"
    EVENT = "event"


TELLABLE = (
    TermStart.PROJECT_END,
    TermStart.PROCUREMENT_END,
    TermStart.RESULT_PUBLISHED,
    TermStart.BID_VALIDITY_END,
)
"""What may be told of a project by hand; the others are no days of projects."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RetentionClass:
    """保管期限: a class of the retention table."""

    code: str
    name_zh: str
    name_en: str
    note: str = ""  # for people


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """How long a class keeps, from a day on: a version of its rule."""

    id: str
    class_code: str
    valid_from: date  # Beijing day; until the next version of its class
    years: int | None  # with ``days`` both None: for ever
    days: int | None
    starts: TermStart | None  # None: kept for ever
    starts_else: TermStart | None = (
        None  # taken where the first is not known; None: then the start is unknown
    )
    basis: str = ""  # law or standard

    @property
    def permanent(self) -> bool:
        return self.years is None and self.days is None


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassRule:
    """Which projects fall under a class, and why: a dated rule."""

    id: str
    class_code: str
    valid_from: date  # Beijing day
    valid_until: date | None  # last day; None: still in force
    industry_code: str = ""  # that industry and all below it; empty: any
    outcome: str = ""  # only projects that came out so; empty: any
    not_outcome: str = ""  # all but those
    reason_zh: str = ""
    reason_en: str = ""
    basis: str = ""  # law or standard


@dataclass(frozen=True, kw_only=True, slots=True)
class StartDay:
    """The day that a term is counted from."""

    day: date  # Beijing
    told: bool  # by somebody, with a reason; False: it follows from the timeline


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassChoice:
    """A class that somebody chose for a project."""

    id: str
    project_id: str
    class_code: str
    reason: str
    principal: str
    at_us: int
    shorter: bool  # than what held then: it counts once a second person confirms it
    confirmed_by: str = ""
    confirmed_us: int | None = None

    @property
    def counts(self) -> bool:
        return not self.shorter or self.confirmed_us is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectFacts:
    """What retention looks at of a project."""

    project_id: str
    industry_codes: frozenset[str]  # its own and all above it
    outcome: str  # empty while it is open
    told_class: str = ""  # as the trading system reported it
    starts: Mapping[TermStart, StartDay] = field(default_factory=lambda: MappingProxyType({}))
    choice: ClassChoice | None = None  # the newest that counts


class ClaimOrigin(StrEnum):
    """Why a project falls under a class."""

    RULE = "rule"
    REPORTED = "reported"  # by the trading system
    CHOSEN = "chosen"  # by hand


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A class that a project falls under, by which versions of which rules, and until when."""

    class_code: str
    origin: ClaimOrigin
    rule_id: str  # of the class rule or choice; empty: as reported
    term_id: str
    permanent: bool
    starts: TermStart | None
    start: StartDay | None  # None: not known yet, or for ever
    last_day: date | None  # last Beijing day on which it has to be there; None: for ever, or not known yet
    nominal_days: int  # about so long; orders terms whose start is not known
    reason_zh: str
    reason_en: str
    basis: str


class Standing(StrEnum):
    """Where a project's term stands."""

    UNCLASSIFIED = "unclassified"
    """No rule names it: it is kept."""
    PERMANENT = "permanent"
    START_UNKNOWN = "start_unknown"
    """Nobody knows what the term is counted from: it is kept."""
    RUNNING = "running"
    DUE = "due"
    """To be appraised; it stays until that is decided."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Retention:
    """How long a project is kept and why: of all its classes the longest holds."""

    project_id: str
    standing: Standing
    governing: Claim | None  # the longest
    claims: tuple[Claim, ...]  # all, the longest first

    @property
    def class_code(self) -> str:
        return self.governing.class_code if self.governing else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldEffect:
    """What a hold came too late for."""

    gone: tuple[Tombstone, ...]  # originals whose files are gone or going
    disposed: tuple[str, ...]  # keys of archived objects that are destroyed or being destroyed


class DisposalState(StrEnum):
    """How far an appraisal has come; drawn in ``docs/design/retention.md``."""

    EXTENDED = "extended"
    """It is kept longer: nothing more to do."""
    PROPOSED = "proposed"
    """One person wants it destroyed: nothing happens."""
    SIGNED = "signed"
    """Two want it."""
    ORDERED = "ordered"
    """The order is given; objects go one by one."""
    DONE = "done"
    WITHDRAWN = "withdrawn"


OPEN_DISPOSALS = (DisposalState.PROPOSED, DisposalState.SIGNED, DisposalState.ORDERED)


@dataclass(frozen=True, kw_only=True, slots=True)
class DisposedObject:
    """An object that is to be destroyed, or a tombstone of it."""

    key: str
    archive_id: str | None  # None: it belongs to the project as a whole
    size_bytes: int
    sha256: str
    sm3: str  # empty where the package does not tell it
    going_us: int | None = None  # since then nothing stops its deletion
    gone_us: int | None = None  # when the store said that it is gone


@dataclass(frozen=True, kw_only=True, slots=True)
class Disposal:
    """鉴定: what was decided of a version of a project's file whose term is over, by whom and why."""

    id: str
    project_id: str
    version: int  # of the project's file
    state: DisposalState
    class_code: str  # as it was when it was decided
    new_class: str  # of what is extended
    last_day: date  # on which the term ended
    grounds: Mapping[str, Any]  # rules, versions and days by which it was due
    reason: str
    proposed_by: str
    proposed_us: int
    signed_by: str = ""
    signed_us: int | None = None
    ordered_us: int | None = None
    stopped: str = ""  # why its execution stands still; empty while it does not
    done_us: int | None = None
    certificate_sha256: str = ""
    withdrawn_by: str = ""
    withdrawn_reason: str = ""
    withdrawn_us: int | None = None
