"""What the API of searching takes and says. Times are wall time, UTC microseconds; days are Beijing days."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from catalog.search.filters import Hit, RegionOf
from kernel.model.source import ContentKind
from kernel.model.timeline import Phase, ProjectKind, SessionState
from player_api.entries import Name

Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
"""What somebody enters: words, parted by blanks, all of which are to be there."""
Code = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Many = Annotated[list[Code], Field(max_length=100)]


class SearchQuery(BaseModel):
    """What a search is narrowed by; all of it holds at once, of a list one is enough."""

    model_config = ConfigDict(extra="forbid")

    text: Words = ""
    """Anywhere: names, agency, codes, sections, tags."""
    name: Words = ""
    """Part of the project's name."""
    code: Words = ""
    """Part of any code: of project, tender project, section, or a unified deal code."""
    section: Words = ""
    """Part of a section's name or codes."""
    section_number: Annotated[int, Field(ge=1, le=100_000)] | None = None
    agency: Words = ""
    tag: Words = ""
    """Words of a tag; with ``tag_kind`` of the same one."""
    tag_kind: Many = []
    region: Many = []
    """Codes, of the project or its trade place, with all below them and what they were before."""
    region_of: RegionOf = RegionOf.EITHER
    """Whose region ``region`` asks for: the project's, its trade place's, or either."""
    industry: Many = []
    """Codes, with all below them."""
    date_from: date | None = None
    date_to: date | None = None
    """Both days included; touched by the session, or by the clip."""
    project_id: Many = []
    room: Many = []
    site: Many = []
    phase: Annotated[list[Phase], Field(max_length=100)] = []
    content_kind: Annotated[list[ContentKind], Field(max_length=100)] = []
    state: Annotated[list[SessionState], Field(max_length=100)] = []
    expert_key: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    held: bool | None = None
    gap_seconds: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] | None = None
    """Clips with one gap longer than that, which was not filled afterwards."""


Limit = Annotated[int, Field(ge=1, le=200)]
PageMark = Annotated[str, StringConstraints(min_length=1, max_length=2000)]


class PagedQuery(SearchQuery):
    """A search, and which page of it."""

    page: PageMark | None = None
    """``next_page`` of the page before, as it came; none: the first page."""
    limit: Limit = 50


class CalendarQuery(SearchQuery):
    """A search, and which month of it; its own days are left out."""

    year: Annotated[int, Field(ge=1970, le=9998)]
    month: Annotated[int, Field(ge=1, le=12)]


class CountPublic(BaseModel):
    """How many; where ``more`` is true there are more than that, to be shown as "10,000+"."""

    value: int
    more: bool


class MatchedPublic(BaseModel):
    """Which filter a project met, and by what: ``hit`` says what of the project it was."""

    filter: str
    """Name of the query's field: region, text, name, code, section, agency or tag."""
    asked: str
    """What was asked for: a code, a word."""
    hit: Hit
    value: str
    """The project's own: its region's code, the line in which the word is."""
    today: str
    """Of a former code: what it has become; else empty."""


class SpanPublic(BaseModel):
    """When the expert who was asked for sat on a seat."""

    session_id: str
    seat_id: str
    member: str
    start_us: int
    end_us: int | None


class ProjectHitPublic(BaseModel):
    """A project that was found."""

    id: str
    project_code: str
    name_zh: str
    name_en: str
    region_code: str
    trade_place: str
    industry_code: str
    kind: ProjectKind
    agency: str
    outcome: str
    first_us: int | None
    """Start of its first session; null before."""
    session_count: int
    """Sessions that match."""
    clip_count: int
    """Clips that match: those that ``/api/search/clips`` gives for the same query and this project."""
    site_ids: list[str]
    matched: list[MatchedPublic]
    spans: list[SpanPublic]
    """Only of a search for an expert."""


class ProjectHits(BaseModel):
    """A page of projects: what has not begun, then the newest first."""

    total: CountPublic
    projects: list[ProjectHitPublic]
    next_page: str | None
    """Ask for the next page with it; null: there is none."""


class ClipHitPublic(BaseModel):
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
    longest_gap_us: int
    spans: list[SpanPublic]
    """Of a search for an expert: when he is to be seen. The clip may go on with somebody else on the seat."""


class ClipHits(BaseModel):
    """A page of clips, those that began last first."""

    total: CountPublic
    clips: list[ClipHitPublic]
    next_page: str | None


class FacetPublic(BaseModel):
    """A value of a filter, and how many projects it would find with all other filters as they are."""

    value: str
    count: CountPublic


class FacetsPublic(BaseModel):
    """Values of each filter that would find something. A region or industry counts what is below it."""

    total: CountPublic
    """Projects that the search finds."""
    region: list[FacetPublic]
    industry: list[FacetPublic]
    month: list[FacetPublic]
    """Such as 2026-03, the newest first."""
    phase: list[FacetPublic]
    content_kind: list[FacetPublic]
    site: list[FacetPublic]
    state: list[FacetPublic]


class DayPublic(BaseModel):
    """A day that has footage."""

    day: date
    projects: CountPublic
    clips: CountPublic


class SavedSearchRequest(BaseModel):
    """A search to be kept under a name."""

    principal: Name | None = None
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    query: SearchQuery


class SavedSearchPublic(BaseModel):
    """A search that somebody keeps."""

    id: str
    name: str
    query: dict[str, Any]
    """Fields of the query that narrow something, as they were saved."""
    made_us: int
