"""The database is restarted, crashes, loses its connections, or is locked by somebody else."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing

from tests.chaos.world import World
from tests.servers.postgres import Postgres


def _postgres(world: World) -> Postgres:
    assert world.postgres is not None
    return world.postgres


async def restarted(world: World) -> None:
    """Postgres is restarted once or twice, and is away for some seconds."""
    for _ in range(world.some(1, 2)):
        await world.moment()
        await _away(world, _postgres(world).stop)


async def crashed(world: World) -> None:
    """Postgres dies and recovers."""
    await world.moment()
    await _away(world, _postgres(world).kill)


async def _away(world: World, go: Callable[[], None]) -> None:
    """For some seconds. It comes back also when the run breaks: others follow on the same server."""
    try:
        await asyncio.to_thread(go)
        await asyncio.sleep(world.a_while(0.2, 5.0))
    finally:
        await asyncio.shield(asyncio.to_thread(_postgres(world).start))


async def crashed_with_us(world: World) -> None:
    """A power cut of the whole machine: the bot and its database go and come back together."""
    await world.moment()
    await asyncio.gather(asyncio.to_thread(_postgres(world).kill), world.kill(world.bot))
    await asyncio.gather(asyncio.to_thread(_postgres(world).start), world.bot.start(clear=False))


async def cut(world: World) -> None:
    """Every connection is ended from the server's side, again and again."""
    for _ in range(world.some(3, 8)):
        await world.moment(0.8)
        await asyncio.to_thread(_postgres(world).cut)


async def locked(world: World) -> None:
    """Somebody else holds the lock of both SQLite files for seconds, e.g. a backup."""
    for name in ("easel.sqlite", "engine.sqlite"):
        await world.moment(1.5)
        with closing(sqlite3.connect(world.bot.process.data / name, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(world.a_while(1.0, 4.0))
            other.execute("ROLLBACK")
