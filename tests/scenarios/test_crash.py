"""Killed at every step boundary and inside the POST: one visible answer for each command, paid once, its own picture.

Three people ask at once; the process kills itself with SIGKILL at the first job that reaches the point, whatever the
others are doing then, and is started again. Right after a POST it is the last one that does: what another had begun to
POST and not sent yet would be in doubt, and rightly so.
"""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from adapters.wavespeed import faults
from adapters.wavespeed.simulator import Simulator
from tests.scenarios.easel_process import easel
from tests.scenarios.fatal import DISCORD, LIFE
from tests.scenarios.house import check_answers, paid_once
from tests.servers.discord import DiscordServer
from tests.servers.discord_asked import Asked

POINTS = [*LIFE, *DISCORD]
AFTER_THE_POST = ("after Client.submit", "after Ledger.submitted", "before Life.follow")

PROMPTS = ["a red fox", "a blue whale", "a green parrot"]


async def ask(discord: DiscordServer) -> list[Asked]:
    channel = discord.channel(discord.guild())
    people = [discord.user(f"person{number}") for number in range(len(PROMPTS))]
    return await asyncio.gather(
        *(
            discord.command("imagine", {"prompt": prompt}, user=user, channel=channel, wait=False)
            for prompt, user in zip(PROMPTS, people, strict=True)
        )
    )


async def end_well(
    discord: DiscordServer, simulator: Simulator, asked: list[Asked], data: Path, *, uncertain: int
) -> None:
    """Whatever happened: one answer for each accepted job, none paid twice, none with another's picture."""
    kept = accepted_deliveries(data)
    accepted = [one for one in asked if str(one.id) in kept]
    messages = [await one.settled(50) for one in accepted]
    seen = [message for message in discord.seen_in(asked[0].channel) if not message.thinking]
    assert sorted(message.id for message in seen) == sorted(one.id for one in messages)
    check_answers(accepted, messages, uncertain=uncertain)
    paid_once(simulator)
    assert discord.violations == []


def accepted_deliveries(data: Path) -> set[str]:
    """The interactions whose job was committed: whoever came earlier may see Discord's own failure message."""
    with closing(sqlite3.connect(f"file:{data / 'easel.sqlite'}?mode=ro", uri=True)) as database:
        return {key for (key,) in database.execute("SELECT delivery_key FROM jobs")}


@pytest.fixture
async def simulator() -> Simulator:  # type: ignore[misc]
    async with Simulator(seconds=0.6, picture="png") as server:
        yield server


@pytest.mark.parametrize("point", POINTS)
async def test_a_kill_at_a_step_boundary(
    point: str, discord: DiscordServer, simulator: Simulator, tmp_path: Path
) -> None:
    async with easel(discord, simulator, tmp_path / "data") as bot:
        await bot.start(fatal=f"{point} {len(PROMPTS)}" if point in AFTER_THE_POST else point)
        asked = await ask(discord)
        await bot.died()
        await bot.start()
        # A POST that was begun and not recorded may be in doubt, one for each submit lane in use.
        await end_well(discord, simulator, asked, bot.data, uncertain=3 if point == "after Ledger.begin_post" else 0)


async def test_a_kill_inside_the_post(discord: DiscordServer, simulator: Simulator, tmp_path: Path) -> None:
    """The API has the request and charges it; its answer never reaches us."""
    simulator.plan("submit", *[faults.late(30.0)] * len(PROMPTS))
    async with easel(discord, simulator, tmp_path / "data") as bot:
        await bot.start()
        asked = await ask(discord)
        await simulator.until(lambda: len(simulator.submits) == len(PROMPTS))
        await bot.kill()
        await bot.start()
        await end_well(discord, simulator, asked, bot.data, uncertain=0)
    assert simulator.posts == len(PROMPTS)


async def test_a_post_that_is_lost_before_it_arrived_is_told_and_not_repeated(
    discord: DiscordServer, simulator: Simulator, tmp_path: Path
) -> None:
    simulator.plan("submit", faults.dropped(accepts=False))
    async with easel(discord, simulator, tmp_path / "data") as bot:
        await bot.start()
        asked = await ask(discord)
        await simulator.until(lambda: simulator.posts == len(PROMPTS))
        await end_well(discord, simulator, asked, bot.data, uncertain=1)
    assert simulator.posts == len(PROMPTS)


async def test_killed_again_and_again(discord: DiscordServer, simulator: Simulator, tmp_path: Path) -> None:
    async with easel(discord, simulator, tmp_path / "data") as bot:
        await bot.start()
        asked = await ask(discord)
        for seconds in (0.05, 0.3, 0.9):
            await asyncio.sleep(seconds)  # a moment that nobody chose
            await bot.kill()
            await bot.start(online=False)
        await end_well(discord, simulator, asked, bot.data, uncertain=3)


async def test_a_stop_leaves_what_runs_to_the_next_start(
    discord: DiscordServer, simulator: Simulator, tmp_path: Path
) -> None:
    async with easel(discord, simulator, tmp_path / "data") as bot:
        await bot.start()
        asked = await ask(discord)
        await simulator.until(lambda: len(simulator.submits) == len(PROMPTS))
        assert await bot.stop() < 10
        assert all(message.pictures == [] for message in discord.seen_in(asked[0].channel))
        await bot.start()
        await end_well(discord, simulator, asked, bot.data, uncertain=0)
    assert "Traceback" not in bot.lines()
