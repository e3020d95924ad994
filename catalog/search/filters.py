"""What a search is narrowed by, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from kernel.model.source import ContentKind
from kernel.model.timeline import Phase, Project, SessionState

EXACT = 10_000
"""Up to which counts are told; beyond it there are "10,000+"."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Days:
    """Beijing days, both ends included; None: without an end."""

    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        if self.first is not None and self.last is not None and self.last < self.first:
            raise ValueError("the last day is before the first")


class RegionOf(StrEnum):
    """Which region of a project is asked for."""

    EITHER = "either"
    """The project's own, or that of its trade place."""
    PROJECT = "region"
    TRADE_PLACE = "trade_place"


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchFilter:
    """What a search is narrowed by; all of it holds at once. Empty narrows nothing.

    Texts are words (``catalog.search.words``), all of which are to be there. A project is found if it has all
    that is said of projects, and a session or clip that has all the rest; its clips are those that have.
    """

    text: str = ""  # in names, agency, codes, sections or tags
    name: str = ""  # part of the project's name
    code: str = ""  # part of a code: the project's id or codes, its sections' or their unified deal codes
    section: str = (
        ""  # part of a section's name, code or unified deal code; of sessions, those dealing with it
    )
    agency: str = ""  # part of the tendering agency's name
    tag: str = ""  # in the text of a tag
    tag_kinds: frozenset[str] = frozenset()  # kind of a tag; with ``tag``: of the same one
    regions: frozenset[str] = frozenset()  # of project or trade place; with all below and former codes
    region_of: RegionOf = RegionOf.EITHER  # which of the two ``regions`` asks for
    industries: frozenset[str] = frozenset()  # with all below
    project_ids: frozenset[str] = frozenset()
    section_number: int | None = None  # likewise; with ``section``: of the same one
    phases: frozenset[Phase] = frozenset()
    states: frozenset[SessionState] = frozenset()
    sites: frozenset[str] = frozenset()  # of the session's room, or of a clip's source
    rooms: frozenset[str] = frozenset()  # the session's, or a clip's source's
    days: Days | None = None  # touched by the session, or by the clip
    expert_key: str = ""  # sessions in which the expert sat; clips of that seat while he did
    kinds: frozenset[ContentKind] = frozenset()  # clips only
    gap_seconds: float | None = None  # clips with one gap that is longer, and was not filled afterwards
    held: bool | None = None  # clips of which something is held, or nothing


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What somebody may find at all, whatever is asked for; None limits nothing."""

    regions: frozenset[str] | None = None  # as ``SearchFilter.regions``
    industries: frozenset[str] | None = None  # with all below
    sites: frozenset[str] | None = None  # sessions in their rooms, clips of their sources
    project_ids: frozenset[str] | None = None


EVERYTHING = Scope()


class Hit(StrEnum):
    """What of a project a filter was met by."""

    REGION = "region"
    """The project's own region."""
    TRADE_PLACE = "trade_place"
    FORMER_CODE = "former_code"
    """A code that the region, or trade place, had before."""
    NAME = "name"
    AGENCY = "agency"
    CODE = "code"
    SECTION = "section"
    TAG = "tag"


@dataclass(frozen=True, kw_only=True, slots=True)
class Matched:
    """Which filter a project met, and by what."""

    filter: str  # name of the filter: regions, text, ...
    asked: str  # what was asked for: a region's code, a word
    hit: Hit
    value: str  # the project's own: its region's code, the line in which the word is
    today: str = ""  # of a former code: the code that it has become


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """When an expert sat on a seat."""

    session_id: str
    seat_id: str
    member: str  # E2, ...: by ordinal in that committee
    start_us: int
    end_us: int | None  # None while the session lasts


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectHit:
    """A project that was found."""

    project: Project
    first_us: int | None  # start of its first session; None before
    session_count: int  # sessions that match
    clip_count: int  # clips that match
    site_ids: tuple[str, ...]  # of its sessions
    matched: tuple[Matched, ...]
    spans: tuple[Span, ...]  # of the expert who was asked for


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipHit:
    """A clip that was found."""

    id: str
    project_id: str
    project_name_zh: str
    project_name_en: str
    session_id: str
    phase: Phase
    state: SessionState
    source_id: str
    content_kind: ContentKind
    label_zh: str
    label_en: str
    site_id: str
    room_id: str
    seat_id: str | None
    part: int
    start_us: int
    end_us: int
    longest_gap_us: int  # that was not filled afterwards
    spans: tuple[Span, ...]  # when the expert who was asked for sat there, within the clip


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """How many there are."""

    value: int  # EXACT at most
    more: bool = False  # there are more than that

    @classmethod
    def of(cls, number: int) -> Count:
        return cls(value=min(int(number), EXACT), more=int(number) > EXACT)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectsFound:
    """A page of projects, those that began last first; what has not begun comes before them."""

    projects: tuple[ProjectHit, ...]
    total: Count
    next_page: str | None  # where the next page begins; None: there is none


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipsFound:
    """A page of clips, the newest first."""

    clips: tuple[ClipHit, ...]
    total: Count
    next_page: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Facets:
    """How many projects each value of a filter would find, with all other filters as they are.

    Values that would find none are left out. A region or industry counts what is below it.
    """

    total: Count
    regions: dict[str, Count] = field(default_factory=dict)
    industries: dict[str, Count] = field(default_factory=dict)
    months: dict[str, Count] = field(default_factory=dict)  # 2026-03, the newest first
    phases: dict[str, Count] = field(default_factory=dict)
    kinds: dict[str, Count] = field(default_factory=dict)
    sites: dict[str, Count] = field(default_factory=dict)
    states: dict[str, Count] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class DayFound:
    """A day that has footage."""

    day: date
    projects: Count
    clips: Count
