"""A new database with every table in it, as `python -m bot migrate` leaves it."""

from __future__ import annotations

from contextlib import closing

import sqlalchemy as sa

from bot import workflow
from bot.store import Database
from bot.store.migrate import upgrade
from tests.servers.postgres import new_database

SLOTS = 3
_made: dict[str, str] = {}
"""By server: the database that the others are copied from. To make it takes seconds, a copy a tenth of one."""


def ready_database(server: str) -> str:
    """Its address; for up to three slots."""
    if server not in _made:
        _made[server] = url = new_database(server)
        with closing(Database(url)) as database:
            upgrade(database)
        workflow.upgrade(url, SLOTS)
    return new_database(server, sa.make_url(_made[server]).database)
