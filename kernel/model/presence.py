"""到岗: who was there in a project, on site or from afar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from kernel.clock import SECOND_US
from kernel.model.account import Role
from kernel.timerange import TimeRange

BEAT_US = 60 * SECOND_US
"""How often the page of somebody who is there from afar says so."""
LAPSE_US = 3 * BEAT_US
"""Whoever was not heard for so long has left when he was heard last."""


class PresenceMode(StrEnum):
    """How somebody is there."""

    REMOTE = "remote"
    """His page shows the project live, or he says so while a session runs."""
    ON_SITE = "on_site"
    """In the supervision room, or at the venue."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Presence:
    """Somebody was there from then to then. Times are the server's, UTC microseconds."""

    id: str
    project_id: str
    account_id: str
    role: Role  # witness or supervisor
    mode: PresenceMode
    since_us: int
    seen_us: int  # when that was last said
    marked_by: str  # who said so: himself, or a witness who saw him
    session_id: str | None = None  # None: no session in particular
    room_id: str | None = None  # on site
    left_us: int | None = None

    def end_us(self, now_us: int) -> int | None:
        """When he left; None while he is there. A page that fell silent ended with its last word."""
        if self.left_us is not None:
            return self.left_us
        silent = self.mode is PresenceMode.REMOTE and now_us - self.seen_us > LAPSE_US
        return self.seen_us if silent else None

    def during(self, sessions: Sequence[TimeRange], now_us: int) -> list[TimeRange]:
        """When he was there while a session went on: before and after it he supervised nothing."""
        end_us = self.end_us(now_us)
        until_us = max(self.since_us + 1, now_us if end_us is None else end_us)  # a moment counts, too
        there = TimeRange(start_us=self.since_us, end_us=until_us)
        return [part for one in sessions if (part := there.intersect(one)) is not None]
