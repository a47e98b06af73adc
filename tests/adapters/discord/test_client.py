"""The whole adapter with the real discord.py: gateway, commands, interactions, shutdown."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from discord.gateway import DiscordWebSocket
from discord.http import Route
from pydantic import SecretStr
from yarl import URL

from adapters.discord.client import REGISTERED, Discord
from adapters.discord.settings import DiscordSettings
from bot.bell import Bell
from bot.cards import Card
from bot.easel import Easel
from bot.settings import Settings
from bot.store import Database, Store
from bot.store.migrate import upgrade
from commands.spec import Choice, Command, Option, Options, Turn
from tests.adapters.discord.conftest import snowflake
from tests.adapters.discord.desk import Desk, error
from tests.doubles.backend import V2
from tests.doubles.vault import OpenVault

Make = Callable[..., dict[str, Any]]


class Asked:
    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def run(self, _easel: Easel, turn: Turn, _options: Options) -> None:
        self.turns.append(turn)
        reply = await turn.open(private=False)
        await self.gate.wait()
        await reply.close(Card("Done"))

    @property
    def catalogue(self) -> tuple[Command, ...]:
        lora = Option("lora", "A LoRA", suggest=lambda _easel, text: [Choice(f"{text}!", text)])
        return (Command("imagine", "Draw", self.run, (lora,)),)


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    database = Database(f"sqlite:///{tmp_path / 'easel.sqlite'}")
    upgrade(database)
    yield Store(database, tmp_path)
    database.close()


@pytest.fixture
def local_easel(store: Store) -> Easel:
    return process(store)


def process(store: Store, slot: int = 0, slots: int = 1, gateways: int = 0) -> Easel:
    """As a platform sees the process it runs in."""
    url = "postgresql://nobody@127.0.0.1/easel"  # what several slots need; opened by nothing here
    settings = Settings(_env_file=None, database_url=url, slots=slots, slot=slot, gateways=gateways)
    return cast(
        Easel,
        SimpleNamespace(
            capabilities=V2, settings=settings, store=store, bell=Bell(store._database), present=lambda: range(slots)
        ),
    )


@pytest.fixture
def local(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Discord's answers for a start; discord.py keeps its addresses in classes, so they are put back after the test."""
    monkeypatch.setattr(Route, "BASE", Route.BASE)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", URL("ws://127.0.0.1:9"))
    owner: dict[str, Any] = {"id": "1", "username": "ada", "discriminator": "0", "avatar": None}
    application: dict[str, Any] = {
        "id": "100",
        "name": "Easel",
        "icon": None,
        "description": "",
        "bot_public": True,
        "flags": 0,
    }
    application |= {"bot_require_code_grant": False, "verify_key": "00", "team": None, "owner": owner}
    limit = {"total": 1000, "remaining": 999, "reset_after": 1, "max_concurrency": 16}
    desk.on("GET", "/users/@me", web.json_response(owner | {"id": "100"}))
    desk.on("GET", "/oauth2/applications/@me", web.json_response(application))
    url = desk.url.replace("http", "ws") + "/gateway-socket"
    desk.on(
        "GET",
        "/gateway/bot",
        lambda _: web.json_response({"url": url, "shards": desk.shards, "session_start_limit": limit}),
    )
    desk.on("PUT", "/commands", web.json_response([]))
    return desk


class Running:
    def __init__(self, desk: Desk, asked: Asked, easel: Easel, **settings: Any) -> None:
        self.discord = Discord(
            DiscordSettings(_env_file=None, token=SecretStr("bot-token"), api_base=desk.url, **settings),
            asked.catalogue,
        )
        self._easel = easel
        self.serving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Discord:
        await self.discord.login(OpenVault())
        self.serving = asyncio.create_task(self.discord.serve(self._easel))
        async with asyncio.timeout(10):
            while not self.discord.ready:
                await asyncio.sleep(0.01)
        return self.discord

    async def __aexit__(self, *exc: object) -> None:
        await self.discord.close()
        assert self.serving is not None
        async with asyncio.timeout(5):
            await self.serving


