"""Runs migrations on the engine that ``catalog.database.migrate`` hands in."""

from __future__ import annotations

from alembic import context

from catalog.database import take_turns
from catalog.search.changes import put_triggers
from catalog.tables import METADATA
from kernel.errors import CatalogError

engine = context.config.attributes["engine"]

with engine.connect() as connection:
    sqlite = engine.dialect.name == "sqlite"
    driver = connection.connection.driver_connection
    # SQLite alters a table by making it anew, which references to it would forbid. The whole migration is one
    # transaction, and what refers to nothing afterwards undoes it. https://www.sqlite.org/lang_altertable.html
    if sqlite:
        driver.execute("PRAGMA foreign_keys=OFF")
    try:
        context.configure(
            connection=connection, target_metadata=METADATA, render_as_batch=True, transactional_ddl=True
        )
        with context.begin_transaction():
            take_turns(connection)  # before anything is read: another program may be migrating just now
            if not sqlite:  # a table of millions may be written anew
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            before = context.get_context().get_current_heads()
            context.run_migrations()
            moved = context.get_context().get_current_heads() != before
            if moved:  # SQLite drops a table's triggers when it makes the table anew
                put_triggers(connection)
            if sqlite and moved and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
                raise CatalogError(f"The catalogue cannot be migrated: {broken[0][0]} would lose references.")
    finally:
        if sqlite:
            driver.execute("PRAGMA foreign_keys=ON")
