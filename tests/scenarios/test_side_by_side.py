"""One process serves Discord and Slack at once, and neither knows of the other."""

from __future__ import annotations

from pathlib import Path

from adapters.wavespeed.simulator import Simulator
from tests.scenarios.easel_process import easel
from tests.servers.discord import DiscordServer
from tests.servers.slack import SlackServer


async def test_the_same_on_both_and_after_a_kill(
    discord: DiscordServer, slack: SlackServer, simulator: Simulator, tmp_path: Path
) -> None:
    guild = discord.guild()
    there, ana = discord.channel(guild), discord.user("ana")
    here, ben = slack.channel("pictures"), slack.user("ben")
    async with easel(discord, simulator, tmp_path / "data", slack=slack) as bot:
        await bot.start()
        asked = await discord.command("imagine", {"prompt": "a red fox"}, user=ana, channel=there)
        await slack.type(ben, here, "/imagine a blue whale")
        await simulator.until(lambda: len(simulator.submits) == 2)
        await bot.kill()
        await bot.start()
        fox = await asked.settled(20)
        await slack.until(lambda: [len(message.pictures) for message in slack.visible(here)] == [1], 20)
        (whale,) = slack.visible(here)
        assert "a red fox" in fox.text
        assert "a blue whale" in whale.text

        # each in its own manner, and what one person asked there is nothing of a person here
        history = await slack.type(ben, here, "/imagine history")
        told = await history.told()
        assert "a blue whale" in told
        assert "a red fox" not in told
        again = await discord.press(fox, "Re-roll", user=ana)
        await slack.press(ben, whale, "Re-roll")
        assert (await again.settled(20)).pictures
        await slack.until(lambda: [len(message.pictures) for message in slack.visible(here)] == [1, 1], 20)
        assert (await bot.http("/readyz"))[0] == 200

        # while one is down, the other goes on
        slack.refusing = True
        other = await discord.command("imagine", {"prompt": "a green parrot"}, user=ana, channel=there)
        assert (await other.settled(20)).pictures
        slack.refusing = False
        assert await bot.stop() < 10
    assert len(simulator.charged) == simulator.posts == 5
    assert discord.violations == []
    assert slack.violations == []
    assert "Traceback" not in bot.lines()
    assert '"a command failed"' not in bot.lines()
