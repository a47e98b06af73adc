"""The thinnest whole way: one /imagine, one picture, delivered after a kill -9."""

from pathlib import Path

from adapters.wavespeed.simulator import Simulator
from tests.scenarios.easel_process import easel
from tests.servers.discord import DiscordServer


async def test_a_picture_is_delivered(discord: DiscordServer, simulator: Simulator, tmp_path: Path) -> None:
    channel, ana = discord.channel(discord.guild()), discord.user("ana")
    async with easel(discord, simulator, tmp_path / "data") as bot:
        await bot.start()
        asked = await discord.command("imagine", {"prompt": "a red fox"}, user=ana, channel=channel)
        message = await asked.settled(15)
    assert len(message.pictures) == 1
    assert not message.pictures[0].spoiler
    assert "seed" in message.text
    assert len(simulator.charged) == 1
    assert discord.violations == []


async def test_a_picture_is_delivered_after_a_kill(
    discord: DiscordServer, simulator: Simulator, tmp_path: Path
) -> None:
    channel, ana = discord.channel(discord.guild()), discord.user("ana")
    async with easel(discord, simulator, tmp_path / "data") as bot:
        await bot.start()
        asked = await discord.command("imagine", {"prompt": "a red fox"}, user=ana, channel=channel)
        await simulator.until(lambda: bool(simulator.submits))
        await bot.kill()
        await bot.start()
        message = await asked.settled(15)
    assert len(message.pictures) == 1
    assert discord.seen_in(channel) == [message]
    assert len(simulator.charged) == 1
    assert discord.violations == []
