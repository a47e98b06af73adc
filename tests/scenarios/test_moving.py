"""A bot is moved to Postgres with jobs under way: each goes on there, ends once, and is paid once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapters.wavespeed import faults
from adapters.wavespeed.simulator import Simulator
from bot.ledger import State
from bot.store import Database
from bot.store.tables import jobs, ledger
from tests.command_line import CommandLine
from tests.scenarios.easel_process import EaselProcess, easel
from tests.scenarios.test_crash import PROMPTS, ask, end_well
from tests.servers.discord import DiscordServer
from tests.servers.postgres import new_database


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(seconds=1.0, picture="png") as server:
        yield server


async def moved(bot: EaselProcess, address: str) -> str:
    """What the command said."""
    ended = await CommandLine(bot.data.parent, {"EASEL_DATA_DIR": str(bot.data)}).run("move", address)
    assert ended.code == 0, ended.err
    bot.environment["EASEL_DATABASE_URL"] = address
    return ended.out


def lines(address: str) -> tuple[list[str], list[str]]:
    """The states of the ledger's lines, and of the jobs."""
    with closing(Database(address)) as database, database.engine.connect() as connection:
        return (
            list(connection.execute(sa.select(ledger.c.state)).scalars()),
            list(connection.execute(sa.select(jobs.c.state)).scalars()),
        )


async def all_closed(address: str) -> None:
    """Written last, after all that Discord hears of."""
    async with asyncio.timeout(20):
        while set((await asyncio.to_thread(lines, address))[1]) != {"closed"}:
            await asyncio.sleep(0.05)


async def test_jobs_in_every_state_go_on_at_postgres(
    discord: DiscordServer, simulator: Simulator, postgres_url: str, tmp_path: Path
) -> None:
    """One is being drawn, the POST of one is answered by nobody, and one waits for its turn."""
    address = new_database(postgres_url)
    simulator.plan("submit", faults.late(0.0), faults.late(30.0))
    async with easel(discord, simulator, tmp_path / "data", {"WAVESPEED_CONCURRENCY": "2"}) as bot:
        await bot.start()
        asked = await ask(discord)
        await simulator.until(lambda: len(simulator.submits) == 2)
        await bot.kill()
        assert "Jobs under way: 3." in await moved(bot, address)
        await bot.start()
        await end_well(discord, simulator, asked, bot.data, uncertain=0)
        await all_closed(address)
        assert lines(address) == ([State.SUBMITTED] * 3, ["closed"] * 3)
        assert simulator.posts == len(simulator.charged) == len(PROMPTS)
        assert await bot.stop() < 10
    assert "Traceback" not in bot.lines()


@pytest.mark.parametrize("point", ["after Store.ended", "after DiscordReply.close"])
async def test_what_a_crash_left_half_done_is_ended_there(
    point: str, discord: DiscordServer, simulator: Simulator, postgres_url: str, tmp_path: Path
) -> None:
    address = new_database(postgres_url)
    async with easel(discord, simulator, tmp_path / "data") as bot:
        await bot.start(fatal=point)
        asked = await ask(discord)
        await bot.died()
        await moved(bot, address)
        await bot.start()
        await end_well(discord, simulator, asked, bot.data, uncertain=0)
        await all_closed(address)


async def test_the_old_file_is_not_started_by_mistake(
    discord: DiscordServer, simulator: Simulator, postgres_url: str, tmp_path: Path
) -> None:
    async with easel(discord, simulator, tmp_path / "data") as bot:
        await bot.start()
        asked = await ask(discord)
        await simulator.until(lambda: len(simulator.submits) == len(PROMPTS))
        await bot.stop()
        await moved(bot, new_database(postgres_url))
        address = bot.environment.pop("EASEL_DATABASE_URL")
        await bot.start(online=False)
        assert await bot.died() == 2
        assert "this SQLite database was moved to postgresql://" in bot.lines()
        await bot.start(EASEL_DATABASE_URL=address)
        await end_well(discord, simulator, asked, bot.data, uncertain=0)
    assert len(simulator.charged) == simulator.posts == len(PROMPTS)


async def test_what_was_moved_survives_the_next_crash_as_usual(
    discord: DiscordServer, simulator: Simulator, postgres_url: str, tmp_path: Path
) -> None:
    async with easel(discord, simulator, tmp_path / "data") as bot:
        await bot.start()
        asked = await ask(discord)
        await simulator.until(lambda: len(simulator.submits) == len(PROMPTS))
        await bot.kill()
        await moved(bot, new_database(postgres_url))
        await bot.start(online=False)
        await asyncio.sleep(0.7)  # a moment that nobody chose
        await bot.kill()
        await bot.start()
        await end_well(discord, simulator, asked, bot.data, uncertain=0)
    assert len(simulator.charged) == simulator.posts == len(PROMPTS)
