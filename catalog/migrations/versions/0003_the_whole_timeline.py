"""The whole timeline

Revision: 0003
Follows: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trading_system",
        sa.Column(
            "id", sa.String(), nullable=False, comment="Short name; its reports bear it as their principal"
        ),
        sa.Column("name_zh", sa.String(), nullable=False, comment="Chinese name"),
        sa.Column(
            "key_sha256",
            sa.String(),
            nullable=False,
            comment="SHA-256 of its key, lower-case hex; the key itself is nowhere",
        ),
        sa.Column("made_us", sa.BigInteger(), nullable=False, comment="When the key was made"),
        sa.Column("principal", sa.String(), nullable=False, comment="Who made it"),
        sa.Column(
            "revoked_us",
            sa.BigInteger(),
            nullable=True,
            comment="When the key was revoked; empty while it holds",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trading_system")),
        sa.UniqueConstraint("key_sha256", name=op.f("uq_trading_system_key_sha256")),
        comment="Electronic trading systems that may report projects and events",
    )
    op.create_table(
        "region_alias",
        sa.Column("old_code", sa.String(), nullable=False, comment="Six digits, as it was"),
        sa.Column("code", sa.String(), nullable=False, comment="Division that it is today"),
        sa.Column("old_name_zh", sa.String(), nullable=False, comment="Chinese name, as it was"),
        sa.Column(
            "until",
            sa.String(),
            nullable=False,
            comment="Day on which the code ended, ISO 8601; empty where it is not known",
        ),
        sa.Column("note", sa.String(), nullable=False, comment="Why it changed, for people"),
        sa.ForeignKeyConstraint(["code"], ["region.code"], name=op.f("fk_region_alias_code")),
        sa.PrimaryKeyConstraint("old_code", name=op.f("pk_region_alias")),
        comment="Codes that a division had before; old archives keep theirs",
    )
    with op.batch_alter_table("region_alias", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_region_alias_code"), ["code"], unique=False)

    op.create_table(
        "file_set",
        sa.Column("project_id", sa.String(), nullable=False, comment="Project"),
        sa.Column(
            "version", sa.Integer(), nullable=False, comment="From 1; older versions stay (invariant 9)"
        ),
        sa.Column(
            "sealed_us", sa.BigInteger(), nullable=False, comment="When the last of its sessions was archived"
        ),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_file_set_project_id")),
        sa.PrimaryKeyConstraint("project_id", "version", name=op.f("pk_file_set")),
        comment="A project's file (one project, one file): versions of it as a whole",
    )
    op.create_table(
        "hall_project",
        sa.Column(
            "hall_id", sa.String(), nullable=False, comment="Record of the hall, a project of kind hall"
        ),
        sa.Column("project_id", sa.String(), nullable=False, comment="Project seen in it"),
        sa.ForeignKeyConstraint(["hall_id"], ["project.id"], name=op.f("fk_hall_project_hall_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_hall_project_project_id")),
        sa.PrimaryKeyConstraint("hall_id", "project_id", name=op.f("pk_hall_project")),
        comment="Projects that the record of a shared hall's day shows",
    )
    with op.batch_alter_table("hall_project", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_hall_project_project_id"), ["project_id"], unique=False)

    op.create_table(
        "section",
        sa.Column("project_id", sa.String(), nullable=False, comment="Project"),
        sa.Column("number", sa.Integer(), nullable=False, comment="From 1"),
        sa.Column("section_code", sa.String(), nullable=False, comment="Code of the section, opaque"),
        sa.Column("name_zh", sa.String(), nullable=False, comment="Chinese name"),
        sa.Column("unified_deal_code", sa.String(), nullable=False, comment="Unified deal code, opaque"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_section_project_id")),
        sa.PrimaryKeyConstraint("project_id", "number", name=op.f("pk_section")),
        sa.UniqueConstraint("section_code", name=op.f("uq_section_section_code")),
        comment="Sections (lots) of projects",
    )
    with op.batch_alter_table("section", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_section_unified_deal_code"), ["unified_deal_code"], unique=False)

    op.create_table(
        "venue",
        sa.Column("project_id", sa.String(), nullable=False, comment="Project"),
        sa.Column("site_id", sa.String(), nullable=False, comment="Site"),
        sa.Column("role", sa.String(), nullable=False, comment="VenueRole"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_venue_project_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_venue_site_id")),
        sa.PrimaryKeyConstraint("project_id", "site_id", name=op.f("pk_venue")),
        comment="Sites that a project is held at",
    )
    with op.batch_alter_table("venue", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_venue_site_id"), ["site_id"], unique=False)

    op.create_table(
        "seating",
        sa.Column("id", sa.String(), nullable=False, comment="Unique over all sites"),
        sa.Column("session_id", sa.String(), nullable=False, comment="Session"),
        sa.Column("seat_id", sa.String(), nullable=False, comment="Seat"),
        sa.Column(
            "member",
            sa.String(),
            nullable=False,
            comment="O1, E2, ...: owner's representative or expert by ordinal",
        ),
        sa.Column(
            "expert_key",
            sa.String(),
            server_default="",
            nullable=False,
            comment="Opaque key of the expert, made by the trading system with its own secret",
        ),
        sa.Column(
            "from_us", sa.BigInteger(), nullable=True, comment="Since when; empty: the session's start"
        ),
        sa.Column("to_us", sa.BigInteger(), nullable=True, comment="Until when; empty: the session's end"),
        sa.Column("principal", sa.String(), server_default="", nullable=False, comment="Who said so"),
        sa.Column(
            "reason",
            sa.String(),
            server_default="",
            nullable=False,
            comment="Why it was put right; empty for what was planned",
        ),
        sa.Column(
            "recorded_us", sa.BigInteger(), server_default="0", nullable=False, comment="When we learnt of it"
        ),
        sa.Column(
            "replaced_us",
            sa.BigInteger(),
            nullable=True,
            comment="When it was put right; empty while it holds",
        ),
        sa.ForeignKeyConstraint(["seat_id"], ["seat.id"], name=op.f("fk_seating_seat_id")),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_seating_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seating")),
        comment="Who sits where in a session, by ordinal and opaque key, never by name",
    )
    with op.batch_alter_table("seating", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_seating_expert_key"), ["expert_key"], unique=False)
        batch_op.create_index(batch_op.f("ix_seating_seat_id"), ["seat_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_seating_session_id"), ["session_id"], unique=False)

    op.create_table(
        "session_room",
        sa.Column("session_id", sa.String(), nullable=False, comment="Session"),
        sa.Column("room_id", sa.String(), nullable=False, comment="Room"),
        sa.ForeignKeyConstraint(["room_id"], ["room.id"], name=op.f("fk_session_room_room_id")),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_session_room_session_id")),
        sa.PrimaryKeyConstraint("session_id", "room_id", name=op.f("pk_session_room")),
        comment="Rooms that are recorded with a session beside its own: a corridor",
    )
    with op.batch_alter_table("session_room", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_session_room_room_id"), ["room_id"], unique=False)

    op.create_table(
        "session_section",
        sa.Column("session_id", sa.String(), nullable=False, comment="Session"),
        sa.Column("number", sa.Integer(), nullable=False, comment="Section of the session's project"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_session_section_session_id")),
        sa.PrimaryKeyConstraint("session_id", "number", name=op.f("pk_session_section")),
        comment="Sections that a session deals with; none: all of its project",
    )
    op.create_table(
        "file_set_archive",
        sa.Column("project_id", sa.String(), nullable=False, comment="Project"),
        sa.Column("version", sa.Integer(), nullable=False, comment="Version of its file"),
        sa.Column("archive_id", sa.String(), nullable=False, comment="Archive of one of its sessions"),
        sa.ForeignKeyConstraint(["archive_id"], ["archive.id"], name=op.f("fk_file_set_archive_archive_id")),
        sa.ForeignKeyConstraint(
            ["project_id", "version"],
            ["file_set.project_id", "file_set.version"],
            name=op.f("fk_file_set_archive_project_id_version"),
        ),
        sa.PrimaryKeyConstraint("project_id", "version", "archive_id", name=op.f("pk_file_set_archive")),
        comment="Which archives make up a version of a project's file",
    )
    op.create_table(
        "session_source",
        sa.Column("session_id", sa.String(), nullable=False, comment="Session"),
        sa.Column("source_id", sa.String(), nullable=False, comment="Source"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_session_source_session_id")),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_session_source_source_id")),
        sa.PrimaryKeyConstraint("session_id", "source_id", name=op.f("pk_session_source")),
        comment="Sources of a session whose footage was handed over; none: those of its rooms",
    )
    op.create_table(
        "tag",
        sa.Column("id", sa.String(), nullable=False, comment="Unique over all sites"),
        sa.Column("project_id", sa.String(), nullable=False, comment="Project"),
        sa.Column("session_id", sa.String(), nullable=True, comment="Session"),
        sa.Column("source_id", sa.String(), nullable=True, comment="Source that showed it"),
        sa.Column(
            "at_us",
            sa.BigInteger(),
            nullable=False,
            comment="The moment, by the time of the frame on the screen",
        ),
        sa.Column(
            "kind",
            sa.String(),
            nullable=False,
            comment="note, irregular, fault, quality, or the kind of an event",
        ),
        sa.Column("severity", sa.String(), nullable=False, comment="minor or major; empty for a note"),
        sa.Column("text", sa.String(), nullable=False, comment="In words, without names of people"),
        sa.Column("principal", sa.String(), nullable=False, comment="Who marked it"),
        sa.Column("recorded_us", sa.BigInteger(), nullable=False, comment="When it was marked"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_tag_project_id")),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_tag_session_id")),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_tag_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag")),
        comment="Moments that somebody marked; never changed, only added to",
    )
    with op.batch_alter_table("tag", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tag_project_id_at_us"), ["project_id", "at_us"], unique=False)
        batch_op.create_index(batch_op.f("ix_tag_session_id"), ["session_id"], unique=False)

    op.execute(
        "INSERT INTO seating (id, session_id, seat_id, member) "
        "SELECT session_id || '/' || seat_id, session_id, seat_id, member FROM session_seat"
    )
    op.drop_table("session_seat")
    with op.batch_alter_table("booking", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "status", sa.String(), server_default="confirmed", nullable=False, comment="BookingStatus"
            )
        )
        batch_op.add_column(
            sa.Column(
                "project_id", sa.String(), nullable=True, comment="Project it is for, where that is known"
            )
        )
        batch_op.create_index(batch_op.f("ix_booking_project_id"), ["project_id"], unique=False)
        batch_op.create_foreign_key(batch_op.f("fk_booking_project_id"), "project", ["project_id"], ["id"])

    with op.batch_alter_table("clip", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "revision",
                sa.Integer(),
                server_default="1",
                nullable=False,
                comment="From 1; a changed timeline makes a new one",
            )
        )
        batch_op.add_column(
            sa.Column(
                "retired_us",
                sa.BigInteger(),
                nullable=True,
                comment="When a later cut left it behind; empty while it holds",
            )
        )

    with op.batch_alter_table("archive", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "cut_number",
                sa.Integer(),
                server_default="0",
                nullable=False,
                comment="Which cut of the session it holds",
            )
        )
        batch_op.add_column(
            sa.Column(
                "known_number",
                sa.Integer(),
                nullable=True,
                comment="How much was known of the session that its document tells; empty where not noted",
            )
        )

    with op.batch_alter_table("industry", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "deal_classify",
                sa.String(),
                server_default="",
                nullable=False,
                comment="Class of the national deal platform, opaque",
            )
        )
        batch_op.add_column(
            sa.Column(
                "supervising",
                sa.String(),
                server_default="",
                nullable=False,
                comment="Which authorities supervise it, for people",
            )
        )

    with op.batch_alter_table("project", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("kind", sa.String(), server_default="tender", nullable=False, comment="ProjectKind")
        )
        batch_op.add_column(
            sa.Column(
                "tender_project_code",
                sa.String(),
                server_default="",
                nullable=False,
                comment="Code of the tender project, opaque",
            )
        )
        batch_op.add_column(
            sa.Column(
                "method",
                sa.String(),
                server_default="",
                nullable=False,
                comment="How it is tendered, as the trading system says",
            )
        )
        batch_op.add_column(
            sa.Column(
                "evaluation_mode",
                sa.String(),
                server_default="",
                nullable=False,
                comment="local, remote, scattered or none",
            )
        )
        batch_op.add_column(
            sa.Column(
                "committee_size",
                sa.Integer(),
                server_default="0",
                nullable=False,
                comment="Members of the committee",
            )
        )
        batch_op.add_column(
            sa.Column(
                "agency",
                sa.String(),
                server_default="",
                nullable=False,
                comment="Tendering agency, as the trading system says",
            )
        )
        batch_op.add_column(
            sa.Column(
                "supervising_account",
                sa.String(),
                server_default="",
                nullable=False,
                comment="Account assigned to supervise it",
            )
        )
        batch_op.add_column(
            sa.Column(
                "outcome",
                sa.String(),
                server_default="",
                nullable=False,
                comment="How it came out; empty while it is open",
            )
        )
        batch_op.add_column(
            sa.Column(
                "result_published_us",
                sa.BigInteger(),
                nullable=True,
                comment="When its result was made public",
            )
        )
        batch_op.add_column(
            sa.Column(
                "retention_class",
                sa.String(),
                server_default="",
                nullable=False,
                comment="Code of its retention class",
            )
        )
        batch_op.add_column(
            sa.Column(
                "reported_by",
                sa.String(),
                server_default="",
                nullable=False,
                comment="Principal of the trading system that it belongs to; empty: of none yet",
            )
        )

    with op.batch_alter_table("gap", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_gap_source_id_wall_start_us"), ["source_id", "wall_start_us"], unique=False
        )

    with op.batch_alter_table("segment", schema=None) as batch_op:
        batch_op.create_index(
            "ix_segment_long",
            ["source_id"],
            unique=False,
            sqlite_where=sa.text("wall_end_us - wall_start_us > 3600000000"),
            postgresql_where=sa.text("wall_end_us - wall_start_us > 3600000000"),
        )

    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "venue_role",
                sa.String(),
                server_default="main",
                nullable=False,
                comment="VenueRole of its site",
            )
        )
        batch_op.add_column(
            sa.Column(
                "cut_number",
                sa.Integer(),
                server_default="0",
                nullable=False,
                comment="How often its clips were made or changed",
            )
        )
        batch_op.add_column(
            sa.Column(
                "change_number",
                sa.Integer(),
                server_default="0",
                nullable=False,
                comment="How often what it is cut by was changed: events, seats, rooms, sources",
            )
        )
        batch_op.add_column(
            sa.Column(
                "plan",
                sa.JSON(),
                server_default="{}",
                nullable=False,
                comment="Its plan as it was last reported: the same again changes nothing",
            )
        )
        batch_op.create_index(batch_op.f("ix_session_end_us"), ["end_us"], unique=False)
    op.execute("UPDATE session SET cut_number = 1 WHERE state IN ('cut', 'archived')")
    op.execute("UPDATE archive SET cut_number = 1")

    with op.batch_alter_table("timeline_event", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "details",
                sa.JSON(),
                server_default="{}",
                nullable=False,
                comment="What else the reporter said, as it came",
            )
        )
        batch_op.add_column(
            sa.Column(
                "replaces", sa.String(), nullable=True, comment="Event that this one puts right; both stay"
            )
        )
        batch_op.add_column(
            sa.Column(
                "withdrawn",
                sa.Boolean(),
                server_default=sa.false(),
                nullable=False,
                comment="Only takes back what it replaces: nothing of the kind happened",
            )
        )
        batch_op.create_unique_constraint(batch_op.f("uq_timeline_event_replaces"), ["replaces"])
        batch_op.create_foreign_key(
            batch_op.f("fk_timeline_event_replaces"), "timeline_event", ["replaces"], ["id"]
        )


def downgrade() -> None:
    with op.batch_alter_table("timeline_event", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_timeline_event_replaces"), type_="foreignkey")
        batch_op.drop_constraint(batch_op.f("uq_timeline_event_replaces"), type_="unique")
        batch_op.drop_column("withdrawn")
        batch_op.drop_column("replaces")
        batch_op.drop_column("details")

    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_session_end_us"))
        batch_op.drop_column("plan")
        batch_op.drop_column("change_number")
        batch_op.drop_column("cut_number")
        batch_op.drop_column("venue_role")

    with op.batch_alter_table("gap", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_gap_source_id_wall_start_us"))

    with op.batch_alter_table("segment", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_segment_long",
            sqlite_where=sa.text("wall_end_us - wall_start_us > 3600000000"),
            postgresql_where=sa.text("wall_end_us - wall_start_us > 3600000000"),
        )

    with op.batch_alter_table("project", schema=None) as batch_op:
        batch_op.drop_column("reported_by")
        batch_op.drop_column("retention_class")
        batch_op.drop_column("result_published_us")
        batch_op.drop_column("outcome")
        batch_op.drop_column("supervising_account")
        batch_op.drop_column("agency")
        batch_op.drop_column("committee_size")
        batch_op.drop_column("evaluation_mode")
        batch_op.drop_column("method")
        batch_op.drop_column("tender_project_code")
        batch_op.drop_column("kind")

    with op.batch_alter_table("industry", schema=None) as batch_op:
        batch_op.drop_column("supervising")
        batch_op.drop_column("deal_classify")

    with op.batch_alter_table("archive", schema=None) as batch_op:
        batch_op.drop_column("known_number")
        batch_op.drop_column("cut_number")

    with op.batch_alter_table("clip", schema=None) as batch_op:
        batch_op.drop_column("retired_us")
        batch_op.drop_column("revision")

    with op.batch_alter_table("booking", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_booking_project_id"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_booking_project_id"))
        batch_op.drop_column("project_id")
        batch_op.drop_column("status")

    op.create_table(
        "session_seat",
        sa.Column("session_id", sa.VARCHAR(), nullable=False),
        sa.Column("seat_id", sa.VARCHAR(), nullable=False),
        sa.Column("member", sa.VARCHAR(), nullable=False),
        sa.ForeignKeyConstraint(["seat_id"], ["seat.id"], name=op.f("fk_session_seat_seat_id")),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name=op.f("fk_session_seat_session_id")),
        sa.PrimaryKeyConstraint("session_id", "seat_id", name=op.f("pk_session_seat")),
    )
    with op.batch_alter_table("tag", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_tag_session_id"))
        batch_op.drop_index(batch_op.f("ix_tag_project_id_at_us"))

    op.drop_table("tag")
    op.drop_table("session_source")
    op.drop_table("file_set_archive")
    op.drop_table("session_section")
    with op.batch_alter_table("session_room", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_session_room_room_id"))

    op.drop_table("session_room")
    op.execute(
        "INSERT INTO session_seat (session_id, seat_id, member) "
        "SELECT session_id, seat_id, MAX(member) FROM seating WHERE replaced_us IS NULL "
        "GROUP BY session_id, seat_id"
    )
    with op.batch_alter_table("seating", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_seating_session_id"))
        batch_op.drop_index(batch_op.f("ix_seating_seat_id"))
        batch_op.drop_index(batch_op.f("ix_seating_expert_key"))

    op.drop_table("seating")
    with op.batch_alter_table("venue", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_venue_site_id"))

    op.drop_table("venue")
    with op.batch_alter_table("section", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_section_unified_deal_code"))

    op.drop_table("section")
    with op.batch_alter_table("hall_project", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_hall_project_project_id"))

    op.drop_table("hall_project")
    op.drop_table("file_set")
    with op.batch_alter_table("region_alias", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_region_alias_code"))

    op.drop_table("region_alias")
    op.drop_table("trading_system")