@pytest.fixture
async def discord(local: Desk, asked: Asked, local_easel: Easel) -> AsyncIterator[Discord]:
    async with Running(local, asked, local_easel) as running:
        yield running


async def test_a_command_is_answered_and_ends_in_its_message(
    discord: Discord, local: Desk, asked: Asked, interaction: Make
) -> None:
    await local.dispatch("INTERACTION_CREATE", interaction())
    await local.until(lambda: len(local.of("PATCH")) == 1)
    assert [turn.requester.name for turn in asked.turns] == ["Ada"]
    assert local.of("POST", "/callback")[0].body["type"] == 5
    assert "Done" in json.dumps(local.of("PATCH")[0].body)


async def test_no_privileged_intent_is_asked_for(discord: Discord, local: Desk) -> None:
    assert [said["intents"] for said in local.identified] == [1]


async def test_suggestions_are_answered_from_memory(discord: Discord, local: Desk, interaction: Make) -> None:
    options = [{"name": "lora", "type": 3, "value": "ya", "focused": True}]
    data = {"id": "1", "type": 1, "name": "imagine", "options": options}
    took: list[float] = []
    for _ in range(5):
        started = time.monotonic()
        await local.dispatch("INTERACTION_CREATE", interaction(type=4, data=data))
        await local.until(lambda: len(local.of("POST", "/callback")) > len(took))
        took.append(time.monotonic() - started)
    assert min(took) < 0.1  # the others may have shared this machine with other tests
    answer = {"type": 8, "data": {"choices": [{"name": "ya!", "value": "ya"}]}}
    assert [told.body for told in local.of("POST", "/callback")] == [answer] * 5


async def test_an_interaction_that_is_repeated_too_late_is_not_worked_on(
    discord: Discord, local: Desk, asked: Asked, interaction: Make
) -> None:
    await local.dispatch("INTERACTION_CREATE", interaction(id=snowflake(time.time() - 4)))
    await local.dispatch("INTERACTION_CREATE", interaction(id=snowflake(time.time()), token="second"))
    await local.until(lambda: bool(local.of("PATCH")))
    assert len(local.of("POST", "/callback")) == len(asked.turns) == 1


async def test_while_stopping_a_command_is_told_to_come_back(
    discord: Discord, local: Desk, asked: Asked, interaction: Make
) -> None:
    await discord.stop_taking()
    await local.dispatch("INTERACTION_CREATE", interaction())
    await local.until(lambda: bool(local.of("POST", "/callback")))
    (told,) = local.of("POST", "/callback")
    assert "restarting" in json.dumps(told.body)
    assert told.body["data"]["flags"] & 64
    assert asked.turns == []


async def test_what_runs_still_reaches_its_message_while_stopping(
    discord: Discord, local: Desk, asked: Asked, interaction: Make
) -> None:
    asked.gate.clear()
    await local.dispatch("INTERACTION_CREATE", interaction())
    await local.until(lambda: bool(local.of("POST", "/callback")))
    await discord.stop_taking()
    asked.gate.set()
    await local.until(lambda: bool(local.of("PATCH")))


async def test_what_arrives_when_all_is_closed_is_left_alone(
    local: Desk, asked: Asked, local_easel: Easel, interaction: Make
) -> None:
    """The gateway closes last, and what is dispatched meanwhile could only fail on closed connections."""
    async with Running(local, asked, local_easel) as discord:
        pass
    discord._receive(interaction())
    assert not discord._turns


async def test_a_button_of_an_older_process_is_told_kindly(discord: Discord, local: Desk, interaction: Make) -> None:
    data = {"custom_id": "easel:forgotten:01JDX:0", "component_type": 2}
    await local.dispatch("INTERACTION_CREATE", interaction(type=3, data=data, message={"id": "9"}))
    await local.until(lambda: bool(local.of("POST", "/callback")))
    (told,) = local.of("POST", "/callback")
    assert "no longer know" in json.dumps(told.body)


