"""Capture day and night

Revision: 0002
Follows: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recorder_key",
        sa.Column("id", sa.String(), nullable=False, comment="SHA-256 of the raw public key, lower-case hex"),
        sa.Column(
            "public_key", sa.String(), nullable=False, comment="Ed25519 public key, raw, lower-case hex"
        ),
        sa.Column("made_us", sa.BigInteger(), nullable=False, comment="When the recorder made it"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recorder_key")),
        comment="Public keys of recorders, with which checkpoints are verified",
    )
    op.create_table(
        "ring_disk",
        sa.Column("id", sa.String(), nullable=False, comment="Id in the marker file"),
        sa.Column("made_us", sa.BigInteger(), nullable=False, comment="When the ring was made or adopted"),
        sa.Column("principal", sa.String(), nullable=False, comment="Who made or adopted it"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ring_disk")),
        comment="The disk that the ring is on: a marker file with this id lies at its root",
    )
    op.create_table(
        "chain_checkpoint",
        sa.Column("key_id", sa.String(), nullable=False, comment="Key it is signed with"),
        sa.Column("number", sa.BigInteger(), nullable=False, comment="From 1, without holes"),
        sa.Column("at_us", sa.BigInteger(), nullable=False, comment="When it was signed"),
        sa.Column(
            "statement",
            sa.String(),
            nullable=False,
            comment="Canonical JSON: new heads and the hash of the checkpoint before",
        ),
        sa.Column(
            "signature", sa.String(), nullable=False, comment="Ed25519 over the statement, lower-case hex"
        ),
        sa.ForeignKeyConstraint(["key_id"], ["recorder_key.id"], name=op.f("fk_chain_checkpoint_key_id")),
        sa.PrimaryKeyConstraint("key_id", "number", name=op.f("pk_chain_checkpoint")),
        comment="Signed heads of the segments' chains, one a minute",
    )
    with op.batch_alter_table("chain_checkpoint", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_chain_checkpoint_at_us"), ["at_us"], unique=False)

    op.create_table(
        "booking",
        sa.Column("id", sa.String(), nullable=False, comment="Unique over all sites"),
        sa.Column("room_id", sa.String(), nullable=False, comment="Room"),
        sa.Column("wall_start_us", sa.BigInteger(), nullable=False, comment="Start"),
        sa.Column("wall_end_us", sa.BigInteger(), nullable=False, comment="End"),
        sa.Column("title", sa.String(), nullable=False, comment="What it is for, for people"),
        sa.Column("principal", sa.String(), nullable=False, comment="Who booked"),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"], name=op.f("fk_booking_room_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_booking")),
        comment="When a room is to be recorded; sessions that overrun are recorded on",
    )
    with op.batch_alter_table("booking", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_booking_room_id"), ["room_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_booking_wall_end_us"), ["wall_end_us"], unique=False)

    op.create_table(
        "checkup",
        sa.Column("id", sa.String(), nullable=False, comment="Unique over all sites"),
        sa.Column("room_id", sa.String(), nullable=False, comment="Room"),
        sa.Column("at_us", sa.BigInteger(), nullable=False, comment="When"),
        sa.Column("principal", sa.String(), nullable=False, comment="Who asked for it"),
        sa.Column("passed", sa.Boolean(), nullable=False, comment="Whether nothing failed"),
        sa.Column("results", sa.JSON(), nullable=False, comment="CheckResult of each source and aspect"),
        sa.Column(
            "overridden_by",
            sa.String(),
            nullable=False,
            comment="Who lets the session begin although it failed",
        ),
        sa.Column("override_reason", sa.String(), nullable=False, comment="Why"),
        sa.Column("overridden_us", sa.BigInteger(), nullable=True, comment="When"),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"], name=op.f("fk_checkup_room_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checkup")),
        comment="Check-ups of rooms before sessions",
    )
    with op.batch_alter_table("checkup", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_checkup_at_us"), ["at_us"], unique=False)
        batch_op.create_index(batch_op.f("ix_checkup_room_id"), ["room_id"], unique=False)

    op.create_table(
        "hold",
        sa.Column("id", sa.String(), nullable=False, comment="Unique over all sites"),
        sa.Column("source_id", sa.String(), nullable=False, comment="Source, of kind source"),
        sa.Column(
            "wall_start_us",
            sa.BigInteger(),
            nullable=False,
            comment="Start of the held time; of an agency: of when sessions began",
        ),
        sa.Column("wall_end_us", sa.BigInteger(), nullable=False, comment="End of it"),
        sa.Column("reason", sa.String(), nullable=False, comment="Why"),
        sa.Column("principal", sa.String(), nullable=False, comment="Who holds it"),
        sa.Column("made_us", sa.BigInteger(), nullable=False, comment="When it was made"),
        sa.Column(
            "released_us",
            sa.BigInteger(),
            nullable=True,
            comment="When it was released; empty while it holds",
        ),
        sa.Column("released_by", sa.String(), nullable=False, comment="Who released it"),
        sa.Column("release_reason", sa.String(), nullable=False, comment="Why it was released"),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_hold_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
        comment="Footage and archives that must not be removed, and why (invariant 4)",
    )
    with op.batch_alter_table("hold", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hold_source_id"), ["source_id"], unique=False)

    with op.batch_alter_table("gap", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "backfill",
                sa.String(),
                server_default="none",
                nullable=False,
                comment="Backfill: what was fetched from the device's own memory",
            )
        )
        batch_op.add_column(
            sa.Column(
                "fault",
                sa.String(),
                nullable=True,
                comment="Fault, finer than the cause, where that is known",
            )
        )
        batch_op.create_index(batch_op.f("ix_gap_wall_end_us"), ["wall_end_us"], unique=False)

    with op.batch_alter_table("clip_gap", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "backfilled",
                sa.Boolean(),
                server_default=sa.false(),
                nullable=False,
                comment="Whether it was fetched afterwards: slices cover it",
            )
        )

    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("origin", sa.String(), server_default="live", nullable=False, comment="RunOrigin")
        )

    with op.batch_alter_table("segment", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("state", sa.String(), server_default="sealed", nullable=False, comment="SegmentState")
        )
        batch_op.add_column(
            sa.Column(
                "removed_us",
                sa.BigInteger(),
                nullable=True,
                comment="When its file was released; empty while it is kept",
            )
        )
        batch_op.add_column(
            sa.Column(
                "removal_reason",
                sa.String(),
                server_default="",
                nullable=False,
                comment="By which rule its file was removed",
            )
        )
        batch_op.add_column(
            sa.Column("removed_by", sa.String(), server_default="", nullable=False, comment="In whose name")
        )
        batch_op.drop_index(batch_op.f("ix_segment_source_id"))
        for first, second in (
            ("source_id", "chain_number"),
            ("source_id", "wall_start_us"),
            ("state", "size_bytes"),
            ("state", "wall_start_us"),
        ):
            name = f"ix_segment_{first}_{second}"
            # A chain cannot fork: no two segments of a source have one number.
            batch_op.create_index(batch_op.f(name), [first, second], unique=second == "chain_number")

    with op.batch_alter_table("source_health", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "codec",
                sa.String(),
                server_default="",
                nullable=False,
                comment="Codec of its video; empty before the first run",
            )
        )
        batch_op.add_column(
            sa.Column("width", sa.Integer(), server_default="0", nullable=False, comment="Pixels")
        )
        batch_op.add_column(
            sa.Column("height", sa.Integer(), server_default="0", nullable=False, comment="Pixels")
        )
        batch_op.add_column(
            sa.Column("bit_rate_kbps", sa.Float(), nullable=True, comment="All tracks, over the last seconds")
        )
        batch_op.add_column(
            sa.Column(
                "frame_rate", sa.Float(), nullable=True, comment="Pictures a second, over the last seconds"
            )
        )
        batch_op.add_column(
            sa.Column(
                "lost_packets",
                sa.BigInteger(),
                server_default="0",
                nullable=False,
                comment="RTP packets missing or damaged since this recorder took it up",
            )
        )
        batch_op.add_column(
            sa.Column(
                "clock_offset_us", sa.BigInteger(), nullable=True, comment="Source clock minus recorder clock"
            )
        )
        batch_op.add_column(
            sa.Column("fault", sa.String(), nullable=True, comment="Fault: what the detail says, as a word")
        )


def downgrade() -> None:
    with op.batch_alter_table("source_health", schema=None) as batch_op:
        batch_op.drop_column("fault")
        batch_op.drop_column("clock_offset_us")
        batch_op.drop_column("lost_packets")
        batch_op.drop_column("frame_rate")
        batch_op.drop_column("bit_rate_kbps")
        batch_op.drop_column("height")
        batch_op.drop_column("width")
        batch_op.drop_column("codec")

    with op.batch_alter_table("segment", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_segment_state_wall_start_us"))
        batch_op.drop_index(batch_op.f("ix_segment_state_size_bytes"))
        batch_op.drop_index(batch_op.f("ix_segment_source_id_wall_start_us"))
        batch_op.drop_index(batch_op.f("ix_segment_source_id_chain_number"))
        batch_op.create_index(batch_op.f("ix_segment_source_id"), ["source_id"], unique=False)
        batch_op.drop_column("removed_by")
        batch_op.drop_column("removal_reason")
        batch_op.drop_column("removed_us")
        batch_op.drop_column("state")

    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.drop_column("origin")

    with op.batch_alter_table("clip_gap", schema=None) as batch_op:
        batch_op.drop_column("backfilled")

    with op.batch_alter_table("gap", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_gap_wall_end_us"))
        batch_op.drop_column("fault")
        batch_op.drop_column("backfill")

    with op.batch_alter_table("hold", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_hold_source_id"))

    op.drop_table("hold")
    with op.batch_alter_table("checkup", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_checkup_room_id"))
        batch_op.drop_index(batch_op.f("ix_checkup_at_us"))

    op.drop_table("checkup")
    with op.batch_alter_table("booking", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_booking_wall_end_us"))
        batch_op.drop_index(batch_op.f("ix_booking_room_id"))

    op.drop_table("booking")
    with op.batch_alter_table("chain_checkpoint", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_chain_checkpoint_at_us"))

    op.drop_table("chain_checkpoint")
    op.drop_table("ring_disk")
    op.drop_table("recorder_key")
