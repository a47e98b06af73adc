"""Word between processes: rung once, heard by everyone, and never missed unsaid."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import sqlalchemy as sa

from bot.bell import Bell
from bot.store import Database
from tests.servers.postgres import new_database

WITHIN = 10.0
"""Seconds; a bell that was silenced listens again after a fraction of one."""


class Listener:
    """What one process heard of the kind `news`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.bell = Bell(database)
        self.heard: list[str] = []
        self.missed = 0
        self.bell.on("news", self.heard.append)
        self.bell.on_missed(self._miss)

    def _miss(self) -> None:
        self.missed += 1

    async def until_heard(self, *said: str) -> None:
        async with asyncio.timeout(WITHIN):
            while len(self.heard) < len(said):
                await asyncio.sleep(0.01)
        assert self.heard == [*said]

    async def until_missed(self, count: int) -> None:
        async with asyncio.timeout(WITHIN):
            while self.missed < count:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def listener(url: str, name: str = "easel") -> AsyncIterator[Listener]:
    """A process of its own, as far as a database can tell; at its end nothing of it is connected any more."""
    database = Database(url, name)
    try:
        made = Listener(database)
        async with made.bell:
            if made.bell.shared:
                await made.until_missed(1)
            yield made
    finally:
        database.close()


@pytest.fixture
def url(postgres_url: str) -> str:
    return new_database(postgres_url)


async def test_everyone_hears_a_ring_also_who_rang(url: str) -> None:
    async with AsyncExitStack() as stack:
        three = [await stack.enter_async_context(listener(url)) for _ in range(3)]
        await three[0].bell.ring("news", "of a fox")
        await three[1].bell.ring("others", "of a hare")
        await three[1].bell.ring("news", "of an owl, with spaces")
        for one in three:
            await one.until_heard("of a fox", "of an owl, with spaces")


async def test_several_things_are_told_in_one_go_and_in_their_order(url: str) -> None:
    async with listener(url) as one, listener(url) as other:
        said = [str(number) for number in range(100)]
        await one.bell.ring("news", *said)
        await other.until_heard(*said)


async def test_a_ring_in_a_transaction_is_heard_once_it_is_committed(url: str) -> None:
    async with listener(url) as one, listener(url) as other:

        def undone(connection: sa.Connection) -> None:
            one.bell.ring_in(connection, "news", "that never was")
            raise LookupError

        with pytest.raises(LookupError):
            await one.database.write(undone)
        await one.database.write(lambda connection: one.bell.ring_in(connection, "news", "that is"))
        await other.until_heard("that is")


async def test_one_that_does_not_understand_deafens_nobody(url: str) -> None:
    async with listener(url) as one:
        later: list[str] = []
        one.bell.on("news", lambda about: later.append(str(int(about))))
        await one.bell.ring("news", "no number")
        await one.bell.ring("news", "7")
        await one.until_heard("no number", "7")
        assert later == ["7"]


async def test_a_bell_whose_connection_was_ended_listens_again_and_says_what_it_may_have_missed(url: str) -> None:
    async with listener(url, "deaf") as one, listener(url) as other:
        await other.database.write(
            lambda connection: connection.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'deaf' AND datname = current_database()"
                )
            ).close()
        )
        await one.until_missed(2)
        await other.bell.ring("news", "after the silence")
        await one.until_heard("after the silence")
        assert other.missed == 1


async def test_whoever_is_alone_rings_nothing_on_postgres_either(url: str) -> None:
    async with listener(url) as other:
        database = Database(url)
        async with Bell(database, alone=True) as bell:
            await bell.ring("news", "to nobody")
        database.close()
        await other.bell.ring("news", "to everyone")
        await other.until_heard("to everyone")


async def test_on_sqlite_there_is_nobody_to_tell(tmp_path: object) -> None:
    async with listener(f"sqlite:///{tmp_path}/easel.sqlite") as one:
        assert not one.bell.shared
        await one.bell.ring("news", "to nobody")
        await one.database.write(lambda connection: one.bell.ring_in(connection, "news"))
        assert (one.heard, one.missed) == ([], 0)
