"""Two processes share Slack's connections: what one of them does not hear, the other does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from adapters.wavespeed.simulator import Simulator
from bot.tasks import within
from tests.scenarios.easel_process import EaselProcess, easel
from tests.servers.slack import SlackServer
from tests.servers.slack_asked import Asked
from tests.servers.tables import ready_database

pytestmark = pytest.mark.processes

SLOTS = 2


@dataclass
class Crew:
    slack: SlackServer
    simulator: Simulator
    bots: list[EaselProcess]
    asked: list[Asked] = field(default_factory=list)

    async def ask(self) -> None:
        """Somebody new in a channel of their own: Slack takes about one message a second in each."""
        number = len(self.asked)
        person = self.slack.user(f"person{number}")
        channel = self.slack.channel(f"room{number}", person)
        self.asked.append(await self.slack.type(person, channel, f"/imagine fox number {number}"))

    async def keep_asking(self, enough: asyncio.Event, *, every: float) -> None:
        """The last one is asked to its end, too: cut off in the middle it would be drawn and not be counted here."""
        while not enough.is_set():
            await self.ask()
            await within(every, enough)

    def drawn(self, asked: Asked) -> bool:
        assert asked.channel is not None
        return [bool(message.pictures) for message in self.slack.by_bot(asked.channel)] == [True]

    async def all_drawn(self) -> None:
        """Each command was answered by one message with its picture, and is paid once."""
        await self.slack.until(lambda: all(self.drawn(asked) for asked in self.asked), 60)
        paid = [
            str(submit.inputs["prompt"]) for submit in self.simulator.submits if submit.id in self.simulator.charged
        ]
        assert sorted(paid) == sorted(f"fox number {number}" for number in range(len(self.asked)))


@asynccontextmanager
async def crew(postgres_url: str, folder: Path) -> AsyncIterator[Crew]:
    url = await asyncio.to_thread(ready_database, postgres_url, SLOTS)
    async with SlackServer() as slack, Simulator(seconds=0.3, picture="png") as simulator, AsyncExitStack() as stack:
        bots = []
        for slot in range(SLOTS):
            environment = {"EASEL_DATABASE_URL": url, "EASEL_SLOTS": str(SLOTS), "EASEL_SLOT": str(slot)}
            bot = await stack.enter_async_context(easel(None, simulator, folder / "data", environment, slack=slack))
            bot.log = folder / f"slot{slot}.log"
            bots.append(bot)
        made = Crew(slack, simulator, bots)
        for bot in bots:
            await bot.start()
        yield made
        assert slack.violations == []
        assert [line for bot in bots for line in bot.lines().splitlines() if "Traceback" in line] == []


async def test_a_restart_of_one_after_the_other_loses_no_command(postgres_url: str, tmp_path: Path) -> None:
    async with crew(postgres_url, tmp_path) as here:
        enough = asyncio.Event()
        asking = asyncio.create_task(here.keep_asking(enough, every=1.0))
        for bot in here.bots:
            await bot.stop()
            await bot.start()
        enough.set()
        await asking
        assert [asked for asked in here.asked if asked.failed] == []
        await here.all_drawn()
        assert all("accepted" in bot.lines() for bot in here.bots)
