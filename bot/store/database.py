"""One way to the database: small pieces of work, each in a transaction of its own, off the event loop.

Each commit waits for the disk, so what has queued up meanwhile is committed together (`bot.store.batches`): 200 commands
at once cost a few such waits instead of 200. On SQLite all writers share one thread. On Postgres those do that name the
same lane, and every other piece has its own connection.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import time
import zlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from bot.store.batches import Batches, T, Work

if TYPE_CHECKING:
    from psycopg import AsyncConnection

AWAY_FOR = 20.0
"""Seconds in which a Postgres that went away is waited for: it restarts in a few."""
Lane = Literal["accept", "run"]
"""What is accepted, which waits for a lock that all processes share; and what becomes of the jobs that we run, whose rows
no other process's batch writes. So two of them never wait for each other in a circle."""


class Database:
    """`url` is a SQLAlchemy URL of SQLite or Postgres (psycopg); `name` is told to the server, for each connection.

    `run_lanes` (Postgres): a piece waits for several answers of the server, and with two lanes one process uses its core
    meanwhile. Where several processes fill the cores anyway, larger batches in one lane cost less.
    """

    def __init__(self, url: str, name: str = "easel", *, run_lanes: int = 1) -> None:
        self.url = sa.make_url(url)
        self.name = name
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = sqlite_engine(self.url) if self.is_sqlite else postgres_engine(self.url, name)
        # Readers take no write lock: in WAL mode they never wait for a writer.
        self._reading = self.engine.execution_options(reading=True)
        self._lanes = self._all_lanes(run_lanes)
        self._writers = ThreadPoolExecutor(4, "easel-write")
        self._readers = ThreadPoolExecutor(2 if self.is_sqlite else 4, "easel-read")
        self._closing = False

    def _all_lanes(self, run_lanes: int) -> dict[Lane | None, list[Batches]]:
        if self.is_sqlite:
            one = [Batches(lambda work: _alone(self.engine, work), "easel-write")]
            return {None: one, "accept": one, "run": one}
        running = [Batches(self._patiently, f"easel-run-{number}") for number in range(run_lanes)]
        return {"accept": [Batches(self._patiently, "easel-accept")], "run": running}

    async def write(self, work: Work[T], lane: Lane | None = None, of: str = "") -> T:
        """Run `work` in a transaction; on return it is on disk. Whatever `work` raises is raised here.

        `of` is the job whose rows it writes, where it is one that runs: its pieces stay in their order.
        """
        if (lanes := self._lanes.get(lane)) is not None:
            return await lanes[zlib.crc32(of.encode()) % len(lanes)].do(work)
        return await asyncio.get_running_loop().run_in_executor(self._writers, self._patiently, work)

    async def read(self, work: Work[T]) -> T:
        loop = asyncio.get_running_loop()
        if not self.is_sqlite:
            return await loop.run_in_executor(self._readers, self._patiently, work)
        return await loop.run_in_executor(self._readers, _alone, self._reading, work)

    def _patiently(self, work: Work[T]) -> T:
        """Through a restart of the server: what was not committed yet is done again, on a new connection.

        A commit whose answer is lost is not repeated, since nobody knows whether it was done.
        """
        until: float | None = None  # from the first time on: we may have been stopped for longer
        while True:
            try:
                return _once(self.engine, work)
            except _Away as away:
                until = until or time.monotonic() + AWAY_FOR
                if self._closing or time.monotonic() > until:
                    raise away.error from None
            time.sleep(0.1)

    @asynccontextmanager
    async def listening(self, channel: str) -> AsyncIterator[AsyncIterator[str]]:
        """What is notified there from now on (Postgres), over a connection of its own. Raises when that breaks."""
        async with await self.apart() as connection:
            await connection.execute(f"LISTEN {channel}".encode())
            yield (notice.payload async for notice in connection.notifies())

    async def apart(self) -> AsyncConnection[Any]:
        """A connection outside the pool, for what lives as long as its session (Postgres). Raises psycopg.Error."""
        from psycopg import AsyncConnection  # loaded by the engine, where it is Postgres

        _, words = self.engine.dialect.create_connect_args(self.url)
        connection = await AsyncConnection.connect(autocommit=True, **{**words, **session(self.name)})
        await connection.execute(IDLE_FOR.encode())
        return connection

    def close(self) -> None:
        """Finish what was begun and close every connection."""
        self._closing = True
        for batches in itertools.chain(*self._lanes.values()):
            batches.close()
        self._writers.shutdown()
        self._readers.shutdown()
        self.engine.dispose()


