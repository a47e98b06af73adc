"""Login is REST only, and what it raises says who can act."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web
from discord.http import Route
from pydantic import SecretStr

import adapters.discord
from adapters.discord.address import Address
from adapters.discord.client import Discord
from adapters.discord.settings import DiscordSettings
from bot.cards import Card
from bot.errors import KeyRefused, Unreachable
from bot.ports import Platform
from tests.adapters.discord.desk import Desk, error
from tests.doubles.vault import OpenVault


@pytest.fixture(autouse=True)
def base(monkeypatch: pytest.MonkeyPatch) -> None:
    """discord.py keeps its address in the class: put it back after each test."""
    monkeypatch.setattr(Route, "BASE", Route.BASE)


@pytest.fixture
async def discord(desk: Desk) -> AsyncIterator[Discord]:
    desk.on(
        "GET", "/users/@me", web.json_response({"id": "100", "username": "easel", "discriminator": "0", "avatar": None})
    )
    desk.on("GET", "/oauth2/applications/@me", web.json_response(APPLICATION))
    made = Discord(DiscordSettings(_env_file=None, token=SecretStr("bot-token"), api_base=desk.url), ())
    yield made
    await made.close()


APPLICATION = {
    "id": "100",
    "name": "Easel",
    "icon": None,
    "description": "",
    "bot_public": True,
    "bot_require_code_grant": False,
    "verify_key": "00",
    "flags": 0,
    "team": None,
    "owner": {"id": "1", "username": "ada", "discriminator": "0", "avatar": None},
}


def test_what_connect_makes_is_a_platform() -> None:
    settings = DiscordSettings(_env_file=None, token=SecretStr("t"))
    made = adapters.discord.connect(settings)
    assert isinstance(made, Platform)
    assert made.name == "discord"


async def test_a_message_is_delivered_with_no_gateway(
    discord: Discord, desk: Desk, address: Callable[..., Address]
) -> None:
    await discord.login(OpenVault())
    assert not discord.ready
    await discord.reopen(str(address(left=0))).close(Card("Done"))
    assert desk.got[-1].path == "/api/v10/channels/500/messages/900"
    assert desk.of("GET", "/gateway") == []


async def test_a_refused_token_is_the_operators(discord: Discord, desk: Desk) -> None:
    desk.on("GET", "/users/@me", error(401))
    with pytest.raises(KeyRefused, match="DISCORD_TOKEN"):
        await discord.login(OpenVault())


async def test_a_discord_that_is_down_may_come_back(discord: Discord, desk: Desk) -> None:
    down = [True, True]
    desk.on("GET", "/users/@me", lambda _: error(403) if down and down.pop() else None)
    for _ in range(2):
        with pytest.raises(Unreachable):
            await discord.login(OpenVault())
    gc.collect()  # a connection left open by a try that failed is a warning, and so an error here
    await discord.login(OpenVault())
    assert len(desk.of("GET", "/users/@me")) == 3


async def test_a_foreign_address_is_no_message_of_ours(discord: Discord) -> None:
    with pytest.raises(ValueError, match="address"):
        discord.reopen("{}")


async def test_what_was_never_opened_can_be_closed(discord: Discord) -> None:
    await discord.close()
    assert not discord.ready
