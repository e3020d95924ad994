"""First schema

Revision: 0001
Follows:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "industry",
        sa.Column("code", sa.String(), nullable=False, comment="Code of the deployment's own table, opaque"),
        sa.Column("name_zh", sa.String(), nullable=False, comment="Chinese name"),
        sa.Column("name_en", sa.String(), nullable=False, comment="English name"),
        sa.Column("parent_code", sa.String(), nullable=True, comment="Industry that this one refines"),
        sa.ForeignKeyConstraint(["parent_code"], ["industry.code"], name=op.f("fk_industry_parent_code")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_industry")),
        comment="Industries; a deployment edits them",
    )
    with op.batch_alter_table("industry", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_industry_parent_code"), ["parent_code"], unique=False)

    op.create_table(
        "region",
        sa.Column("code", sa.String(), nullable=False, comment="Six digits"),
        sa.Column("name_zh", sa.String(), nullable=False, comment="Chinese name"),
        sa.Column("name_en", sa.String(), nullable=False, comment="English name"),
        sa.Column("level", sa.String(), nullable=False, comment="province, prefecture or county"),
        sa.Column("parent_code", sa.String(), nullable=True, comment="Division that this one belongs to"),
        sa.ForeignKeyConstraint(["parent_code"], ["region.code"], name=op.f("fk_region_parent_code")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_region")),
        comment="Administrative divisions, GB/T 2260",
    )
    with op.batch_alter_table("region", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_region_parent_code"), ["parent_code"], unique=False)

    op.create_table(
        "project",
        sa.Column("id", sa.String(), nullable=False, comment="Id given by the trading system"),
        sa.Column("project_code", sa.String(), nullable=False, comment="Project code, opaque"),
        sa.Column("name_zh", sa.String(), nullable=False, comment="Chinese name"),
        sa.Column("name_en", sa.String(), nullable=False, comment="English name"),
        sa.Column("region_code", sa.String(), nullable=False, comment="Division of the project"),
        sa.Column("trade_place", sa.String(), nullable=False, comment="Division where it is traded"),
        sa.Column("industry_code", sa.String(), nullable=False, comment="Industry"),
        sa.ForeignKeyConstraint(["industry_code"], ["industry.code"], name=op.f("fk_project_industry_code")),
        sa.ForeignKeyConstraint(["region_code"], ["region.code"], name=op.f("fk_project_region_code")),
        sa.ForeignKeyConstraint(["trade_place"], ["region.code"], name=op.f("fk_project_trade_place")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project")),
        sa.UniqueConstraint("project_code", name=op.f("uq_project_project_code")),
        comment="Tender projects",
    )
    with op.batch_alter_table("project", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_project_industry_code"), ["industry_code"], unique=False)
        batch_op.create_index(batch_op.f("ix_project_region_code"), ["region_code"], unique=False)
        batch_op.create_index(batch_op.f("ix_project_trade_place"), ["trade_place"], unique=False)

    op.create_table(
        "site",
        sa.Column("id", sa.String(), nullable=False, comment="Id from cameras.yaml"),
        sa.Column("region_code", sa.String(), nullable=False, comment="Division it stands in"),
        sa.Column("name_zh", sa.String(), nullable=False, comment="Chinese name"),
        sa.Column("name_en", sa.String(), nullable=False, comment="English name"),
        sa.ForeignKeyConstraint(["region_code"], ["region.code"], name=op.f("fk_site_region_code")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site")),
        comment="Trading centres",
    )
    op.create_table(
        "room",
        sa.Column("id", sa.String(), nullable=False, comment="Id from cameras.yaml"),
        sa.Column("site_id", sa.String(), nullable=False, comment="Site it belongs to"),
        sa.Column("kind", sa.String(), nullable=False, comment="RoomKind"),
        sa.Column("name_zh", sa.String(), nullable=False, comment="Chinese name"),
        sa.Column("name_en", sa.String(), nullable=False, comment="English name"),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_room_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_room")),
        comment="Rooms of a site",
    )
    with op.batch_alter_table("room", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_room_site_id"), ["site_id"], unique=False)

    op.create_table(
        "seat",
        sa.Column("id", sa.String(), nullable=False, comment="Id from cameras.yaml"),
        sa.Column("room_id", sa.String(), nullable=False, comment="Room it stands in"),
        sa.Column("ordinal", sa.Integer(), nullable=False, comment="Number written on the seat"),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"], name=op.f("fk_seat_room_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seat")),
        comment="Numbered evaluation seats",
    )
    with op.batch_alter_table("seat", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_seat_room_id"), ["room_id"], unique=False)

    op.create_table(
        "session",
        sa.Column("id", sa.String(), nullable=False, comment="Id given by the trading system"),
        sa.Column("project_id", sa.String(), nullable=False, comment="Project"),
        sa.Column("phase", sa.String(), nullable=False, comment="Phase"),
        sa.Column("room_id", sa.String(), nullable=False, comment="Room"),
        sa.Column("state", sa.String(), nullable=False, comment="SessionState"),
        sa.Column("start_us", sa.BigInteger(), nullable=True, comment="Time of its start event"),
        sa.Column("end_us", sa.BigInteger(), nullable=True, comment="Time of its end event"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_session_project_id")),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"], name=op.f("fk_session_room_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session")),
        comment="One phase of one project in one room",
    )
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_session_project_id"), ["project_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_session_start_us"), ["start_us"], unique=False)
        batch_op.create_index(batch_op.f("ix_session_state"), ["state"], unique=False)

    op.create_table(
        "archive",
        sa.Column("id", sa.String(), nullable=False, comment="Unique over all sites"),
        sa.Column("session_id", sa.String(), nullable=False, comment="Session"),
        sa.Column(
            "version", sa.Integer(), nullable=False, comment="From 1; older versions stay (invariant 9)"
        ),
        sa.Column("key_prefix", sa.String(), nullable=False, comment="Common start of its keys"),
        sa.Column(
            "budget_bytes", sa.BigInteger(), nullable=False, comment="What it may weigh (invariant 13)"
        ),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="What it weighs, all objects"),
        sa.Column(
            "raw_bytes", sa.BigInteger(), nullable=False, comment="Share of the segments that its clips use"
        ),
        sa.Column(
            "verified_us", sa.BigInteger(), nullable=False, comment="When the last object had been read back"
        ),
        sa.Column("principal", sa.String(), nullable=False, comment="Who or what archived it"),
        sa.Column(
            "overrun_reason",
            sa.String(),
            nullable=False,
            comment="Why it is over its budget; empty while it is within",
        ),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_archive_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive")),
        sa.UniqueConstraint("key_prefix", name=op.f("uq_archive_key_prefix")),
        comment="Packages stored, read back and recorded (invariant 10)",
    )
    with op.batch_alter_table("archive", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_archive_session_id"), ["session_id"], unique=False)

    op.create_table(
        "progress",
        sa.Column("session_id", sa.String(), nullable=False, comment="Session"),
        sa.Column(
            "step", sa.String(), nullable=False, comment="cut, encode, package, store, verify, done or failed"
        ),
        sa.Column("fraction", sa.Float(), nullable=False, comment="0..1 of the whole session's work"),
        sa.Column("detail", sa.String(), nullable=False, comment="What is being done, for people"),
        sa.Column("updated_us", sa.BigInteger(), nullable=False, comment="When this was said"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_progress_session_id")),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_progress")),
        comment="How far the archiving of a session has come; for people, never truth",
    )
    op.create_table(
        "session_seat",
        sa.Column("session_id", sa.String(), nullable=False, comment="Session"),
        sa.Column("seat_id", sa.String(), nullable=False, comment="Seat"),
        sa.Column(
            "member",
            sa.String(),
            nullable=False,
            comment="O1, E2, ...: owner's representative or expert by ordinal",
        ),
        sa.ForeignKeyConstraint(["seat_id"], ["seat.id"], name=op.f("fk_session_seat_seat_id")),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_session_seat_session_id")),
        sa.PrimaryKeyConstraint("session_id", "seat_id", name=op.f("pk_session_seat")),
        comment="Who sits where in a session, by ordinal, never by name",
    )
    op.create_table(
        "source",
        sa.Column("id", sa.String(), nullable=False, comment="Id from cameras.yaml"),
        sa.Column("room_id", sa.String(), nullable=False, comment="Room it stands in"),
        sa.Column("seat_id", sa.String(), nullable=True, comment="Seat it looks at, if any"),
        sa.Column("content_kind", sa.String(), nullable=False, comment="ContentKind"),
        sa.Column("label_zh", sa.String(), nullable=False, comment="Chinese label"),
        sa.Column("label_en", sa.String(), nullable=False, comment="English label"),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"], name=op.f("fk_source_room_id")),
        sa.ForeignKeyConstraint(["seat_id"], ["seat.id"], name=op.f("fk_source_seat_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source")),
        comment="Cameras and desktops, without their addresses",
    )
    with op.batch_alter_table("source", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_source_room_id"), ["room_id"], unique=False)

    op.create_table(
        "timeline_event",
        sa.Column("id", sa.String(), nullable=False, comment="Unique over all sites"),
        sa.Column("session_id", sa.String(), nullable=False, comment="Session"),
        sa.Column(
            "at_us",
            sa.BigInteger(),
            nullable=False,
            comment="When it happened, by the clock of whoever reports it",
        ),
        sa.Column(
            "type",
            sa.String(),
            nullable=False,
            comment="A kind that kernel/data/event_kinds.yaml knows, or another mark of the trading system",
        ),
        sa.Column("reason", sa.String(), nullable=False, comment="Why, in words; may be empty"),
        sa.Column("principal", sa.String(), nullable=False, comment="Who reported it"),
        sa.Column("recorded_us", sa.BigInteger(), nullable=False, comment="When we learnt of it"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_timeline_event_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timeline_event")),
        comment="What happened in a session; never changed, only added to",
    )
    with op.batch_alter_table("timeline_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_timeline_event_session_id"), ["session_id"], unique=False)

    op.create_table(
        "archive_object",
        sa.Column("key", sa.String(), nullable=False, comment="Key in the store, never overwritten"),
        sa.Column("archive_id", sa.String(), nullable=False, comment="Archive"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="Size"),
        sa.Column("sha256", sa.String(), nullable=False, comment="SHA-256, lower-case hex"),
        sa.ForeignKeyConstraint(["archive_id"], ["archive.id"], name=op.f("fk_archive_object_archive_id")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_archive_object")),
        comment="Objects of an archive, as its manifests name them",
    )
    with op.batch_alter_table("archive_object", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_archive_object_archive_id"), ["archive_id"], unique=False)

    op.create_table(
        "clip",
        sa.Column("id", sa.String(), nullable=False, comment="Unique over all sites"),
        sa.Column("session_id", sa.String(), nullable=False, comment="Session"),
        sa.Column("source_id", sa.String(), nullable=False, comment="Source"),
        sa.Column("part", sa.Integer(), nullable=False, comment="Session part, from 1"),
        sa.Column("wall_start_us", sa.BigInteger(), nullable=False, comment="Start of its expected time"),
        sa.Column("wall_end_us", sa.BigInteger(), nullable=False, comment="End of its expected time"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_clip_session_id")),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_clip_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clip")),
        comment="What one source saw of one session part",
    )
    with op.batch_alter_table("clip", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_clip_session_id"), ["session_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_clip_source_id"), ["source_id"], unique=False)

    op.create_table(
        "gap",
        sa.Column("id", sa.String(), nullable=False, comment="Unique over all sites"),
        sa.Column("source_id", sa.String(), nullable=False, comment="Source"),
        sa.Column("wall_start_us", sa.BigInteger(), nullable=False, comment="When it began"),
        sa.Column(
            "wall_end_us", sa.BigInteger(), nullable=True, comment="When it ended; empty while it lasts"
        ),
        sa.Column("cause", sa.String(), nullable=False, comment="GapCause"),
        sa.Column(
            "detail", sa.String(), nullable=False, comment="What happened, for people, without credentials"
        ),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_gap_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gap")),
        comment="Expected time that nobody recorded (invariant 5)",
    )
    with op.batch_alter_table("gap", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_gap_source_id"), ["source_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_gap_wall_start_us"), ["wall_start_us"], unique=False)

    op.create_table(
        "run",
        sa.Column("id", sa.String(), nullable=False, comment="Unique over all sites"),
        sa.Column("source_id", sa.String(), nullable=False, comment="Source"),
        sa.Column("started_us", sa.BigInteger(), nullable=False, comment="Wall time of its first frame"),
        sa.Column(
            "ended_us", sa.BigInteger(), nullable=True, comment="Wall time of its end; empty while it lasts"
        ),
        sa.Column("end_reason", sa.String(), nullable=True, comment="EndReason; empty while it lasts"),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_run_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        comment="Unbroken connections to a source",
    )
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_run_source_id"), ["source_id"], unique=False)

    op.create_table(
        "source_health",
        sa.Column("source_id", sa.String(), nullable=False, comment="Source"),
        sa.Column("state", sa.String(), nullable=False, comment="SourceState"),
        sa.Column("detail", sa.String(), nullable=False, comment="For people; empty while all is well"),
        sa.Column("since_us", sa.BigInteger(), nullable=False, comment="When this state began"),
        sa.Column("updated_us", sa.BigInteger(), nullable=False, comment="When the recorder last said so"),
        sa.Column(
            "last_frame_us", sa.BigInteger(), nullable=True, comment="Wall time of the newest frame received"
        ),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_source_health_source_id")),
        sa.PrimaryKeyConstraint("source_id", name=op.f("pk_source_health")),
        comment="What the recorder last knew of a source",
    )
    op.create_table(
        "clip_gap",
        sa.Column("clip_id", sa.String(), nullable=False, comment="Clip"),
        sa.Column("wall_start_us", sa.BigInteger(), nullable=False, comment="Start"),
        sa.Column("wall_end_us", sa.BigInteger(), nullable=False, comment="End"),
        sa.Column("cause", sa.String(), nullable=False, comment="GapCause"),
        sa.Column("detail", sa.String(), nullable=False, comment="What happened, for people"),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_clip_gap_clip_id")),
        sa.PrimaryKeyConstraint("clip_id", "wall_start_us", name=op.f("pk_clip_gap")),
        comment="Parts of a clip that nobody recorded",
    )
    op.create_table(
        "rendition",
        sa.Column("id", sa.String(), nullable=False, comment="Unique over all sites"),
        sa.Column("archive_id", sa.String(), nullable=False, comment="Archive that holds it"),
        sa.Column("clip_id", sa.String(), nullable=False, comment="Clip it shows"),
        sa.Column("object_key", sa.String(), nullable=False, comment="Its file in the store"),
        sa.Column("video_codec", sa.String(), nullable=False, comment="RFC 6381 codec string"),
        sa.Column(
            "audio_codec", sa.String(), nullable=True, comment="RFC 6381 codec string; empty without sound"
        ),
        sa.Column("width", sa.Integer(), nullable=False, comment="Pixels"),
        sa.Column("height", sa.Integer(), nullable=False, comment="Pixels"),
        sa.Column("receipt", sa.JSON(), nullable=False, comment="Transcode receipt (invariant 11)"),
        sa.ForeignKeyConstraint(["archive_id"], ["archive.id"], name=op.f("fk_rendition_archive_id")),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_rendition_clip_id")),
        sa.ForeignKeyConstraint(["object_key"], ["archive_object.key"], name=op.f("fk_rendition_object_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rendition")),
        sa.UniqueConstraint("object_key", name=op.f("uq_rendition_object_key")),
        comment="Encodings of clips that an archive holds",
    )
    with op.batch_alter_table("rendition", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rendition_archive_id"), ["archive_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_rendition_clip_id"), ["clip_id"], unique=False)

    op.create_table(
        "segment",
        sa.Column("id", sa.String(), nullable=False, comment="Unique over all sites"),
        sa.Column("run_id", sa.String(), nullable=False, comment="Run it belongs to"),
        sa.Column("source_id", sa.String(), nullable=False, comment="Source"),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="Position in its run, from 0"),
        sa.Column("wall_start_us", sa.BigInteger(), nullable=False, comment="Wall time of its first frame"),
        sa.Column(
            "wall_end_us", sa.BigInteger(), nullable=False, comment="Wall time at which its last frame ends"
        ),
        sa.Column(
            "media_start",
            sa.BigInteger(),
            nullable=False,
            comment="Decode time of its first video sample, ticks",
        ),
        sa.Column("media_duration", sa.BigInteger(), nullable=False, comment="Length, ticks"),
        sa.Column("timescale", sa.Integer(), nullable=False, comment="Ticks per second of the video track"),
        sa.Column("clock_basis", sa.String(), nullable=False, comment="ClockBasis of its wall time"),
        sa.Column(
            "clock_offset_us", sa.BigInteger(), nullable=False, comment="Source clock minus recorder clock"
        ),
        sa.Column("path", sa.String(), nullable=False, comment="Below the ring's root; a label, never truth"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="Size of the file"),
        sa.Column("sha256", sa.String(), nullable=False, comment="SHA-256 of the file, lower-case hex"),
        sa.Column(
            "chain",
            sa.String(),
            nullable=False,
            comment="SHA-256 over the source's previous chain value and this SHA-256",
        ),
        sa.Column(
            "chain_number",
            sa.Integer(),
            nullable=False,
            comment="Place in the source's chain, from 1: the order of sealing",
        ),
        sa.Column("end_reason", sa.String(), nullable=False, comment="EndReason"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_segment_run_id")),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_segment_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segment")),
        sa.UniqueConstraint("path", name=op.f("uq_segment_path")),
        comment="Sealed files of the ring: a row here has its file (invariant 1)",
    )
    with op.batch_alter_table("segment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_segment_run_id"), ["run_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_segment_source_id"), ["source_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_segment_wall_start_us"), ["wall_start_us"], unique=False)

    op.create_table(
        "clip_slice",
        sa.Column("clip_id", sa.String(), nullable=False, comment="Clip"),
        sa.Column("wall_start_us", sa.BigInteger(), nullable=False, comment="Start of the used part"),
        sa.Column("wall_end_us", sa.BigInteger(), nullable=False, comment="End of the used part"),
        sa.Column("segment_id", sa.String(), nullable=False, comment="Segment"),
        sa.ForeignKeyConstraint(["clip_id"], ["clip.id"], name=op.f("fk_clip_slice_clip_id")),
        sa.ForeignKeyConstraint(["segment_id"], ["segment.id"], name=op.f("fk_clip_slice_segment_id")),
        sa.PrimaryKeyConstraint("clip_id", "wall_start_us", name=op.f("pk_clip_slice")),
        comment="Used parts of segments; slices and gaps fill a clip exactly",
    )
    with op.batch_alter_table("clip_slice", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_clip_slice_segment_id"), ["segment_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("clip_slice", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_clip_slice_segment_id"))

    op.drop_table("clip_slice")
    with op.batch_alter_table("segment", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_segment_wall_start_us"))
        batch_op.drop_index(batch_op.f("ix_segment_source_id"))
        batch_op.drop_index(batch_op.f("ix_segment_run_id"))

    op.drop_table("segment")
    with op.batch_alter_table("rendition", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_rendition_clip_id"))
        batch_op.drop_index(batch_op.f("ix_rendition_archive_id"))

    op.drop_table("rendition")
    op.drop_table("clip_gap")
    op.drop_table("source_health")
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_run_source_id"))

    op.drop_table("run")
    with op.batch_alter_table("gap", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_gap_wall_start_us"))
        batch_op.drop_index(batch_op.f("ix_gap_source_id"))

    op.drop_table("gap")
    with op.batch_alter_table("clip", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_clip_source_id"))
        batch_op.drop_index(batch_op.f("ix_clip_session_id"))

    op.drop_table("clip")
    with op.batch_alter_table("archive_object", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archive_object_archive_id"))

    op.drop_table("archive_object")
    with op.batch_alter_table("timeline_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_timeline_event_session_id"))

    op.drop_table("timeline_event")
    with op.batch_alter_table("source", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_source_room_id"))

    op.drop_table("source")
    op.drop_table("session_seat")
    op.drop_table("progress")
    with op.batch_alter_table("archive", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archive_session_id"))

    op.drop_table("archive")
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_session_state"))
        batch_op.drop_index(batch_op.f("ix_session_start_us"))
        batch_op.drop_index(batch_op.f("ix_session_project_id"))

    op.drop_table("session")
    with op.batch_alter_table("seat", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_seat_room_id"))

    op.drop_table("seat")
    with op.batch_alter_table("room", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_room_site_id"))

    op.drop_table("room")
    op.drop_table("site")
    with op.batch_alter_table("project", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_project_trade_place"))
        batch_op.drop_index(batch_op.f("ix_project_region_code"))
        batch_op.drop_index(batch_op.f("ix_project_industry_code"))

    op.drop_table("project")
    with op.batch_alter_table("region", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_region_parent_code"))

    op.drop_table("region")
    with op.batch_alter_table("industry", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_industry_parent_code"))

    op.drop_table("industry")
