"""Shards that pass from process to process, over a real Postgres: no command is lost while one of them is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from discord.gateway import DiscordWebSocket
from discord.http import Route
from pydantic import SecretStr
from yarl import URL

from adapters.discord import relay, shards
from adapters.discord.client import Discord
from adapters.discord.settings import DiscordSettings
from bot.bell import Bell
from bot.cards import Card
from bot.easel import Easel
from bot.settings import Settings
from bot.store import Database, Store
from bot.store.migrate import upgrade
from commands.spec import Command, Options, Turn
from tests.doubles.backend import V2
from tests.doubles.vault import OpenVault
from tests.servers.discord import DiscordServer
from tests.servers.discord_asked import Asked
from tests.servers.discord_world import Channel
from tests.servers.postgres import new_database

SHARDS = 2


class Process:
    """Slot `slot` of two, as far as Discord sees it. `ran` are the people whose commands it took."""

    def __init__(self, crew: Crew, slot: int) -> None:
        self._crew, self.slot = crew, slot
        self.ran: list[str] = []
        self._stack = AsyncExitStack()

    async def _run(self, _easel: Easel, turn: Turn, _options: Options) -> None:
        reply = await turn.open(private=False)
        self.ran.append(turn.requester.name)
        await reply.close(Card("Done"))

    async def start(self) -> None:
        database = Database(self._crew.url)
        self._stack.callback(database.close)
        bell = await self._stack.enter_async_context(Bell(database))
        settings = Settings(_env_file=None, database_url=self._crew.url, slots=SHARDS, slot=self.slot)
        easel = SimpleNamespace(
            capabilities=V2,
            settings=settings,
            store=Store(database, self._crew.folder),
            bell=bell,
            present=lambda: self._crew.present,
        )
        server = self._crew.server
        self.discord = Discord(
            DiscordSettings(_env_file=None, token=SecretStr(server.token), api_base=server.url),
            (Command("imagine", "Draw", self._run, ()),),
        )
        await self.discord.login(OpenVault())
        self._crew.present.add(self.slot)
        self._serving = asyncio.create_task(self.discord.serve(cast(Easel, easel)))
        async with asyncio.timeout(20):
            while not self.discord.ready:
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """As SIGTERM does."""
        await self.discord.stop_taking()
        self._crew.present.discard(self.slot)
        await self._end()

    async def die(self) -> None:
        """Without a word to its peers; to Discord its end is one all the same."""
        self._crew.present.discard(self.slot)
        await self._end()

    async def _end(self) -> None:
        await self.discord.close()
        await self._serving
        await self._stack.aclose()


class Crew:
    """Two processes, and a server of people on each shard."""

    def __init__(self, server: DiscordServer, url: str, folder: Path) -> None:
        self.server, self.url, self.folder = server, url, folder
        self.present: set[int] = set()
        self.channels = [server.channel(server.guild(shard=shard, of=SHARDS)) for shard in range(SHARDS)]
        self.first, self.second = Process(self, 0), Process(self, 1)

    async def ask(self, channel: Channel, name: str = "ana") -> Asked:
        return await self.server.command("imagine", user=self.server.user(name), channel=channel, wait=False)

    async def answered(self, asked: Asked) -> None:
        await asked.until(lambda message: "Done" in message.text)

    def sessions(self, shard: int) -> int:
        return sum(session.shard == shard for session in self.server.gateway.connected)

    async def has_sessions(self, shard: int, number: int, timeout: float = 15.0) -> None:
        await self.server.gateway.changes.until(
            lambda: self.sessions(shard) == number, timeout, lambda: f"{self.server.gateway.connected}"
        )


@pytest.fixture
async def crew(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Crew]:
    monkeypatch.setattr(Route, "BASE", Route.BASE)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", URL("ws://127.0.0.1:9"))
    monkeypatch.setattr(shards, "IDENTIFY_EVERY", 0.5)
    url = new_database(postgres_url)
    upgrade(database := Database(url))
    database.close()
    async with DiscordServer(max_concurrency=16, identify_every=0.5) as server:
        made = Crew(server, url, tmp_path)
        await made.first.start()
        await made.second.start()
        await server.online(SHARDS)
        yield made
        for process in (made.first, made.second):
            if process.slot in made.present:
                await process.stop()
        assert server.violations == []
        assert server.undelivered == server.gateway.refused == 0


async def test_each_process_hears_its_own_guilds_and_the_first_all_direct_messages(crew: Crew) -> None:
    for name, channel in zip(("ana", "ben"), crew.channels, strict=True):
        await crew.answered(await crew.ask(channel, name))
    mia = crew.server.user("mia")
    asked = await crew.server.command("imagine", user=mia, channel=crew.server.direct(mia))
    await crew.answered(asked)
    assert (crew.first.ran, crew.second.ran) == (["Ana", "Mia"], ["Ben"])


async def test_who_stops_leaves_its_sessions_to_a_peer(crew: Crew) -> None:
    await crew.second.stop()
    await crew.answered(await crew.ask(crew.channels[1]))
    assert crew.first.ran == ["Ana"]
    assert (crew.server.gateway.identifies, crew.server.gateway.resumes) == (2, 1)


async def test_what_is_asked_while_it_passes_over_is_heard(crew: Crew) -> None:
    stopping = asyncio.create_task(crew.second.stop())
    await crew.has_sessions(1, 0)
    asked = await crew.ask(crew.channels[1])
    await crew.answered(asked)
    await stopping
    assert crew.first.ran == ["Ana"]


async def test_who_comes_back_is_the_only_one_again(crew: Crew) -> None:
    await crew.second.stop()
    await crew.has_sessions(1, 1)
    back = crew.second = Process(crew, 1)
    await back.start()
    await crew.has_sessions(1, 1)
    await crew.answered(await crew.ask(crew.channels[1]))
    assert (crew.first.ran, back.ran) == ([], ["Ana"])


async def test_what_both_hear_for_a_moment_is_answered_once(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stays(_relay: relay.Relay, _shard: int) -> None: ...

    monkeypatch.setattr(relay.Relay, "_let_go", stays)
    await crew.second.stop()
    crew.second = Process(crew, 1)
    await crew.second.start()
    await crew.has_sessions(1, 2)
    await crew.answered(await crew.ask(crew.channels[1]))
    assert len(crew.first.ran + crew.second.ran) == 1


async def test_who_is_gone_without_a_word_is_stood_in_for(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "ABSENT", 0.5)
    await crew.second.die()
    await crew.has_sessions(1, 1)
    await crew.answered(await crew.ask(crew.channels[1]))
    assert crew.first.ran == ["Ana"]


async def test_a_session_that_discord_forgot_is_made_anew(crew: Crew) -> None:
    crew.server.gateway.forget_sessions = True
    await crew.second.stop()
    await crew.server.gateway.changes.until(
        lambda: crew.sessions(1) == 1 and crew.server.gateway.identifies == 3, 15, lambda: ""
    )
    await crew.answered(await crew.ask(crew.channels[1]))


async def test_with_nobody_there_to_take_them_sessions_are_kept_to_the_end(crew: Crew) -> None:
    await crew.first.stop()
    await crew.has_sessions(0, 1)
    await crew.second.discord.stop_taking()
    assert crew.sessions(1) == 1
    asked = await crew.ask(crew.channels[1])
    await crew.server.until(lambda: any("restarting" in text for text in asked.private))


async def test_a_peer_that_just_came_back_is_waited_for(crew: Crew) -> None:
    """It is seen with the next heartbeat."""
    crew.present.discard(0)
    asyncio.get_running_loop().call_later(0.5, crew.present.add, 0)
    await crew.second.stop()
    await crew.answered(await crew.ask(crew.channels[1]))
    assert crew.first.ran == ["Ana"]
