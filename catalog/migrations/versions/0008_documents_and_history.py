"""Documents beside the video, their packages, archive numbers, and recordings that were handed in

Revision: 0008
Follows: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "addendum",
        sa.Column("id", sa.String(), nullable=False, comment="Unique over all sites"),
        sa.Column("project_id", sa.String(), nullable=False, comment="Project"),
        sa.Column(
            "number",
            sa.Integer(),
            nullable=False,
            comment="From 1 within the project; earlier ones stay (invariant 9)",
        ),
        sa.Column(
            "file_version",
            sa.Integer(),
            nullable=True,
            comment="Version of the project's file that its card tells of; empty before the file is sealed",
        ),
        sa.Column("key_prefix", sa.String(), nullable=False, comment="Common start of its keys"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="What it weighs, all objects"),
        sa.Column(
            "verified_us",
            sa.BigInteger(),
            nullable=False,
            comment="When the last object had been read back (invariant 10)",
        ),
        sa.Column("principal", sa.String(), nullable=False, comment="Who or what made it"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_addendum_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_addendum")),
        sa.UniqueConstraint("key_prefix", name=op.f("uq_addendum_key_prefix")),
        comment="Packages of a project beside those of its sessions: card and later documents",
    )
    op.create_index(op.f("ix_addendum_project_id_number"), "addendum", ["project_id", "number"], unique=True)
    op.create_table(
        "archive_number",
        sa.Column("number", sa.String(), nullable=False, comment="As it is written"),
        sa.Column("project_id", sa.String(), nullable=False, comment="Project"),
        sa.Column(
            "series",
            sa.String(),
            nullable=False,
            comment="What it is unique within: the number without its serial",
        ),
        sa.Column("serial", sa.Integer(), nullable=False, comment="From 1 in its series"),
        sa.Column("given_us", sa.BigInteger(), nullable=False, comment="When"),
        sa.Column("principal", sa.String(), nullable=False, comment="Who or what gave it"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_archive_number_project_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_archive_number")),
        sa.UniqueConstraint("project_id", name=op.f("uq_archive_number_project_id")),
        comment="Archive numbers (档号): given once, never given again; rows are never removed",
    )
    op.create_index(
        op.f("ix_archive_number_series_serial"), "archive_number", ["series", "serial"], unique=True
    )
    op.create_table(
        "addendum_object",
        sa.Column("key", sa.String(), nullable=False, comment="Key in the store, never overwritten"),
        sa.Column("addendum_id", sa.String(), nullable=False, comment="Addendum"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="Size"),
        sa.Column("sha256", sa.String(), nullable=False, comment="SHA-256, lower-case hex"),
        sa.ForeignKeyConstraint(
            ["addendum_id"], ["addendum.id"], name=op.f("fk_addendum_object_addendum_id")
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_addendum_object")),
        comment="Objects of an addendum, as its manifests name them",
    )
    op.create_index(op.f("ix_addendum_object_addendum_id"), "addendum_object", ["addendum_id"], unique=False)
    op.create_table(
        "document",
        sa.Column("id", sa.String(), nullable=False, comment="Unique over all sites"),
        sa.Column("project_id", sa.String(), nullable=False, comment="Project"),
        sa.Column(
            "session_id", sa.String(), nullable=True, comment="Session; empty: of the project as a whole"
        ),
        sa.Column("kind", sa.String(), nullable=False, comment="DocumentKind"),
        sa.Column(
            "name", sa.String(), nullable=False, comment="As it was handed in, cleaned; a label, never a path"
        ),
        sa.Column("file_type", sa.String(), nullable=False, comment="FileType, by its content"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False, comment="Size"),
        sa.Column("sha256", sa.String(), nullable=False, comment="SHA-256, lower-case hex"),
        sa.Column(
            "sm3",
            sa.String(),
            nullable=True,
            comment="SM3 (GB/T 32905), lower-case hex; empty where it was not computed",
        ),
        sa.Column("object_key", sa.String(), nullable=False, comment="Key in the store, never overwritten"),
        sa.Column("version", sa.Integer(), nullable=False, comment="From 1; a correction is the next one"),
        sa.Column("supersedes", sa.String(), nullable=True, comment="The version before, which stays"),
        sa.Column(
            "reason", sa.String(), nullable=False, comment="Why it was corrected; empty for a first version"
        ),
        sa.Column("principal", sa.String(), nullable=False, comment="Who brought it"),
        sa.Column("at_us", sa.BigInteger(), nullable=False, comment="When it was taken in"),
        sa.Column(
            "checks", sa.JSON(), nullable=False, comment="PropertyResult of each of the four properties"
        ),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_document_project_id")),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_document_session_id")),
        sa.ForeignKeyConstraint(["supersedes"], ["document.id"], name=op.f("fk_document_supersedes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document")),
        sa.UniqueConstraint("object_key", name=op.f("uq_document_object_key")),
        sa.UniqueConstraint("supersedes", name=op.f("uq_document_supersedes")),
        comment="Documents of projects, stored and read back; never changed, only added to",
    )
    op.create_index(op.f("ix_document_at_us"), "document", ["at_us"], unique=False)
    op.create_index(op.f("ix_document_project_id_sha256"), "document", ["project_id", "sha256"], unique=True)
    op.create_index(op.f("ix_document_session_id"), "document", ["session_id"], unique=False)
    op.create_table(
        "document_copy",
        sa.Column("object_key", sa.String(), nullable=False, comment="Its file in the package"),
        sa.Column("document_id", sa.String(), nullable=False, comment="Document"),
        sa.Column("archive_id", sa.String(), nullable=True, comment="Archive of a session that holds it"),
        sa.Column("addendum_id", sa.String(), nullable=True, comment="Addendum that holds it"),
        sa.ForeignKeyConstraint(["addendum_id"], ["addendum.id"], name=op.f("fk_document_copy_addendum_id")),
        sa.ForeignKeyConstraint(["archive_id"], ["archive.id"], name=op.f("fk_document_copy_archive_id")),
        sa.ForeignKeyConstraint(["document_id"], ["document.id"], name=op.f("fk_document_copy_document_id")),
        sa.PrimaryKeyConstraint("object_key", name=op.f("pk_document_copy")),
        comment="Packages that hold a document",
    )
    op.create_index(op.f("ix_document_copy_addendum_id"), "document_copy", ["addendum_id"], unique=False)
    op.create_index(op.f("ix_document_copy_archive_id"), "document_copy", ["archive_id"], unique=False)
    op.create_index(op.f("ix_document_copy_document_id"), "document_copy", ["document_id"], unique=False)
    op.create_table(
        "handed_file",
        sa.Column("run_id", sa.String(), nullable=False, comment="Run that it became"),
        sa.Column("source_id", sa.String(), nullable=False, comment="Source"),
        sa.Column("session_id", sa.String(), nullable=True, comment="Session that its list names"),
        sa.Column(
            "listed_in",
            sa.String(),
            nullable=False,
            comment="Name of the list; empty for a file that came alone",
        ),
        sa.Column("name", sa.String(), nullable=False, comment="Of the file, without its directory; a label"),
        sa.Column(
            "size_bytes", sa.BigInteger(), nullable=False, comment="Size of the file as it was handed in"
        ),
        sa.Column("sha256", sa.String(), nullable=False, comment="Its SHA-256, lower-case hex"),
        sa.Column("offset_us", sa.BigInteger(), nullable=False, comment="Added to its times"),
        sa.Column(
            "wall_start_us",
            sa.BigInteger(),
            nullable=False,
            comment="Wall time of its first picture, offset applied",
        ),
        sa.Column(
            "wall_end_us", sa.BigInteger(), nullable=False, comment="Wall time at which its last picture ends"
        ),
        sa.Column("principal", sa.String(), nullable=False, comment="Who handed it in"),
        sa.Column("at_us", sa.BigInteger(), nullable=False, comment="When"),
        sa.Column(
            "checks", sa.JSON(), nullable=False, comment="PropertyResult of each of the four properties"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_handed_file_run_id")),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_handed_file_session_id")),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_handed_file_source_id")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_handed_file")),
        comment="Recordings that were handed in, with their four-property check",
    )
    op.create_index(op.f("ix_handed_file_session_id"), "handed_file", ["session_id"], unique=False)
    op.create_index(
        op.f("ix_handed_file_source_id_size_bytes"), "handed_file", ["source_id", "size_bytes"], unique=False
    )


def downgrade() -> None:
    op.drop_table("handed_file")
    op.drop_table("document_copy")
    op.drop_table("document")
    op.drop_table("addendum_object")
    op.drop_table("archive_number")
    op.drop_table("addendum")
