"""The stage on which Slack's platform keeps what every Platform keeps: the real adapter against a local Slack."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from pydantic import SecretStr

from adapters.slack.ack import Ack
from adapters.slack.aside import BriefReply
from adapters.slack.asked import Asked, Kind
from adapters.slack.client import Slack
from adapters.slack.reply import SlackReply
from adapters.slack.settings import SlackSettings
from adapters.slack.turn import SlackTurn
from bot.easel import Easel
from bot.vault import Vault
from tests.servers.slack import SlackServer
from tests.servers.slack_world import Channel, Message, User

LOCKED = cast(Vault, SimpleNamespace(locked=True))
"""One workspace needs nothing kept."""


@dataclass
class SlackStage:
    server: SlackServer
    platform: Slack
    channel: Channel
    ana: User
    asked: int = 0
    hidden: list[Message] = field(default_factory=list)

    async def open(
        self, *, private: bool = False, channel: Channel | None = None, thread: Message | None = None
    ) -> SlackReply:
        turn = await self.turn(channel, thread)
        reply = await turn.open(private=private)
        assert not isinstance(reply, BriefReply)
        return reply

    async def turn(self, channel: Channel | None = None, thread: Message | None = None, **more: Any) -> SlackTurn:
        """Ana asks something there. (What a slash command says, in the form of its payload.)"""
        self.asked += 1
        where = channel or self.channel
        body = {
            "team_id": self.server.team.id,
            "user_id": self.ana.id,
            "user_name": self.ana.name,
            "channel_id": where.id,
            "trigger_id": f"trigger-{self.asked}",
            **({"container": {"thread_ts": thread.ts}} if thread else {}),
            **more,
        }
        asked = Asked(Kind.BUTTON if thread else Kind.COMMAND, body)
        wires = self.platform._wires
        return SlackTurn(
            wires,
            asked,
            await wires.workspaces.of(self.server.team.id),
            cast(Easel, SimpleNamespace()),
            requester=asked.requester(),
            place=asked.place(where.id),
            ack=Ack(_acked),
        )

    async def restart(self) -> Slack:
        await self.platform.close()
        self.platform = await logged_in(self.server)
        return self.platform

    def messages(self, channel: Channel | None = None) -> list[Message]:
        """What the bot says to all who are in a channel, else to anybody."""
        return [it for each in self._channels(channel) for it in self.server.by_bot(each)]

    def _channels(self, channel: Channel | None) -> list[Channel]:
        return [channel] if channel else list(self.server.channels.values())

    def seen(self) -> list[str]:
        return [title(it) for it in self.messages()]

    def whispers(self) -> list[str]:
        said = [it for each in self._channels(None) for it in each.messages.values()]
        return [title(it) for it in said if it.only_for is self.ana and not it.deleted]

    def break_(self, *, for_good: bool) -> None:
        if for_good:
            self.channel.gone = True
            self.ana.deleted = True
        else:
            self.server.refusing = True

    def mend(self) -> None:
        self.server.refusing = False


async def _acked(**_said: Any) -> None: ...


def title(message: Message) -> str:
    return message.text.split("\n")[0]


def settings(server: SlackServer, **changes: Any) -> SlackSettings:
    given: dict[str, Any] = {
        "bot_token": SecretStr(server.team.token),
        "app_token": SecretStr(server.app_token),
        "api_base": server.url,
        "_env_file": None,
    }
    return SlackSettings(**(given | changes))


async def logged_in(server: SlackServer, **changes: Any) -> Slack:
    platform = Slack(settings(server, **changes), [])
    try:
        await platform.login(LOCKED)
    except BaseException:
        await platform.close()
        raise
    return platform


@asynccontextmanager
async def slack_stage() -> AsyncIterator[SlackStage]:
    async with SlackServer() as server:
        ana = server.user("ana")
        stage = SlackStage(server, await logged_in(server), server.channel("pictures", ana), ana)
        try:
            yield stage
        finally:
            await stage.platform.close()
        assert server.violations == []