async def test_ready_means_that_commands_arrive(local: Desk, asked: Asked, local_easel: Easel) -> None:
    running = Running(local, asked, local_easel)
    assert not running.discord.ready
    async with running as discord:
        assert discord.ready
    assert not discord.ready


async def test_closing_ends_serving_while_the_gateway_is_not_to_be_found(
    local: Desk, asked: Asked, local_easel: Easel
) -> None:
    local.on("GET", "/gateway/bot", error(404))
    running = Running(local, asked, local_easel)
    await running.discord.login(OpenVault())
    serving = asyncio.create_task(running.discord.serve(local_easel))
    await local.until(lambda: bool(local.of("GET", "/gateway/bot")))
    await running.discord.close()
    await asyncio.wait_for(serving, 5)


async def test_a_number_of_shards_is_kept_to(local: Desk, asked: Asked, local_easel: Easel) -> None:
    local.shards = 7
    async with Running(local, asked, local_easel, shards=1):
        assert [said["shard"] for said in local.identified] == [[0, 1]]


# ---- several processes ----


async def test_processes_divide_the_shards_and_identify_in_turn(local: Desk, asked: Asked, store: Store) -> None:
    local.shards = 3
    async with Running(local, asked, process(store, 0, 2), shards=2) as first:
        assert [said["shard"] for said in local.identified] == [[0, 2]]
        async with Running(local, asked, process(store, 1, 2), shards=2) as second:
            assert [said["shard"] for said in local.identified] == [[0, 2], [1, 2]]
            assert first.ready
            assert second.ready


async def test_a_process_without_a_shard_stands_by(local: Desk, asked: Asked, store: Store) -> None:
    async with Running(local, asked, process(store, 1, 2), shards=1) as spare:
        assert spare.ready
        assert local.identified == []


async def test_slot_0_alone_registers_the_commands(local: Desk, asked: Asked, store: Store) -> None:
    async with Running(local, asked, process(store, 1, 2), shards=2):
        pass
    assert local.of("PUT") == []
    await registered(local, asked, process(store, 0, 2), expected=1, shards=2)


# ---- commands are registered when they changed ----


async def registered(desk: Desk, asked: Asked, easel: Easel, *, expected: int, **settings: Any) -> None:
    async with Running(desk, asked, easel, **settings):
        await desk.until(lambda: len(desk.of("PUT")) >= expected)
        await _marked(easel)


async def _marked(easel: Easel) -> None:
    async with asyncio.timeout(5):
        while not await easel.store.fact(REGISTERED):
            await asyncio.sleep(0.01)


async def test_commands_are_registered_once(local: Desk, asked: Asked, local_easel: Easel) -> None:
    await registered(local, asked, local_easel, expected=1)
    await registered(local, asked, local_easel, expected=1)
    (sent,) = local.of("PUT")
    assert sent.path == "/api/v10/applications/100/commands"
    assert "bot-token" not in (await local_easel.store.fact(REGISTERED) or "")


async def test_changed_commands_are_registered_again(local: Desk, asked: Asked, local_easel: Easel) -> None:
    await registered(local, asked, local_easel, expected=1)
    await local_easel.store.set_fact(REGISTERED, "of an older version")
    await registered(local, asked, local_easel, expected=2)
    assert len(local.of("PUT")) == 2


async def test_servers_of_a_developer_get_them_alone(local: Desk, asked: Asked, local_easel: Easel) -> None:
    await registered(local, asked, local_easel, expected=2, guild_ids=(3, 4))
    assert [got.path for got in local.of("PUT")] == [
        "/api/v10/applications/100/guilds/3/commands",
        "/api/v10/applications/100/guilds/4/commands",
    ]


async def test_commands_that_discord_refuses_are_tried_again_at_the_next_start(
    local: Desk, asked: Asked, local_easel: Easel, interaction: Make
) -> None:
    local.on("PUT", "/commands", error(400, 50035))
    async with Running(local, asked, local_easel):
        await local.until(lambda: bool(local.of("PUT")))
        await local.dispatch("INTERACTION_CREATE", interaction())
        await local.until(lambda: bool(local.of("PATCH")))
    assert await local_easel.store.fact(REGISTERED) is None
