"""A word to the one who asked, by whatever way is left: the response address, an ephemeral message, direct messages."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from adapters.slack.address import Address, new_nonce
from adapters.slack.api import Down, Refused
from adapters.slack.render import message
from adapters.slack.reply import SlackReply
from adapters.slack.wires import Wires, ephemeral
from adapters.slack.workspaces import Workspace
from bot.cards import Card, Line
from bot.ports import DeliveryFailed, Keep

log = structlog.get_logger(__name__)

LIFE, USES = 30 * 60, 5
"""Seconds and answers that a response_url is good for (docs.slack.dev/interactivity/handling-user-interaction)."""


@dataclass(slots=True)
class ResponseUrl:
    url: str = field(repr=False)
    """As good as a token."""
    born: float
    used: int = 0

    def usable(self, now: float) -> bool:
        return bool(self.url) and self.used < USES and now - self.born < LIFE


@dataclass(slots=True)
class Aside:
    """`channel` is where they asked, empty for their direct messages. No way raises: a lost word is logged."""

    wires: Wires
    workspace: Workspace
    user: str
    channel: str
    thread: str = ""
    response: ResponseUrl = field(default_factory=lambda: ResponseUrl("", 0.0))
    clock: Callable[[], float] = time.monotonic

    @property
    def direct(self) -> bool:
        return not self.channel or self.channel.startswith("D")

    async def say(self, card: Card) -> bool:
        """Whether it was said. Pictures go to their direct messages, since nothing else is theirs alone."""
        try:
            if card.pictures:
                return await self._show(card)
            return await self._by_response(card) or await self._ephemerally(card) or await self._directly(card)
        except (Refused, Down) as error:
            log.info("a private word was lost", reason=str(error))
        except DeliveryFailed as failed:
            log.info("a private word was lost", reason=failed.reason)
        return False

    async def _by_response(self, card: Card) -> bool:
        if not self.response.usable(self.clock()):
            return False
        self.response.used += 1
        said = {"response_type": "ephemeral", "replace_original": False, **message(card)}
        if self.thread:
            said["thread_ts"] = self.thread
        try:
            await self.wires.api.respond(self.response.url, said)
        except Refused as refused:
            log.info("no answer by the response address", error=refused.error)
            self.response.used = USES
        except Down as down:
            if down.sent:
                raise
        else:
            return True
        return False

    async def _ephemerally(self, card: Card) -> bool:
        if self.direct:
            return False
        try:
            await ephemeral(self.wires.api, self.workspace, self.channel, self.thread, self.user, card)
        except Refused as refused:
            log.info("no private word there", error=refused.error)
            return False
        return True

    async def _directly(self, card: Card) -> bool:
        channel = await self.wires.people.direct(self.workspace, self.user)
        thread = self.thread if channel == self.channel else ""
        await self.wires.post(self.workspace, channel, thread, message(card))
        return True

    async def _show(self, card: Card) -> bool:
        channel = await self.wires.people.direct(self.workspace, self.user)
        place = Address(channel, self.user, self.workspace.team, self.workspace.enterprise, nonce=new_nonce())
        if channel == self.channel:
            place = replace(place, thread=self.thread)
        await SlackReply(self.wires, place).close(card)
        if channel != self.channel and self.channel:
            await self.say(Card("It is in our direct messages", (Line("Only you see it there."),)))
        return True


class BriefReply:
    """One private answer that comes within seconds: there is nothing that grows, and nothing to reopen."""

    def __init__(self, aside: Aside, channel: str) -> None:
        self._aside = aside
        self._channel = channel

    @property
    def address(self) -> str:
        return str(Address(self._channel, self._aside.user))

    @property
    def key(self) -> str:
        return f"slack:{self._channel}:~"

    @property
    def public(self) -> bool:
        return False

    @property
    def expires_at(self) -> datetime | None:
        return None

    async def show(self, card: Card) -> bool:
        return True

    async def close(self, card: Card, keep: Keep | None = None) -> str:
        await self._aside.say(card)
        return self.address

    async def whisper(self, card: Card) -> None:
        await self._aside.say(card)
