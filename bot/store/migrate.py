"""Brings the tables up to date; a start does it too, and two starts at once do it once."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from bot.store.database import Database

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x6561736C
"""Postgres advisory lock: `easl`."""


def upgrade(database: Database) -> bool:
    """Run every outstanding migration; True if there was one. Blocks; safe from several processes at once."""
    if current(database) == head():
        return False
    # Loaded only when there is work: the usual start has none, and alembic takes memory for good.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with database.engine.begin() as connection:
        if not database.is_sqlite:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return True


def current(database: Database) -> str | None:
    """The revision that the database is at, None for an empty one."""
    with database.engine.connect() as connection:
        return revision(connection)


def revision(connection: sa.Connection) -> str | None:
    """The same, over a connection that is there already."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def head() -> str:
    """The newest revision in this package: file names begin with it, and a test holds them against alembic."""
    return max(path.name.split("_", 1)[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))
