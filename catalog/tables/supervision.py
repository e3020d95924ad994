"""What supervisors order, who is there, and what is the matter."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, UniqueConstraint

from catalog.tables.base import Table, column, micros


class DirectiveRow(Table, table=True):
    __tablename__ = "directive"
    __table_args__ = (
        UniqueConstraint("project_id", "number"),
        {"comment": "What supervisors order in projects, and the answers; rows are never deleted"},
    )
    id: str = column("Made by whoever sends it", primary_key=True)
    project_id: str = column("Project", foreign_key="project.id")
    number: int = column("Within the project, from 1")
    kind: str = column("DirectiveKind")
    section_number: int | None = column("Section; empty: the project as a whole", default=None)
    session_id: str | None = column(
        "Session; empty: none in particular", foreign_key="session.id", index=True, default=None
    )
    to_room: bool = column("Whether it stands on the room's screen, too")
    text: str = column("What is ordered, in words")
    tag_id: str = column("Mark that gave rise to it; empty: none")
    issued_by: str = column("Supervisor", index=True)
    issued_us: int = micros("When the server took it", index=True)
    due_us: int = micros("Until when it is to be answered")
    event_id: str = column("Event that it put on the timeline; empty: none")
    answered_by: str = column("Witness", default="")
    answered_us: int | None = micros("When; empty: not answered", default=None)
    answer: str = column("In words", default="")
    closed_by: str = column("Who closed it: the supervisor who issued it", default="")
    closed_us: int | None = micros("When; empty: it is open", default=None, index=True)
    close_note: str = column("Why it was closed without an answer, or what is to be said", default="")


class PresenceRow(Table, table=True):
    __tablename__ = "presence"
    __table_args__ = {"comment": "When witnesses and supervisors were there; rows are never deleted"}
    id: str = column("Unique", primary_key=True)
    project_id: str = column("Project", foreign_key="project.id", index=True)
    session_id: str | None = column(
        "Session; empty: none in particular", foreign_key="session.id", default=None
    )
    account_id: str = column("Who was there", index=True)
    role: str = column("Role")
    mode: str = column("PresenceMode")
    room_id: str | None = column("Room, of one who is on site", foreign_key="room.id", default=None)
    marked_by: str = column("Who said so")
    since_us: int = micros("Since when")
    seen_us: int = micros("When that was last said")
    left_us: int | None = micros("When it was said that he left; empty: nobody said so", default=None)


class AlertRow(Table, table=True):
    __tablename__ = "alert"
    __table_args__ = {"comment": "What was the matter, from when to when, and who took notice"}
    id: str = column("Unique", primary_key=True)
    rule: str = column("AlertRule")
    subject: str = column("What it is about: of a rule and a subject one at most is not over")
    project_id: str | None = column(
        "Project; empty: of none", foreign_key="project.id", index=True, default=None
    )
    session_id: str | None = column("Session", foreign_key="session.id", default=None)
    source_id: str | None = column("Source", foreign_key="source.id", default=None)
    room_id: str | None = column("Room", foreign_key="room.id", default=None)
    since_us: int = micros("Since when", index=True)
    details: dict[str, Any] = column("What the rule names", sa_type=JSON)
    over_us: int | None = micros("Until when; empty: it lasts", default=None, index=True)
    acknowledged_by: str = column("Who took notice", default="")
    acknowledged_us: int | None = micros("When", default=None)
    note: str = column("What was said then", default="")
