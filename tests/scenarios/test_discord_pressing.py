"""Buttons, forms and message menus on Discord: who may press what, and what comes of it, also after a restart."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from adapters.wavespeed.faults import Script
from tests.scenarios.house import House, house, picture
from tests.servers.discord_asked import NotOffered
from tests.servers.discord_world import MEMBER, Message

pytestmark = pytest.mark.asyncio(loop_scope="module")
TYPED = {"prompt": "a harbour at night", "loras": "", "seed": "9"}
MODERATOR = MEMBER | {"manage_messages"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(tmp_path_factory.mktemp("pressing")) as made:
        yield made


@pytest.fixture
def easel(shared: House) -> Iterator[House]:
    yield shared
    shared.check()


async def running(easel: House, prompt: str, **more: Any) -> Message:
    """A picture that is being drawn and will be for long."""
    easel.simulator.script(Script(seconds=60.0), prompt=prompt)
    asked = await easel.imagine(prompt, **more)
    message = await asked.until(lambda message: "Generating" in message.text)
    assert message.buttons == ["❌ Cancel"]
    return message


async def until(message: Message, word: str) -> None:
    await message.changes.until(lambda: word in message.text, 15.0, lambda: repr(message))


async def gone(message: Message) -> None:
    await message.changes.until(lambda: message.deleted, 15.0, lambda: repr(message))


async def test_cancel_by_the_requester_by_others_and_by_a_moderator(easel: House) -> None:
    mine, other = await running(easel, "a slow snail"), await running(easel, "a slow sloth")
    refused = await easel.discord.press(mine, "Cancel", user=easel.ben)
    assert "Only Ana" in await refused.told()
    assert mine.buttons == ["❌ Cancel"]
    done = await easel.discord.press(mine, "Cancel", user=easel.ana)
    assert "still paid for" in await done.told()
    await until(mine, "Cancelled")
    done = await easel.discord.press(other, "Cancel", user=easel.mia, permissions=MODERATOR)
    await done.told()
    await until(other, "Cancelled")
    assert mine.pictures == other.pictures == []
    with pytest.raises(NotOffered):
        await easel.discord.press(mine, "Cancel", user=easel.ana)


async def test_cancel_by_its_command_and_the_queue(easel: House) -> None:
    message = await running(easel, "a slow turtle", user=easel.ben)
    queue = await easel.discord.command("queue", user=easel.ben, channel=easel.channel)
    assert "a slow turtle" in await queue.told()
    cancelled = await easel.discord.command("cancel", user=easel.ben, channel=easel.channel)
    assert "Cancelled" in await cancelled.told()
    await until(message, "Cancelled")


async def test_reroll_edit_and_vary_by_anyone(easel: House) -> None:
    message = await easel.drawn("a harbour --n 2 --seed 5 --lora yarn:0.5")
    again = await easel.discord.press(message, "Re-roll", user=easel.ben)
    varied = await easel.discord.press(message, "2", user=easel.ben)
    form = await easel.discord.press(message, "Edit prompt", user=easel.ben)
    assert form.modal is not None
    assert form.modal["prompt"].value == "a harbour, yarn art style"
    assert form.modal["loras"].value == "yarn:0.5"
    edited = await easel.discord.submit_modal(form, TYPED, user=easel.ben)
    drawn = await asyncio.gather(again.settled(20), varied.settled(20), edited.settled(20))
    assert [len(one.pictures) for one in drawn] == [2, 2, 2]
    assert len({message.id, *(one.id for one in drawn)}) == 4
    assert "Varied from picture 2" in drawn[1].text

    (night,) = easel.sent("a harbour at night")
    assert (night["seed"], night["loras"]) == (9, [])
    first, *others = easel.sent("a harbour, yarn art style")
    assert first["seed"] == 5
    assert all(sent["seed"] != 5 for sent in others)
    assert all(sent["loras"] == [{"path": "linoyts/yarn_art_Flux_LoRA", "scale": 0.5}] for sent in others)
    assert sorted((bool(sent["image"]), sent["strength"]) for sent in others)[1] == (True, 0.6)
    history = await easel.discord.command("history", user=easel.ben, channel=easel.channel)
    assert (await history.told()).count("a harbour") >= 3


async def test_a_bad_form_is_told_privately(easel: House) -> None:
    message = await easel.drawn("a mill")
    posts = easel.simulator.posts
    form = await easel.discord.press(message, "Edit prompt", user=easel.ana)
    sent = await easel.discord.submit_modal(form, {"seed": "seven"}, user=easel.ana)
    assert "seed is a number" in await sent.told()
    assert easel.simulator.posts == posts


async def test_details_and_the_menus_on_a_message(easel: House) -> None:
    message = await easel.drawn("a stone bridge", lora1="yarn:0.7", user=easel.ana)
    for user, ask in (
        (easel.ana, easel.discord.press(message, "Details", user=easel.ana)),
        (easel.ben, easel.discord.message_command("Image details", message, user=easel.ben)),
    ):
        told = await (await ask).told()
        assert "a stone bridge" in told, user
        assert "--lora" in told
    theirs = easel.discord.say(easel.channel, easel.ben, "look", {"photo.png": picture()})
    plain = easel.discord.say(easel.channel, easel.ben, "no picture here")
    none = await easel.discord.message_command("Image details", theirs, user=easel.ana)
    assert "isn't one of my pictures" in await none.told()
    none = await easel.discord.message_command("Use as source image", plain, user=easel.ana)
    assert "no picture" in await none.told()

    async def drawn_from(source: Message, prompt: str) -> None:
        form = await easel.discord.message_command("Use as source image", source, user=easel.mia)
        sent = await easel.discord.submit_modal(form, {"prompt": prompt, "strength": "0.5"}, user=easel.mia)
        assert (await sent.settled(20)).pictures
        (asked,) = easel.sent(prompt)
        assert asked["strength"] == 0.5
        assert asked["image"]

    await asyncio.gather(drawn_from(message, "in winter"), drawn_from(theirs, "in spring"))


async def test_mark_as_spoiler(easel: House) -> None:
    message = await easel.drawn("a windmill --n 2")
    assert not any(shown.spoiler for shown in message.pictures)
    refused = await easel.discord.message_command("Mark as spoiler", message, user=easel.ben)
    assert "Only Ana" in await refused.told()
    assert not any(shown.spoiler for shown in message.pictures)
    done = await easel.discord.message_command("Mark as spoiler", message, user=easel.mia, permissions=MODERATOR)
    assert "Covered" in await done.told()
    assert [shown.spoiler for shown in message.pictures] == [True, True]
    assert all(file.spoiler for file in message.files)
    assert "🔄 Re-roll" in message.buttons
    again = await (await easel.discord.press(message, "Re-roll", user=easel.ana)).settled(20)
    assert all(shown.spoiler for shown in again.pictures)


async def test_delete_by_the_requester_by_others_and_by_a_moderator(easel: House) -> None:
    one, two = await asyncio.gather(easel.drawn("a red door"), easel.drawn("a blue door"))
    refused = await easel.discord.press(one, "Delete", user=easel.ben)
    assert "Only Ana" in await refused.told()
    assert not one.deleted
    await easel.discord.press(one, "Delete", user=easel.ana)
    await gone(one)
    await easel.discord.press(two, "Delete", user=easel.mia, permissions=MODERATOR)
    await gone(two)
    number = short(one.text)
    files = [path for path in (easel.bot.data / "pictures").rglob("*") if number in path.name.lower()]
    assert files == []
    shown = await easel.discord.command("show", {"id": number}, user=easel.ana, channel=easel.channel)
    assert "was deleted" in await shown.told()
    shown = await easel.discord.command("show", {"id": number}, user=easel.ben, channel=easel.channel)
    assert "no picture" in await shown.told()


async def test_buttons_of_another_version_and_of_other_places(easel: House) -> None:
    message = await easel.drawn("a bell tower")
    elsewhere = easel.discord.channel(easel.discord.guild("elsewhere"))
    shown = await easel.discord.command("show", {"id": short(message.text)}, user=easel.ben, channel=elsewhere)
    assert "no picture" in await shown.told()
    for part in message.components[0]["components"][-1]["components"]:
        part["custom_id"] = "easel:unheard-of:x:0"
    asked = await easel.discord.press(message, "Re-roll", user=easel.ana)
    assert "no longer know" in await asked.told()


async def test_a_double_press_draws_twice_and_a_replay_once(easel: House) -> None:
    """Two presses are two wishes; the same delivery again, as after a reconnect, is one."""
    posts = easel.simulator.posts
    asked = await easel.imagine("a clockwork bird")
    for session in easel.discord.gateway.connected:
        repeated = next(text for _, text in reversed(session.sent) if str(asked.id) in text)
        session.outbox.put_nowait(repeated)
    await asked.settled(20)
    await easel.drawn("something after it")
    assert easel.simulator.posts == posts + 2
    assert [m.text.count("clockwork") for m in easel.discord.seen_in(easel.channel)].count(1) == 1


async def test_after_a_restart_buttons_menus_and_history_still_work(easel: House) -> None:
    """Last in this module. The commands did not change, so Discord is not asked to take them again."""
    message = await easel.drawn("an old oak --n 2")
    cancelled = await running(easel, "a slow glacier")
    syncs = easel.discord.syncs
    assert await easel.bot.stop() < 10
    await easel.bot.start()
    assert easel.discord.syncs == syncs == 1
    again, varied = await asyncio.gather(
        easel.discord.press(message, "Re-roll", user=easel.ben), easel.discord.press(message, "1", user=easel.ben)
    )
    assert (await again.settled(20)).pictures
    assert (await varied.settled(20)).pictures
    details = await easel.discord.press(message, "Details", user=easel.ben)
    assert "an old oak" in await details.told()
    shown = await easel.discord.command("show", {"id": short(message.text)}, user=easel.ana, channel=easel.channel)
    await shown.told()
    assert shown.message is not None
    assert len(shown.message.pictures) == 2
    await easel.discord.press(cancelled, "Cancel", user=easel.ana)
    await until(cancelled, "Cancelled")
    await easel.discord.press(message, "Delete", user=easel.ana)
    await gone(message)


def short(text: str) -> str:
    found = re.search(r"id ([0-9a-z]{6,})", text)
    assert found, text
    return found[1]
