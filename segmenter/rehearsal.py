"""A rehearsal: a project whose day is played in real time from a file, for demo and training.

The file gives every event as seconds after the start; playing it turns them into true wall times.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from kernel.clock import SECOND_US, iso_utc
from kernel.errors import TimelineError
from kernel.ids import new_id
from kernel.model.timeline import Phase, Project, SeatOccupation, Session, SessionState, TimelineEvent
from kernel.settings import Closed, explain


class ProjectPart(Closed):
    """The project; every run of the rehearsal makes a new one of a new code."""

    name_zh: str
    name_en: str
    region: str
    trade_place: str
    industry: str


class SeatPart(Closed):
    """Who sits where."""

    seat: str
    member: str


class SessionPart(Closed):
    """A session of the project."""

    key: str = Field(description="Short name within this file")
    phase: Phase
    room: str
    seats: tuple[SeatPart, ...] = ()


class EventPart(Closed):
    """An event of a session."""

    after_seconds: float = Field(ge=0)
    session: str
    type: str
    reason: str = ""


class FaultAction(StrEnum):
    """What may happen to a simulated source."""

    LOSE = "lose"
    RESTORE = "restore"


class FaultPart(Closed):
    """A fault of a simulated source."""

    after_seconds: float = Field(ge=0)
    source: str
    action: FaultAction


class RehearsalFile(Closed):
    """The whole file."""

    project: ProjectPart
    sessions: tuple[SessionPart, ...]
    events: tuple[EventPart, ...]
    faults: tuple[FaultPart, ...] = ()


def load_rehearsal(path: Path) -> RehearsalFile:
    """The rehearsal of a file.

    Raises:
        TimelineError: the file cannot be read, or a key or value in it cannot be used; it is named.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        rehearsal = RehearsalFile.model_validate(content)
    except ValidationError as error:
        raise TimelineError(f"{path}: {explain(error)}.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TimelineError(f"{path} cannot be read: {error}.") from None
    known = {part.key for part in rehearsal.sessions}
    for event in rehearsal.events:
        if event.session not in known:
            raise TimelineError(f"{path}: event {event.type} names session {event.session}, which it lacks.")
    return rehearsal


@dataclass(frozen=True, kw_only=True, slots=True)
class Rehearsal:
    """A rehearsal that starts at a wall time."""

    project: Project
    sessions: tuple[Session, ...]
    events: tuple[TimelineEvent, ...]  # by time
    faults: tuple[tuple[int, FaultPart], ...]  # wall time and fault, by time

    def moments(self) -> Iterator[tuple[int, TimelineEvent | FaultPart]]:
        """Everything that happens, by wall time."""
        events: list[tuple[int, TimelineEvent | FaultPart]] = [(event.at_us, event) for event in self.events]
        return iter(sorted([*events, *self.faults], key=lambda moment: moment[0]))


def schedule(rehearsal: RehearsalFile, start_us: int, principal: str) -> Rehearsal:
    """The rehearsal as it happens when it starts at ``start_us``; its ids come from that time."""
    stamp = iso_utc(start_us)
    day, second = stamp[:10].replace("-", ""), stamp[11:19].replace(":", "")
    part = rehearsal.project
    project = Project(
        id=f"R{day}-{second}",
        project_code=f"{part.region}-{part.industry}-{day}-{second}",
        name_zh=part.name_zh,
        name_en=part.name_en,
        region_code=part.region,
        trade_place=part.trade_place,
        industry_code=part.industry,
    )
    sessions = tuple(_session(session, project.id) for session in rehearsal.sessions)
    events = (_event(event, project.id, start_us, principal) for event in rehearsal.events)
    faults = ((_moment(start_us, fault.after_seconds), fault) for fault in rehearsal.faults)
    return Rehearsal(
        project=project,
        sessions=sessions,
        events=tuple(sorted(events, key=lambda event: event.at_us)),
        faults=tuple(sorted(faults, key=lambda moment: moment[0])),
    )


def _session(part: SessionPart, project_id: str) -> Session:
    return Session(
        id=f"{project_id}-{part.key}",
        project_id=project_id,
        phase=part.phase,
        room_id=part.room,
        state=SessionState.PLANNED,
        start_us=None,
        end_us=None,
        seats=tuple(SeatOccupation(seat_id=seat.seat, member=seat.member) for seat in part.seats),
    )


def _event(part: EventPart, project_id: str, start_us: int, principal: str) -> TimelineEvent:
    at_us = _moment(start_us, part.after_seconds)
    return TimelineEvent(
        id=new_id("event"),
        session_id=f"{project_id}-{part.session}",
        at_us=at_us,
        type=part.type,
        reason=part.reason,
        principal=principal,
        recorded_us=at_us,
    )


def _moment(start_us: int, after_seconds: float) -> int:
    return start_us + round(after_seconds * SECOND_US)
