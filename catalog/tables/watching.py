"""Who watched what (invariant 14)."""

from __future__ import annotations

from sqlalchemy import Index

from catalog.tables.base import Table, column, micros


class WatchRow(Table, table=True):
    __tablename__ = "watch"
    __table_args__ = (
        Index("ix_watch_closed_us_beat_us", "closed_us", "beat_us"),
        {"comment": "Somebody had footage open, or has; never deleted, and the audit chain tells of each"},
    )
    id: str = column("Unique", primary_key=True)
    token_sha256: str = column("SHA-256 of its token; the token itself is nowhere", unique=True)
    account_id: str = column("Who; without accounts the local user", index=True)
    role: str = column("Role at that time; empty without accounts")
    login_id: str = column("Login that opened it, and that alone may use it")
    origin: str = column("Address")
    kind: str = column("WatchKind")
    opened_us: int = micros("When", index=True)
    beat_us: int = micros("When its page told of it last")
    wall_start_us: int | None = micros("Only footage from here on; empty: all", default=None)
    wall_end_us: int | None = micros("Only footage up to here", default=None)
    closed_us: int | None = micros("When it ended; empty while it lasts", default=None)
    end_reason: str | None = column("WatchEnd", default=None)


class WatchThingRow(Table, table=True):
    __tablename__ = "watch_thing"
    __table_args__ = {"comment": "What a watch is of"}
    watch_id: str = column("Watch", primary_key=True, foreign_key="watch.id")
    position: int = column("Its place", primary_key=True)
    source_id: str = column("Source", foreign_key="source.id", index=True)
    clip_id: str = column("Clip, which a later cut may retire; empty: the source live, or of the ring")
    project_id: str = column("Project; empty: of none", index=True)
    session_id: str = column("Session; empty: of none")


class WatchIntervalRow(Table, table=True):
    __tablename__ = "watch_interval"
    __table_args__ = {
        "comment": "What of a source was on the screen, and when; the end's record has its hash"
    }
    watch_id: str = column("Watch", primary_key=True, foreign_key="watch.id")
    number: int = column("From 1", primary_key=True)
    source_id: str = column("Source", foreign_key="source.id", index=True)
    seen_from_us: int = micros("From when it was on the screen")
    seen_to_us: int = micros("Until when")
    footage_from_us: int = micros("Wall time of the footage at that start")
    footage_to_us: int = micros("Wall time of the footage at that end")
