"""告警: something that somebody has to look after, from when to when, and who took notice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class AlertRule(StrEnum):
    """What is the matter; pages have the words. Each names what its ``details`` tell."""

    VENUE_NOT_READY = "venue_not_ready_at_start"
    """A venue's session has not begun, and that of another venue has. ``venue``: its site."""
    STREAM_LOST = "stream_lost"
    """A source that should be recorded is not. ``shortfall``: why, as far as is known."""
    BUDGET_OVER = "budget_forecast_over"
    """A project's archive will not fit its budget, or did not. ``forecast_gb``, ``cap_gb``."""
    NOT_STARTED = "booked_but_not_started"
    """A room is booked for a project and nothing begins there. ``room``."""
    IMPORT_MISMATCH = "import_checksum_mismatch"
    """A file that a venue handed in is not the one that was announced. ``file``."""
    SEAL_DUE = "overnight_seal_due"
    """An evaluation is to be sealed for the night soon. ``minutes``: until then."""
    IRREGULARITY = "irregularity"
    """A witness marked one, and its footage is held. ``tag``, ``at_us``, ``severity``, ``seat``, ``text``."""


UNTIL_SEEN_TO = frozenset({AlertRule.IRREGULARITY})
"""Rules of what has no end by itself: it lasts until somebody takes notice."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """One thing that was the matter. Times are UTC microseconds."""

    id: str
    rule: AlertRule
    subject: str  # what it is about: of a rule and a subject one at most is not over
    since_us: int
    project_id: str | None = None  # None: of no project
    session_id: str | None = None
    source_id: str | None = None
    room_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)  # JSON; what the rule names
    over_us: int | None = None  # None: it lasts
    acknowledged_by: str = ""
    acknowledged_us: int | None = None
    note: str = ""
