"""The local Discord, proved with a small bot made of the real discord.py."""

import asyncio
import contextlib
import io
import json
import logging
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import discord
import pytest
import yarl
from discord import app_commands
from discord.http import Route
from PIL import Image

from tests.servers.discord import DiscordServer
from tests.servers.discord_asked import Asked, NotOffered
from tests.servers.discord_world import MEMBER, Channel, User

NOBODY = discord.AllowedMentions.none()


def png(colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(out, "PNG")
    return out.getvalue()


class Growing(discord.ui.LayoutView):
    """A message as Easel's grows: a text, pictures, buttons."""

    def __init__(self, text: str, pictures: tuple[discord.File, ...] = (), buttons: tuple[str, ...] = ()) -> None:
        super().__init__(timeout=None)
        box: discord.ui.Container[Growing] = discord.ui.Container(discord.ui.TextDisplay(text))
        if pictures:
            box.add_item(discord.ui.MediaGallery(*(discord.MediaGalleryItem(file) for file in pictures)))
        if buttons:
            row: discord.ui.ActionRow[Growing] = discord.ui.ActionRow()
            for label in buttons:
                row.add_item(discord.ui.Button(label=label, custom_id=f"small:{label.lower()}"))
            box.add_item(row)
        self.add_item(box)


class EditPrompt(discord.ui.Modal, title="Edit prompt"):
    prompt: discord.ui.Label[Any] = discord.ui.Label(
        text="Prompt", component=discord.ui.TextInput(custom_id="prompt", default="a red fox", max_length=100)
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        assert isinstance(self.prompt.component, discord.ui.TextInput)
        await interaction.response.send_message(f"now: {self.prompt.component.value}")


class SmallBot(discord.AutoShardedClient):
    """`seen` keeps what reached it; `says` is what a test may change in `/say`."""

    def __init__(self, *, shards: int = 1, intents: discord.Intents | None = None) -> None:
        super().__init__(
            intents=intents or discord.Intents(guilds=True), allowed_mentions=NOBODY, shard_count=shards or None
        )
        self.tree = app_commands.CommandTree(
            self,
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
        )
        self.seen: list[discord.Interaction] = []
        self.failures: asyncio.Queue[Exception] = asyncio.Queue()
        self.act: Callable[[discord.Interaction], Any] = self.draw
        add_commands(self)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Not the five seconds between shards."""

    async def setup_hook(self) -> None:
        await self.tree.sync()

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self.seen.append(interaction)
        if interaction.type is discord.InteractionType.component:
            data: Mapping[str, Any] = interaction.data or {}
            await self.pressed(interaction, data["custom_id"])

    async def pressed(self, interaction: discord.Interaction, custom_id: str) -> None:
        if custom_id == "small:edit":
            await interaction.response.send_modal(EditPrompt())
        elif custom_id == "small:cancel":
            await interaction.response.defer()
            await interaction.edit_original_response(view=Growing("cancelled"))
        else:
            await interaction.response.send_message("only you see this", ephemeral=True)

    async def failure(self) -> Exception:
        return await asyncio.wait_for(self.failures.get(), 5)

    async def draw(self, interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        await interaction.edit_original_response(view=Growing("drawing…", buttons=("Cancel",)))
        file = discord.File(io.BytesIO(png()), "fox.png", spoiler=True, description="a fox")
        view = Growing("a red fox", (file,), ("Edit", "Details"))
        await interaction.edit_original_response(view=view, attachments=[file])


def add_commands(bot: SmallBot) -> None:
    @bot.tree.command()
    @app_commands.rename(lora="lora1")
    async def imagine(
        interaction: discord.Interaction,
        prompt: app_commands.Range[str, 1, 100],
        count: app_commands.Range[int, 1, 4] = 1,
        lora: str = "",
        image: discord.Attachment | None = None,
    ) -> None:
        """Draw a picture."""
        try:
            await bot.act(interaction)
        except Exception as error:
            bot.failures.put_nowait(error)

    @imagine.autocomplete("lora")
    async def suggest(interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=f"{typed}rn", value="yarn")]

    group = app_commands.Group(name="lora", description="LoRAs")

    @group.command(name="list")
    async def list_them(interaction: discord.Interaction) -> None:
        """What there is."""
        await interaction.response.send_message("yarn", ephemeral=True)

    bot.tree.add_command(group)

    @bot.tree.context_menu(name="Image details")
    async def details(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(f"{len(message.attachments)} picture", ephemeral=True)


@asynccontextmanager
async def connected(server: DiscordServer, monkeypatch: pytest.MonkeyPatch, bot: SmallBot) -> AsyncIterator[SmallBot]:
    monkeypatch.setattr(Route, "BASE", f"{server.url}/api/v10")
    monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(server.gateway_url))
    await bot.login(server.token)
    task = asyncio.create_task(bot.connect())
    try:
        await server.online(bot.shard_count or 1)
        yield bot
    finally:
        await bot.close()
        await asyncio.gather(task, return_exceptions=True)


class Scene:
    """A server, a bot in it, a channel and a person."""

    def __init__(self, server: DiscordServer, bot: SmallBot, channel: Channel, ana: User) -> None:
        self.server, self.bot, self.channel, self.ana = server, bot, channel, ana

    async def imagine(self, *, channel: Channel | None = None, **more: Any) -> Asked:
        return await self.server.command(
            "imagine", {"prompt": "a red fox"}, user=self.ana, channel=channel or self.channel, **more
        )

    def rest(self, method: str, path: str, **more: Any) -> Any:
        """A request of the bot's own that discord.py has no method for."""
        return self.bot.http.request(Route(method, path), **more)


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as made:
        yield made


@pytest.fixture
async def scene(server: DiscordServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    channel, ana = server.channel(server.guild()), server.user("ana")
    async with connected(server, monkeypatch, SmallBot()) as bot:
        yield Scene(server, bot, channel, ana)


# ---- the common way ----


async def test_a_command_grows_into_a_spoilered_picture(scene: Scene) -> None:
    asked = await scene.imagine()
    assert asked.ack is not None
    assert (asked.ack.type, asked.failed) == (5, False)
    assert asked.ack.ms < 1000
    message = await asked.settled()
    assert message.text == "a red fox"
    assert [(p.name, p.spoiler, p.alt, p.data) for p in message.pictures] == [("SPOILER_fox.png", True, "a fox", png())]
    assert message.buttons == ["Edit", "Details"]
    assert [edit.text for edit in message.history] == ["drawing…", "a red fox"]
    assert scene.server.seen_in(scene.channel) == [message]
    assert scene.server.violations == []


async def test_the_commands_are_synced_once_and_keep_their_ids(scene: Scene) -> None:
    before = {command["name"]: command["id"] for command in scene.server.catalogue.all()}
    assert scene.server.syncs == 1
    assert set(before) == {"imagine", "lora", "Image details"}
    await scene.bot.tree.sync()
    assert {command["name"]: command["id"] for command in scene.server.catalogue.all()} == before
    assert scene.server.syncs == 2


async def test_a_button_updates_its_message_and_a_private_word_stays_private(scene: Scene) -> None:
    scene.bot.act = lambda i: i.response.send_message(view=Growing("drawing…", buttons=("Cancel", "Details")))
    message = await (await scene.imagine()).settled(running=lambda _: False)
    told = await scene.server.press(message, "Details", user=scene.server.user("ben"))
    assert told.private == ["only you see this"]
    assert told.public is None
    assert scene.server.seen_in(scene.channel) == [message]
    pressed = await scene.server.press(message, "small:cancel", user=scene.ana)
    assert await pressed.until(lambda m: m.text == "cancelled") is message
    with pytest.raises(NotOffered, match="no button 'Cancel'"):
        await scene.server.press(message, "Cancel", user=scene.ana)


async def test_a_form_comes_back_with_what_was_typed(scene: Scene) -> None:
    message = await (await scene.imagine()).settled()
    form = await scene.server.press(message, "Edit", user=scene.ana)
    assert form.modal is not None
    assert (form.modal.title, form.modal["Prompt"].value) == ("Edit prompt", "a red fox")
    sent = await scene.server.submit_modal(form, {"prompt": "a blue fox"}, user=scene.ana)
    assert sent.message is not None
    assert sent.message.text == "now: a blue fox"
    with pytest.raises(NotOffered, match="at most 100"):
        await scene.server.submit_modal(form, {"Prompt": "x" * 101}, user=scene.ana)
    assert scene.server.violations == []


async def test_suggestions_subcommands_and_message_commands(scene: Scene) -> None:
    server = scene.server
    offered = await server.autocomplete("imagine", "lora1", "ya", user=scene.ana, channel=scene.channel)
    assert offered.choices == (("yarn", "yarn"),)
    assert offered.ms < 1000
    assert (await server.command("lora list", user=scene.ana, channel=scene.channel)).private == ["yarn"]
    message = server.say(scene.channel, server.user("ben"), "look", {"cat.png": png()})
    asked = await server.message_command("Image details", message, user=scene.ana)
    assert asked.private == ["1 picture"]
    assert server.violations == []


async def test_an_attachment_reaches_the_bot_whole(scene: Scene) -> None:
    read: list[bytes] = []

    async def take(interaction: discord.Interaction) -> None:
        image = interaction.namespace.image
        assert (image.filename, image.width, image.height) == ("cat.png", 8, 6)
        read.append(await image.read())
        await interaction.response.send_message("thanks")

    scene.bot.act = take
    asked = await scene.imagine(attachments={"image": ("cat.png", png("blue"))})
    assert asked.ack is not None
    assert read == [png("blue")]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"prompt": "x", "colour": "red"}, "no option 'colour'"),
        ({"count": 2}, "'prompt' is required"),
        ({"prompt": "x", "count": 5}, "over 4"),
        ({"prompt": "x", "count": "2"}, "takes int"),
        ({"prompt": "x" * 101}, "over 100"),
        ({"prompt": "x", "image": "cat.png"}, "takes a file"),
    ],
)
async def test_what_discord_would_not_send_is_not_offered(
    server: DiscordServer, options: dict[str, object], why: str
) -> None:
    bot = SmallBot()
    imagine = bot.tree.get_command("imagine")
    assert isinstance(imagine, app_commands.Command)
    server.catalogue.overwrite(None, [imagine.to_dict(bot.tree)])
    channel = server.channel(server.guild())
    with pytest.raises(NotOffered, match=why):
        await server.command("imagine", options, user=server.user(), channel=channel)


# ---- an interaction's life ----


async def test_an_answer_after_three_seconds_is_lost(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.servers.discord.FIRST_ANSWER", 0.05)
    failed = asyncio.Event()

    async def sleepy(interaction: discord.Interaction) -> None:
        await failed.wait()
        await interaction.response.defer()

    scene.bot.act = sleepy
    asked = await scene.imagine()
    assert (asked.ack, asked.failed, scene.server.expired) == (None, True, 1)
    failed.set()
    error = await scene.bot.failure()
    assert isinstance(error, discord.NotFound)
    assert error.code == 10062


async def test_answering_twice_is_refused(scene: Scene) -> None:
    async def twice(interaction: discord.Interaction) -> None:
        await interaction.response.defer()
        interaction.response._response_type = None
        await interaction.response.defer()

    scene.bot.act = twice
    await scene.imagine()
    assert getattr(await scene.bot.failure(), "code", None) == 40060


async def test_a_dead_token_edits_nothing_and_the_bots_own_token_still_does(scene: Scene) -> None:
    message = await (asked := await scene.imagine()).settled()
    asked.expired = True
    with pytest.raises(discord.HTTPException) as refused:
        await scene.bot.seen[0].edit_original_response(view=Growing("late"))
    assert (refused.value.status, refused.value.code) == (401, 50027)
    late = scene.bot.get_partial_messageable(scene.channel.id).get_partial_message(message.id)
    file = discord.File(io.BytesIO(png()), "late.png")
    await late.edit(view=Growing("late", (file,)), attachments=[file], allowed_mentions=NOBODY)
    assert message.text == "late"
    assert [picture.spoiler for picture in message.pictures] == [False]
    assert [edit.by for edit in message.history] == ["interaction", "interaction", "bot"]


async def test_a_token_dies_of_age(server: DiscordServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.token_life = 1.0
    channel = server.channel(server.guild())
    async with connected(server, monkeypatch, SmallBot()) as bot:
        asked = await server.command("imagine", {"prompt": "x"}, user=server.user(), channel=channel, age=1.5)
        assert asked.ack is not None
        assert getattr(await bot.failure(), "code", None) == 50027
        assert bot.seen[0].created_at.timestamp() == pytest.approx(time.time() - 1.5, abs=1)


async def test_a_private_message_is_out_of_the_bots_own_reach(scene: Scene) -> None:
    scene.bot.act = lambda i: i.response.send_message(view=Growing("private", buttons=("Details",)), ephemeral=True)
    asked = await scene.imagine()
    assert asked.message is not None
    assert asked.message.ephemeral
    assert asked.public is None
    with pytest.raises(discord.NotFound) as refused:
        await scene.bot.get_partial_messageable(scene.channel.id).get_partial_message(asked.message.id).edit(view=None)
    assert refused.value.code == 10008
    with pytest.raises(NotOffered, match="ben does not see"):
        await scene.server.press(asked.message, "Details", user=scene.server.user("ben"))


async def test_where_only_a_person_installed_it(scene: Scene) -> None:
    server = scene.server
    outside = server.channel(server.guild("elsewhere", bot_inside=False))
    asked = await scene.imagine(channel=outside, user_install=True)
    message = await asked.settled()
    assert not message.ephemeral
    with pytest.raises(discord.Forbidden) as refused:
        await scene.bot.get_partial_messageable(outside.id).get_partial_message(message.id).edit(view=Growing("late"))
    assert refused.value.code == 50001
    hushed = await scene.imagine(channel=outside, user_install=True, permissions=MEMBER - {"use_external_apps"})
    assert (await hushed.settled()).ephemeral
    group = await scene.imagine(channel=server.group(scene.ana, server.user("ben")), user_install=True)
    assert (await group.settled()).pictures


async def test_only_five_follow_ups_where_a_person_installed_it(scene: Scene) -> None:
    async def talk(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("0")
        for number in range(1, 7):
            await interaction.followup.send(str(number), ephemeral=True)

    scene.bot.act = talk
    scene.server.buckets.routes = {}
    asked = await scene.imagine(channel=scene.server.group(scene.ana), user_install=True)
    assert getattr(await scene.bot.failure(), "code", None) == 40094
    assert asked.private == ["1", "2", "3", "4", "5"]


# ---- places ----


async def test_direct_messages_and_threads(scene: Scene) -> None:
    server = scene.server
    direct = await scene.imagine(channel=server.direct(scene.ana))
    assert (await direct.settled()).channel is server.direct(scene.ana)
    thread = server.thread(server.channel(scene.channel.guild or server.guild(), nsfw=True))
    asked = await scene.imagine(channel=thread)
    await asked.settled()
    place = scene.bot.seen[-1].channel
    assert isinstance(place, discord.Thread)
    assert place.is_nsfw()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda scene: setattr(scene.channel, "gone", True), 10003),
        (lambda scene: setattr(scene.channel, "bot_permissions", MEMBER - {"attach_files"}), 50013),
        (lambda scene: setattr(scene.channel, "bot_permissions", frozenset()), 50001),
        (lambda scene: setattr(scene.channel.guild, "bot_inside", False), 50001),
        (lambda scene: setattr(scene.channel, "archived", True), 50083),
    ],
)
async def test_places_that_refuse(scene: Scene, spoil: Callable[[Scene], None], code: int) -> None:
    place = scene.bot.get_partial_messageable(scene.channel.id)
    await place.send("welcome")
    spoil(scene)
    with pytest.raises(discord.HTTPException) as refused:
        await place.send(file=discord.File(io.BytesIO(png()), "fox.png"))
    assert refused.value.code == code


