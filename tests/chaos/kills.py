"""kill -9 of one process: at moments that nobody chose, at each step boundary, and inside the POST."""

from __future__ import annotations

import signal

from adapters.wavespeed import faults
from tests.chaos.bot import Bot
from tests.chaos.world import LANES, World
from tests.scenarios.fatal import DISCORD, LIFE, SLACK

POINTS = {"discord": [*LIFE, *DISCORD], "slack": [*LIFE, *SLACK]}


async def at_random(world: World) -> None:
    """One to three times, at any moment; once killed, it may stay away for a while."""
    for _ in range(world.some(1, 3)):
        await world.moment(2.5)
        await world.kill_and_start(world.bot, away=world.dice.choice((0.0, 0.0, 1.0)))


async def while_starting(world: World) -> None:
    """Killed, and again and again before it has come up."""
    await world.moment(2.0)
    await world.kill(world.bot)
    for _ in range(world.some(1, 3)):
        await world.bot.start(online=False)
        await world.moment(2.5)
        await world.kill(world.bot)
    await world.bot.start()


async def at_a_boundary(world: World) -> None:
    """At a step boundary of a job, and then perhaps at another one of what was resumed."""
    for _ in range(world.some(1, 2)):
        await to_a_boundary(world, world.bot)
    await world.bot.start()


async def to_a_boundary(world: World, bot: Bot) -> None:
    """Killed, started again, and dead once it comes to a step boundary."""
    await world.kill(bot)
    await bot.start(fatal=_point(world), clear=False)
    await _until_dead(world, bot)


def _point(world: World) -> str:
    known = [point for name, points in POINTS.items() if getattr(world, name) is not None for point in points]
    return f"{world.dice.choice(known)} {world.dice.randint(1, 12 if world.long else 4)}"


async def _until_dead(world: World, bot: Bot) -> None:
    """Where so many jobs never come to that point it is killed by us."""
    if not await bot.died(10.0):
        await world.kill(bot)
        return
    if bot.code == 1 and bot.disturbed:  # the database was away when it started
        return
    if bot.code != -signal.SIGKILL:
        raise AssertionError(f"it was to kill itself, and ended with {bot.code}: {bot.log}")
    world.crashed()


async def inside_the_post(world: World) -> None:
    """The API has the request, and charges it; its answer comes late, and nobody is there for it."""
    await world.moment(1.0)
    world.simulator.plan("submit", *[faults.late(20.0)] * LANES)
    enough = world.simulator.posts + world.dice.randint(1, LANES)
    await world.simulator.until(lambda: world.simulator.posts >= enough, 30)
    await world.kill_and_start(world.bot)
    world.simulator.heal("submit")


async def stop_and_start(world: World) -> None:
    """SIGTERM, as an upgrade does: nothing may be uncertain, and whose command is not taken is told so."""
    world.all_told = not world.bot.disturbed
    for _ in range(world.some(1, 2)):
        await world.moment(1.5)
        await world.bot.stop()
        await world.bot.start()
