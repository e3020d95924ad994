"""How long projects are kept, their destruction by rule, and holds on sessions, projects and agencies

Revision: 0007
Follows: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# What is held by session, project or agency cannot be told to an older version: there everything is held,
# source by source. An older version must not remove what somebody holds (invariant 4).
_HOLD_ALL = """
    INSERT INTO hold (id, source_id, wall_start_us, wall_end_us, reason, principal, made_us, released_us,
                      released_by, release_reason)
    SELECT hold.id || '.' || source.id, source.id, -4611686018427387904, 4611686018427387904, hold.reason,
           hold.principal, hold.made_us, hold.released_us, hold.released_by, hold.release_reason
    FROM hold CROSS JOIN source WHERE hold.source_id IS NULL
"""


def upgrade() -> None:
    op.create_table(
        "bucket_hold",
        sa.Column("key", sa.String(), nullable=False, comment="Key in the store"),
        sa.Column("asked_us", sa.BigInteger(), nullable=False, comment="When it was first asked for"),
        sa.Column(
            "confirmed_us", sa.BigInteger(), nullable=True, comment="When the store said that it holds"
        ),
        sa.Column("fault", sa.String(), nullable=False, comment="What the store said instead, for people"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_bucket_hold")),
        comment="Legal holds that were asked of the store, object by object",
    )
    op.create_table(
        "retention_class",
        sa.Column("code", sa.String(), nullable=False, comment="Code, such as Y15"),
        sa.Column("name_zh", sa.String(), nullable=False, comment="Chinese name"),
        sa.Column("name_en", sa.String(), nullable=False, comment="English name"),
        sa.Column("note", sa.String(), nullable=False, comment="What it is for, for people"),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_retention_class")),
        comment="Retention classes; a deployment edits them",
    )
    op.create_table(
        "retention_rule",
        sa.Column("id", sa.String(), nullable=False, comment="Unique"),
        sa.Column("class_code", sa.String(), nullable=False, comment="Class"),
        sa.Column(
            "valid_from", sa.String(), nullable=False, comment="First Beijing day on which it holds, ISO 8601"
        ),
        sa.Column("valid_until", sa.String(), nullable=True, comment="Last Beijing day; empty: in force"),
        sa.Column(
            "industry_code", sa.String(), nullable=False, comment="That industry and all below it; empty: any"
        ),
        sa.Column(
            "outcome", sa.String(), nullable=False, comment="Only projects that came out so; empty: any"
        ),
        sa.Column("not_outcome", sa.String(), nullable=False, comment="All but those"),
        sa.Column("reason_zh", sa.String(), nullable=False, comment="Why, in Chinese"),
        sa.Column("reason_en", sa.String(), nullable=False, comment="Why, in English"),
        sa.Column("basis", sa.String(), nullable=False, comment="Law or standard"),
        sa.Column("principal", sa.String(), nullable=False, comment="Who added it"),
        sa.Column("recorded_us", sa.BigInteger(), nullable=False, comment="When it was added"),
        sa.ForeignKeyConstraint(
            ["class_code"], ["retention_class.code"], name=op.f("fk_retention_rule_class_code")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_rule")),
        comment="Which projects fall under which class; dated, never changed but ended",
    )
    with op.batch_alter_table("retention_rule", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_retention_rule_class_code"), ["class_code"], unique=False)

    op.create_table(
        "retention_term",
        sa.Column("id", sa.String(), nullable=False, comment="Unique"),
        sa.Column("class_code", sa.String(), nullable=False, comment="Class"),
        sa.Column(
            "valid_from", sa.String(), nullable=False, comment="First Beijing day on which it holds, ISO 8601"
        ),
        sa.Column("years", sa.Integer(), nullable=True, comment="Years; with days both empty: for ever"),
        sa.Column("days", sa.Integer(), nullable=True, comment="Days"),
        sa.Column("starts", sa.String(), nullable=True, comment="TermStart; empty: for ever"),
        sa.Column(
            "starts_else", sa.String(), nullable=True, comment="TermStart taken where the first is not known"
        ),
        sa.Column("basis", sa.String(), nullable=False, comment="Law or standard"),
        sa.Column("principal", sa.String(), nullable=False, comment="Who added it"),
        sa.Column("recorded_us", sa.BigInteger(), nullable=False, comment="When it was added"),
        sa.ForeignKeyConstraint(
            ["class_code"], ["retention_class.code"], name=op.f("fk_retention_term_class_code")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_term")),
        comment="How long classes keep: versions, each from a day on; never changed",
    )
    with op.batch_alter_table("retention_term", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_retention_term_class_code"), ["class_code"], unique=False)

    op.create_table(
        "disposal",
        sa.Column("id", sa.String(), nullable=False, comment="Unique over all sites"),
        sa.Column("project_id", sa.String(), nullable=False, comment="Project"),
        sa.Column("version", sa.Integer(), nullable=False, comment="Version of the project's file"),
        sa.Column("state", sa.String(), nullable=False, comment="DisposalState"),
        sa.Column("class_code", sa.String(), nullable=False, comment="Class when it was decided"),
        sa.Column("new_class", sa.String(), nullable=False, comment="Class of what is kept longer"),
        sa.Column(
            "last_day", sa.String(), nullable=False, comment="Beijing day on which its term ended, ISO 8601"
        ),
        sa.Column(
            "grounds", sa.JSON(), nullable=False, comment="Rules, versions and days by which it was due"
        ),
        sa.Column("reason", sa.String(), nullable=False, comment="Why, as was said"),
        sa.Column("proposed_by", sa.String(), nullable=False, comment="Who decided or proposed"),
        sa.Column("proposed_us", sa.BigInteger(), nullable=False, comment="When"),
        sa.Column("signed_by", sa.String(), nullable=False, comment="Second signature, of another person"),
        sa.Column("signed_us", sa.BigInteger(), nullable=True, comment="When it was signed"),
        sa.Column("ordered_us", sa.BigInteger(), nullable=True, comment="When the order was given"),
        sa.Column("stopped", sa.String(), nullable=False, comment="Why its execution stands still"),
        sa.Column("done_us", sa.BigInteger(), nullable=True, comment="When the last object was gone"),
        sa.Column(
            "certificate_sha256",
            sa.String(),
            nullable=False,
            comment="SHA-256 of its certificate of destruction",
        ),
        sa.Column("withdrawn_by", sa.String(), nullable=False, comment="Who withdrew it"),
        sa.Column("withdrawn_reason", sa.String(), nullable=False, comment="Why it was withdrawn"),
        sa.Column("withdrawn_us", sa.BigInteger(), nullable=True, comment="When it was withdrawn"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_disposal_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disposal")),
        comment="Appraisals of project files whose term is over",
    )
    with op.batch_alter_table("disposal", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_disposal_project_id"), ["project_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_disposal_state"), ["state"], unique=False)

    op.create_table(
        "project_day",
        sa.Column("id", sa.String(), nullable=False, comment="Unique"),
        sa.Column("project_id", sa.String(), nullable=False, comment="Project"),
        sa.Column("kind", sa.String(), nullable=False, comment="TermStart"),
        sa.Column("day", sa.String(), nullable=False, comment="Beijing day, ISO 8601"),
        sa.Column("reason", sa.String(), nullable=False, comment="How it is known"),
        sa.Column("principal", sa.String(), nullable=False, comment="Who told it"),
        sa.Column("recorded_us", sa.BigInteger(), nullable=False, comment="When it was told"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_project_day_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_day")),
        comment="Days that terms start on, as somebody told; all stay, the newest counts",
    )
    with op.batch_alter_table("project_day", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_project_day_project_id"), ["project_id"], unique=False)

    op.create_table(
        "retention_choice",
        sa.Column("id", sa.String(), nullable=False, comment="Unique"),
        sa.Column("project_id", sa.String(), nullable=False, comment="Project"),
        sa.Column("class_code", sa.String(), nullable=False, comment="Class"),
        sa.Column("reason", sa.String(), nullable=False, comment="Why"),
        sa.Column("principal", sa.String(), nullable=False, comment="Who chose it"),
        sa.Column("at_us", sa.BigInteger(), nullable=False, comment="When"),
        sa.Column(
            "shorter",
            sa.Boolean(),
            nullable=False,
            comment="Shorter than what held then: it needs a second person",
        ),
        sa.Column("confirmed_by", sa.String(), nullable=False, comment="Second person"),
        sa.Column("confirmed_us", sa.BigInteger(), nullable=True, comment="When it was confirmed"),
        sa.ForeignKeyConstraint(
            ["class_code"], ["retention_class.code"], name=op.f("fk_retention_choice_class_code")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_retention_choice_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_choice")),
        comment="Classes that people chose for projects; all stay, the newest counts",
    )
    with op.batch_alter_table("retention_choice", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_retention_choice_project_id"), ["project_id"], unique=False)

    op.create_table(
        "disposal_object",
        sa.Column(
            "key",
            sa.String(),
            nullable=False,
            comment="Key in the store: of an archive, of an addendum, or a document",
        ),
        sa.Column("disposal_id", sa.String(), nullable=False, comment="Appraisal that ordered it"),
        sa.Column("archive_id", sa.String(), nullable=True, comment="Archive that it belongs to, if any"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="Size"),
        sa.Column("sha256", sa.String(), nullable=False, comment="SHA-256, lower-case hex"),
        sa.Column(
            "sm3",
            sa.String(),
            nullable=False,
            comment="SM3, lower-case hex; empty where the package does not tell it",
        ),
        sa.Column(
            "going_us", sa.BigInteger(), nullable=True, comment="Since when nothing stops its deletion"
        ),
        sa.Column("gone_us", sa.BigInteger(), nullable=True, comment="When the store said that it is gone"),
        sa.ForeignKeyConstraint(["archive_id"], ["archive.id"], name=op.f("fk_disposal_object_archive_id")),
        sa.ForeignKeyConstraint(
            ["disposal_id"], ["disposal.id"], name=op.f("fk_disposal_object_disposal_id")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_disposal_object")),
        comment="Objects that are to be destroyed, and what remains to be known of them",
    )
    with op.batch_alter_table("disposal_object", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_disposal_object_archive_id"), ["archive_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_disposal_object_disposal_id"), ["disposal_id"], unique=False)

    with op.batch_alter_table("archive", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "disposed_us",
                sa.BigInteger(),
                nullable=True,
                comment="When the last of its objects was destroyed by rule",
            )
        )

    with op.batch_alter_table("hold", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("kind", sa.String(), server_default="source", nullable=False, comment="HoldKind")
        )
        batch_op.add_column(
            sa.Column("session_id", sa.String(), nullable=True, comment="Session, of kind session")
        )
        batch_op.add_column(
            sa.Column("project_id", sa.String(), nullable=True, comment="Project, of kind project")
        )
        batch_op.add_column(
            sa.Column(
                "agency", sa.String(), server_default="", nullable=False, comment="Agency, of kind agency"
            )
        )
        batch_op.add_column(
            sa.Column(
                "tag_id", sa.String(), server_default="", nullable=False, comment="Mark that gave rise to it"
            )
        )
        batch_op.add_column(
            sa.Column(
                "act_id",
                sa.String(),
                server_default="",
                nullable=False,
                comment="One act may hold several things",
            )
        )
        batch_op.alter_column("source_id", existing_type=sa.String(), nullable=True)
        batch_op.create_index(batch_op.f("ix_hold_act_id"), ["act_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_hold_agency"), ["agency"], unique=False)
        batch_op.create_index(batch_op.f("ix_hold_project_id"), ["project_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_hold_session_id"), ["session_id"], unique=False)
        batch_op.create_foreign_key(batch_op.f("fk_hold_session_id"), "session", ["session_id"], ["id"])
        batch_op.create_foreign_key(batch_op.f("fk_hold_project_id"), "project", ["project_id"], ["id"])
    op.execute("UPDATE hold SET act_id = id")


def downgrade() -> None:
    op.execute(_HOLD_ALL)
    op.execute("DELETE FROM hold WHERE source_id IS NULL")
    with op.batch_alter_table("hold", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_hold_project_id"), type_="foreignkey")
        batch_op.drop_constraint(batch_op.f("fk_hold_session_id"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_hold_session_id"))
        batch_op.drop_index(batch_op.f("ix_hold_project_id"))
        batch_op.drop_index(batch_op.f("ix_hold_agency"))
        batch_op.drop_index(batch_op.f("ix_hold_act_id"))
        batch_op.alter_column("source_id", existing_type=sa.String(), nullable=False)
        batch_op.drop_column("act_id")
        batch_op.drop_column("tag_id")
        batch_op.drop_column("agency")
        batch_op.drop_column("project_id")
        batch_op.drop_column("session_id")
        batch_op.drop_column("kind")

    with op.batch_alter_table("archive", schema=None) as batch_op:
        batch_op.drop_column("disposed_us")

    op.drop_table("disposal_object")
    op.drop_table("retention_choice")
    op.drop_table("project_day")
    op.drop_table("disposal")
    op.drop_table("retention_term")
    op.drop_table("retention_rule")
    op.drop_table("retention_class")
    op.drop_table("bucket_hold")
