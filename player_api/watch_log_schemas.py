"""What is told of who watched what. Times are wall time, UTC microseconds."""

from __future__ import annotations

from pydantic import BaseModel

from kernel.model.presence import PresenceMode
from kernel.model.source import ContentKind
from kernel.model.timeline import Phase
from kernel.model.watching import WatchEnd, WatchKind


class WatchedProject(BaseModel):
    """A project that was open."""

    id: str
    name_zh: str
    name_en: str


class WatchedSource(BaseModel):
    """A source that was open, and where it stands."""

    id: str
    label_zh: str
    label_en: str
    room_name_zh: str
    room_name_en: str
    content_kind: ContentKind
    seat_ordinal: int | None
    project_id: str | None
    session_id: str | None


class SeenPublic(BaseModel):
    """What of a source was on the screen, and when."""

    source_id: str
    seen_from_us: int
    seen_to_us: int
    footage_from_us: int
    footage_to_us: int


class LoggedWatchPublic(BaseModel):
    """A watch, and what it showed."""

    id: str
    account_id: str
    account_label_zh: str
    account_label_en: str
    role: str
    """Role at that time; empty: without accounts."""
    origin: str
    kind: WatchKind
    opened_us: int
    closed_us: int | None
    end: WatchEnd | None
    seen_us: int
    """How long somebody looked; several pictures at once count once."""
    projects: list[WatchedProject]
    sources: list[WatchedSource]
    shown: list[SeenPublic]


class WatchLogPage(BaseModel):
    """Watches, the newest first."""

    watches: list[LoggedWatchPublic]
    before: str | None
    """What to ask for next; null: there are no more."""


class RefusedWatchPublic(BaseModel):
    """Somebody was refused footage, from the audit chain."""

    number: int
    at_us: int
    account_id: str
    account_label_zh: str
    account_label_en: str
    origin: str
    subject: str
    """Session or project, and source."""
    need: str
    """What would have been needed."""
    unrecorded_before: int
    """Refusals of the same person before that none of the records tells of."""


class RefusedWatches(BaseModel):
    """Refusals, the newest first."""

    refused: list[RefusedWatchPublic]
    before: int | None


class UnwatchedPublic(BaseModel):
    """A project that no supervisor saw a picture of."""

    project: WatchedProject
    first_session_us: int
    supervising_account: str
    supervising_label_zh: str
    supervising_label_en: str
    others: int
    """How many other people looked."""


class PresentPublic(BaseModel):
    """Somebody was there."""

    mode: PresenceMode
    since_us: int
    end_us: int | None


class SupervisionPublic(BaseModel):
    """What a supervisor did in a project."""

    account_id: str
    account_label_zh: str
    account_label_en: str
    department: str
    project: WatchedProject
    first_session_us: int
    assigned: bool
    absent: bool
    """Assigned, and neither there nor watching live while it was held; replay afterwards changes nothing."""
    present: list[PresentPublic]
    """While a session went on, or partly."""
    present_us: int
    """While a session went on."""
    live_us: int
    """Several pictures at once count once."""
    replay_us: int
    live_in_all_us: int
    """Of this account, over all projects told; several projects at once count once."""
    replay_in_all_us: int
    seats: list[int]
    """Ordinals of the seats that he looked at."""
    directives: int
    answered: int
    overdue: int
    mean_answer_us: int | None
    """From issue to answer; null where none was answered."""


class WatchedSession(BaseModel):
    """A session on the time axis."""

    id: str
    phase: Phase
    room_name_zh: str
    room_name_en: str
    start_us: int
    end_us: int | None


class ProjectWatchLog(BaseModel):
    """A project's sessions, and who looked at which time of them."""

    project: WatchedProject
    now_us: int
    sessions: list[WatchedSession]
    watches: list[LoggedWatchPublic]
    """All of them, or the newest thousand."""
