"""What was recorded, and what keeps it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Index, text

from catalog.tables.base import Table, byte_count, column, micros

LONG_SEGMENT_US = 3_600_000_000  # an hour; a source that sends no key frames makes longer ones
IS_LONG = text(f"wall_end_us - wall_start_us > {LONG_SEGMENT_US}")


class SourceHealthRow(Table, table=True):
    __tablename__ = "source_health"
    __table_args__ = {"comment": "What the recorder last knew of a source"}
    source_id: str = column("Source", primary_key=True, foreign_key="source.id")
    state: str = column("SourceState")
    detail: str = column("For people; empty while all is well")
    since_us: int = micros("When this state began")
    updated_us: int = micros("When the recorder last said so")
    last_frame_us: int | None = micros("Wall time of the newest frame received", default=None)
    codec: str = column("Codec of its video; empty before the first run", default="", default_sql="")
    width: int = column("Pixels", default=0, default_sql="0")
    height: int = column("Pixels", default=0, default_sql="0")
    bit_rate_kbps: float | None = column("All tracks, over the last seconds", default=None)
    frame_rate: float | None = column("Pictures a second, over the last seconds", default=None)
    lost_packets: int = byte_count(
        "RTP packets missing or damaged since this recorder took it up", default=0, default_sql="0"
    )
    clock_offset_us: int | None = micros("Source clock minus recorder clock", default=None)
    fault: str | None = column("Fault: what the detail says, as a word", default=None)


class RunRow(Table, table=True):
    __tablename__ = "run"
    __table_args__ = {"comment": "Unbroken connections to a source"}
    id: str = column("Unique over all sites", primary_key=True)
    source_id: str = column("Source", foreign_key="source.id", index=True)
    started_us: int = micros("Wall time of its first frame")
    ended_us: int | None = micros("Wall time of its end; empty while it lasts", default=None)
    end_reason: str | None = column("EndReason; empty while it lasts", default=None)
    origin: str = column("RunOrigin", default="live", default_sql="live")


class SegmentRow(Table, table=True):
    __tablename__ = "segment"
    __table_args__ = (
        # A ring holds millions: the end of a chain and a stretch of time are found without a scan.
        Index(None, "source_id", "chain_number", unique=True),  # a chain cannot fork
        Index(None, "source_id", "wall_start_us"),
        Index(None, "state", "size_bytes"),
        Index(None, "state", "wall_start_us"),  # the oldest that is kept, past years of tombstones
        # The few that last long: all others that touch a time begin less than LONG_SEGMENT_US before it.
        Index("ix_segment_long", "source_id", sqlite_where=IS_LONG, postgresql_where=IS_LONG),
        {"comment": "Sealed files of the ring: a row here has its file (invariant 1)"},
    )
    id: str = column("Unique over all sites", primary_key=True)
    run_id: str = column("Run it belongs to", foreign_key="run.id", index=True)
    source_id: str = column("Source", foreign_key="source.id")
    sequence: int = column("Position in its run, from 0")
    wall_start_us: int = micros("Wall time of its first frame", index=True)
    wall_end_us: int = micros("Wall time at which its last frame ends")
    media_start: int = micros("Decode time of its first video sample, ticks")
    media_duration: int = micros("Length, ticks")
    timescale: int = column("Ticks per second of the video track")
    clock_basis: str = column("ClockBasis of its wall time")
    clock_offset_us: int = micros("Source clock minus recorder clock")
    path: str = column("Below the ring's root; a label, never truth", unique=True)
    size_bytes: int = byte_count("Size of the file")
    sha256: str = column("SHA-256 of the file, lower-case hex")
    chain: str = column("SHA-256 over the source's previous chain value and this SHA-256")
    chain_number: int = column("Place in the source's chain, from 1: the order of sealing")
    end_reason: str = column("EndReason")
    state: str = column("SegmentState", default="sealed", default_sql="sealed")
    removed_us: int | None = micros("When its file was released; empty while it is kept", default=None)
    removal_reason: str = column("By which rule its file was removed", default="", default_sql="")
    removed_by: str = column("In whose name", default="", default_sql="")


class HoldRow(Table, table=True):
    __tablename__ = "hold"
    __table_args__ = {"comment": "Footage and archives that must not be removed, and why (invariant 4)"}
    id: str = column("Unique over all sites", primary_key=True)
    source_id: str | None = column(
        "Source, of kind source", foreign_key="source.id", index=True, default=None
    )
    wall_start_us: int = micros("Start of the held time; of an agency: of when sessions began")
    wall_end_us: int = micros("End of it")
    reason: str = column("Why")
    principal: str = column("Who holds it")
    made_us: int = micros("When it was made")
    released_us: int | None = micros("When it was released; empty while it holds", default=None)
    released_by: str = column("Who released it", default="")
    release_reason: str = column("Why it was released", default="")
    kind: str = column("HoldKind", default="source", default_sql="source")
    session_id: str | None = column(
        "Session, of kind session", foreign_key="session.id", index=True, default=None
    )
    project_id: str | None = column(
        "Project, of kind project", foreign_key="project.id", index=True, default=None
    )
    agency: str = column("Agency, of kind agency", default="", default_sql="", index=True)
    tag_id: str = column("Mark that gave rise to it", default="", default_sql="")
    act_id: str = column("One act may hold several things", default="", default_sql="", index=True)


class RecorderKeyRow(Table, table=True):
    __tablename__ = "recorder_key"
    __table_args__ = {"comment": "Public keys of recorders, with which checkpoints are verified"}
    id: str = column("SHA-256 of the raw public key, lower-case hex", primary_key=True)
    public_key: str = column("Ed25519 public key, raw, lower-case hex")
    made_us: int = micros("When the recorder made it")


class ChainCheckpointRow(Table, table=True):
    __tablename__ = "chain_checkpoint"
    __table_args__ = {"comment": "Signed heads of the segments' chains, one a minute"}
    key_id: str = column("Key it is signed with", primary_key=True, foreign_key="recorder_key.id")
    number: int = column("From 1, without holes", primary_key=True, sa_type=BigInteger)
    at_us: int = micros("When it was signed", index=True)
    statement: str = column("Canonical JSON: new heads and the hash of the checkpoint before")
    signature: str = column("Ed25519 over the statement, lower-case hex")


class RingDiskRow(Table, table=True):
    __tablename__ = "ring_disk"
    __table_args__ = {"comment": "The disk that the ring is on: a marker file with this id lies at its root"}
    id: str = column("Id in the marker file", primary_key=True)
    made_us: int = micros("When the ring was made or adopted")
    principal: str = column("Who made or adopted it")


class CheckupRow(Table, table=True):
    __tablename__ = "checkup"
    __table_args__ = {"comment": "Check-ups of rooms before sessions"}
    id: str = column("Unique over all sites", primary_key=True)
    room_id: str = column("Room", foreign_key="room.id", index=True)
    at_us: int = micros("When", index=True)
    principal: str = column("Who asked for it")
    passed: bool = column("Whether nothing failed")
    results: list[dict[str, Any]] = column("CheckResult of each source and aspect", sa_type=JSON)
    overridden_by: str = column("Who lets the session begin although it failed", default="")
    override_reason: str = column("Why", default="")
    overridden_us: int | None = micros("When", default=None)


class GapRow(Table, table=True):
    __tablename__ = "gap"
    __table_args__ = (
        Index(None, "source_id", "wall_start_us"),  # the last one before a moment is found without a scan
        {"comment": "Expected time that nobody recorded (invariant 5)"},
    )
    id: str = column("Unique over all sites", primary_key=True)
    source_id: str = column("Source", foreign_key="source.id", index=True)
    wall_start_us: int = micros("When it began", index=True)
    wall_end_us: int | None = micros("When it ended; empty while it lasts", default=None, index=True)
    cause: str = column("GapCause")
    detail: str = column("What happened, for people, without credentials")
    backfill: str = column(
        "Backfill: what was fetched from the device's own memory", default="none", default_sql="none"
    )
    fault: str | None = column("Fault, finer than the cause, where that is known", default=None)
