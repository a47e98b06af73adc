"""A database of either kind, empty and migrated."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.store import Database
from bot.store.migrate import upgrade
from tests.servers.postgres import new_database


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'easel.sqlite'}"
    else:
        url = new_database(request.getfixturevalue("postgres_url"))
    made = Database(url)
    upgrade(made)
    yield made
    made.close()
