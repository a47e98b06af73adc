"""The thinnest whole way on Slack: one /imagine, one picture, delivered after a kill -9; by both ways that Slack has."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.wavespeed.simulator import Simulator
from tests.scenarios.easel_process import easel
from tests.servers.slack import SlackServer


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_a_picture_is_delivered_after_a_kill(
    mode: str, slack: SlackServer, simulator: Simulator, tmp_path: Path
) -> None:
    channel, ana = slack.channel("pictures"), slack.user("ana")
    async with easel(None, simulator, tmp_path / "data", {"SLACK_MODE": mode}, slack=slack) as bot:
        await bot.start()
        asked = await slack.type(ana, channel, "/imagine a red fox")
        assert asked.failed is None
        assert asked.acked is not None
        await simulator.until(lambda: bool(simulator.submits))
        await bot.kill()
        await bot.start()
        await slack.until(lambda: [len(message.pictures) for message in slack.visible(channel)] == [1], 20)
        (message,) = slack.visible(channel)
        assert await bot.stop() < 10
    assert "a red fox" in message.text
    assert "seed" in message.text
    assert slack.visible(channel) == [message]
    assert len(simulator.charged) == simulator.posts == 1
    assert slack.violations == []
    assert "Traceback" not in bot.lines()