async def test_closed_direct_messages(scene: Scene) -> None:
    channel = await scene.bot.create_dm(discord.Object(scene.ana.id))
    await channel.send("hello")
    scene.ana.dms_open = False
    with pytest.raises(discord.Forbidden) as refused:
        await channel.send("hello?")
    assert refused.value.code == 50007
    assert [m.text for m in scene.server.seen_in(scene.server.direct(scene.ana))] == ["hello"]


# ---- messages ----


async def test_a_nonce_posts_once_though_the_answer_was_lost(scene: Scene) -> None:
    place = scene.bot.get_partial_messageable(scene.channel.id)
    scene.server.fail("POST", "/messages", status=502, after=True)
    first = await place.send("once", nonce="job-1")
    assert [message.id for message in scene.server.seen_in(scene.channel)] == [first.id]
    assert scene.server.requests["POST /channels/{channel_id}/messages"] == 2


async def test_an_edit_keeps_only_the_files_it_lists(scene: Scene) -> None:
    place = scene.bot.get_partial_messageable(scene.channel.id)
    sent = await place.send(files=[discord.File(io.BytesIO(png()), name) for name in ("a.png", "b.png")])
    message = scene.server.messages[scene.channel.id, sent.id]
    await sent.edit(attachments=[sent.attachments[1]])
    assert [picture.name for picture in message.pictures] == ["b.png"]
    with pytest.raises(discord.NotFound):
        await sent.attachments[0].read()
    assert await sent.attachments[1].read() == png()


