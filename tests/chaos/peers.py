"""One of several processes on one Postgres dies, stays away, freezes and wakes; or all are restarted in turn."""

from __future__ import annotations

import asyncio
import signal
import time

from bot.standing import STEP_DOWN
from bot.store.lease import owner_of
from tests.chaos import apis, chats, databases, kills
from tests.chaos.bot import Bot
from tests.chaos.world import ADOPT_AFTER, LANES, World, until

BUSY_WITHIN = 3.0
"""Seconds in which a process is looked at until it has something to do."""
ADOPTED_WITHIN = 30.0


async def killed(world: World) -> None:
    """kill -9 of one after the other, each started again at once, by its supervisor."""
    for _ in range(world.some(1, 3)):
        await world.moment(1.5)
        await world.kill_and_start(world.dice.choice(world.bots))


async def killed_for_good(world: World) -> None:
    """kill -9 of one that stays away: a peer goes on with what it had."""
    bot = world.dice.choice(world.workers)
    await _busy(world, bot)
    await world.kill(bot)
    await _adopted(world, bot)


async def killed_at_a_boundary(world: World) -> None:
    """kill -9 of one at a step boundary; then it comes back, or a peer goes on with what it had."""
    bot = world.dice.choice(world.bots)
    await kills.to_a_boundary(world, bot)
    if world.dice.random() < 0.5:
        await _adopted(world, bot)
    else:
        await bot.start()


async def frozen(world: World) -> None:
    """SIGSTOP until a peer has its jobs, then SIGCONT: it has to step down, and its supervisor starts it again."""
    bot = world.dice.choice(world.workers)
    await _busy(world, bot)
    world.doubts += LANES
    bot.send(signal.SIGSTOP)
    try:
        await _adopted(world, bot)
    finally:
        bot.send(signal.SIGCONT)
    await until(lambda: STEP_DOWN in bot.exits, 10)
    await bot.online()


async def frozen_for_a_moment(world: World) -> None:
    """It wakes before its time is over: its jobs are still its own."""
    for _ in range(2):
        bot = world.dice.choice(world.bots)
        await world.moment(1.0)
        bot.send(signal.SIGSTOP)
        await asyncio.sleep(world.dice.uniform(0.5, ADOPT_AFTER * 0.5))
        bot.send(signal.SIGCONT)


async def rolling(world: World) -> None:
    """Stopped and started slot after slot, as an upgrade does: no command and no job is lost."""
    world.all_taken = True
    for bot in world.bots:
        await bot.stop()
        await bot.start()


async def cut_off(world: World) -> None:
    """The database ends every session of one process, again and again; it is the only one that notices."""
    assert world.postgres is not None
    bot = world.dice.choice(world.bots)
    for _ in range(world.some(2, 5)):
        await world.moment(1.0)
        await asyncio.to_thread(world.postgres.cut, owner_of(bot.slot))


FAULTS = (killed, killed_for_good, killed_at_a_boundary, frozen, frozen_for_a_moment, cut_off)
OTHERS = (
    apis.down,
    apis.slow,
    apis.answers_lost,
    chats.discord_loses_answers,
    chats.discord_cuts,
    databases.restarted,
    databases.crashed,
    databases.cut,
)


async def mixed(world: World) -> None:
    """One of these, and something else beside it."""
    for bot in world.bots:
        bot.disturbed = True
    async with asyncio.TaskGroup() as group:
        for fault in (world.dice.choice(FAULTS), world.dice.choice(OTHERS)):
            group.create_task(fault(world), name=fault.__name__)


async def _busy(world: World, bot: Bot) -> None:
    """Until it has jobs that are not over, if it gets any at all."""
    await world.moment(1.5)
    end = time.monotonic() + BUSY_WITHIN
    while time.monotonic() < end and not await asyncio.to_thread(world.books.still_open, owner_of(bot.slot)):
        await asyncio.sleep(0.02)


async def _adopted(world: World, bot: Bot) -> None:
    """Until none of its jobs is its own any more; how long that took counts if there were any."""
    begun, had = time.monotonic(), 0
    async with asyncio.timeout(ADOPTED_WITHIN):
        while left := await world.look(owner_of(bot.slot)):
            had = max(had, left)
            await asyncio.sleep(0.05)
    if had and not bot.disturbed:
        world.adopted.append(time.monotonic() - begun)
    await asyncio.sleep(max(0.0, ADOPT_AFTER + 2.0 - (time.monotonic() - begun)))