def _alone(engine: sa.Engine, work: Work[T]) -> T:
    with engine.begin() as connection:
        return work(connection)


def _once(engine: sa.Engine, work: Work[T]) -> T:
    """Raises _Away when the server is not there, and surely nothing was committed."""
    try:
        connection = engine.connect()
    except sa.exc.OperationalError as error:
        raise _Away(error) from error
    done = False
    try:
        with connection, connection.begin():
            found = work(connection)
            done = True
            return found
    except sa.exc.DBAPIError as error:
        if error.connection_invalidated and (not done or _is_taken_back(error)):
            raise _Away(error) from error
        raise


def _is_taken_back(error: sa.exc.DBAPIError) -> bool:
    """Before the commit came: see `IDLE_FOR`."""
    return getattr(error.orig, "sqlstate", None) == "25P03"  # idle_in_transaction_session_timeout


class _Away(Exception):
    def __init__(self, error: sa.exc.DBAPIError) -> None:
        super().__init__()
        self.error = error


KEEP_ALIVE = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""A server that vanished without a word is noticed within half a minute, also by who sent it something: then keepalives
alone say nothing (libpq, "Connection Strings"; tcp(7), TCP_USER_TIMEOUT)."""


IDLE_FOR = "SET idle_in_transaction_session_timeout = '3s'"
"""A process that is stopped in the middle of a transaction keeps its locks, for which everybody waits: the server ends it."""
NEVER_IDLE = sa.text("SET LOCAL idle_in_transaction_session_timeout = 0")
"""For a transaction that may do long work of its own in between."""


def postgres_engine(url: sa.URL, name: str) -> sa.Engine:
    engine = sa.create_engine(url, pool_size=10, connect_args=session(name), hide_parameters=True)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.execute(IDLE_FOR)
        connection.commit()

    return engine


def session(name: str) -> dict[str, Any]:
    """What a connection is opened with, besides its address. `application_name`: see pg_stat_activity.

    The client's encoding is named: psycopg gives bytes for text where neither it nor the database has one.
    """
    return {"application_name": name, "client_encoding": "UTF8", **KEEP_ALIVE}


def sqlite_engine(url: sa.URL, *, synchronous: str = "FULL", own_begin: bool = True) -> sa.Engine:
    """A SQLite engine in WAL mode. `own_begin` leaves BEGIN to SQLAlchemy, which savepoints need.

    See "Serializable isolation / Savepoints / Transactional DDL" in SQLAlchemy's page on SQLite.
    """
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    # Few connections: a thread waits for one in the pool's queue, which costs nothing, instead of asking SQLite for its
    # lock again and again.
    engine = sa.create_engine(
        url,
        pool_size=2,
        max_overflow=1,
        pool_timeout=60,
        connect_args={"timeout": 30, "check_same_thread": False},
        hide_parameters=True,  # prompts and tokens: errors are logged
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None if own_begin else "IMMEDIATE"
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA busy_timeout=30000")
        connection.execute("PRAGMA foreign_keys=ON")

    if own_begin:

        @sa.event.listens_for(engine, "begin")
        def begin(connection: sa.Connection) -> None:
            reading = connection.get_execution_options().get("reading", False)
            connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine
