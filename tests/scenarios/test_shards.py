"""Two processes divide Discord's shards between them, and lose no command while one of them is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.tasks import within
from tests.scenarios.fleet import Fleet, fleet
from tests.servers.discord_asked import Asked
from tests.servers.discord_world import Channel

pytestmark = pytest.mark.processes


@asynccontextmanager
async def crew(postgres_url: str, folder: Path) -> AsyncIterator[Fleet]:
    """Two slots that agree on two shards by themselves, with the pauses that Discord asks for."""
    async with fleet(
        2, postgres_url, folder, identify_every=5.0, seconds=0.3, DISCORD_SHARDS="auto", EASEL_ADOPT_AFTER="30"
    ) as made:
        yield made
        assert made.discord.violations == []
        assert made.discord.gateway.refused == made.discord.undelivered == 0
        assert [line for line in lines(made).splitlines() if "Traceback" in line] == []


def lines(here: Fleet) -> str:
    return "\n".join(bot.lines() for bot in here.bots)


async def ask(here: Fleet, channel: Channel) -> Asked:
    """Somebody who has not asked for anything yet; accepted or not."""
    number = len(here.asked)
    asked = await here.discord.command(
        "imagine",
        {"prompt": f"fox number {number}"},
        user=here.discord.user(f"person{number}"),
        channel=channel,
        wait=False,
    )
    here.asked.append(asked)
    return asked


@asynccontextmanager
async def asking(here: Fleet, *, every: float) -> AsyncIterator[None]:
    """On both shards in turn, before, in and after the block; the last one is asked to its end."""
    enough = asyncio.Event()

    async def go_on() -> None:
        while not enough.is_set():
            await ask(here, here.rooms[len(here.asked) % 2])
            await within(every, enough)

    async def both() -> None:
        least = len(here.asked) + len(here.rooms)
        while len(here.asked) < least and not task.done():
            await asyncio.sleep(0.01)

    task = asyncio.create_task(go_on())
    try:
        await both()
        yield
        await both()
    finally:
        enough.set()
        await task


async def all_drawn(here: Fleet) -> None:
    """Each command was answered with its picture, and each is paid once."""
    for asked in here.asked:
        assert len((await asked.settled(40)).pictures) == 1, asked
    assert len(here.simulator.charged) == len(here.asked)


async def served_once(here: Fleet, shard: int) -> None:
    """By one process, no more."""
    await here.discord.gateway.changes.until(
        lambda: [session.shard for session in here.discord.gateway.connected].count(shard) == 1,
        40,
        lambda: f"{here.discord.gateway.connected}\n{lines(here)}",
    )


async def test_each_shard_has_its_slot_and_a_restart_of_one_after_the_other_loses_no_command(
    postgres_url: str, tmp_path: Path
) -> None:
    async with crew(postgres_url, tmp_path) as here:
        for channel in (*here.rooms, here.discord.direct(here.discord.user("mia"))):
            await ask(here, channel)
        await all_drawn(here)
        assert sorted(await here.owners()) == ["easel-0", "easel-0", "easel-1"]
        assert here.discord.syncs == 1

        for slot, bot in enumerate(here.bots):
            async with asking(here, every=0.1):
                await bot.stop()
                await served_once(here, slot)
            async with asking(here, every=1.0):  # a start takes its time on a busy machine
                await bot.start()
                await served_once(here, slot)
        await all_drawn(here)
        assert here.discord.gateway.resumes == 2


async def test_the_guilds_of_a_process_that_stays_away_are_heard_by_its_peer(postgres_url: str, tmp_path: Path) -> None:
    async with crew(postgres_url, tmp_path) as here:
        await here.bots[1].kill()
        await served_once(here, 1)
        await ask(here, here.rooms[1])
        await all_drawn(here)
        await here.bots[1].start()
        await served_once(here, 1)
        await ask(here, here.rooms[1])
        await all_drawn(here)
        assert await here.owners() == ["easel-0", "easel-1"]
