"""Search: the index of words, marks of what changed, saved searches

Revision: 0006
Follows: 0005
"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

from catalog.search import changes, words

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "search_project",
        sa.Column(
            "number", sa.Integer(), nullable=False, comment="Given in the order in which they became known"
        ),
        sa.Column("project_id", sa.String(), nullable=False, comment="Project"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_search_project_project_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_search_project")),
        sa.UniqueConstraint("project_id", name=op.f("uq_search_project_project_id")),
        comment="Numbers of projects: what the index of words calls them",
    )
    op.create_table(
        "search_change",
        sa.Column("kind", sa.String(), nullable=False, comment="project, session, or places (all of them)"),
        sa.Column(
            "id", sa.String(), nullable=False, comment="Id of the project or session; empty for places"
        ),
        sa.Column("number", sa.BigInteger(), nullable=False, comment="Greater than of all changes before"),
        sa.PrimaryKeyConstraint("kind", "id", name=op.f("pk_search_change")),
        comment="What changed last of what is searched: programs read it anew; see triggers",
    )
    op.create_index(op.f("ix_search_change_number"), "search_change", ["number"])
    key = op.create_table(
        "search_key",
        sa.Column("id", sa.Integer(), nullable=False, comment="1"),
        sa.Column("signing", sa.String(), nullable=False, comment="256 random bits, lower-case hex"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_key")),
        comment="What this catalogue signs the marks of pages with: a single row",
    )
    op.bulk_insert(key, [{"id": 1, "signing": secrets.token_hex(32)}])
    op.create_table(
        "saved_search",
        sa.Column("id", sa.String(), nullable=False, comment="Unique"),
        sa.Column("principal", sa.String(), nullable=False, comment="Whose"),
        sa.Column("name", sa.String(), nullable=False, comment="As they call it"),
        sa.Column(
            "filters", sa.JSON(), nullable=False, comment="What it is narrowed by, as the API takes it"
        ),
        sa.Column("made_us", sa.BigInteger(), nullable=False, comment="When it was saved"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_search")),
        sa.UniqueConstraint("principal", "name", name=op.f("uq_saved_search_principal_name")),
        comment="Searches that people keep for themselves",
    )
    words.create(op.get_bind())
    words.rebuild(op.get_bind())


def downgrade() -> None:
    changes.drop_triggers(op.get_bind())
    words.drop(op.get_bind())
    for table in ("saved_search", "search_key", "search_change", "search_project"):
        op.drop_table(table)
