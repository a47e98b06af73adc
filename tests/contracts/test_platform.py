"""What every Platform and its Reply keep, so that the heart can rely on it: Discord and Slack against local ones, the page, and the double.

Then what Discord's adapter does beyond it, way by way, when a message can no longer be reached.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest
from discord.http import Route
from PIL import Image
from pydantic import SecretStr

from adapters.discord import reply as discord_reply
from adapters.discord.asked import Asked
from adapters.discord.client import Discord
from adapters.discord.reply import DiscordReply
from adapters.discord.settings import DiscordSettings
from adapters.discord.turn import DiscordTurn
from bot.cards import Action, Card, Line, Shown, Tone
from bot.errors import KeyRefused, Unreachable
from bot.ports import DeliveryFailed, Platform, Reply
from tests.contracts.slack_stage import slack_stage
from tests.contracts.web_stage import web_stage
from tests.doubles.platform import NotingPlatform
from tests.doubles.reply import NotingReply
from tests.doubles.vault import OpenVault
from tests.servers.discord import DiscordServer
from tests.servers.discord_asked import COMMAND
from tests.servers.discord_asked import Asked as Question
from tests.servers.discord_world import MEMBER, Channel, Message, User


def working(number: int) -> Card:
    return Card(
        f"Step {number}", tone=Tone.WORKING, actions=(Action("cancel", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "Cancel"),)
    )


END = Card("Done", (Line("a red fox"),), Tone.GOOD)


class Stage(Protocol):
    """A platform and the strings to pull behind it. `seen` are the titles of all that people see."""

    @property
    def platform(self) -> Platform: ...

    async def open(self, *, private: bool = False) -> Reply: ...

    async def restart(self) -> Platform: ...

    def seen(self) -> list[str]: ...

    def whispers(self) -> list[str]: ...

    def break_(self, *, for_good: bool) -> None: ...

    def mend(self) -> None: ...


@dataclass
class DoubleStage:
    platform: NotingPlatform = field(default_factory=NotingPlatform)

    async def open(self, *, private: bool = False) -> NotingReply:
        return self.platform.open(private=private)

    async def restart(self) -> NotingPlatform:
        return NotingPlatform(messages=self.platform.messages)

    def seen(self) -> list[str]:
        return [card.title for reply in self.platform.messages.values() if (card := reply.visible)]

    def whispers(self) -> list[str]:
        return [card.title for reply in self.platform.messages.values() for card in reply.whispers]

    def break_(self, *, for_good: bool) -> None:
        for reply in self.platform.messages.values():
            reply.fails = DeliveryFailed("broken", gone=for_good)

    def mend(self) -> None:
        for reply in self.platform.messages.values():
            reply.fails = None


@dataclass
class DiscordStage:
    server: DiscordServer
    platform: Discord
    channel: Channel
    ana: User
    questions: list[Question] = field(default_factory=list)

    async def open(self, *, private: bool = False, channel: Channel | None = None) -> DiscordReply:
        where = channel or self.channel
        data = {"id": "1", "name": "imagine", "type": 1, "options": []}
        question = self.server._ask(COMMAND, data, self.ana, where, MEMBER, "guild" if where.guild else "bot_dm")
        self.questions.append(question)
        raw = self.server._interaction(question, MEMBER, "guild" if where.guild else "bot_dm")
        turn = DiscordTurn(self.platform._wires, Asked(raw), restricted=lambda _: False)
        return await turn.open(private=private)

    async def restart(self) -> Discord:
        await self.platform.close()
        self.platform = await logged_in(self.server)
        return self.platform

    def messages(self) -> list[Message]:
        """Everybody's and Ana's own."""
        return [m for m in self.server.messages.values() if not m.deleted and m.author is self.server.bot]

    def seen(self) -> list[str]:
        return [title(m) for m in self.messages() if not m.ephemeral and not m.thinking]

    def whispers(self) -> list[str]:
        return [title(m) for m in self.messages() if m.ephemeral]

    def break_(self, *, for_good: bool) -> None:
        if for_good:
            self.channel.gone, self.ana.dms_open = True, False
        else:
            self.server.refusing = True

    def mend(self) -> None:
        self.server.refusing = False


def title(message: Message) -> str:
    return message.text.split("\n")[0].removeprefix("### ")


async def logged_in(server: DiscordServer) -> Discord:
    platform = Discord(DiscordSettings(token=SecretStr(server.token), api_base=server.url, _env_file=None), [])
    await platform.login(OpenVault())
    return platform


@asynccontextmanager
async def discord_stage() -> AsyncIterator[DiscordStage]:
    async with DiscordServer() as server:
        channel = server.channel(server.guild())
        stage = DiscordStage(server, await logged_in(server), channel, server.user("ana"))
        try:
            yield stage
        finally:
            await stage.platform.close()
        assert server.violations == []


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only as long as a local server needs; and the origin that `login` sets is put back."""
    monkeypatch.setattr(Route, "BASE", Route.BASE)
    monkeypatch.setattr(discord_reply, "PATIENCE", 0.5)
    monkeypatch.setattr(discord_reply, "PATIENCE_WITH_TOKEN", 0.3)


