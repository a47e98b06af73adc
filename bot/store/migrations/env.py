"""What alembic runs: the connection is handed in by `bot.store.migrate`, or made from settings on the command line."""

from alembic import context

from bot.settings import Settings
from bot.store.database import Database
from bot.store.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:  # `alembic revision --autogenerate` by a developer
    connection = Database(Settings().database).engine.connect()

context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
