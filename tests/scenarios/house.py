"""One running bot that several scenarios of a module share: starting it takes longer than most of them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from adapters.wavespeed.simulator import Simulator
from bot.pacing import LEARNT_FROM
from bot.pictures import parameters_of
from tests.scenarios.easel_process import EaselProcess, easel
from tests.servers.discord import DiscordServer
from tests.servers.discord_asked import Asked
from tests.servers.discord_world import Channel, Guild, Message, User


@dataclass
class House:
    """A server with one channel and three people, the bot inside, and the image API behind it."""

    discord: DiscordServer
    simulator: Simulator
    bot: EaselProcess
    guild: Guild
    channel: Channel
    ana: User
    ben: User
    mia: User

    async def imagine(self, prompt: str, *, user: User | None = None, **more: Any) -> Asked:
        """`more` are options of the command; `channel`, `attachments`, … are as in `DiscordServer.command`."""
        where = {name: more.pop(name) for name in WHERE if name in more}
        where.setdefault("channel", self.channel)
        return await self.discord.command("imagine", {"prompt": prompt, **more}, user=user or self.ana, **where)

    async def drawn(self, prompt: str, *, timeout: float = 20.0, **more: Any) -> Message:
        """The message with the finished picture."""
        message = await (await self.imagine(prompt, **more)).settled(timeout)
        assert message.pictures, message
        return message

    async def learn(self) -> None:
        """So many usual pictures that the bot knows how long they take: later ones are then seen as they end."""
        channel = self.discord.channel(self.guild, "practice")
        people = [self.discord.user(f"person{number}") for number in range(LEARNT_FROM)]
        asked = [await self.imagine("a first try", user=user, channel=channel, wait=False) for user in people]
        await asyncio.gather(*(one.settled(20) for one in asked))

    @property
    def last(self) -> dict[str, Any]:
        """What was last asked of the image API."""
        return dict(self.simulator.submits[-1].inputs)

    def sent(self, prompt: str) -> list[dict[str, Any]]:
        """All that was asked of the image API with exactly this prompt."""
        return [dict(submit.inputs) for submit in self.simulator.submits if submit.inputs["prompt"] == prompt]

    def check(self) -> None:
        """What holds after every scenario."""
        assert self.discord.violations == []
        assert self.simulator.leaks == []
        assert "Traceback" not in self.bot.lines()
        assert '"a command failed"' not in self.bot.lines()


WHERE = ("channel", "attachments", "permissions", "context", "user_install", "age", "wait")


@asynccontextmanager
async def house(
    folder: Path,
    *,
    environment: dict[str, str] | None = None,
    seconds: float = 0.3,
    learnt: bool = True,
    **server: Any,
) -> AsyncIterator[House]:
    async with DiscordServer(**server) as discord, Simulator(seconds=seconds, picture="png") as simulator:
        guild = discord.guild()
        channel = discord.channel(guild)
        people = [discord.user(name) for name in ("ana", "ben", "mia")]
        async with easel(discord, simulator, folder / "data", environment) as bot:
            await bot.start()
            made = House(discord, simulator, bot, guild, channel, *people)
            if learnt:
                await made.learn()
            yield made


def picture(width: int = 640, height: int = 512, colour: str = "navy", form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, form)
    return file.getvalue()


def size_of(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as found:
        found.load()
        return found.size


def check_answers(accepted: Sequence[Asked], messages: Sequence[Message], *, uncertain: int) -> list[Message]:
    """Each of these commands has its own picture; but for so many, which are told to have got lost and are returned."""
    lost = [message for message in messages if "got lost" in message.text]
    assert len(lost) <= uncertain
    for one, message in zip(accepted, messages, strict=True):
        prompt = next(option["value"] for option in one.data["options"] if option["name"] == "prompt")
        assert prompt in message.text
        if message not in lost:
            assert len(message.pictures) == 1, message
            text = parameters_of(message.pictures[0].data)
            assert text is not None
            assert text.startswith(prompt)
    return lost


def paid_once(simulator: Simulator) -> list[str]:
    """The prompts that were paid for, none of them twice."""
    paid = [str(submit.inputs["prompt"]) for submit in simulator.submits if submit.id in simulator.charged]
    assert len(paid) == len(set(paid)), "paid twice"
    return paid
