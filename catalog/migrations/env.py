"""Runs migrations on the engine that ``catalog.database.migrate`` hands in."""

from __future__ import annotations

from alembic import context

from catalog.tables import METADATA

engine = context.config.attributes["engine"]

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
