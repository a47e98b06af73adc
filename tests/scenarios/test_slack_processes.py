"""Two processes share Slack's connections: what one of them does not hear, the other does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from adapters.wavespeed.faults import Script
from adapters.wavespeed.simulator import Simulator
from bot.tasks import within
from tests.scenarios.easel_process import EaselProcess, easel
from tests.servers.slack import SlackServer
from tests.servers.slack_asked import Asked
from tests.servers.slack_world import Channel, Message
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

    def balance(self, slot: int) -> None:
        """From now on what Slack posts by HTTP goes to this process, as a load balancer would have it."""
        self.slack.request_url = f"{self.bots[slot].address}/slack/events"

    async def shown(self, channel: Channel, word: str) -> Message:
        """The one message of the bot there that says so."""

        def found() -> list[Message]:
            return [message for message in self.slack.by_bot(channel) if word in message.text]

        await self.slack.until(found, 20)
        (message,) = found()
        return message

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
async def crew(postgres_url: str, folder: Path, **more: str) -> AsyncIterator[Crew]:
    url = await asyncio.to_thread(ready_database, postgres_url, SLOTS)
    async with SlackServer() as slack, Simulator(seconds=0.3, picture="png") as simulator, AsyncExitStack() as stack:
        bots = []
        for slot in range(SLOTS):
            environment = {"EASEL_DATABASE_URL": url, "EASEL_SLOTS": str(SLOTS), "EASEL_SLOT": str(slot), **more}
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


async def test_by_http_each_request_may_come_to_another_process(postgres_url: str, tmp_path: Path) -> None:
    """A form that one of them opened is searched and sent at others; what one draws is seen and cancelled at others."""
    async with crew(postgres_url, tmp_path, SLACK_MODE="http") as here:
        slack, ana = here.slack, here.slack.user("ana")
        room = slack.channel("workshop", ana)
        here.balance(0)
        view = await (await slack.type(ana, room, "/imagine")).form()
        here.balance(1)
        assert (await slack.suggest(ana, view, "easel_in:lora1", "yar")).values[0] == "yarn"
        here.simulator.script(Script(seconds=60), prompt="a slow kettle")
        assert (await slack.submit(ana, view, {"prompt": "a slow kettle"})).errors == {}
        growing = await here.shown(room, "Generating")
        here.balance(0)
        await slack.open_home(ana)
        await slack.until(lambda: ana.home is not None and "a slow kettle" in ana.home.text)
        await slack.press(ana, growing, "Cancel")
        await here.shown(room, "Cancelled")
        assert ["accepted" in bot.lines() for bot in here.bots] == [False, True]

        asked = await slack.type(ana, room, "/imagine a quick kettle")
        here.balance(1)
        assert (await slack.replay(asked)).status < 500  # as if the first answer had been lost
        await slack.until(lambda: any(message.pictures for message in slack.by_bot(room)), 20)
        drawn = next(message for message in slack.by_bot(room) if message.pictures)
        form = await (await slack.press(ana, drawn, "Edit prompt")).form()
        here.balance(0)
        await slack.submit(ana, form, {"prompt": "a third kettle"})
        await slack.until(lambda: len([message for message in slack.by_bot(room) if message.pictures]) == 2, 20)
        assert [str(submit.inputs["prompt"]) for submit in here.simulator.submits] == [
            "a slow kettle",
            "a quick kettle",
            "a third kettle",
        ]
