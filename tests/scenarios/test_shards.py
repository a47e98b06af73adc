"""Two processes on one Postgres divide Discord's shards between them, and lose no command while they are restarted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from adapters.wavespeed.simulator import Simulator
from tests.scenarios.easel_process import EaselProcess, easel
from tests.servers.discord import DiscordServer
from tests.servers.discord_asked import Asked
from tests.servers.discord_world import Channel
from tests.servers.postgres import new_database

SLOTS = 2


@dataclass
class Crew:
    """Two slots, and a server of people on each of two shards."""

    discord: DiscordServer
    simulator: Simulator
    slots: list[EaselProcess]
    channels: list[Channel]
    asked: list[Asked] = field(default_factory=list)

    async def ask(self, channel: Channel) -> Asked:
        """Somebody who has not asked for anything yet."""
        person = self.discord.user(f"person{len(self.asked)}")
        prompt = {"prompt": f"fox number {len(self.asked)}"}
        asked = await self.discord.command("imagine", prompt, user=person, channel=channel, wait=False)
        self.asked.append(asked)
        return asked

    async def keep_asking(self, every: float) -> None:
        """On both shards, until cancelled."""
        while True:
            await self.ask(self.channels[len(self.asked) % SLOTS])
            await asyncio.sleep(every)

    async def all_drawn(self, timeout: float = 30.0) -> None:
        """Each command has its own picture, each paid once."""
        for asked in self.asked:
            message = await asked.settled(timeout)
            assert len(message.pictures) == 1, f"{asked} {message}"
            assert asked.data["options"][0]["value"] in message.text
        assert len(self.simulator.charged) == len(self.asked)
        assert self.discord.undelivered == 0

    async def served(self, shard: int) -> None:
        """By exactly one process."""
        await self.discord.gateway.changes.until(
            lambda: [session.shard for session in self.discord.gateway.connected].count(shard) == 1,
            30,
            lambda: f"{self.discord.gateway.connected}\n{self.lines()}",
        )

    def lines(self) -> str:
        return "\n".join(slot.lines() for slot in self.slots)

    def check(self) -> None:
        assert self.discord.violations == []
        assert self.discord.gateway.refused == 0
        assert "Traceback" not in self.lines()


@asynccontextmanager
async def crew(postgres_url: str, folder: Path) -> AsyncIterator[Crew]:
    url = new_database(postgres_url)
    async with (
        DiscordServer(max_concurrency=SLOTS, identify_every=5.0) as discord,
        Simulator(seconds=0.3) as simulator,
        slot(discord, simulator, url, folder, 0) as first,
        slot(discord, simulator, url, folder, 1) as second,
    ):
        channels = [discord.channel(discord.guild(shard=shard, of=SLOTS)) for shard in range(SLOTS)]
        made = Crew(discord, simulator, [first, second], channels)
        await asyncio.gather(*(each.start(online=False) for each in made.slots))
        await discord.online(SLOTS, 60)
        yield made
        made.check()


@asynccontextmanager
async def slot(
    discord: DiscordServer, simulator: Simulator, url: str, folder: Path, number: int
) -> AsyncIterator[EaselProcess]:
    environment = {
        "EASEL_DATABASE_URL": url.replace("postgresql+psycopg", "postgresql"),
        "EASEL_SLOTS": str(SLOTS),
        "EASEL_SLOT": str(number),
    }
    async with easel(discord, simulator, folder / "data", environment) as process:
        process.log = folder / f"slot{number}.log"
        yield process


async def test_each_shard_is_served_by_its_slot(postgres_url: str, tmp_path: Path) -> None:
    async with crew(postgres_url, tmp_path) as both:
        for channel in (*both.channels, both.discord.direct(both.discord.user("mia"))):
            await both.ask(channel)
        await both.all_drawn()
        assert both.discord.syncs == 1
        for shard, process in enumerate(both.slots):
            assert f'"mine": [{shard}]' in process.lines()


async def test_a_restart_of_one_slot_after_the_other_loses_no_command(postgres_url: str, tmp_path: Path) -> None:
    async with crew(postgres_url, tmp_path) as both:
        asking = asyncio.create_task(both.keep_asking(every=0.15))
        for shard, process in enumerate(both.slots):
            await process.stop()
            await process.start(online=False)
            await both.discord.gateway.changes.until(
                lambda: both.discord.gateway.identifies == SLOTS + shard + 1,
                40,
                both.lines,  # noqa: B023 - asked at once
            )
            await both.served(shard)
        asking.cancel()
        await both.all_drawn()
        assert len(both.asked) > 20


@pytest.mark.parametrize("dead", [0, 1])
async def test_guilds_of_a_process_that_stays_away_are_heard_by_its_peer(
    postgres_url: str, tmp_path: Path, dead: int
) -> None:
    async with crew(postgres_url, tmp_path) as both:
        await both.slots[dead].kill()
        await both.served(dead)
        await both.ask(both.channels[dead])
        await both.all_drawn()
