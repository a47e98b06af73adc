"""A kill -9 in the middle of something else that goes wrong."""

from __future__ import annotations

import asyncio

from tests.chaos import apis, chats, databases, kills
from tests.chaos.world import World

KILLS = (kills.at_random, kills.at_a_boundary, kills.stop_and_start, kills.while_starting)
ANYWHERE = (apis.down, apis.slow, apis.too_many, apis.answers_lost, apis.submits_lost)
ON_DISCORD = (chats.discord_down, chats.discord_too_many, chats.discord_loses_answers, chats.discord_cuts)
ON_SLACK = (chats.slack_down, chats.slack_too_many, chats.slack_loses_answers, chats.slack_cuts)
ON_POSTGRES = (databases.restarted, databases.crashed, databases.cut)


async def at_once(world: World) -> None:
    """One way to die, and one or two other faults beside it."""
    others = [
        *ANYWHERE,
        *(ON_DISCORD if world.discord else ()),
        *(ON_SLACK if world.slack else ()),
        *(ON_POSTGRES if world.postgres else ()),
    ]
    chosen = [world.dice.choice(KILLS), *world.dice.sample(others, world.dice.randint(1, 2))]
    world.bot.disturbed = True
    async with asyncio.TaskGroup() as group:
        for fault in chosen:
            group.create_task(fault(world), name=fault.__name__)
