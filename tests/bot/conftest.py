"""A database of either kind, empty and migrated."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from bot.store import Database
from bot.store.migrate import upgrade


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'easel.sqlite'}"
    else:
        url = _new_postgres(request.getfixturevalue("postgres_url"))
    made = Database(url)
    upgrade(made)
    yield made
    made.close()


def _new_postgres(server: str) -> str:
    """A database of its own on this server."""
    name = f"easel_{uuid4().hex[:12]}"
    url = sa.make_url(server).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)
