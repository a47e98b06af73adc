"""Brings the tables up to date; a start does it too, and two starts at once do it once."""

from __future__ import annotations

import time
from pathlib import Path

import sqlalchemy as sa

from bot.errors import BadSettings
from bot.store.database import NEVER_IDLE, Database

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x6561736C
"""Postgres advisory lock: `easl`."""
WAIT_FOR_TABLE = "2s"
IN_USE_FOR = 120.0
"""Seconds."""


def upgrade(database: Database) -> bool:
    """Run every outstanding migration; True if there was one. Blocks; safe from several processes at once.

    An older version may be at work meanwhile. A change of a table waits for whoever reads it, such as a backup, and
    everybody else would wait behind it: so it waits for a moment only, again and again. Raises BadSettings when that
    is in vain, for a database that a newer version has upgraded, and for a new one that can't keep every prompt.
    """
    found = current(database)
    if found == head():
        return False
    if found is not None and found > head():
        raise BadSettings(
            "EASEL_DATABASE_URL: a newer version of Easel has upgraded this database. "
            "Start that version, or restore the backup of before."
        )
    if found is None:
        with database.engine.connect() as connection:
            check_encoding(connection)
    until = time.monotonic() + IN_USE_FOR
    while True:
        try:
            return _run(database)
        except sa.exc.OperationalError as error:
            if not _is_in_use(error):
                raise
            if time.monotonic() > until:
                raise BadSettings(
                    "EASEL_DATABASE_URL: the tables can't be upgraded, somebody uses them all the time (a backup?). "
                    "Try again when that is over."
                ) from None
        time.sleep(1.0)


def check_encoding(connection: sa.Connection) -> None:
    """Raise BadSettings unless it is UTF-8: another one has no place for an emoji, and fails where a prompt has one."""
    if connection.dialect.name == "sqlite":
        return
    encoding = connection.execute(sa.text("SHOW server_encoding")).scalar()
    if encoding != "UTF8":
        raise BadSettings(
            f"EASEL_DATABASE_URL: this database keeps its text as {encoding}, and prompts need UTF8. "
            "Make it anew: CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'."
        )


def _run(database: Database) -> bool:
    # Loaded only when there is work: the usual start has none, and alembic takes memory for good.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with database.engine.begin() as connection:
        if not database.is_sqlite:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            connection.execute(sa.text(f"SET LOCAL lock_timeout = '{WAIT_FOR_TABLE}'"))
            connection.execute(NEVER_IDLE)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return True


def _is_in_use(error: sa.exc.OperationalError) -> bool:
    return getattr(error.orig, "sqlstate", None) == "55P03"  # lock_not_available


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