async def test_a_picture_is_covered_afterwards(scene: Scene) -> None:
    place = scene.bot.get_partial_messageable(scene.channel.id)
    sent = await place.send(file=discord.File(io.BytesIO(png()), "a.png"))
    path = f"/channels/{scene.channel.id}/messages/{sent.id}"
    listed = [{"id": str(sent.attachments[0].id), "is_spoiler": True}]
    await scene.rest("PATCH", path, json={"attachments": listed})
    assert scene.server.messages[scene.channel.id, sent.id].pictures[0].spoiler
    assert (await place.fetch_message(sent.id)).attachments[0].is_spoiler()


async def test_deleting(scene: Scene) -> None:
    message = await (await scene.imagine()).settled()
    place = scene.bot.get_partial_messageable(scene.channel.id)
    await place.get_partial_message(message.id).delete()
    assert message.deleted
    assert scene.server.seen_in(scene.channel) == []
    theirs = scene.server.say(scene.channel, scene.ana, "mine")
    with pytest.raises(discord.Forbidden):
        await place.get_partial_message(theirs.id).delete()


# ---- rules ----


def shown(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"flags": 1 << 15, "components": list(parts), "allowed_mentions": {"parse": []}, **more}


def text(content: str) -> dict[str, Any]:
    return {"type": 10, "content": content}


