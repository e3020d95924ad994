"""Who watched what

Revision: 0013
Follows: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "watch",
        sa.Column("id", sa.String(), nullable=False, comment="Unique"),
        sa.Column(
            "token_sha256",
            sa.String(),
            nullable=False,
            comment="SHA-256 of its token; the token itself is nowhere",
        ),
        sa.Column("account_id", sa.String(), nullable=False, comment="Who; without accounts the local user"),
        sa.Column("role", sa.String(), nullable=False, comment="Role at that time; empty without accounts"),
        sa.Column(
            "login_id", sa.String(), nullable=False, comment="Login that opened it, and that alone may use it"
        ),
        sa.Column("origin", sa.String(), nullable=False, comment="Address"),
        sa.Column("kind", sa.String(), nullable=False, comment="WatchKind"),
        sa.Column("opened_us", sa.BigInteger(), nullable=False, comment="When"),
        sa.Column("beat_us", sa.BigInteger(), nullable=False, comment="When its page told of it last"),
        sa.Column(
            "wall_start_us",
            sa.BigInteger(),
            nullable=True,
            comment="Only footage from here on; empty: all",
        ),
        sa.Column("wall_end_us", sa.BigInteger(), nullable=True, comment="Only footage up to here"),
        sa.Column("closed_us", sa.BigInteger(), nullable=True, comment="When it ended; empty while it lasts"),
        sa.Column("end_reason", sa.String(), nullable=True, comment="WatchEnd"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_watch")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_watch_token_sha256")),
        comment="Somebody had footage open, or has; never deleted, and the audit chain tells of each",
    )
    with op.batch_alter_table("watch", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_watch_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_watch_opened_us"), ["opened_us"], unique=False)
        batch_op.create_index("ix_watch_closed_us_beat_us", ["closed_us", "beat_us"], unique=False)

    op.create_table(
        "watch_thing",
        sa.Column("watch_id", sa.String(), nullable=False, comment="Watch"),
        sa.Column("position", sa.Integer(), nullable=False, comment="Its place"),
        sa.Column("source_id", sa.String(), nullable=False, comment="Source"),
        sa.Column(
            "clip_id",
            sa.String(),
            nullable=False,
            comment="Clip, which a later cut may retire; empty: the source live, or of the ring",
        ),
        sa.Column("project_id", sa.String(), nullable=False, comment="Project; empty: of none"),
        sa.Column("session_id", sa.String(), nullable=False, comment="Session; empty: of none"),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_watch_thing_source_id")),
        sa.ForeignKeyConstraint(["watch_id"], ["watch.id"], name=op.f("fk_watch_thing_watch_id")),
        sa.PrimaryKeyConstraint("watch_id", "position", name=op.f("pk_watch_thing")),
        comment="What a watch is of",
    )
    with op.batch_alter_table("watch_thing", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_watch_thing_project_id"), ["project_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_watch_thing_source_id"), ["source_id"], unique=False)

    op.create_table(
        "watch_interval",
        sa.Column("watch_id", sa.String(), nullable=False, comment="Watch"),
        sa.Column("number", sa.Integer(), nullable=False, comment="From 1"),
        sa.Column("source_id", sa.String(), nullable=False, comment="Source"),
        sa.Column("seen_from_us", sa.BigInteger(), nullable=False, comment="From when it was on the screen"),
        sa.Column("seen_to_us", sa.BigInteger(), nullable=False, comment="Until when"),
        sa.Column(
            "footage_from_us",
            sa.BigInteger(),
            nullable=False,
            comment="Wall time of the footage at that start",
        ),
        sa.Column(
            "footage_to_us", sa.BigInteger(), nullable=False, comment="Wall time of the footage at that end"
        ),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_watch_interval_source_id")),
        sa.ForeignKeyConstraint(["watch_id"], ["watch.id"], name=op.f("fk_watch_interval_watch_id")),
        sa.PrimaryKeyConstraint("watch_id", "number", name=op.f("pk_watch_interval")),
        comment="What of a source was on the screen, and when; the end's record has its hash",
    )
    with op.batch_alter_table("watch_interval", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_watch_interval_source_id"), ["source_id"], unique=False)


def downgrade() -> None:
    op.drop_table("watch_interval")
    op.drop_table("watch_thing")
    op.drop_table("watch")
