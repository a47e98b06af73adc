"""Buttons on Slack: who may press what, and what comes of it, also after a restart."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from PIL import Image, ImageChops, ImageStat

from adapters.wavespeed.faults import Script
from tests.scenarios.slack_house import SlackHouse, short, slack_house
from tests.servers.slack_asked import NotOffered
from tests.servers.slack_seen import elements

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SlackHouse]:
    environment = {"EASEL_LIMIT_PER_PERSON": "20", "SLACK_PROGRESS_PER_MINUTE": "50"}
    async with slack_house(tmp_path_factory.mktemp("pressing"), environment=environment) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def easel(shared: SlackHouse) -> AsyncIterator[SlackHouse]:
    yield shared.moved_in()
    await shared.check()


async def test_cancel_by_the_requester_by_others_and_by_an_admin(easel: SlackHouse) -> None:
    slack, boss = easel.slack, easel.slack.user("boss", admin=True)
    mine, other = await easel.running("a slow snail"), await easel.running("a slow sloth")
    refused = await slack.press(easel.ben, mine, "Cancel")
    assert "Only ana" in await refused.told()
    assert mine.buttons == ["❌ Cancel"]
    done = await slack.press(easel.ana, mine, "Cancel")
    assert "still paid for" in await done.told()
    await easel.until(mine, "Cancelled")
    done = await slack.press(boss, other, "Cancel")
    assert "still paid for" in await done.told()
    await easel.until(other, "Cancelled")
    assert mine.pictures == other.pictures == []
    assert len(slack.visible(easel.channel)) == 2
    with pytest.raises(NotOffered):
        await slack.press(easel.ana, mine, "Cancel")


async def test_cancel_by_its_command_and_the_queue(easel: SlackHouse) -> None:
    message = await easel.running("a slow turtle", user=easel.ben)
    assert "a slow turtle" in await easel.said("queue", user=easel.ben)
    assert "a slow turtle" not in await easel.said("queue", user=easel.mia)
    assert "Cancelled" in await easel.said("cancel", user=easel.ben)
    await easel.until(message, "Cancelled")


async def test_reroll_edit_and_vary_by_anyone(easel: SlackHouse) -> None:
    slack = easel.slack
    message = await easel.drawn("a harbour --n 2 --seed 5 --lora yarn:0.5", prompt="a harbour")
    again, varied = await asyncio.gather(
        slack.press(easel.ben, message, "Re-roll"), slack.press(easel.mia, message, "🎨 2")
    )
    assert again.failed is varied.failed is None
    view = await (await slack.press(easel.ben, message, "Edit prompt")).form()
    assert slack.value(view, "prompt") == "a harbour, yarn art style"
    assert slack.value(view, "easel_in:loras") == "yarn:0.5"
    assert slack.value(view, "seed") in ("5", "", None)
    wrong = await slack.submit(easel.ben, view, {"seed": "seven"})
    assert "seed is a number" in str(wrong.errors.get("seed"))
    assert slack.value(view, "prompt") == "a harbour, yarn art style"
    await slack.submit(easel.ben, view, {"prompt": "a lagoon at night", "easel_in:loras": None, "seed": "9"})
    await easel.answer(easel.channel, "a lagoon at night")
    await slack.until(lambda: len([m for m in easel.about(easel.channel, "a harbour") if m.pictures]) == 3, 20)
    await slack.until(lambda: not easel.growing(), 20)
    assert [len(m.pictures) for m in slack.visible(easel.channel)] == [2, 2, 2, 2]

    (night,) = easel.sent("a lagoon at night")
    assert (night["seed"], night["loras"]) == (9, [])
    first, *others = easel.sent("a harbour, yarn art style")
    assert first["seed"] == 5
    assert all(sent["seed"] != 5 for sent in others)
    assert sorted((bool(sent["image"]), sent["strength"]) for sent in others)[1] == (True, 0.6)
    assert (await easel.said("history", user=easel.ben)).count("a harbour") == 1
    assert "Varied from picture 2" in "".join(m.text for m in easel.about(easel.channel, "a harbour"))


async def test_details(easel: SlackHouse) -> None:
    message = await easel.drawn("a stone bridge", user=easel.ana)
    for user in (easel.ana, easel.ben):
        details = await easel.slack.press(user, message, "Details")
        told = await details.told()
        assert "a stone bridge" in told
        assert "--seed" in told
    assert easel.slack.visible(easel.channel) == [message]


async def test_delete_by_the_requester_by_others_and_by_an_admin(easel: SlackHouse) -> None:
    slack, boss = easel.slack, easel.slack.user("chief", admin=True)
    one = await easel.drawn("a red door")
    two = await easel.drawn("a blue door")
    (button,) = [it for _, it in elements(one.blocks) if it.get("action_id", "").startswith("easel:delete")]
    assert button["style"] == "danger"
    assert button["confirm"]["confirm"]["text"] == "Delete"
    refused = await slack.press(easel.ben, one, "Delete")
    assert "Only ana" in await refused.told()
    assert not one.deleted
    await slack.press(easel.ana, one, "Delete")
    await easel.gone(one)
    await slack.press(boss, two, "Delete")
    await easel.gone(two)
    assert all(file.deleted for message in (one, two) for file in message.files)
    number = short(one.text)
    assert [path for path in (easel.bot.data / "pictures").rglob("*") if number in path.name.lower()] == []
    assert "was deleted" in await easel.said(f"show {number}", user=easel.ana)
    assert "no picture" in await easel.said(f"show {number}", user=easel.ben)
    assert slack.visible(easel.channel) == []


async def test_mark_as_spoiler(easel: SlackHouse) -> None:
    """Slack covers nothing that stands there: covered ones take their place, and the files themselves are deleted."""
    slack = easel.slack
    message = await easel.drawn("a windmill --n 2")
    originals = [shown.data for shown in message.pictures]
    refused = await slack.message_shortcut(easel.ben, message, "easel_spoiler")
    assert "Only ana" in await refused.told()
    done = await slack.message_shortcut(easel.ana, message, "easel_spoiler")
    assert "Covered" in await done.told()
    await easel.gone(message)
    assert all(file.deleted for file in message.files)
    covered = await easel.answer(easel.channel, "a windmill")
    assert [shown.data in originals for shown in covered.pictures] == [False, False]
    assert "🔄 Re-roll" in covered.buttons
    await slack.press(easel.ben, covered, "Send me the original 2")
    sent = await easel.answer(slack.direct(easel.ben), "Picture 2")
    assert [shown.data for shown in sent.pictures] == [originals[1]]
    await slack.press(easel.mia, covered, "Re-roll")
    await slack.until(lambda: len(easel.about(easel.channel, "a windmill")) == 2, 20)
    await slack.until(lambda: all(m.pictures for m in slack.by_bot(easel.channel)), 20)
    assert all("👁️ Send me the original 1" in m.buttons for m in slack.by_bot(easel.channel))


async def test_a_flagged_picture_is_only_seen_blurred(easel: SlackHouse) -> None:
    """Nothing that can be recognised reaches Slack before somebody asks for it, and then only their own messages."""
    slack = easel.slack
    uploaded = set(slack.files)
    easel.simulator.script(Script(picture=chequered(), nsfw=[True, True]), prompt="an nsfw statue")
    message = await easel.drawn("an nsfw statue --n 2")
    assert "Covered, because the safety check flagged it." in message.text
    assert [shown.name.endswith("-preview.jpg") for shown in message.pictures] == [True, True]
    assert not any("statue" in f"{shown.alt}{shown.file.title}" for shown in message.pictures)
    for name in set(slack.files) - uploaded:
        preview = slack.files[name].data
        assert preview is not None
        assert recognised(preview) < 0.1
        assert b"nsfw statue" not in preview
    asked = await slack.press(easel.ben, message, "Send me the original 1")
    sent = await easel.answer(slack.direct(easel.ben), short(message.text))
    assert len(sent.pictures) == 1
    assert recognised(sent.pictures[0].data) == pytest.approx(1.0)
    assert "direct messages" in await asked.told()
    assert slack.visible(easel.channel) == [message]


@pytest.mark.parametrize(
    ("flags", "covered"),
    [([False, False], [False, False]), (None, [True, True]), ([False], [False, True]), ([True, False], [True, False])],
    ids=["none", "unknown", "too short", "only the first"],
)
async def test_each_picture_by_its_own_flag(easel: SlackHouse, flags: object, covered: list[bool]) -> None:
    easel.simulator.script(Script(nsfw=flags), prompt="a twin tree")
    message = await easel.drawn("a twin tree --n 2")
    assert ["preview" in shown.name for shown in message.pictures] == covered
    assert len([button for button in message.buttons if "original" in button]) == sum(covered)


async def test_what_is_private_stays_private(easel: SlackHouse) -> None:
    """In the direct messages alone: no word of it in the channel, in a name, in a title, in what others may ask."""
    slack, prompt = easel.slack, "a secret garden"
    asked = await easel.imagine(f"{prompt} --private")
    direct = slack.direct(easel.ana)
    message = await easel.answer(direct, prompt)
    assert slack.visible(easel.channel) == []
    assert "direct messages" in await asked.told()
    names = "".join(f"{file.name}{file.title}{file.alt}" for file in message.files)
    assert "garden" not in names
    assert b"secret garden" not in message.pictures[0].data
    number = short(message.text)
    assert "no picture" in await easel.said(f"show {number}", user=easel.ben)
    assert "Nothing of yours" in await easel.said("queue", user=easel.ben)
    running = await easel.imagine("a quiet garden --private")
    assert running.failed is None
    await slack.press(easel.ana, await easel.answer(direct, "a quiet garden"), "Re-roll")
    await slack.until(lambda: len(easel.about(direct, "a quiet garden")) == 2, 20)
    everywhere = [m for channel in slack.channels.values() if channel is not direct for m in channel.messages.values()]
    assert not any("garden" in f"{m.text}{m.fallback}{m.blocks}" for m in everywhere)
    assert "garden" not in easel.bot.lines()


async def test_a_button_of_another_version(easel: SlackHouse) -> None:
    message = await easel.drawn("a bell tower")
    (button,) = [it for _, it in elements(message.blocks) if it.get("action_id", "").startswith("easel:again")]
    button |= {"action_id": "easel:unheard-of:0", "value": "x:0"}
    asked = await easel.slack.press(easel.ana, message, "Re-roll")
    assert "no longer know" in await asked.told()


async def test_a_button_pressed_twice_is_two_wishes(easel: SlackHouse) -> None:
    message = await easel.drawn("a clockwork bird")
    posts = easel.simulator.posts
    await asyncio.gather(*(easel.slack.press(easel.ben, message, "Re-roll") for _ in range(2)))
    await easel.slack.until(lambda: len(easel.about(easel.channel, "a clockwork bird")) == 3, 20)
    await easel.slack.until(lambda: all(m.pictures for m in easel.slack.by_bot(easel.channel)), 20)
    assert easel.simulator.posts == posts + 2


async def test_after_a_restart_buttons_shortcuts_and_history_still_work(easel: SlackHouse) -> None:
    """Last in this module."""
    slack = easel.slack
    message = await easel.drawn("an old oak --n 2")
    cancelled = await easel.running("a slow glacier")
    assert await easel.bot.stop() < 10
    await easel.bot.start()
    details = await slack.press(easel.ben, message, "Details")
    assert "an old oak" in await details.told()
    await slack.press(easel.ana, cancelled, "Cancel")
    await easel.until(cancelled, "Cancelled")
    await easel.imagine(f"show {short(message.text)}", user=easel.mia)
    assert len((await easel.answer(slack.direct(easel.mia), "an old oak")).pictures) == 2
    await slack.press(easel.ben, message, "Re-roll")
    await slack.until(lambda: len([m for m in easel.about(easel.channel, "an old oak") if m.pictures]) == 2, 20)
    await slack.press(easel.ana, message, "Delete")
    await easel.gone(message)


def chequered() -> bytes:
    """Sixteen fields a side, dark and bright: whoever sees them has recognised the picture."""
    fields = Image.new("L", (16, 16))
    fields.putdata([255 * ((x + y) % 2) for y in range(16) for x in range(16)])
    file = io.BytesIO()
    fields.convert("RGB").resize((1024, 1024), Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()


def recognised(data: bytes) -> float:
    """How much of the chequers can be seen: 1 is all, 0 is nothing."""
    with Image.open(io.BytesIO(data)) as found, Image.open(io.BytesIO(chequered())) as original:
        seen, true = (each.convert("L").resize((256, 256)) for each in (found, original))
    difference = ImageStat.Stat(ImageChops.difference(seen, true)).mean[0] / 255
    return abs(1 - 2 * difference)
