"""见证记录: what the witness ticked of a session, entry by entry."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class WitnessAct(StrEnum):
    """What an entry of a witness record does."""

    TICK = "tick"
    UNTICK = "untick"
    """Takes a tick back; both stay."""
    CLOSE = "close"
    REOPEN = "reopen"
    """A closed record is put right only after it was opened again, with a reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WitnessEntry:
    """One entry. Records are edited only by adding."""

    session_id: str
    number: int  # from 1, in the order of entry
    act: WitnessAct
    item: str  # point of the list; empty: the record as a whole
    text: str  # remark, or why something was taken back or opened again
    principal: str
    recorded_us: int
