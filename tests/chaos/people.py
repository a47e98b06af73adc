"""People who ask for pictures, on either platform, and what they see of the answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Protocol

from tests.servers import discord_asked, slack_asked, slack_world
from tests.servers.discord import DiscordServer
from tests.servers.slack import SlackServer

PEOPLE = 10
AGAIN = ("Please try again", "Please ask again")
WORKING = ("Working on it…", "Generating…", "Queued ·", "Checking…")


def prompt_of(number: int) -> str:
    """A prompt that is part of no other."""
    return f"a fox at house {number:06d}x"


def numbers_in(text: str) -> set[int]:
    """The numbers whose prompts stand in a text."""
    return {int(number) for number in re.findall(r"a fox at house (\d{6,})x", text)}


@dataclass(frozen=True, slots=True)
class Seen:
    """One visible message. `final`: nothing more is to come in it. `mark` tells it from all others."""

    text: str
    pictures: tuple[bytes, ...]
    final: bool
    mark: str


class Ask(Protocol):
    @property
    def refused(self) -> bool:
        """Whether the person knows that nothing will come of it: no answer in time, or a word about a restart."""
        ...


class Crowd(Protocol):
    @property
    def served(self) -> bool:
        """Whether commands reach the bot now."""
        ...

    async def ask(self, number: int) -> Ask:
        """Ask for one picture, and wait for no answer."""
        ...

    def seen(self) -> Iterator[Seen]:
        """Everything that the bot says and that somebody sees."""
        ...

    def violations(self) -> list[Any]: ...


@dataclass(frozen=True, slots=True)
class DiscordAsk:
    asked: discord_asked.Asked

    @property
    def refused(self) -> bool:
        return self.asked.failed or bool(self.asked.private)

    def __repr__(self) -> str:
        return repr(self.asked)


class DiscordPeople:
    """In two channels of each of some servers."""

    def __init__(self, server: DiscordServer, dice: Random, guilds: int = 1) -> None:
        """Each server has a shard of its own."""
        self.server, self._dice = server, dice
        places = [server.guild(f"server {number}", shard=number, of=guilds) for number in range(guilds)]
        self._channels = {number: [server.channel(guild) for _ in range(2)] for number, guild in enumerate(places)}
        self._people = [server.user(f"person{number}") for number in range(PEOPLE)]

    @property
    def served(self) -> bool:
        return bool(self._heard) and any(self.server.catalogue.all())

    @property
    def _heard(self) -> set[int]:
        """Shards whose commands reach a bot now."""
        return {session.shard for session in self.server.gateway.connected}

    async def ask(self, number: int) -> DiscordAsk:
        shard = self._dice.choice(sorted(self._heard))
        user, channel = self._dice.choice(self._people), self._dice.choice(self._channels[shard])
        options = {"prompt": prompt_of(number)}
        return DiscordAsk(await self.server.command("imagine", options, user=user, channel=channel, wait=False))

    def seen(self) -> Iterator[Seen]:
        for message in self.server.messages.values():
            if message.author is self.server.bot and not message.deleted and not message.ephemeral:
                final = not message.thinking and not discord_asked.offers_cancel(message)
                pictures = tuple(picture.data for picture in message.pictures)
                yield Seen(message.text, pictures, final, f"discord {message.id}")

    def violations(self) -> list[Any]:
        return list(self.server.violations)


@dataclass(frozen=True, slots=True)
class SlackAsk:
    """`words` counts what the bot said in direct messages of theirs that is no answer: all there is for them alone."""

    asked: slack_asked.Asked
    words: Callable[[], int] = lambda: 0
    before: int = 0

    @property
    def refused(self) -> bool:
        return self.asked.failed is not None or bool(self.asked.private) or self.words() > self.before

    def __repr__(self) -> str:
        return repr(self.asked)


class SlackPeople:
    """By the command and by mentions in channels, and in direct messages."""

    def __init__(self, server: SlackServer, dice: Random) -> None:
        self.server, self._dice = server, dice
        self._channels = [server.channel(f"room{number}") for number in range(3)]
        self._people = [server.user(f"person{number}") for number in range(PEOPLE)]

    @property
    def served(self) -> bool:
        return bool(self.server.socket.live)

    async def ask(self, number: int) -> SlackAsk:
        user, channel, prompt = self._dice.choice(self._people), self._dice.choice(self._channels), prompt_of(number)
        match self._dice.randrange(4):
            case 0:
                return SlackAsk(await self.server.mention(user, channel, prompt, wait=False))
            case 1:
                words = partial(self._words, user)
                before = words()
                return SlackAsk(await self.server.direct_message(user, prompt, wait=False), words, before)
            case _:
                return SlackAsk(await self.server.type(user, channel, f"/imagine {prompt}", wait=False))

    def _words(self, user: slack_world.User) -> int:
        said = [message.text for message in self.server.by_bot(self.server.direct(user))]
        return sum(any(word in text for word in AGAIN) for text in said)

    def seen(self) -> Iterator[Seen]:
        for channel in self.server.channels.values():
            for message in self.server.by_bot(channel):
                final = not any(word in message.text for word in WORKING)
                pictures = tuple(picture.data for picture in message.pictures)
                yield Seen(message.text, pictures, final, f"slack {message.ts}")

    def violations(self) -> list[Any]:
        return [
            each
            for each in self.server.violations
            if "not acknowledged" not in str(each) and "too late" not in str(each)
        ]


def gaps(dice: Random, seconds: float, count: int) -> list[float]:
    """So many pauses that together take about so many seconds; some come in a bunch, as people do."""
    marks = sorted(
        dice.uniform(0, seconds) if dice.random() < 0.7 else dice.choice((0.0, seconds / 2)) for _ in range(count)
    )
    return [after - before for before, after in zip([0.0, *marks], marks, strict=False)]
