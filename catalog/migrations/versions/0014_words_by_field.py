"""PostgreSQL's index of words says of pairs in which field they stand, and knows threes

Revision: 0014
Follows: 0013
"""

from __future__ import annotations

from alembic import op

from catalog.search import words

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """SQLite's index is as it was."""
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        words.rebuild(connection)


def downgrade() -> None:
    """What is in the index now says all that the older version asks for."""
