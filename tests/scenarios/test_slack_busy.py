"""Thirty people at once in one channel, while Slack lets no burst of anything pass."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.scenarios.slack_house import slack_house
from tests.servers.slack_world import Message

PEOPLE = 30


async def test_everyone_gets_exactly_one_answer(tmp_path: Path) -> None:
    async with slack_house(tmp_path, learnt=False) as easel:
        slack, channel = easel.slack, easel.channel
        slack.limits.strict()
        people = [slack.user(f"person{number}") for number in range(PEOPLE)]
        prompts = [f"balloon number {number}." for number in range(PEOPLE)]
        asked = await asyncio.gather(
            *(slack.type(user, channel, f"/imagine {it}") for user, it in zip(people, prompts, strict=True))
        )
        assert [one for one in asked if one.failed or one.acked is None] == []

        def answers(prompt: str) -> list[Message]:
            return [message for message in easel.about(channel, prompt) if message.pictures]

        await slack.until(lambda: all(answers(prompt) for prompt in prompts), 100)
        await slack.until(lambda: len(slack.visible(channel)) == PEOPLE, 60)
        assert [len(answers(prompt)) for prompt in prompts] == [1] * PEOPLE
        assert len(easel.simulator.charged) == easel.simulator.posts == PEOPLE
        await easel.check()
