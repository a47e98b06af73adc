"""Several bots on one Postgres, between a local Discord with a shard for each and the simulated image API."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from adapters.wavespeed.simulator import Simulator
from bot.ledger import State
from bot.store import Database
from bot.store.tables import jobs, ledger
from tests.scenarios.easel_process import EaselProcess
from tests.scenarios.house import check_answers, paid_once
from tests.servers.discord import DiscordServer
from tests.servers.discord_asked import Asked
from tests.servers.discord_world import Channel, User
from tests.servers.tables import ready_database

ADOPT_AFTER = 5.0
"""Seconds, the shortest that there is."""


@dataclass
class Fleet:
    """`rooms[k]` is a channel of a server whose commands come to process k."""

    discord: DiscordServer
    simulator: Simulator
    url: str
    bots: list[EaselProcess]
    rooms: list[Channel] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    async def start(self) -> None:
        await asyncio.gather(*(bot.start(online=bot.environment["EASEL_ROLE"] != "worker") for bot in self.bots))
        await self.all_heard()

    async def all_heard(self) -> None:
        gateway = self.discord.gateway

        def heard() -> set[int]:
            return {session.shard for session in gateway.sessions.values() if session.socket is not None}

        await gateway.changes.until(lambda: heard() >= set(range(len(self.rooms))), 40, lambda: f"heard: {heard()}")

    async def imagine(self, slot: int, prompt: str, user: User | None = None, **more: Any) -> Asked:
        """By somebody new, unless it is said who. Accepted by now, and not more."""
        asked = await self.discord.command(
            "imagine",
            {"prompt": prompt, **more},
            user=user or self.discord.user(f"person{len(self.asked)}"),
            channel=self.rooms[slot],
            wait=False,
        )
        self.asked.append(asked)
        await self.accepted(len(self.asked))
        return asked

    async def say(self, slot: int, line: dict[str, Any], user: User) -> Asked:
        return await self.discord.command("imagine", line, user=user, channel=self.rooms[slot])

    def freeze(self, slot: int) -> None:
        self._signal(slot, signal.SIGSTOP)

    def wake(self, slot: int) -> None:
        self._signal(slot, signal.SIGCONT)

    def _signal(self, slot: int, number: signal.Signals) -> None:
        process = self.bots[slot].process
        assert process is not None
        process.send_signal(number)

    async def accepted(self, count: int, timeout: float = 20.0) -> None:
        """So many jobs have their rows."""
        async with asyncio.timeout(timeout):
            while len(await self.rows(sa.select(jobs.c.id))) < count:
                await asyncio.sleep(0.05)

    async def rows(self, statement: sa.Select[Any] | sa.TextClause) -> Sequence[Any]:
        def read() -> Sequence[Any]:
            with closing(Database(self.url)) as database, database.engine.connect() as connection:
                return connection.execute(statement).all()

        return await asyncio.to_thread(read)

    async def owners(self) -> list[str]:
        """Of the jobs, in the order in which they came."""
        return [row.owner for row in await self.rows(sa.select(jobs.c.owner).order_by(jobs.c.id))]

    async def end_well(self, *, uncertain: int = 0, timeout: float = 60.0) -> None:
        """Each accepted job has one answer with its own picture; none is paid twice, none is left open."""
        kept = {row.delivery_key for row in await self.rows(sa.select(jobs.c.delivery_key))}
        accepted = [one for one in self.asked if str(one.id) in kept]
        messages = [await one.settled(timeout) for one in accepted]
        lost = check_answers(accepted, messages, uncertain=uncertain)
        refused = [message.id for one in self.asked if one not in accepted for message in one.messages]
        for room in self.rooms:
            found = [message.id for message in self.discord.seen_in(room) if not message.thinking]
            seen = [each for each in found if each not in refused]
            assert sorted(seen) == sorted(message.id for message in messages if message.channel is room)
        paid_once(self.simulator)
        await self._all_closed(timeout)
        lines = [row.state for row in await self.rows(sa.select(ledger.c.state))]
        assert set(lines) <= {State.SUBMITTED, State.UNCERTAIN}
        assert lines.count(State.UNCERTAIN) == len(lost)
        assert self.discord.violations == []
        assert self.simulator.leaks == []

    async def _all_closed(self, timeout: float) -> None:
        async with asyncio.timeout(timeout):
            while await self.rows(sa.select(jobs.c.id).where(jobs.c.state != "closed")):
                await asyncio.sleep(0.05)


@asynccontextmanager
async def fleet(
    count: int,
    postgres_url: str,
    folder: Path,
    *,
    roles: Sequence[str] = (),
    seconds: float = 0.6,
    identify_every: float = 0.0,
    **environment: str,
) -> AsyncIterator[Fleet]:
    """`seconds` is how long a picture takes; Discord takes one identify of a shard in `identify_every` seconds. What is
    left of the processes at the end is killed.
    """
    url = await asyncio.to_thread(ready_database, postgres_url, count)
    roles = roles or ["all"] * count
    receivers = sum(role != "worker" for role in roles)
    common = {
        "EASEL_DATABASE_URL": url,
        "EASEL_SLOTS": str(count),
        "EASEL_ADOPT_AFTER": str(ADOPT_AFTER),
        "EASEL_GATEWAYS": str(receivers),
        "DISCORD_SHARDS": str(receivers),
        **environment,
    }
    server = DiscordServer(max_concurrency=max(1, receivers), identify_every=identify_every)
    async with server as discord, Simulator(seconds=seconds, picture="png") as simulator:
        bots = []
        for slot, role in enumerate(roles):
            bot = EaselProcess(discord, simulator, folder / "data", EASEL_SLOT=str(slot))
            bot.environment |= common | {"EASEL_ROLE": role}
            bot.log = folder / f"slot{slot}.log"
            bots.append(bot)
        made = Fleet(discord, simulator, url, bots)
        made.rooms = [discord.channel(discord.guild(f"server {k}", shard=k, of=receivers)) for k in range(receivers)]
        try:
            await made.start()
            yield made
        finally:
            for bot in bots:
                await bot.kill()