def button(**more: Any) -> dict[str, Any]:
    return {"type": 1, "components": [{"type": 2, "style": 2, "label": "x", "custom_id": "x", **more}]}


BREACHES: list[tuple[dict[str, Any], str]] = [
    ({"content": "hello"}, "parse"),
    ({"content": "hello", "allowed_mentions": {"parse": ["everyone"]}}, "parse"),
    (shown(text("x"), content="y"), "content: not allowed"),
    (shown(text("x" * 4000), text("y")), "4001 characters"),
    (shown(*({"type": 17, "components": [text("x")]} for _ in range(21))), "42 with the nested ones"),
    (
        shown({"type": 17, "components": [{"type": 17, "components": [text("x")]}]}),
        "type 17 is not one of|container in a container",
    ),
    (shown(button(label="x" * 81)), "label"),
    (shown(button(custom_id="x" * 101)), "custom_id"),
    (shown(button(), button()), "used twice"),
    (shown(button(emoji={"name": "no emoji"})), "emoji"),
    (shown(button(url="https://example.org")), "url: not allowed"),
    (shown({"type": 12, "items": []}), "items"),
    (shown({"type": 12, "items": [{"media": {"url": "attachment://fox.png"}}]}), "not attached"),
    (shown(text("x"), attachments=[{"id": "0", "filename": "fox.png"}]), "neither in the message nor"),
    ({"components": [text("x")], "allowed_mentions": {"parse": []}}, "needs the Components V2 flag"),
    ({"content": "x" * 2001, "allowed_mentions": {"parse": []}}, "2000"),
]


@pytest.mark.parametrize(("body", "why"), BREACHES)
async def test_a_breach_is_refused_and_kept(scene: Scene, body: dict[str, Any], why: str) -> None:
    with pytest.raises(discord.HTTPException) as refused:
        await scene.rest("POST", f"/channels/{scene.channel.id}/messages", json=body)
    assert (refused.value.status, refused.value.code) == (400, 50035)
    assert re.search(why, str(scene.server.violations))
    assert scene.server.seen_in(scene.channel) == []


async def test_multipart_bodies_are_held_against_the_rules_too(scene: Scene) -> None:
    place = scene.bot.get_partial_messageable(scene.channel.id)
    view = Growing("x", (discord.File(io.BytesIO(png()), "other.png"),))
    with pytest.raises(discord.HTTPException) as refused:
        await place.send(view=view, file=discord.File(io.BytesIO(png()), "fox.png"))
    assert refused.value.code == 50035
    assert "attachment://other.png is not attached" in str(scene.server.violations)
    if scene.server.spec is not None:
        with pytest.raises(discord.HTTPException):
            await place.send(file=discord.File(io.BytesIO(png()), "fox.png", description="x" * 1025))
        assert "description" in str(scene.server.violations[-1])


