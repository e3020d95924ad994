"""Projects, their sessions, and what happened in them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Index

from catalog.tables.base import Table, column, micros


class BookingRow(Table, table=True):
    __tablename__ = "booking"
    __table_args__ = {"comment": "When a room is to be recorded; sessions that overrun are recorded on"}
    id: str = column("Unique over all sites", primary_key=True)
    room_id: str = column("Room", foreign_key="room.id", index=True)
    wall_start_us: int = micros("Start")
    wall_end_us: int = micros("End", index=True)
    title: str = column("What it is for, for people")
    principal: str = column("Who booked")
    status: str = column("BookingStatus", default="confirmed", default_sql="confirmed")
    project_id: str | None = column(
        "Project it is for, where that is known", foreign_key="project.id", index=True, default=None
    )


class ProjectRow(Table, table=True):
    __tablename__ = "project"
    __table_args__ = {"comment": "Tender projects"}
    id: str = column("Id given by the trading system", primary_key=True)
    project_code: str = column("Project code, opaque", unique=True)
    name_zh: str = column("Chinese name")
    name_en: str = column("English name")
    region_code: str = column("Division of the project", foreign_key="region.code", index=True)
    trade_place: str = column("Division where it is traded", foreign_key="region.code", index=True)
    industry_code: str = column("Industry", foreign_key="industry.code", index=True)
    kind: str = column("ProjectKind", default="tender", default_sql="tender")
    tender_project_code: str = column("Code of the tender project, opaque", default="", default_sql="")
    method: str = column("How it is tendered, as the trading system says", default="", default_sql="")
    evaluation_mode: str = column("local, remote, scattered or none", default="", default_sql="")
    committee_size: int = column("Members of the committee", default=0, default_sql="0")
    agency: str = column("Tendering agency, as the trading system says", default="", default_sql="")
    supervising_account: str = column("Account assigned to supervise it", default="", default_sql="")
    outcome: str = column("How it came out; empty while it is open", default="", default_sql="")
    result_published_us: int | None = micros("When its result was made public", default=None)
    retention_class: str = column("Code of its retention class", default="", default_sql="")
    reported_by: str = column(
        "Principal of the trading system that it belongs to; empty: of none yet", default="", default_sql=""
    )


class HallProjectRow(Table, table=True):
    __tablename__ = "hall_project"
    __table_args__ = {"comment": "Projects that the record of a shared hall's day shows"}
    hall_id: str = column(
        "Record of the hall, a project of kind hall", primary_key=True, foreign_key="project.id"
    )
    project_id: str = column("Project seen in it", primary_key=True, foreign_key="project.id", index=True)


class SectionRow(Table, table=True):
    __tablename__ = "section"
    __table_args__ = {"comment": "Sections (lots) of projects"}
    project_id: str = column("Project", primary_key=True, foreign_key="project.id")
    number: int = column("From 1", primary_key=True)
    section_code: str = column("Code of the section, opaque", unique=True)
    name_zh: str = column("Chinese name")
    unified_deal_code: str = column("Unified deal code, opaque", index=True)


class VenueRow(Table, table=True):
    __tablename__ = "venue"
    __table_args__ = {"comment": "Sites that a project is held at"}
    project_id: str = column("Project", primary_key=True, foreign_key="project.id")
    site_id: str = column("Site", primary_key=True, foreign_key="site.id", index=True)
    role: str = column("VenueRole")


class SessionRow(Table, table=True):
    __tablename__ = "session"
    __table_args__ = {"comment": "One phase of one project in one room"}
    id: str = column("Id given by the trading system", primary_key=True)
    project_id: str = column("Project", foreign_key="project.id", index=True)
    phase: str = column("Phase")
    room_id: str = column("Room", foreign_key="room.id")
    state: str = column("SessionState", index=True)
    start_us: int | None = micros("Time of its start event", default=None, index=True)
    end_us: int | None = micros("Time of its end event", default=None, index=True)
    venue_role: str = column("VenueRole of its site", default="main", default_sql="main")
    cut_number: int = column("How often its clips were made or changed", default=0, default_sql="0")
    change_number: int = column(
        "How often what it is cut by was changed: events, seats, rooms, sources", default=0, default_sql="0"
    )
    plan: dict[str, Any] = column(
        "Its plan as it was last reported: the same again changes nothing",
        default_factory=dict,
        default_sql="{}",
        sa_type=JSON,
    )


class SessionSectionRow(Table, table=True):
    __tablename__ = "session_section"
    __table_args__ = {"comment": "Sections that a session deals with; none: all of its project"}
    session_id: str = column("Session", primary_key=True, foreign_key="session.id")
    number: int = column("Section of the session's project", primary_key=True)


class SessionRoomRow(Table, table=True):
    __tablename__ = "session_room"
    __table_args__ = {"comment": "Rooms that are recorded with a session beside its own: a corridor"}
    session_id: str = column("Session", primary_key=True, foreign_key="session.id")
    room_id: str = column("Room", primary_key=True, foreign_key="room.id", index=True)


class SessionSourceRow(Table, table=True):
    __tablename__ = "session_source"
    __table_args__ = {
        "comment": "Sources of a session whose footage was handed over; none: those of its rooms"
    }
    session_id: str = column("Session", primary_key=True, foreign_key="session.id")
    source_id: str = column("Source", primary_key=True, foreign_key="source.id")


class SeatingRow(Table, table=True):
    __tablename__ = "seating"
    __table_args__ = {"comment": "Who sits where in a session, by ordinal and opaque key, never by name"}
    id: str = column("Unique over all sites", primary_key=True)
    session_id: str = column("Session", foreign_key="session.id", index=True)
    seat_id: str = column("Seat", foreign_key="seat.id", index=True)
    member: str = column("O1, E2, ...: owner's representative or expert by ordinal")
    expert_key: str = column(
        "Opaque key of the expert, made by the trading system with its own secret",
        default="",
        default_sql="",
        index=True,
    )
    from_us: int | None = micros("Since when; empty: the session's start", default=None)
    to_us: int | None = micros("Until when; empty: the session's end", default=None)
    principal: str = column("Who said so", default="", default_sql="")
    reason: str = column("Why it was put right; empty for what was planned", default="", default_sql="")
    recorded_us: int = micros("When we learnt of it", default=0, default_sql="0")
    replaced_us: int | None = micros("When it was put right; empty while it holds", default=None)


class TimelineEventRow(Table, table=True):
    __tablename__ = "timeline_event"
    __table_args__ = {"comment": "What happened in a session; never changed, only added to"}
    id: str = column("Unique over all sites", primary_key=True)
    session_id: str = column("Session", foreign_key="session.id", index=True)
    at_us: int = micros("When it happened, by the clock of whoever reports it")
    type: str = column(
        "A kind that kernel/data/event_kinds.yaml knows, or another mark of the trading system"
    )
    reason: str = column("Why, in words; may be empty")
    principal: str = column("Who reported it")
    recorded_us: int = micros("When we learnt of it")
    details: dict[str, Any] = column(
        "What else the reporter said, as it came", default_factory=dict, default_sql="{}", sa_type=JSON
    )
    replaces: str | None = column(
        "Event that this one puts right; both stay",
        foreign_key="timeline_event.id",
        unique=True,
        default=None,
    )
    withdrawn: bool = column(
        "Only takes back what it replaces: nothing of the kind happened", default=False, default_sql="false"
    )


class TagRow(Table, table=True):
    __tablename__ = "tag"
    __table_args__ = (
        Index(None, "project_id", "at_us"),
        {"comment": "Moments that somebody marked; never changed, only added to"},
    )
    id: str = column("Unique over all sites", primary_key=True)
    project_id: str = column("Project", foreign_key="project.id")
    session_id: str | None = column("Session", foreign_key="session.id", index=True, default=None)
    source_id: str | None = column("Source that showed it", foreign_key="source.id", default=None)
    at_us: int = micros("The moment, by the time of the frame on the screen")
    kind: str = column("note, irregular, fault, quality, or the kind of an event")
    severity: str = column("minor or major; empty for a note", default="")
    text: str = column("In words, without names of people")
    principal: str = column("Who marked it")
    recorded_us: int = micros("When it was marked")
    seat_id: str | None = column("Seat that it is about", foreign_key="seat.id", default=None)
    section_number: int | None = column("Section of the project that was dealt with", default=None)
    replaces: str | None = column(
        "Tag that this one puts right; both stay", foreign_key="tag.id", unique=True, default=None
    )
    withdrawn: bool = column("Only takes back what it replaces", default=False, default_sql="false")
    reason: str = column("Why it was put right or taken back", default="", default_sql="")


class WitnessEntryRow(Table, table=True):
    __tablename__ = "witness_entry"
    __table_args__ = {"comment": "Witness records of sessions, entry by entry; only added to"}
    session_id: str = column("Session", primary_key=True, foreign_key="session.id")
    number: int = column("From 1, in the order of entry", primary_key=True)
    act: str = column("WitnessAct")
    item: str = column("Point of the list that it is about; empty: the record as a whole")
    text: str = column("Remark, or why something was taken back or opened again")
    principal: str = column("Who")
    recorded_us: int = micros("When")


class TradingSystemRow(Table, table=True):
    __tablename__ = "trading_system"
    __table_args__ = {"comment": "Electronic trading systems that may report projects and events"}
    id: str = column("Short name; its reports bear it as their principal", primary_key=True)
    name_zh: str = column("Chinese name")
    key_sha256: str = column("SHA-256 of its key, lower-case hex; the key itself is nowhere", unique=True)
    made_us: int = micros("When the key was made")
    principal: str = column("Who made it")
    revoked_us: int | None = micros("When the key was revoked; empty while it holds", default=None)
