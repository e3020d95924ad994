"""Clips, and what they are made of."""

from __future__ import annotations

from catalog.tables.base import Table, column, micros


class ClipRow(Table, table=True):
    __tablename__ = "clip"
    __table_args__ = {"comment": "What one source saw of one session part"}
    id: str = column("Unique over all sites", primary_key=True)
    session_id: str = column("Session", foreign_key="session.id", index=True)
    source_id: str = column("Source", foreign_key="source.id", index=True)
    part: int = column("Session part, from 1")
    wall_start_us: int = micros("Start of its expected time")
    wall_end_us: int = micros("End of its expected time")
    revision: int = column("From 1; a changed timeline makes a new one", default=1, default_sql="1")
    retired_us: int | None = micros("When a later cut left it behind; empty while it holds", default=None)


class ClipSliceRow(Table, table=True):
    __tablename__ = "clip_slice"
    __table_args__ = {"comment": "Used parts of segments; slices and gaps fill a clip exactly"}
    clip_id: str = column("Clip", primary_key=True, foreign_key="clip.id")
    wall_start_us: int = micros("Start of the used part", primary_key=True)
    wall_end_us: int = micros("End of the used part")
    segment_id: str = column("Segment", foreign_key="segment.id", index=True)


class ClipGapRow(Table, table=True):
    __tablename__ = "clip_gap"
    __table_args__ = {"comment": "Parts of a clip that nobody recorded"}
    clip_id: str = column("Clip", primary_key=True, foreign_key="clip.id")
    wall_start_us: int = micros("Start", primary_key=True)
    wall_end_us: int = micros("End")
    cause: str = column("GapCause")
    detail: str = column("What happened, for people")
    backfilled: bool = column("Whether it was fetched afterwards: slices cover it", default=False)