async def test_the_form_of_a_message_cant_be_taken_back(scene: Scene) -> None:
    place = scene.bot.get_partial_messageable(scene.channel.id)
    old = await place.send("old")
    with pytest.raises(discord.HTTPException):
        await old.edit(view=Growing("new"))
    assert "emptied explicitly" in str(scene.server.violations.pop())
    await old.edit(content=None, view=Growing("new"))
    assert scene.server.messages[scene.channel.id, old.id].text == "new"
    path = f"/channels/{scene.channel.id}/messages/{old.id}"
    with pytest.raises(discord.HTTPException):
        await scene.rest("PATCH", path, json=shown(text("x"), flags=0))
    assert "can't be removed" in str(scene.server.violations)


async def test_a_file_over_the_limit_is_too_large(scene: Scene) -> None:
    scene.server.size_limit = 1000
    with pytest.raises(discord.HTTPException) as refused:
        await scene.bot.get_partial_messageable(scene.channel.id).send(file=discord.File(io.BytesIO(b"x" * 1001), "x"))
    assert (refused.value.status, refused.value.code) == (413, 40005)


class Overfull(discord.ui.Modal, title="x" * 46):
    field: discord.ui.TextInput[Any] = discord.ui.TextInput(label="x")


FIRST_ANSWERS: list[tuple[Callable[[discord.Interaction], Any], str]] = [
    (lambda i: i.response.send_modal(Overfull()), "title"),
    (lambda i: raw_answer(i, {"type": 7, "data": {"attachments": []}}), "can't answer"),
    (lambda i: raw_answer(i, {"type": 5, "data": {"flags": 1 << 15}}), "only the EPHEMERAL flag"),
    (lambda i: raw_answer(i, {"type": 8, "data": {"choices": []}}), "can't answer"),
]


async def raw_answer(interaction: discord.Interaction, body: dict[str, Any]) -> None:
    path = f"/interactions/{interaction.id}/{interaction.token}/callback"
    await interaction.client.http.request(Route("POST", path), json=body)


@pytest.mark.parametrize(("act", "why"), FIRST_ANSWERS)
async def test_a_wrong_first_answer(scene: Scene, act: Callable[[discord.Interaction], Any], why: str) -> None:
    async def answer(interaction: discord.Interaction) -> None:
        try:
            await act(interaction)
        finally:
            await interaction.response.send_message("sorry", ephemeral=True)

    scene.bot.act = answer
    asked = await scene.imagine()
    assert asked.private == ["sorry"]
    assert why in str(scene.server.violations)


async def test_too_many_suggestions(scene: Scene) -> None:
    async def flood(interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=str(n), value="x" * 101) for n in range(26)]

    imagine = scene.bot.tree.get_command("imagine")
    assert isinstance(imagine, app_commands.Command)
    imagine.autocomplete("lora")(flood)
    with pytest.raises(TimeoutError):
        await scene.server.autocomplete("imagine", "lora1", "ya", user=scene.ana, channel=scene.channel)
    assert "choices" in str(scene.server.violations)


def option(**more: Any) -> dict[str, Any]:
    return {"type": 3, "name": "prompt", "description": "x", **more}


