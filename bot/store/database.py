"""One way to the database: small pieces of work, each in a transaction of its own, off the event loop.

On SQLite all writers share one thread, and what has queued up meanwhile is committed together: with `synchronous=FULL`
each commit waits for the disk, so 200 commands at once cost a few such waits instead of 200. When one of them fails, all
are done again, each by itself: it takes nothing else with it. On Postgres every piece has its own connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

if TYPE_CHECKING:
    from psycopg import AsyncConnection

T = TypeVar("T")
Work = Callable[[sa.Connection], T]

AWAY_FOR = 20.0
"""Seconds in which a Postgres that went away is waited for: it restarts in a few."""
_TOGETHER = 100
"""Pieces of work in one commit at the most, so that the first of a burst is not kept waiting for the last."""


class Database:
    """`url` is a SQLAlchemy URL of SQLite or Postgres (psycopg); `name` is told to the server, for each connection."""

    def __init__(self, url: str, name: str = "easel") -> None:
        self.url = sa.make_url(url)
        self.name = name
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = sqlite_engine(self.url) if self.is_sqlite else postgres_engine(self.url, name)
        # Readers take no write lock: in WAL mode they never wait for a writer.
        self._reading = self.engine.execution_options(reading=True)
        self._writers = ThreadPoolExecutor(1 if self.is_sqlite else 8, "easel-write")
        self._readers = ThreadPoolExecutor(2 if self.is_sqlite else 4, "easel-read")
        self._queue: deque[tuple[Work[Any], asyncio.Future[Any]]] = deque()
        self._draining = False
        self._closing = False

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; on return it is on disk. Whatever `work` raises is raised here."""
        loop = asyncio.get_running_loop()
        if not self.is_sqlite:
            return await loop.run_in_executor(self._writers, self._patiently, work)
        future: asyncio.Future[T] = loop.create_future()
        self._queue.append((work, future))
        if not self._draining:
            self._draining = True
            self._writers.submit(self._drain, loop)
        return await future

    async def read(self, work: Work[T]) -> T:
        loop = asyncio.get_running_loop()
        if not self.is_sqlite:
            return await loop.run_in_executor(self._readers, self._patiently, work)
        return await loop.run_in_executor(self._readers, _alone, self._reading, work)

    def _patiently(self, work: Work[T]) -> T:
        """Through a restart of the server: what was not committed yet is done again, on a new connection.

        A commit whose answer is lost is not repeated, since nobody knows whether it was done.
        """
        until = time.monotonic() + AWAY_FOR
        while True:
            try:
                return _once(self.engine, work)
            except _Away as away:
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
        return await AsyncConnection.connect(autocommit=True, **{**words, **_words(self.name)})

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            batch = [self._queue.popleft() for _ in range(min(_TOGETHER, len(self._queue)))]
            if batch:
                answers = self._together([work for work, _ in batch])
                futures = [future for _, future in batch]
                with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
                    loop.call_soon_threadsafe(_resolve, futures, answers)
                continue
            self._draining = False
            # A piece may have been queued between the look and the flag; whoever sets the flag again goes on.
            if not self._queue or self._draining:
                return
            self._draining = True

    def _together(self, works: list[Work[Any]]) -> list[Any]:
        try:
            with self.engine.begin() as connection:
                return [work(connection) for work in works]
        except Exception as error:
            if len(works) == 1:
                return [_Raised(error)]
        return [self._apart(work) for work in works]

    def _apart(self, work: Work[Any]) -> Any:
        try:
            return _alone(self.engine, work)
        except Exception as error:
            return _Raised(error)

    def close(self) -> None:
        """Finish what was begun and close every connection."""
        self._closing = True
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
    with connection, connection.begin():
        try:
            return work(connection)
        except sa.exc.DBAPIError as error:
            if error.connection_invalidated:
                raise _Away(error) from error
            raise


class _Away(Exception):
    def __init__(self, error: sa.exc.DBAPIError) -> None:
        super().__init__()
        self.error = error


class _Raised:
    def __init__(self, error: Exception) -> None:
        self.error = error


def _resolve(futures: list[asyncio.Future[Any]], answers: list[Any]) -> None:
    for future, answer in zip(futures, answers, strict=True):
        if future.done():  # its waiter was cancelled
            continue
        if isinstance(answer, _Raised):
            future.set_exception(answer.error)
        else:
            future.set_result(answer)


KEEP_ALIVE = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
"""A server that vanished without a word is noticed within half a minute (libpq, "Connection Strings")."""


def postgres_engine(url: sa.URL, name: str) -> sa.Engine:
    return sa.create_engine(url, pool_size=10, connect_args=_words(name), hide_parameters=True)


def _words(name: str) -> dict[str, Any]:
    """What a connection is opened with, besides its address. `application_name`: see pg_stat_activity."""
    return {"application_name": name, **KEEP_ALIVE}


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
