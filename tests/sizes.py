"""What docs/operate.md says of sizes, measured here: `python -m tests.sizes`."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from bot import moving
from bot.store import Database
from bot.store.migrate import upgrade
from tests.bot.test_sweeping import fill, of_age
from tests.servers.postgres import new_database, postgres

JOBS = 20_000


def main() -> None:
    with TemporaryDirectory() as folder, postgres() as server:
        file = Path(folder) / "easel.sqlite"
        with closing(Database(f"sqlite:///{file}")) as source, closing(Database(new_database(server))) as target:
            upgrade(source)
            fill(source, (of_age(1) for _ in range(JOBS)))
            started = time.monotonic()
            moving.move(source, target)
            seconds = time.monotonic() - started
            with target.engine.connect() as connection:
                size = connection.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one()
        with closing(sqlite3.connect(file)) as still:
            still.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        print(f"SQLite:   {file.stat().st_size / JOBS:.0f} bytes for each job")
        print(f"Postgres: {size / JOBS:.0f} bytes for each job")
        print(f"moving:   {JOBS / seconds:.0f} jobs a second")


if __name__ == "__main__":
    main()
