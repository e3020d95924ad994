"""Accounts, the links with which their holders begin, and who is signed in

Revision: 0010
Follows: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.String(), nullable=False, comment="What its holder types"),
        sa.Column("role", sa.String(), nullable=False, comment="Role"),
        sa.Column("label_zh", sa.String(), nullable=False, comment="Chinese label"),
        sa.Column("label_en", sa.String(), nullable=False, comment="English label"),
        sa.Column("department", sa.String(), nullable=False, comment="Department of its holder"),
        sa.Column("site_id", sa.String(), nullable=True, comment="Trading centre of its holder"),
        sa.Column("regions", sa.JSON(), nullable=False, comment="Divisions that it is for, with all below"),
        sa.Column(
            "industries", sa.JSON(), nullable=False, comment="Industries that it is for, with all below"
        ),
        sa.Column("all_industries", sa.Boolean(), nullable=False, comment="Whether it is for every industry"),
        sa.Column(
            "agency",
            sa.String(),
            nullable=False,
            comment="Of an agency's account: its name as projects have it",
        ),
        sa.Column("password_hash", sa.String(), nullable=False, comment="argon2; empty: none is set"),
        sa.Column(
            "totp_secret",
            sa.String(),
            nullable=False,
            comment="Of its second factor, sealed with the machine's key; empty: none",
        ),
        sa.Column(
            "totp_step", sa.BigInteger(), nullable=False, comment="Last time step of which a code was used"
        ),
        sa.Column(
            "failures",
            sa.Integer(),
            nullable=False,
            comment="Refused attempts to sign in since the last success",
        ),
        sa.Column(
            "locked_until_us", sa.BigInteger(), nullable=False, comment="No attempt is looked at before"
        ),
        sa.Column(
            "oidc_subject",
            sa.String(),
            nullable=True,
            comment="Issuer and subject at a provider of identities",
        ),
        sa.Column(
            "disabled_us",
            sa.BigInteger(),
            nullable=True,
            comment="When it was closed; empty while it is open",
        ),
        sa.Column("made_us", sa.BigInteger(), nullable=False, comment="When it was made"),
        sa.Column("made_by", sa.String(), nullable=False, comment="By whom"),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_account_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("oidc_subject", name=op.f("uq_account_oidc_subject")),
        comment="Accounts; never deleted, for records name them",
    )
    op.create_table(
        "invitation",
        sa.Column(
            "token_sha256",
            sa.String(),
            nullable=False,
            comment="SHA-256 of the link's secret; the secret itself is nowhere",
        ),
        sa.Column("account_id", sa.String(), nullable=False, comment="Account"),
        sa.Column("made_us", sa.BigInteger(), nullable=False, comment="When"),
        sa.Column("made_by", sa.String(), nullable=False, comment="By whom"),
        sa.Column("ends_us", sa.BigInteger(), nullable=False, comment="When it ends unused"),
        sa.Column("used_us", sa.BigInteger(), nullable=True, comment="When it was used"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_invitation_account_id")),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_invitation")),
        comment="One-time links with which the holder of an account sets its password",
    )
    with op.batch_alter_table("invitation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_invitation_account_id"), ["account_id"], unique=False)

    op.create_table(
        "login",
        sa.Column("id", sa.String(), nullable=False, comment="Unique; may be shown"),
        sa.Column(
            "token_sha256",
            sa.String(),
            nullable=False,
            comment="SHA-256 of the cookie's secret; the secret itself is nowhere",
        ),
        sa.Column("account_id", sa.String(), nullable=False, comment="Account"),
        sa.Column("made_us", sa.BigInteger(), nullable=False, comment="When"),
        sa.Column("seen_us", sa.BigInteger(), nullable=False, comment="Last request, to the minute"),
        sa.Column("ends_us", sa.BigInteger(), nullable=False, comment="When it ends, whatever happens"),
        sa.Column("origin", sa.String(), nullable=False, comment="Address"),
        sa.Column("agent", sa.String(), nullable=False, comment="What the browser calls itself"),
        sa.Column("second_factor", sa.Boolean(), nullable=False, comment="Whether a second factor was given"),
        sa.Column("ended_us", sa.BigInteger(), nullable=True, comment="When it ended; empty while it lasts"),
        sa.Column("end_reason", sa.String(), nullable=True, comment="LoginEnd"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_login_account_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_login_token_sha256")),
        comment="Who is or was signed in",
    )
    with op.batch_alter_table("login", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_login_account_id"), ["account_id"], unique=False)


def downgrade() -> None:
    op.drop_table("login")
    op.drop_table("invitation")
    op.drop_table("account")
