"""The sample's files, and what of them was known at a moment.

A project's file is what its trading system reports of it, and when some of that became known: a booking is
moved when it is moved, a replaced expert is replaced when that happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, JsonValue

from kernel.clock import from_datetime
from kernel.model.account import Role
from kernel.model.footage import BookingStatus
from kernel.model.report import BookingReport, EventReport, ProjectReport, SessionReport
from kernel.model.timeline import SeatOccupation
from kernel.settings import CamerasFile, load_cameras

DATA = Path(__file__).parent / "data"
LATER = (
    "certificates",
    "equipment",
    "profiles",
    "retention",
)
"""Files of which no table takes anything yet; the parts that make such tables load them."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SampleBooking(BookingReport):
    """A booking, and when it was made and moved or released."""

    known_at: AwareDatetime | None = None  # empty: with the project
    changed_at: AwareDatetime | None = None  # since when it has its status; it was confirmed before


class SampleSession(SessionReport):
    """A session, and when it was planned."""

    known_at: AwareDatetime | None = None  # empty: with the project

    def seated(self, at_us: int) -> list[SeatOccupation]:
        """Who sat where, as far as was known at a moment: that somebody will leave, nobody knows before."""
        return [
            (seat if _by(seat.until, at_us) else seat.model_copy(update={"until": None})).occupation()
            for seat in self.seats
            if _by(seat.since, at_us)
        ]

    def planned(self) -> SampleSession:
        """With those who were to sit there from the beginning."""
        seats = (seat.model_copy(update={"until": None}) for seat in self.seats if seat.since is None)
        return self.model_copy(update={"seats": tuple(seats)})


class Expected(_Part):
    """What the rules as shipped make of a project, supervision and records of halls not counted."""

    clips: int
    evaluation_clips: int
    stream_hours: float  # rounded to a tenth
    raw_gb: float  # what its sources send in that time, 10^9 bytes
    kbps_at_5gb: float  # mean rate of all streams at which it weighs 5 * 10^9 bytes


class SampleProject(ProjectReport):
    """A project of the sample with everything that happens in it."""

    why: str  # what it is in the sample for
    expected: Expected
    deviations: tuple[dict[str, JsonValue], ...] = ()  # what goes wrong with its recordings
    events: tuple[EventReport, ...]
    bookings: tuple[SampleBooking, ...] = ()
    sessions: tuple[SampleSession, ...]

    def known(self, until_us: int) -> SampleProject:
        """What was known of it at a moment; its sessions as they were planned."""
        public = _by(self.result_published_at, until_us)
        return self.model_copy(
            update={
                "outcome": self.outcome if public else "",
                "result_published_at": self.result_published_at if public else None,
                "bookings": tuple(_booking(b, until_us) for b in self.bookings if _by(b.known_at, until_us)),
                "sessions": tuple(one.planned() for one in self.sessions if _by(one.known_at, until_us)),
                "events": tuple(event for event in self.events if _by(event.at, until_us)),
            }
        )


class SampleTag(_Part):
    """A moment that somebody marked."""

    id: str
    project: str
    session: str
    at: AwareDatetime
    kind: str
    text: str
    by: str
    severity: str = ""
    source: str | None = None


class EvidenceLock(_Part):
    """Evidence that was locked."""

    id: str
    project: str
    sources: str  # pattern of ids
    since: AwareDatetime
    by: str
    reason: str
    released: AwareDatetime | None = None
    release_reason: str = ""
    tag: str = ""  # mark that gave rise to it


class Retrieval(_Part):
    """A request for recordings, and what became of it."""

    id: str
    project: str
    by: str
    role: Role
    reason: str
    basis_no: str
    sessions: tuple[str, ...] = ()  # empty: all
    sources: tuple[str, ...] = ()
    start: AwareDatetime | None = None
    end: AwareDatetime | None = None
    asked_at: AwareDatetime
    approver: str
    approved_at: AwareDatetime | None = None
    refused_at: AwareDatetime | None = None
    refusal: str = ""
    used_at: AwareDatetime | None = None  # when it was given out


class Appraisal(_Part):
    """An old project whose term is over, and what was decided on its file."""

    appraisal: str
    by: str
    at: AwareDatetime
    reason: str
    ended: date  # Beijing day that terms are counted from, of the procurement as of the project
    project: ProjectReport
    events: tuple[EventReport, ...]
    new_class: str = ""  # under which it is kept longer; empty: its destruction is proposed


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """The whole of it."""

    places: CamerasFile
    projects: tuple[SampleProject, ...]  # by id
    tags: tuple[SampleTag, ...]
    locks: tuple[EvidenceLock, ...]
    retrievals: tuple[Retrieval, ...]
    appraisals: tuple[Appraisal, ...]


@cache
def read_sample() -> Sample:
    """The sample as it is shipped."""
    return Sample(
        places=load_cameras(DATA / "sites.yaml"),
        projects=tuple(
            SampleProject.model_validate(_yaml(path)) for path in sorted((DATA / "projects").glob("*.yaml"))
        ),
        tags=tuple(SampleTag.model_validate(row) for row in _yaml(DATA / "tags.yaml")),
        locks=tuple(EvidenceLock.model_validate(row) for row in _yaml(DATA / "locks.yaml")),
        retrievals=tuple(_retrievals()),
        appraisals=tuple(_appraisals()),
    )


def _retrievals() -> Iterator[Retrieval]:
    """``retrievals.yaml``, with what ``requests.yaml`` adds to it."""
    added = {row["id"]: row for row in _yaml(DATA / "requests.yaml")}
    for row in _yaml(DATA / "retrievals.yaml"):
        told = {name: row[name] for name in ("project", "by", "approved_at")}
        told |= {name: row[name] or "" for name in ("basis_no", "approver")}
        yield Retrieval.model_validate({**told, "reason": row["reason_zh"], **added[row["id"]]})


def _appraisals() -> Iterator[Appraisal]:
    """``legacy.yaml``, with what ``disposal.yaml`` says was decided."""
    told = {row["id"]: row for row in _yaml(DATA / "disposal.yaml")}
    for row in _yaml(DATA / "legacy.yaml"):
        yield Appraisal(new_class=told[row["appraisal"]].get("new_class", ""), **row)


def _yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _by(moment: datetime | None, until_us: int) -> bool:
    return moment is None or from_datetime(moment) <= until_us


def _booking(booking: SampleBooking, until_us: int) -> SampleBooking:
    if _by(booking.changed_at, until_us):
        return booking
    return booking.model_copy(update={"status": BookingStatus.CONFIRMED})
