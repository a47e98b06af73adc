"""A whole workspace in one process: a local Slack, the real adapter on its sockets, the real heart, painted pictures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from adapters.slack.client import Slack
from bot.bell import Bell
from bot.easel import Easel
from bot.guard import Policy
from bot.library import Library
from bot.settings import Settings
from bot.store import Record
from bot.vault import Vault
from tests.bot.house import House
from tests.contracts.slack_stage import settings
from tests.doubles.backend import PaintedBackend
from tests.servers.slack import SlackServer
from tests.servers.slack_asked import Asked
from tests.servers.slack_world import Channel, Message, User


@dataclass
class Office:
    server: SlackServer
    slack: Slack
    house: House
    easel: Easel
    channel: Channel
    ana: User
    ben: User
    vault: Vault

    async def imagine(self, line: str, *, user: User | None = None, channel: Channel | None = None) -> Asked:
        return await self.server.type(user or self.ana, channel or self.channel, f"/imagine {line}".strip())

    async def drawn(self, line: str, **more: Any) -> Message:
        """The message with the finished pictures."""
        await self.imagine(line, **more)
        return await self.finished(more.get("channel"))

    async def finished(self, channel: Channel | None = None, *, count: int = 1) -> Message:
        """The newest of so many messages with pictures; nothing else of the bot's is left there."""
        where = channel or self.channel
        await self.server.until(
            lambda: len(self.server.by_bot(where)) == count and all(it.pictures for it in self.server.by_bot(where))
        )
        await self.closed()
        return self.server.by_bot(where)[-1]

    async def closed(self) -> list[Record]:
        """Until no job is open; all of Ana's, newest first."""
        while await self.house.store.open():
            await asyncio.sleep(0.01)
        from bot.jobs import Requester

        return await self.house.store.history(Requester("slack", f"{self.server.team.id}-{self.ana.id}", ""))

    async def answered(self, asked: Asked, contains: str) -> str:
        await asked.until(lambda it: any(contains in text for text in it.private))
        return next(text for text in asked.private if contains in text)


@asynccontextmanager
async def office(
    root: Path, backend: PaintedBackend | None = None, *, policy: Policy | None = None, **changes: Any
) -> AsyncIterator[Office]:
    backend = backend or PaintedBackend()
    async with SlackServer() as server, House(root, backend, policy=policy) as house:
        slack = Slack(settings(server, **changes))
        vault = Vault(house.database, ["a key of at least some characters"])
        house.life.platforms = {"slack": slack}
        easel = Easel(
            Settings(data_dir=root, _env_file=None),
            backend.capabilities,
            Library.load(),
            house.intake,
            house.store,
            house.life.gallery,
            policy or Policy(),
            house.life.answers,
            Bell(house.database),
        )
        ana, ben = server.user("ana"), server.user("ben")
        made = Office(server, slack, house, easel, server.channel("pictures", ana, ben), ana, ben, vault)
        await slack.login(vault)
        serving = asyncio.create_task(slack.serve(easel))
        async with _served(slack) as url:
            if changes.get("mode") == "http":
                server.request_url = f"{url}/slack/events"
            else:
                await server.online(2)
            try:
                yield made
            finally:
                server.request_url = ""
                await slack.close()
                await serving
        assert server.violations == []


@asynccontextmanager
async def _served(slack: Slack) -> AsyncIterator[str]:
    app = web.Application()
    for route in slack.routes():
        app.router.add_route(route.method, route.path, route.handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
