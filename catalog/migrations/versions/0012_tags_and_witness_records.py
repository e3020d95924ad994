"""Tags that are put right by adding, and the witness records of sessions

Revision: 0012
Follows: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "witness_entry",
        sa.Column("session_id", sa.String(), nullable=False, comment="Session"),
        sa.Column("number", sa.Integer(), nullable=False, comment="From 1, in the order of entry"),
        sa.Column("act", sa.String(), nullable=False, comment="WitnessAct"),
        sa.Column(
            "item",
            sa.String(),
            nullable=False,
            comment="Point of the list that it is about; empty: the record as a whole",
        ),
        sa.Column(
            "text",
            sa.String(),
            nullable=False,
            comment="Remark, or why something was taken back or opened again",
        ),
        sa.Column("principal", sa.String(), nullable=False, comment="Who"),
        sa.Column("recorded_us", sa.BigInteger(), nullable=False, comment="When"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_witness_entry_session_id")),
        sa.PrimaryKeyConstraint("session_id", "number", name=op.f("pk_witness_entry")),
        comment="Witness records of sessions, entry by entry; only added to",
    )

    with op.batch_alter_table("tag", schema=None) as batch_op:
        batch_op.add_column(sa.Column("seat_id", sa.String(), nullable=True, comment="Seat that it is about"))
        batch_op.add_column(
            sa.Column(
                "section_number",
                sa.Integer(),
                nullable=True,
                comment="Section of the project that was dealt with",
            )
        )
        batch_op.add_column(
            sa.Column(
                "replaces", sa.String(), nullable=True, comment="Tag that this one puts right; both stay"
            )
        )
        batch_op.add_column(
            sa.Column(
                "withdrawn",
                sa.Boolean(),
                server_default=sa.false(),
                nullable=False,
                comment="Only takes back what it replaces",
            )
        )
        batch_op.add_column(
            sa.Column(
                "reason",
                sa.String(),
                server_default="",
                nullable=False,
                comment="Why it was put right or taken back",
            )
        )
        batch_op.create_unique_constraint(batch_op.f("uq_tag_replaces"), ["replaces"])
        batch_op.create_foreign_key(batch_op.f("fk_tag_seat_id"), "seat", ["seat_id"], ["id"])
        batch_op.create_foreign_key(batch_op.f("fk_tag_replaces"), "tag", ["replaces"], ["id"])


def downgrade() -> None:
    # What was put right or taken back goes: an older version would show both as if they held.
    op.execute("DELETE FROM tag WHERE withdrawn")
    with op.batch_alter_table("tag", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_tag_replaces"), type_="foreignkey")
        batch_op.drop_constraint(batch_op.f("fk_tag_seat_id"), type_="foreignkey")
        batch_op.drop_constraint(batch_op.f("uq_tag_replaces"), type_="unique")
        batch_op.drop_column("reason")
        batch_op.drop_column("withdrawn")
        batch_op.drop_column("replaces")
        batch_op.drop_column("section_number")
        batch_op.drop_column("seat_id")

    op.drop_table("witness_entry")
