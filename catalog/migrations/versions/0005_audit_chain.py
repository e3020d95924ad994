"""The audit chain: who did what, in rows that the database itself does not let anybody change

Revision: 0005
Follows: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Rows are only added, each behind the last, and leave only with a closed epoch. Whoever may alter tables can
# take the guards away: then the chain tells. What a plain guard of updates and deletions would let through is
# guarded, too: on SQLite "INSERT OR REPLACE" deletes without a word to triggers of deletion
# (https://sqlite.org/lang_conflict.html), on PostgreSQL TRUNCATE asks no trigger of rows.
# A batch alter on SQLite makes a table anew, without its triggers: a later revision that alters these tables
# makes them again (``docs/design/audit.md``).
_SQLITE = (
    """
    CREATE TRIGGER audit_follows BEFORE INSERT ON audit
    WHEN NEW.number IS NOT 1 + COALESCE(
        (SELECT MAX(number) FROM audit), (SELECT MAX(last_number) FROM audit_epoch), 0)
    BEGIN SELECT RAISE(ABORT, 'an audit record follows on the last one'); END
    """,
    """
    CREATE TRIGGER audit_never_changes BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'audit records are never changed'); END
    """,
    """
    CREATE TRIGGER audit_never_goes BEFORE DELETE ON audit
    WHEN NOT EXISTS (SELECT 1 FROM audit_epoch WHERE last_number >= OLD.number)
    BEGIN SELECT RAISE(ABORT, 'audit records leave only with a closed epoch'); END
    """,
    """
    CREATE TRIGGER audit_epoch_follows BEFORE INSERT ON audit_epoch
    WHEN NEW.last_number <= (SELECT MAX(last_number) FROM audit_epoch)
    BEGIN SELECT RAISE(ABORT, 'an epoch of the audit chain follows on the last one'); END
    """,
    """
    CREATE TRIGGER audit_epoch_never_changes BEFORE UPDATE ON audit_epoch
    BEGIN SELECT RAISE(ABORT, 'epochs of the audit chain are never changed'); END
    """,
    """
    CREATE TRIGGER audit_epoch_never_goes BEFORE DELETE ON audit_epoch
    BEGIN SELECT RAISE(ABORT, 'epochs of the audit chain are never removed'); END
    """,
)
_POSTGRESQL = (
    """
    CREATE FUNCTION audit_guard() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'audit' THEN
            IF EXISTS (SELECT 1 FROM audit_epoch WHERE last_number >= OLD.number) THEN
                RETURN OLD;
            END IF;
        END IF;
        RAISE EXCEPTION '% is only added to; audit records leave only with a closed epoch', TG_TABLE_NAME;
    END $$
    """,
    """
    CREATE FUNCTION audit_follows() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.number <> 1 + COALESCE(
            (SELECT MAX(number) FROM audit), (SELECT MAX(last_number) FROM audit_epoch), 0) THEN
            RAISE EXCEPTION 'an audit record follows on the last one';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE FUNCTION audit_epoch_follows() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.last_number <= (SELECT MAX(last_number) FROM audit_epoch) THEN
            RAISE EXCEPTION 'an epoch of the audit chain follows on the last one';
        END IF;
        RETURN NEW;
    END $$
    """,
    *(
        statement
        for table in ("audit", "audit_epoch")
        for statement in (
            f"CREATE TRIGGER {table}_follows BEFORE INSERT ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {table}_follows()",
            f"CREATE TRIGGER {table}_guard BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION audit_guard()",
            f"CREATE TRIGGER {table}_stays BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_guard()",
        )
    ),
)


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger(), nullable=False, comment="From 1, without holes"),
        sa.Column("at_us", sa.BigInteger(), nullable=False, comment="When"),
        sa.Column("principal", sa.String(), nullable=False, comment="Who"),
        sa.Column(
            "action",
            sa.String(),
            nullable=False,
            comment="The thing's kind and what was done to it, such as hold.made",
        ),
        sa.Column("subject", sa.String(), nullable=False, comment="Id of what it was done to"),
        sa.Column(
            "origin", sa.String(), nullable=False, comment="Where from: an address, or a program's machine"
        ),
        sa.Column("result", sa.String(), nullable=False, comment="ActResult"),
        sa.Column("details", sa.JSON(), nullable=False, comment="What else there is to say of it"),
        sa.Column(
            "previous",
            sa.String(),
            nullable=False,
            comment="Hash of the record before; 64 zeros before the first",
        ),
        sa.Column(
            "hash",
            sa.String(),
            nullable=False,
            comment="SHA-256 over all other fields, see kernel/audit_chain.py",
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit")),
        comment="Who did what, in a chain of hashes; never changed, only added to (invariant 14)",
    )
    for columns in (["at_us"], ["principal", "at_us"], ["subject", "at_us"], ["action", "at_us"]):
        op.create_index(op.f(f"ix_audit_{'_'.join(columns)}"), "audit", columns)
    op.create_table(
        "audit_epoch",
        sa.Column("last_number", sa.BigInteger(), nullable=False, comment="Last record of it"),
        sa.Column("first_number", sa.BigInteger(), nullable=False, comment="First record of it"),
        sa.Column(
            "last_hash",
            sa.String(),
            nullable=False,
            comment="Hash of its last record, on which the chain goes on",
        ),
        sa.Column("sha256", sa.String(), nullable=False, comment="SHA-256 of the file, lower-case hex"),
        sa.Column("closed_us", sa.BigInteger(), nullable=False, comment="When"),
        sa.Column("principal", sa.String(), nullable=False, comment="Who closed it"),
        sa.PrimaryKeyConstraint("last_number", name=op.f("pk_audit_epoch")),
        comment="Records that left the chain as a whole, into an anchored file",
    )
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    for table in ("audit", "audit_epoch"):
        op.drop_table(table)  # its triggers go with it
    if op.get_bind().dialect.name == "postgresql":
        for function in ("audit_guard", "audit_follows", "audit_epoch_follows"):
            op.execute(f"DROP FUNCTION {function}()")
