"""Where copies of archives are and whether they are whole, restore drills, and requests to use archives

Revision: 0009
Follows: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "package_copy",
        sa.Column("package_id", sa.String(), nullable=False, comment="Archive, addendum or document"),
        sa.Column(
            "store", sa.String(), nullable=False, comment="main, or the address of a copy without credentials"
        ),
        sa.Column(
            "whole_us", sa.BigInteger(), nullable=False, comment="When the last object had been read back"
        ),
        sa.PrimaryKeyConstraint("package_id", "store", name=op.f("pk_package_copy")),
        comment="Packages that a store holds whole, read back there (invariant 10)",
    )
    op.create_index(op.f("ix_package_copy_store"), "package_copy", ["store"])

    op.create_table(
        "drill",
        sa.Column("id", sa.String(), nullable=False, comment="Unique"),
        sa.Column("started_us", sa.BigInteger(), nullable=False, comment="Start"),
        sa.Column("ended_us", sa.BigInteger(), nullable=False, comment="End"),
        sa.Column("principal", sa.String(), nullable=False, comment="Who or what drilled"),
        sa.Column(
            "seed",
            sa.String(),
            nullable=False,
            comment="What the project was drawn by; empty where one was named",
        ),
        sa.Column("candidates", sa.Integer(), nullable=False, comment="Projects that it was drawn from"),
        sa.Column("project_id", sa.String(), nullable=False, comment="Project"),
        sa.Column("result", sa.String(), nullable=False, comment="DrillResult"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="What was fetched"),
        sa.Column("files", sa.JSON(), nullable=False, comment="Each file: faults, pictures decoded, seconds"),
        sa.Column("faults", sa.JSON(), nullable=False, comment="Of packages as a whole"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_drill_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill")),
        comment="Restore drills: archives fetched, verified and decoded",
    )
    op.create_index(op.f("ix_drill_project_id"), "drill", ["project_id"])
    op.create_index(op.f("ix_drill_started_us"), "drill", ["started_us"])

    op.create_table(
        "object_copy",
        sa.Column("key", sa.String(), nullable=False, comment="Key of the object, in every store"),
        sa.Column("store", sa.String(), nullable=False, comment="As in package_copy"),
        sa.Column("package_id", sa.String(), nullable=False, comment="Archive, addendum or document"),
        sa.Column("project_id", sa.String(), nullable=False, comment="Project"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="Size that it must have"),
        sa.Column("sha256", sa.String(), nullable=False, comment="SHA-256 that it must have, lower-case hex"),
        sa.Column("checked_us", sa.BigInteger(), nullable=False, comment="When"),
        sa.Column("result", sa.String(), nullable=False, comment="Fixity"),
        sa.Column(
            "found",
            sa.String(),
            nullable=False,
            comment="What was found instead of what should be; empty where all is well",
        ),
        sa.Column("good_us", sa.BigInteger(), nullable=True, comment="When it was last found whole"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_object_copy_project_id")),
        sa.PrimaryKeyConstraint("key", "store", name=op.f("pk_object_copy")),
        comment="What each copy of each stored object was when it was last read back",
    )
    op.create_index(op.f("ix_object_copy_package_id"), "object_copy", ["package_id"])
    op.create_index(
        op.f("ix_object_copy_store_result_checked_us"), "object_copy", ["store", "result", "checked_us"]
    )

    op.create_table(
        "use_request",
        sa.Column("id", sa.String(), nullable=False, comment="Unique"),
        sa.Column("project_id", sa.String(), nullable=False, comment="Project"),
        sa.Column("kind", sa.String(), nullable=False, comment="UseKind"),
        sa.Column("role", sa.String(), nullable=False, comment="Role in which it is asked for"),
        sa.Column("session_ids", sa.JSON(), nullable=False, comment="Sessions; none: all"),
        sa.Column("source_ids", sa.JSON(), nullable=False, comment="Sources; none: all"),
        sa.Column("start_us", sa.BigInteger(), nullable=True, comment="Start of the range; empty: no range"),
        sa.Column("end_us", sa.BigInteger(), nullable=True, comment="End of the range"),
        sa.Column("reason", sa.String(), nullable=False, comment="Why, as was said"),
        sa.Column(
            "basis_no",
            sa.String(),
            nullable=False,
            comment="Number of the letter, case or form that it rests on",
        ),
        sa.Column("principal", sa.String(), nullable=False, comment="Who asks"),
        sa.Column("asked_us", sa.BigInteger(), nullable=False, comment="When"),
        sa.Column("decided_by", sa.String(), nullable=False, comment="Who decided, never the one who asks"),
        sa.Column("decided_us", sa.BigInteger(), nullable=True, comment="When"),
        sa.Column("approved", sa.Boolean(), nullable=True, comment="Empty while nobody has decided"),
        sa.Column("decision_reason", sa.String(), nullable=False, comment="Why it was decided so"),
        sa.Column(
            "expires_us", sa.BigInteger(), nullable=True, comment="Until when an approved one may be used"
        ),
        sa.Column("used_us", sa.BigInteger(), nullable=True, comment="When it was used"),
        sa.Column("used_by", sa.String(), nullable=False, comment="Who used it"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_use_request_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_use_request")),
        comment="Requests to see archives or to take copies out; rows are never deleted",
    )
    op.create_index(op.f("ix_use_request_asked_us"), "use_request", ["asked_us"])
    op.create_index(op.f("ix_use_request_project_id"), "use_request", ["project_id"])


def downgrade() -> None:
    op.drop_table("use_request")
    op.drop_table("object_copy")
    op.drop_table("drill")
    op.drop_table("package_copy")
