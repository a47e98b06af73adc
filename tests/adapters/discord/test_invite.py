from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from pydantic import SecretStr

import adapters.discord
from adapters.discord.settings import DiscordSettings
from bot.doctor import Check
from bot.errors import KeyRefused, Unreachable
from tests.adapters.discord.desk import Desk, error


def settings(desk: Desk) -> DiscordSettings:
    return DiscordSettings(_env_file=None, token=SecretStr("bot-token"), api_base=desk.url)


def well(desk: Desk, **application: Any) -> None:
    desk.on("GET", "/users/@me", web.json_response({"id": "100", "username": "easel"}))
    desk.on("GET", "/oauth2/applications/@me", web.json_response({"id": "100", "name": "Easel", **application}))
    limit = {"total": 1000, "remaining": 999, "reset_after": 1, "max_concurrency": 1}
    desk.on("GET", "/gateway/bot", web.json_response({"url": "ws://x", "shards": 1, "session_start_limit": limit}))
    rights = str((1 << 10) | (1 << 11) | (1 << 15) | (1 << 38))
    desk.on("GET", "/users/@me/guilds", web.json_response([{"id": "1", "name": "Foxes", "permissions": rights}]))


async def checks(desk: Desk) -> dict[str, Check]:
    return {check.name: check for check in await adapters.discord.diagnose(settings(desk))}


def test_the_invitation_asks_for_the_least() -> None:
    asked = parse_qs(urlsplit(adapters.discord.invite_url(100)).query)
    assert asked["scope"] == ["bot applications.commands"]
    assert int(asked["permissions"][0]) == (1 << 10) | (1 << 11) | (1 << 15) | (1 << 38)


async def test_all_is_well(desk: Desk) -> None:
    well(desk)
    found = await checks(desk)
    assert [check.name for check in found.values() if not check.ok] == []
    assert "100" in found["Discord application"].advice


async def test_a_refused_token_says_where_a_new_one_is(desk: Desk) -> None:
    desk.on("GET", "", error(401))
    (check,) = (await checks(desk)).values()
    assert not check.ok
    assert "Reset Token" in check.advice
    assert "bot-token" not in check.advice


async def test_no_answer_is_told_without_a_traceback() -> None:
    closed = DiscordSettings(_env_file=None, token=SecretStr("t"), api_base="http://127.0.0.1:9")
    found = await adapters.discord.diagnose(closed)
    assert [check.ok for check in found] == [False]


async def test_an_endpoint_that_takes_the_commands_away_is_found(desk: Desk) -> None:
    well(desk, interactions_endpoint_url="https://elsewhere.example")
    assert not (await checks(desk))["Discord application"].ok


@pytest.mark.parametrize(("config", "ok"), [({"0": {}, "1": {}}, True), ({"0": {}}, True), ({"1": {}}, False)])
async def test_the_installation_is_looked_at(desk: Desk, config: dict[str, Any], ok: bool) -> None:
    well(desk, integration_types_config=config)
    assert (await checks(desk))["Discord installation"].ok is ok


async def test_a_server_without_permissions_is_named(desk: Desk) -> None:
    well(desk)
    desk.on("GET", "/users/@me/guilds", web.json_response([{"id": "1", "name": "Foxes", "permissions": "1024"}]))
    check = (await checks(desk))["Discord servers"]
    assert not check.ok
    assert "Foxes: Send Messages, Send Messages in Threads, Attach Files" in check.advice


async def test_a_bot_in_no_server_gets_the_link(desk: Desk) -> None:
    well(desk)
    desk.on("GET", "/users/@me/guilds", web.json_response([]))
    assert "oauth2/authorize" in (await checks(desk))["Discord servers"].advice


async def test_the_application_is_asked_with_the_token(desk: Desk) -> None:
    well(desk)
    assert await adapters.discord.application_id(settings(desk)) == "100"
    assert desk.got[0].authorization == "Bot bot-token"


async def test_a_refused_token_and_a_silent_discord_differ(desk: Desk) -> None:
    desk.on("GET", "", error(401))
    with pytest.raises(KeyRefused):
        await adapters.discord.application_id(settings(desk))
    desk.on("GET", "", error(503))
    with pytest.raises(Unreachable):
        await adapters.discord.application_id(settings(desk))
