"""What archiving measured of each file, and why an archive is over its budget

Revision: 0004
Follows: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "archive_request",
        sa.Column("id", sa.String(), nullable=False, comment="Unique"),
        sa.Column("session_id", sa.String(), nullable=False, comment="Session"),
        sa.Column("kind", sa.String(), nullable=False, comment="cancel or retry"),
        sa.Column("reason", sa.String(), nullable=False, comment="Why, as was said"),
        sa.Column("principal", sa.String(), nullable=False, comment="Who asked"),
        sa.Column("at_us", sa.BigInteger(), nullable=False, comment="When"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_archive_request_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_request")),
        comment="What people asked of the archiver; the newest of a session holds",
    )
    with op.batch_alter_table("archive_request", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_archive_request_session_id"), ["session_id"], unique=False)

    with op.batch_alter_table("archive", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "overrun_cause",
                sa.String(),
                server_default="",
                nullable=False,
                comment="floors or beside; empty while it is within",
            )
        )

    with op.batch_alter_table("rendition", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "recorded_us",
                sa.BigInteger(),
                nullable=True,
                comment="Length of the footage in it, without gaps; "
                "this and what follows is empty where it was not measured",
            )
        )
        batch_op.add_column(sa.Column("frames", sa.Integer(), nullable=True, comment="Pictures kept"))
        batch_op.add_column(
            sa.Column("frames_seen", sa.Integer(), nullable=True, comment="Pictures of the footage")
        )
        batch_op.add_column(
            sa.Column(
                "vmaf_mean", sa.Float(), nullable=True, comment="Mean VMAF of the sampled pictures, 0..100"
            )
        )
        batch_op.add_column(
            sa.Column(
                "vmaf_p5",
                sa.Float(),
                nullable=True,
                comment="Fifth percentile of VMAF: the worst pictures",
            )
        )
        batch_op.add_column(
            sa.Column(
                "text_agreement",
                sa.Float(),
                nullable=True,
                comment="Share of characters that OCR still reads, 0..1",
            )
        )
        batch_op.add_column(
            sa.Column("vmaf_floor", sa.Float(), nullable=True, comment="What vmaf_p5 had to reach")
        )
        batch_op.add_column(
            sa.Column(
                "vmaf_ceiling",
                sa.Float(),
                nullable=True,
                comment="Mean VMAF above which nobody sees a difference, by the rules of that day",
            )
        )
        batch_op.add_column(
            sa.Column(
                "text_floor",
                sa.Float(),
                nullable=True,
                comment="What text_agreement had to reach; empty where text does not count",
            )
        )
        batch_op.add_column(
            sa.Column(
                "floors_reached",
                sa.Boolean(),
                nullable=True,
                comment="Whether the rules allowed to reach the floors",
            )
        )


def downgrade() -> None:
    with op.batch_alter_table("rendition", schema=None) as batch_op:
        batch_op.drop_column("floors_reached")
        batch_op.drop_column("text_floor")
        batch_op.drop_column("vmaf_ceiling")
        batch_op.drop_column("vmaf_floor")
        batch_op.drop_column("text_agreement")
        batch_op.drop_column("vmaf_p5")
        batch_op.drop_column("vmaf_mean")
        batch_op.drop_column("frames_seen")
        batch_op.drop_column("frames")
        batch_op.drop_column("recorded_us")

    with op.batch_alter_table("archive", schema=None) as batch_op:
        batch_op.drop_column("overrun_cause")

    op.drop_table("archive_request")
