"""One running bot in one workspace of a local Slack, that several scenarios of a module share."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from adapters.wavespeed.faults import Script
from adapters.wavespeed.simulator import Simulator
from bot.pacing import LEARNT_FROM
from tests.scenarios.easel_process import EaselProcess, easel
from tests.servers.slack import SlackServer
from tests.servers.slack_asked import Asked
from tests.servers.slack_world import Channel, Message, User


@dataclass
class SlackHouse:
    """A workspace with three people, the bot inside, and the image API behind it.

    Each scenario has a `channel` of its own (`moved_in`): Slack takes about one message a second in each.
    """

    slack: SlackServer
    simulator: Simulator
    bot: EaselProcess
    channel: Channel
    ana: User
    ben: User
    mia: User

    def moved_in(self) -> Self:
        """The same house, with a channel where nothing was said yet."""
        self.channel = self.slack.channel(f"room{len(self.slack.channels)}")
        return self

    async def imagine(self, line: str, *, user: User | None = None, channel: Channel | None = None) -> Asked:
        """What stands behind /imagine. It was acknowledged."""
        return acked(await self.slack.type(user or self.ana, channel or self.channel, f"/imagine {line}".strip()))

    async def drawn(self, line: str, *, prompt: str = "", timeout: float = 30.0, **where: Any) -> Message:
        """The message with the finished picture; `prompt` where it is not what stands before the first flag."""
        asked = await self.imagine(line, **where)
        assert asked.channel is not None
        return await self.answer(asked.channel, prompt or re.split(r"\s+(?:--|—)", line)[0], timeout)

    async def answer(self, channel: Channel, prompt: str, timeout: float = 30.0) -> Message:
        """The one message in this channel that answers this prompt, once its pictures stand there and all that grew
        before them is gone."""

        def answered() -> bool:
            bare = [message for message in self.slack.by_bot(channel) if message.text == "Working on it…"]
            return not bare and [bool(message.pictures) for message in self.about(channel, prompt)] == [True]

        await self.slack.until(answered, timeout)
        return self.about(channel, prompt)[0]

    def about(self, channel: Channel, prompt: str) -> list[Message]:
        """What the bot says to everyone in a channel that has these words in it."""
        return [message for message in self.slack.by_bot(channel) if prompt in message.text]

    async def running(self, prompt: str, *, seconds: float = 60.0, **where: Any) -> Message:
        """The message of a picture that is being drawn, and will be for so many seconds."""
        self.simulator.script(Script(seconds=seconds), prompt=prompt)
        asked = await self.imagine(prompt, **where)
        assert asked.channel is not None
        return await self.generating(asked.channel, prompt)

    async def generating(self, channel: Channel, prompt: str) -> Message:
        await self.slack.until(lambda: [m for m in self.about(channel, prompt) if "Generating" in m.text], 15)
        (message,) = self.about(channel, prompt)
        assert message.buttons == ["❌ Cancel"]
        return message

    async def said(self, line: str, **where: Any) -> str:
        """What was told to the one who asked, alone: nothing was posted, nothing was paid."""
        posts, seen = self.simulator.posts, len(self.slack.by_bot(where.get("channel") or self.channel))
        told = await (await self.imagine(line, **where)).told()
        assert self.simulator.posts == posts
        assert len(self.slack.by_bot(where.get("channel") or self.channel)) == seen
        return told

    async def until(self, message: Message, word: str) -> None:
        await self.slack.until(lambda: word in message.text, 15)

    async def gone(self, message: Message) -> None:
        await self.slack.until(lambda: message.deleted, 15)

    async def learn(self) -> None:
        """So many usual pictures that the bot knows how long they take: later ones are then seen as they end."""
        people = [self.slack.user(f"person{number}") for number in range(LEARNT_FROM)]
        rooms = [self.slack.channel(f"practice{number}") for number in range(LEARNT_FROM)]
        await asyncio.gather(
            *(self.drawn("a first try", user=user, channel=room) for user, room in zip(people, rooms, strict=True))
        )

    def sent(self, prompt: str) -> list[dict[str, Any]]:
        """All that was asked of the image API with exactly this prompt."""
        return [dict(submit.inputs) for submit in self.simulator.submits if submit.inputs["prompt"] == prompt]

    def growing(self) -> list[Message]:
        """Messages that say that something is still to come, in places where the bot still can say anything."""
        places = [it for it in self.slack.channels.values() if it.bot_inside and not it.archived and not it.gone]
        every = [message for place in places for message in self.slack.by_bot(place)]
        return [message for message in every if re.search("Working on it|Generating|Queued|Checking", message.text)]

    async def check(self) -> None:
        """What holds after every scenario."""
        await self.slack.until(lambda: not self.growing(), 8)
        assert self.slack.violations == []
        assert self.simulator.leaks == []
        assert "Traceback" not in self.bot.lines()
        assert '"a command failed"' not in self.bot.lines()


def acked(asked: Asked) -> Asked:
    """Within Slack's 3 s: what is later stands among the `violations`."""
    assert asked.failed is None, asked
    assert asked.acked is not None
    return asked


def short(text: str) -> str:
    """The id that people see."""
    found = re.search(r"id ([0-9a-z]{6,})", text)
    assert found, text
    return found[1]


@asynccontextmanager
async def slack_house(
    folder: Path,
    *,
    environment: dict[str, str] | None = None,
    seconds: float = 0.3,
    learnt: bool = True,
    **server: Any,
) -> AsyncIterator[SlackHouse]:
    async with SlackServer(**server) as slack, Simulator(seconds=seconds, picture="png") as simulator:
        channel = slack.channel()
        people = [slack.user(name) for name in ("ana", "ben", "mia")]
        # Scenarios follow each other faster than people do: what grows shall not stand still for that.
        swift = {"SLACK_PROGRESS_PER_MINUTE": "50"} | dict(environment or {})
        async with easel(None, simulator, folder / "data", swift, slack=slack) as bot:
            await bot.start()
            made = SlackHouse(slack, simulator, bot, channel, *people)
            if learnt:
                await made.learn()
            yield made
