"""The world of one run: the API, the chats, a database, one or more bots between them, and people who ask."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from adapters.wavespeed.faults import Script
from adapters.wavespeed.simulator import Simulator
from tests.chaos.books import Books
from tests.chaos.bot import Bot
from tests.chaos.people import Ask, Crowd, DiscordPeople, SlackPeople, gaps, prompt_of
from tests.chaos.pictures import marked
from tests.scenarios.easel_process import EaselProcess
from tests.servers.discord import DiscordServer
from tests.servers.postgres import Postgres
from tests.servers.slack import SlackServer
from tests.servers.tables import ready_database

LANES = 4
"""Submits in flight: what one crash may leave uncertain."""
SERVED_WITHIN = 180.0
"""Seconds, where many runs keep the machine from starting anything."""
ADOPT_AFTER = 5.0
"""Seconds of silence after which a peer adopts; the shortest that there is."""
SETTINGS = {
    "EASEL_BUDGET_PER_DAY": "100000",
    "EASEL_LIMIT_PER_DAY": "100000",
    "EASEL_QUEUE_PER_PERSON": "1000",
    "EASEL_ADOPT_AFTER": f"{ADOPT_AFTER:g}",
    "WAVESPEED_SUBMIT_LANES": str(LANES),
    "SLACK_PROGRESS_PER_MINUTE": "50",
}


@dataclass
class World:
    """What a fault works with. Whoever takes anything away puts it back before the fault is over."""

    dice: random.Random
    simulator: Simulator
    discord: DiscordServer | None
    slack: SlackServer | None
    postgres: Postgres | None
    bots: list[Bot]
    crowds: list[Crowd]
    books: Books
    long: bool
    gateways: int = 0
    bot: Bot = field(init=False)
    """That which a fault befalls, where it befalls one: the only one, or any of those that draw."""
    asked: dict[int, Ask] = field(default_factory=dict)
    crashes: int = 0
    doubts: int = 0
    """Jobs that may end as uncertain: the submit lanes for each crash, and what a fault adds."""
    adopted: list[float] = field(default_factory=list)
    all_taken: bool = False
    """Nobody's command may be lost while this fault lasts."""
    all_told: bool = False
    """Whose command is lost while this fault lasts is told so."""
    all_asked: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.bot = self.workers[0] if len(self.workers) == 1 else self.dice.choice(self.workers)

    @property
    def workers(self) -> list[Bot]:
        """Those that draw."""
        return self.bots[self.gateways :]

    # ---- people ----

    async def ask(self) -> None:
        """One more person asks, where commands reach a bot."""
        await until(lambda: any(crowd.served for crowd in self.crowds), SERVED_WITHIN)
        crowd = self.dice.choice([crowd for crowd in self.crowds if crowd.served])
        number = len(self.asked) + 1
        self.simulator.script(Script(picture=marked(number)), prompt=prompt_of(number))
        self.asked[number] = await crowd.ask(number)

    async def ask_all(self, count: int, seconds: float) -> None:
        self.all_asked.clear()
        for gap in gaps(self.dice, seconds, count):
            await asyncio.sleep(gap)
            await self.ask()
        self.all_asked.set()

    # ---- bots ----

    def crashed(self) -> None:
        self.crashes += 1
        self.doubts += LANES

    async def kill(self, bot: Bot) -> None:
        """SIGKILL, as a power cut would."""
        await bot.kill()
        self.crashed()

    async def kill_and_start(self, bot: Bot, *, away: float = 0.0, fatal: str | None = None) -> None:
        await self.kill(bot)
        await asyncio.sleep(away)
        await bot.start(fatal=fatal)

    async def look(self, owner: str) -> int:
        """How many open jobs a process has. While the database is away nobody knows: some."""
        try:
            return await asyncio.to_thread(self.books.still_open, owner)
        except sa.exc.OperationalError:
            return 1

    # ---- moments ----

    async def moment(self, most: float = 2.0) -> None:
        """Wait for a moment that nobody chose."""
        await asyncio.sleep(self.dice.uniform(0.0, most))

    def a_while(self, least: float, most: float) -> float:
        """Seconds: any number of them in the long form, the least in the short one."""
        return self.dice.uniform(least, most) if self.long else least

    def some(self, least: int, most: int) -> int:
        """How often: any number of times in the long form, the least in the short one."""
        return self.dice.randint(least, most) if self.long else least


async def until(fact: Callable[[], object], seconds: float) -> None:
    """Look again and again, for what tells nobody when it changes. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not fact():
            await asyncio.sleep(0.02)


async def until_known(fact: Callable[[], Awaitable[object]], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not await fact():
            await asyncio.sleep(0.1)


@asynccontextmanager
async def world(
    dice: random.Random,
    folder: Path,
    *,
    chats: tuple[str, ...] = ("discord",),
    postgres: Postgres | None = None,
    slots: int = 1,
    gateways: int = 0,
    seconds: float = 0.4,
    validate: bool = True,
    long: bool = True,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[World]:
    """Servers that run, and bots that are not started yet. What is left of them at the end is killed.

    With `gateways`, so many of the `slots` only receive commands, and the others only draw.
    """
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator(seconds=seconds, picture="png", balance=1e6))
        discord = slack = None
        crowds: list[Crowd] = []
        if "discord" in chats:
            shards = gateways or slots
            discord = await stack.enter_async_context(DiscordServer(validate=validate, shards=shards))
            crowds.append(DiscordPeople(discord, dice, guilds=shards))
        if "slack" in chats:
            slack = await stack.enter_async_context(SlackServer())
            slack.limits.burst = 4.0
            crowds.append(SlackPeople(slack, dice))
        url = f"sqlite:///{folder / 'data' / 'easel.sqlite'}"
        common = {**SETTINGS, **(environment or {})}
        if postgres is not None:
            common["EASEL_DATABASE_URL"] = url = await asyncio.to_thread(ready_database, postgres.url, slots)
        bots = []
        for slot in range(slots):
            own = _one_of(slot, slots, gateways) if slots > 1 else {}
            process = EaselProcess(discord, simulator, folder / "data", slack=slack, **common, **own)
            process.log = folder / f"slot-{slot}.log"
            bots.append(Bot(process, slot))
            stack.push_async_callback(bots[-1].close)
        yield World(dice, simulator, discord, slack, postgres, bots, crowds, Books(url), long, gateways)


def _one_of(slot: int, slots: int, gateways: int) -> dict[str, str]:
    """What one process of several is told of itself."""
    settings = {"EASEL_SLOT": str(slot), "EASEL_SLOTS": str(slots), "DISCORD_SHARDS": str(gateways or slots)}
    if gateways:
        settings |= {"EASEL_GATEWAYS": str(gateways), "EASEL_ROLE": "gateway" if slot < gateways else "worker"}
    return settings
