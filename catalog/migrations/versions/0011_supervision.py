"""Directives of supervisors, who is there, and alerts

Revision: 0011
Follows: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _directives()
    _presences()
    _alerts()


def _directives() -> None:
    op.create_table(
        "directive",
        sa.Column("id", sa.String(), nullable=False, comment="Made by whoever sends it"),
        sa.Column("project_id", sa.String(), nullable=False, comment="Project"),
        sa.Column("number", sa.Integer(), nullable=False, comment="Within the project, from 1"),
        sa.Column("kind", sa.String(), nullable=False, comment="DirectiveKind"),
        sa.Column(
            "section_number", sa.Integer(), nullable=True, comment="Section; empty: the project as a whole"
        ),
        sa.Column("session_id", sa.String(), nullable=True, comment="Session; empty: none in particular"),
        sa.Column(
            "to_room", sa.Boolean(), nullable=False, comment="Whether it stands on the room's screen, too"
        ),
        sa.Column("text", sa.String(), nullable=False, comment="What is ordered, in words"),
        sa.Column("tag_id", sa.String(), nullable=False, comment="Mark that gave rise to it; empty: none"),
        sa.Column("issued_by", sa.String(), nullable=False, comment="Supervisor"),
        sa.Column("issued_us", sa.BigInteger(), nullable=False, comment="When the server took it"),
        sa.Column("due_us", sa.BigInteger(), nullable=False, comment="Until when it is to be answered"),
        sa.Column(
            "event_id", sa.String(), nullable=False, comment="Event that it put on the timeline; empty: none"
        ),
        sa.Column("answered_by", sa.String(), nullable=False, comment="Witness"),
        sa.Column("answered_us", sa.BigInteger(), nullable=True, comment="When; empty: not answered"),
        sa.Column("answer", sa.String(), nullable=False, comment="In words"),
        sa.Column(
            "closed_by",
            sa.String(),
            nullable=False,
            comment="Who closed it: the supervisor who issued it",
        ),
        sa.Column("closed_us", sa.BigInteger(), nullable=True, comment="When; empty: it is open"),
        sa.Column(
            "close_note",
            sa.String(),
            nullable=False,
            comment="Why it was closed without an answer, or what is to be said",
        ),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_directive_project_id")),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_directive_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_directive")),
        sa.UniqueConstraint("project_id", "number", name=op.f("uq_directive_project_id_number")),
        comment="What supervisors order in projects, and the answers; rows are never deleted",
    )
    with op.batch_alter_table("directive", schema=None) as batch_op:
        for name in ("session_id", "issued_by", "issued_us", "closed_us"):
            batch_op.create_index(batch_op.f(f"ix_directive_{name}"), [name], unique=False)


def _presences() -> None:
    op.create_table(
        "presence",
        sa.Column("id", sa.String(), nullable=False, comment="Unique"),
        sa.Column("project_id", sa.String(), nullable=False, comment="Project"),
        sa.Column("session_id", sa.String(), nullable=True, comment="Session; empty: none in particular"),
        sa.Column("account_id", sa.String(), nullable=False, comment="Who was there"),
        sa.Column("role", sa.String(), nullable=False, comment="Role"),
        sa.Column("mode", sa.String(), nullable=False, comment="PresenceMode"),
        sa.Column("room_id", sa.String(), nullable=True, comment="Room, of one who is on site"),
        sa.Column("marked_by", sa.String(), nullable=False, comment="Who said so"),
        sa.Column("since_us", sa.BigInteger(), nullable=False, comment="Since when"),
        sa.Column("seen_us", sa.BigInteger(), nullable=False, comment="When that was last said"),
        sa.Column(
            "left_us",
            sa.BigInteger(),
            nullable=True,
            comment="When it was said that he left; empty: nobody said so",
        ),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_presence_project_id")),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_presence_session_id")),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"], name=op.f("fk_presence_room_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_presence")),
        comment="When witnesses and supervisors were there; rows are never deleted",
    )
    with op.batch_alter_table("presence", schema=None) as batch_op:
        for name in ("project_id", "account_id"):
            batch_op.create_index(batch_op.f(f"ix_presence_{name}"), [name], unique=False)


def _alerts() -> None:
    op.create_table(
        "alert",
        sa.Column("id", sa.String(), nullable=False, comment="Unique"),
        sa.Column("rule", sa.String(), nullable=False, comment="AlertRule"),
        sa.Column(
            "subject",
            sa.String(),
            nullable=False,
            comment="What it is about: of a rule and a subject one at most is not over",
        ),
        sa.Column("project_id", sa.String(), nullable=True, comment="Project; empty: of none"),
        sa.Column("session_id", sa.String(), nullable=True, comment="Session"),
        sa.Column("source_id", sa.String(), nullable=True, comment="Source"),
        sa.Column("room_id", sa.String(), nullable=True, comment="Room"),
        sa.Column("since_us", sa.BigInteger(), nullable=False, comment="Since when"),
        sa.Column("details", sa.JSON(), nullable=False, comment="What the rule names"),
        sa.Column("over_us", sa.BigInteger(), nullable=True, comment="Until when; empty: it lasts"),
        sa.Column("acknowledged_by", sa.String(), nullable=False, comment="Who took notice"),
        sa.Column("acknowledged_us", sa.BigInteger(), nullable=True, comment="When"),
        sa.Column("note", sa.String(), nullable=False, comment="What was said then"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_alert_project_id")),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_alert_session_id")),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_alert_source_id")),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"], name=op.f("fk_alert_room_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
        comment="What was the matter, from when to when, and who took notice",
    )
    with op.batch_alter_table("alert", schema=None) as batch_op:
        for name in ("project_id", "since_us", "over_us"):
            batch_op.create_index(batch_op.f(f"ix_alert_{name}"), [name], unique=False)


def downgrade() -> None:
    for name in ("alert", "presence", "directive"):
        op.drop_table(name)
