"""Discord and Slack are down, say 429, lose answers, and cut their connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.chaos.world import World
from tests.servers.discord import DiscordServer
from tests.servers.slack import SlackServer

DISCORD_RETRIES = 0.5


def _discord(world: World) -> DiscordServer:
    assert world.discord is not None
    return world.discord


def _slack(world: World) -> SlackServer:
    assert world.slack is not None
    return world.slack


async def _cut_discord(world: World) -> DiscordServer:
    """It refuses everything from now on, and its connections are gone."""
    server = _discord(world)
    server.refusing = True
    await server.gateway.cut()
    return server


async def _cut_slack(world: World) -> SlackServer:
    server = _slack(world)
    server.refusing = True
    server.cut_sockets()
    return server


Cut = Callable[[World], Awaitable[DiscordServer | SlackServer]]


async def _down(world: World, cut: Cut) -> None:
    await world.moment()
    server = await cut(world)
    await asyncio.sleep(world.a_while(2.0, 20.0))
    server.refusing = False


async def _down_and_killed(world: World, cut: Cut) -> None:
    """What was drawn has nowhere to go when the process dies, and when it starts again."""
    await world.moment()
    server = await cut(world)
    await world.moment()
    await world.kill(world.bot)
    await world.bot.start(online=False, clear=False)
    await asyncio.sleep(world.a_while(2.0, 12.0))
    server.refusing = False
    await world.bot.online()


async def discord_down(world: World) -> None:
    await _down(world, _cut_discord)


async def discord_down_and_killed(world: World) -> None:
    await _down_and_killed(world, _cut_discord)


async def slack_down(world: World) -> None:
    await _down(world, _cut_slack)


async def slack_down_and_killed(world: World) -> None:
    await _down_and_killed(world, _cut_slack)


async def discord_too_many(world: World) -> None:
    """429 on every route, some of them for all of them."""
    await world.moment()
    fault = _discord(world).fail(
        "*",
        r"/(webhooks|channels)/",
        status=429,
        times=None,
        retry_after=world.dice.uniform(0.2, 2.0),
        is_global=world.dice.random() < 0.3,
    )
    await asyncio.sleep(world.a_while(3.0, 15.0))
    fault.times = 0


async def discord_loses_answers(world: World) -> None:
    """It has done what it was asked, and the bot never hears of it; or it answers 500 and 503."""
    server = _discord(world)
    server.fail("*", r"/(webhooks|channels)/", after=True, drop=True, times=world.some(5, 15))
    server.fail("*", r"/(webhooks|channels)/", after=True, status=503, times=world.some(3, 8))
    server.fail("*", r"/(webhooks|channels)/", status=500, times=world.some(3, 8))
    await world.all_asked.wait()


async def discord_cuts(world: World) -> None:
    """The gateway is cut again and again, with and without a word; its sessions may be forgotten."""
    server = _discord(world)
    for _ in range(world.some(3, 6)):
        await world.moment(1.0)
        way = world.dice.randrange(4)
        if way == 0:
            server.gateway.ask_to_reconnect()
        else:
            await server.gateway.cut(code=(None, 1001, 4000)[way - 1], resumable=world.dice.random() < 0.7)


async def slack_too_many(world: World) -> None:
    await world.moment()
    fault = _slack(world).fail(r"^(chat|files)\.", status=429, times=None, retry_after=world.dice.randint(1, 3))
    await asyncio.sleep(world.a_while(3.0, 15.0))
    fault.times = 0


async def slack_loses_answers(world: World) -> None:
    """It has done what it was asked, and the bot never hears of it."""
    server = _slack(world)
    for method in (r"^chat\.update$", r"^files\.completeUploadExternal$", r"^files\.info$", r"^chat\.delete$"):
        server.fail(method, after=True, drop=True, times=world.some(1, 4))
        server.fail(method, status=503, times=world.some(1, 3))
    server.lost_shares = world.dice.randint(0, 2)
    server.share_delay = world.dice.choice((0.05, 1.0, 3.0))
    await world.all_asked.wait()


async def slack_cuts(world: World) -> None:
    """Sockets are cut, or asked to come again."""
    server = _slack(world)
    for _ in range(world.some(3, 6)):
        await world.moment(1.0)
        if world.dice.random() < 0.3:
            await server.refresh_sockets()
        else:
            server.cut_sockets(world.dice.choice((1, None)))