def command(*options: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": 1, "name": "imagine", "description": "x", "options": list(options), **more}


COMMANDS: list[tuple[dict[str, Any], str]] = [
    (command(name="Imagine"), "lower-case"),
    (command(description=""), "1 to 100"),
    (command(option(), option(name="b", required=True)), "required ones come first"),
    (command(*(option(name=f"o{n}") for n in range(26))), "25"),
    (command(option(choices=[{"name": "x" * 101, "value": "x"}])), "prompt"),
    (command(option(choices=[{"name": "x", "value": "x" * 101}])), "100 characters"),
    (command(option(choices=[{"name": "x", "value": "x"}], autocomplete=True)), "exclude each other"),
    (command(option(type=4, min_value=5, max_value=4)), "above"),
    (
        command(
            *(option(name=f"o{n}", choices=[{"name": f"{c}" * 90, "value": "v"} for c in "abcd"]) for n in range(23))
        ),
        "8000 is the most",
    ),
]


@pytest.mark.parametrize(("wrong", "why"), COMMANDS)
async def test_commands_that_discord_refuses(scene: Scene, wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(discord.HTTPException) as refused:
        await scene.rest("PUT", f"/applications/{scene.server.application_id}/commands", json=[wrong])
    assert refused.value.code == 50035
    assert why in str(scene.server.violations) or scene.server.spec is not None
    assert scene.server.syncs == 1


async def test_without_validation_a_breach_goes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    async with DiscordServer(validate=False) as server:
        channel = server.channel(server.guild())
        async with connected(server, monkeypatch, SmallBot()) as bot:
            await bot.get_partial_messageable(channel.id).send("@everyone", allowed_mentions=discord.AllowedMentions())
            assert len(server.seen_in(channel)) == 1


# ---- limits and faults ----


async def test_a_429_is_tried_again_because_of_via(scene: Scene) -> None:
    place = scene.bot.get_partial_messageable(scene.channel.id)
    fault = scene.server.fail("POST", "/messages", status=429, retry_after=0.05)
    await place.send("at last")
    assert fault.hits == 1
    scene.server.fail("POST", "/messages", status=429, retry_after=0.05, via=False)
    with pytest.raises(discord.HTTPException):
        await place.send("never")


async def test_buckets_and_the_global_limit_answer_429(monkeypatch: pytest.MonkeyPatch) -> None:
    async with DiscordServer(global_limit=12) as server:
        server.buckets.routes = {"post": (3, 0.3)}
        channel = server.channel(server.guild())
        async with connected(server, monkeypatch, SmallBot()) as bot:
            places = [channel] + [server.channel(server.guild()) for _ in range(3)]
            sends = [bot.get_partial_messageable(place.id).send("x") for place in places for _ in range(4)]
            await asyncio.gather(*sends)
            assert server.limited > 0
            assert [len(server.seen_in(place)) for place in places] == [4] * 4


@pytest.mark.parametrize("exempt", [True, False])
async def test_whether_interactions_count_globally(monkeypatch: pytest.MonkeyPatch, exempt: bool) -> None:
    async with DiscordServer(exempt_interactions=exempt) as server:
        channel = server.channel(server.guild())
        async with connected(server, monkeypatch, SmallBot()):
            server.global_window.most = 1
            asked = await server.command("imagine", {"prompt": "x"}, user=server.user(), channel=channel)
            await asked.acked()
            await asked.until(lambda message: message.text)
            assert (server.limited == 0) is exempt


async def test_a_cut_connection_and_a_server_that_is_down(scene: Scene) -> None:
    place = scene.bot.get_partial_messageable(scene.channel.id)
    await place.send("up")
    scene.server.fail("POST", "/messages", drop=True)
    with pytest.raises(aiohttp.ClientConnectionError):
        await place.send("cut")
    scene.server.refusing = True
    with pytest.raises(aiohttp.ClientConnectionError):
        await place.send("down")
    scene.server.refusing = False
    await place.send("up again")
    assert [message.text for message in scene.server.seen_in(scene.channel)] == ["up", "up again"]


async def test_an_unknown_route_is_told(scene: Scene) -> None:
    with pytest.raises(discord.NotFound):
        await scene.rest("GET", "/users/@me/connections")
    assert "no such route" in str(scene.server.violations)


async def test_a_wrong_token_is_refused(server: DiscordServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Route, "BASE", f"{server.url}/api/v10")
    bot = SmallBot()
    async with bot:
        with pytest.raises(discord.LoginFailure):
            await bot.login("wrong")


# ---- the gateway ----


async def test_a_resume_replays_what_was_missed(scene: Scene) -> None:
    await scene.server.gateway.cut()
    asked = await scene.imagine()
    assert asked.ack is not None
    assert (await asked.settled()).text == "a red fox"
    assert (scene.server.gateway.resumes, scene.server.gateway.identifies) == (1, 1)


async def test_a_session_that_is_forgotten_identifies_again(scene: Scene) -> None:
    await scene.server.gateway.cut(resumable=False)
    await scene.server.gateway.changes.until(lambda: scene.server.gateway.identifies == 2, 10, lambda: "")
    assert (await (await scene.imagine()).settled()).pictures


async def test_discord_asks_to_reconnect(scene: Scene) -> None:
    scene.server.gateway.ask_to_reconnect()
    await scene.server.gateway.changes.until(lambda: scene.server.gateway.resumes == 1, 10, lambda: "")
    assert (await (await scene.imagine()).settled()).pictures


async def say(server: DiscordServer, channel: Channel) -> Asked:
    return await server.command("imagine", {"prompt": "x"}, user=server.user(), channel=channel)


async def test_each_shard_gets_its_own_guilds_and_direct_messages_come_to_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with DiscordServer(shards=2) as server:
        channels = [server.channel(server.guild(shard=shard, of=2)) for shard in (0, 1)]
        async with connected(server, monkeypatch, SmallBot(shards=2)) as bot:
            for channel in channels:
                await (await say(server, channel)).settled()
            assert [i.guild.shard_id for i in bot.seen if i.guild] == [0, 1]
            assert server.gateway.identifies == 2
            await server.gateway.cut(shard=0, resumable=False)
            person = server.user()
            await server.command("imagine", {"prompt": "x"}, user=person, channel=server.direct(person), wait=False)
            assert server.undelivered == 1


class Socket:
    """A session by hand, where discord.py would do too much by itself."""

    def __init__(self, server: DiscordServer, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._server, self.socket = server, socket

    async def identify(self, shard: int, count: int) -> Any:
        """READY's data, or what came in its place."""
        await self.socket.send_json({"op": 2, "d": {"token": self._server.token, "shard": [shard, count]}})
        return await self.next()

    async def next(self) -> Any:
        frame = await self.socket.receive(timeout=5)
        return json.loads(frame.data) if frame.type is aiohttp.WSMsgType.TEXT else frame.data


@asynccontextmanager
async def sockets(server: DiscordServer, number: int) -> AsyncIterator[list[Socket]]:
    async with aiohttp.ClientSession() as session, contextlib.AsyncExitStack() as stack:
        opened = [
            Socket(server, await stack.enter_async_context(session.ws_connect(server.gateway_url)))
            for _ in range(number)
        ]
        for one in opened:
            assert (await one.next())["op"] == 10
        yield opened


async def test_a_shard_may_have_several_sessions_and_each_gets_its_events(server: DiscordServer) -> None:
    async with sockets(server, 2) as both:
        for one in both:
            assert (await one.identify(0, 1))["t"] == "READY"
        server.gateway.dispatch("TYPING_START", {"channel_id": "1"})
        assert [(await one.next())["t"] for one in both] == ["TYPING_START"] * 2


async def test_who_identifies_before_its_turn_is_refused(server: DiscordServer) -> None:
    server.gateway.identify_every, server.gateway.max_concurrency = 60.0, 2
    async with sockets(server, 3) as (first, second, third):
        assert (await first.identify(0, 4))["t"] == "READY"
        assert (await second.identify(2, 4)) == {"op": 9, "d": False}
        assert (await third.identify(1, 4))["t"] == "READY"
        assert (server.gateway.identifies, server.gateway.refused) == (2, 1)


async def test_a_shard_beyond_the_count_is_refused_for_good(server: DiscordServer) -> None:
    async with sockets(server, 1) as (one,):
        assert await one.identify(2, 2) == 4010


async def test_what_is_said_to_a_shard_without_a_session_is_lost_and_counted(scene: Scene) -> None:
    await scene.bot.close()
    await scene.server.gateway.changes.until(lambda: not scene.server.gateway.sessions, 5, lambda: "")
    await scene.imagine(wait=False)
    assert scene.server.undelivered == 1


# ---- another process, and load ----

ANOTHER = """
import asyncio, os, discord, yarl
from discord.http import Route
base = os.environ["DISCORD_API_BASE"]
Route.BASE = base + "/api/v10"
discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(base.replace("http", "ws") + "/gw")
client = discord.Client(intents=discord.Intents.none(), allowed_mentions=discord.AllowedMentions.none())
tree = discord.app_commands.CommandTree(client)

@tree.command(description="Draw")
async def imagine(interaction: discord.Interaction, prompt: str):
    await interaction.response.defer()
    await interaction.edit_original_response(content=prompt)

@client.event
async def setup_hook():
    await tree.sync()

client.run(os.environ["DISCORD_TOKEN"], log_handler=None)
"""


async def test_two_hundred_at_once_from_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.servers.discord.FIRST_ANSWER", 20.0)  # all of them are answered, however busy it is here
    async with DiscordServer(validate=False) as server:
        channel, ana = server.channel(server.guild()), server.user("ana")
        environment = os.environ | {"DISCORD_API_BASE": server.url, "DISCORD_TOKEN": server.token}
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", ANOTHER, env=environment, cwd=tmp_path)
        try:
            await server.online()
            asked = [
                await server.command("imagine", {"prompt": str(n)}, user=ana, channel=channel, wait=False)
                for n in range(200)
            ]
            messages = [await one.settled(20) for one in asked]
        finally:
            process.terminate()
            await process.wait()
        assert sorted(int(message.text) for message in messages) == list(range(200))
        assert server.expired == 0


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "discord")
