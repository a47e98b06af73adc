"""Slack's part of the benchmark: one process that serves a local Discord and a local Slack at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from adapters.wavespeed.simulator import Simulator
from tests.bench.world import ENVIRONMENT, World
from tests.scenarios.easel_process import EaselProcess
from tests.servers.discord import DiscordServer
from tests.servers.slack import SlackServer

CHANNELS = 20
PEOPLE = 200


@dataclass(frozen=True, slots=True)
class SlackFigures:
    """Times in seconds, memory in MB."""

    acknowledged: list[float]
    """Of those commands that were."""
    posted: list[float]
    """From the end at the API."""
    cpu_per_job: float
    """Milliseconds."""
    idle: float
    requests: float
    """A job, whatever the method."""
    refused: int
    """Answers 429."""
    last: float
    """From the first command to the last picture."""


@asynccontextmanager
async def both(*, limits: bool) -> AsyncIterator[tuple[World, SlackServer]]:
    """Both platforms, idle for two seconds. `limits`: Slack holds its rate tiers."""
    with TemporaryDirectory() as folder:
        async with (
            DiscordServer(validate=False, route_limits=False) as discord,
            SlackServer() as slack,
            Simulator(post_latency=0.05, balance=1e9, seconds=3.0, one_picture=True, picture="jpeg") as api,
        ):
            slack.limits.on = limits
            bot = EaselProcess(discord, api, Path(folder) / "data", slack=slack, **ENVIRONMENT)
            started = discord.clock()
            try:
                await bot.start()
                ready = discord.clock() - started
                await asyncio.sleep(2)
                yield World(discord, api, bot, ready), slack
            finally:
                await bot.kill()


async def burst(here: World, slack: SlackServer, *, timeout: float) -> SlackFigures:
    """200 people in 20 channels say `/imagine` at once; until everybody has a picture."""
    people = [slack.user(f"person{number}") for number in range(PEOPLE)]
    channels = [slack.channel(f"channel{number}", *people) for number in range(CHANNELS)]
    idle, cpu, requests, start = here.memory(), here.cpu(), slack.requests.total(), here.discord.clock()
    asked = await asyncio.gather(
        *(
            slack.type(person, channels[number % CHANNELS], f"/imagine picture {number}", wait=False)
            for number, person in enumerate(people)
        )
    )

    def pictures() -> list[tuple[str, float]]:
        return [
            (message.text, message.posted_at)
            for channel in channels
            for message in slack.by_bot(channel)
            if message.pictures
        ]

    await slack.until(lambda: len(pictures()) >= PEOPLE, timeout)
    last = here.discord.clock() - start
    await asyncio.sleep(0.5)
    return SlackFigures(
        acknowledged=[one.acked for one in asked if one.acked is not None],
        posted=_after_the_end(here, slack, pictures()),
        cpu_per_job=(here.cpu() - cpu) / PEOPLE * 1000,
        idle=idle,
        requests=(slack.requests.total() - requests) / PEOPLE,
        refused=slack.limits.refused.total(),
        last=last,
    )


def _after_the_end(here: World, slack: SlackServer, pictures: list[tuple[str, float]]) -> list[float]:
    ends = {
        submit.inputs["prompt"]: here.simulator.finished_at[submit.id].monotonic for submit in here.simulator.submits
    }
    offset = here.discord.clock() - slack.clock()
    return [
        posted + offset - end
        for text, posted in pictures
        for prompt, end in ends.items()
        if prompt in text.splitlines()
    ]