@pytest.fixture
async def discord() -> AsyncIterator[DiscordStage]:
    async with discord_stage() as made:
        yield made


@pytest.fixture(params=["double", "discord", "slack", "web"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    match request.param:
        case "double":
            yield DoubleStage()
        case "discord":
            async with discord_stage() as discord:
                yield discord
        case "slack":
            async with slack_stage() as slack:
                yield slack
        case _:
            async with web_stage(tmp_path) as web:
                yield web


# ---- what all keep ----


async def test_they_are_what_the_heart_expects(stage: Stage) -> None:
    assert isinstance(stage.platform, Platform)
    assert isinstance(await stage.open(), Reply)
    assert not stage.platform.ready


async def test_the_newest_card_wins(stage: Stage) -> None:
    reply = await stage.open()
    await asyncio.gather(*(reply.show(working(number)) for number in range(1, 6)))
    assert stage.seen() == ["Step 5"]


async def test_nothing_is_shown_after_the_end(stage: Stage) -> None:
    reply = await stage.open()
    showing = [asyncio.create_task(reply.show(working(number))) for number in (1, 2)]
    await reply.close(END)
    await asyncio.gather(*showing)
    await reply.show(working(3))
    assert stage.seen() == ["Done"]


async def test_a_repeated_end_leaves_one_message(stage: Stage) -> None:
    reply = await stage.open()
    first = await reply.close(END)
    await asyncio.gather(reply.close(END), reply.close(END))
    assert await reply.close(END) == first
    assert stage.seen() == ["Done"]


async def test_an_address_is_understood_after_a_restart(stage: Stage) -> None:
    reply = await stage.open()
    await reply.show(working(1))
    address, key = reply.address, reply.key
    again = (await stage.restart()).reopen(address)
    assert again.key == key
    final = await again.close(END)
    assert stage.seen() == ["Done"]
    assert "token" not in final
    assert len(final) < len(address)
    await stage.platform.reopen(final).close(END)
    assert stage.seen() == ["Done"]


async def test_what_is_no_address_is_refused(stage: Stage) -> None:
    for text in ("", "nonsense", "{}", "[1]", '{"x": 1}'):
        with pytest.raises(ValueError, match="address"):
            stage.platform.reopen(text)


async def test_gone_for_good(stage: Stage) -> None:
    reply = await stage.open()
    stage.break_(for_good=True)
    with pytest.raises(DeliveryFailed) as failed:
        await reply.close(END)
    assert failed.value.gone


async def test_down_for_a_while(stage: Stage) -> None:
    reply = await stage.open()
    stage.break_(for_good=False)
    await reply.show(working(1))  # a lost edit is nobody's worry
    with pytest.raises(DeliveryFailed) as failed:
        await reply.close(END)
    assert not failed.value.gone
    stage.mend()
    await reply.close(END)
    assert stage.seen() == ["Done"]


async def test_a_whisper_is_for_one_and_never_raises(stage: Stage) -> None:
    reply = await stage.open()
    await reply.close(END)
    await reply.whisper(Card("A word"))
    assert stage.whispers() == ["A word"]
    assert stage.seen() == ["Done"]
    stage.break_(for_good=False)
    await reply.whisper(Card("Another"))


# ---- Discord's own ways ----


def fox(tmp_path: Path) -> Card:
    path = tmp_path / "01ARZ3NDEKTSV4RRFFQ69G5FAV-1.png"
    Image.new("RGB", (64, 64), "red").save(path)
    return Card("Done", (Line("a red fox"),), Tone.GOOD, (Shown(path, 1, True, "a red fox"),))


async def test_discord_keeps_to_one_edit_in_flight(discord: DiscordStage) -> None:
    reply = await discord.open()
    discord.server.fail("PATCH", "@original", delay=0.2, times=None)
    showing = []
    for number in range(1, 6):
        showing.append(asyncio.create_task(reply.show(working(number))))
        await asyncio.sleep(0)
    await reply.close(END)
    await asyncio.gather(*showing)
    (message,) = discord.messages()
    assert [edit.text.split("\n")[0] for edit in message.history] == ["### Step 1", "### Done"]


@pytest.mark.parametrize("kind", ["ended", "refused"])
async def test_a_dead_token_falls_to_the_bots_own_edit(discord: DiscordStage, tmp_path: Path, kind: str) -> None:
    reply = await discord.open()
    if kind == "ended":  # it is known: the token is not even called
        discord.platform._wires.wall = lambda: time.time() + 14.5 * 60
    else:
        discord.questions[0].expired = True
    before = discord.server.requests["PATCH /webhooks/{webhook_id}/{webhook_token}/messages/@original"]
    await reply.close(fox(tmp_path))
    (message,) = discord.messages()
    assert message.history[-1].by == "bot"
    assert [picture.spoiler for picture in message.pictures] == [True]
    called = discord.server.requests["PATCH /webhooks/{webhook_id}/{webhook_token}/messages/@original"] - before
    assert called == (0 if kind == "ended" else 1)


async def test_a_deleted_message_comes_anew_and_only_once(discord: DiscordStage, tmp_path: Path) -> None:
    reply = await discord.open()
    discord.messages()[0].deleted = True
    discord.server.fail("POST", r"/channels/\d+/messages", status=500, after=True)
    address = await reply.close(fox(tmp_path))
    (message,) = discord.messages()
    assert message.nonce == str(discord.questions[0].id)
    assert len(message.pictures) == 1
    assert reply.key == f"discord:{message.channel.id}:{message.id}"
    await discord.platform.reopen(address).close(END)
    assert discord.seen() == ["Done"]


@pytest.mark.parametrize("way", ["channel gone", "may not post", "archived thread", "removed from the server"])
async def test_it_ends_in_direct_messages(discord: DiscordStage, tmp_path: Path, way: str) -> None:
    channel = discord.server.thread(discord.channel) if way == "archived thread" else discord.channel
    reply = await discord.open(channel=channel)
    discord.questions[0].expired = True
    discord.messages()[0].deleted = True
    if way == "channel gone":
        channel.gone = True
    elif way == "may not post":
        channel.bot_permissions = channel.bot_permissions - {"send_messages"}
    elif way == "archived thread":
        channel.archived = True
    else:
        channel.bot_inside = False
    await reply.close(fox(tmp_path))
    (message,) = discord.messages()
    assert message.channel is discord.server.direct(discord.ana)
    assert len(message.pictures) == 1


async def test_a_private_message_has_no_other_way_than_its_token(discord: DiscordStage) -> None:
    reply = await discord.open(private=True)
    assert reply.expires_at is not None
    discord.questions[0].expired = True
    with pytest.raises(DeliveryFailed) as failed:
        await reply.close(END)
    assert failed.value.gone
    assert discord.seen() == []


async def test_a_refused_token_and_a_discord_that_is_down(discord: DiscordStage) -> None:
    wrong = Discord(DiscordSettings(token=SecretStr("wrong"), api_base=discord.server.url, _env_file=None), [])
    with pytest.raises(KeyRefused):
        await wrong.login(OpenVault())
    await wrong.close()
    discord.server.refusing = True
    late = Discord(DiscordSettings(token=SecretStr("t"), api_base=discord.server.url, _env_file=None), [])
    with pytest.raises(Unreachable):
        await late.login(OpenVault())
    await late.close()
    discord.server.refusing = False
