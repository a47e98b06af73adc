"""A new database with every table in it, as `python -m bot migrate` leaves it."""

from __future__ import annotations

from contextlib import closing

import sqlalchemy as sa

from bot import workflow
from bot.store import Database
from bot.store.migrate import upgrade
from tests.servers.postgres import new_database

_made: dict[tuple[str, int], str] = {}
"""By server and slots: the database that the others are copied from. To make one takes seconds, a copy a tenth of one."""


def ready_database(server: str, slots: int) -> str:
    """Its address, for so many processes."""
    return new_database(server, _model(server, slots))


def _model(server: str, slots: int) -> str:
    if (server, slots) not in _made:
        url = new_database(server)
        with closing(Database(url)) as database:
            upgrade(database)
        workflow.upgrade(url, slots)
        _made[server, slots] = str(sa.make_url(url).database)
    return _made[server, slots]
