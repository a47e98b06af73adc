"""Discord's REST behind a proxy, as several processes use one that paces them together; the gateway is reached directly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.wavespeed.simulator import Simulator
from tests.scenarios.easel_process import easel
from tests.servers.discord import DiscordServer
from tests.servers.forwarding import ForwardingProxy


@pytest.fixture
async def proxy(discord: DiscordServer, simulator: Simulator, tmp_path: Path) -> AsyncIterator[ForwardingProxy]:
    """With a bot behind it."""
    async with (
        ForwardingProxy(discord.url) as made,
        easel(discord, simulator, tmp_path / "data", {"DISCORD_API_BASE": made.url}) as bot,
    ):
        await bot.start()
        yield made
    assert discord.violations == []


async def test_pictures_are_delivered_by_token_and_by_interaction(
    discord: DiscordServer, proxy: ForwardingProxy
) -> None:
    channel, ana = discord.channel(discord.guild()), discord.user("ana")
    asked = await discord.command("imagine", {"prompt": "a red fox"}, user=ana, channel=channel)
    late = await discord.command("imagine", {"prompt": "a blue whale"}, user=ana, channel=channel)
    late.expired = True
    messages = [await one.settled(20) for one in (asked, late)]
    assert [len(message.pictures) for message in messages] == [1, 1]
    assert [message.history[-1].by for message in messages] == ["interaction", "bot"]
    assert proxy.forwarded.total() >= discord.requests.total() > 0


@pytest.mark.usefixtures("proxy")
async def test_a_rate_limit_that_the_proxy_passes_on_is_waited_for(discord: DiscordServer) -> None:
    channel, ana = discord.channel(discord.guild()), discord.user("ana")
    limited = discord.fail("PATCH", "/messages/", status=429, retry_after=0.5, times=3)
    asked = await discord.command("imagine", {"prompt": "a red fox"}, user=ana, channel=channel)
    assert len((await asked.settled(20)).pictures) == 1
    assert limited.hits >= 1
