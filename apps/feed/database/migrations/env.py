"""What alembic runs for every migration: on the connection that database_engine.py holds, in its transaction."""

from alembic import context

from traceformers.apps.feed.database.feed_tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
