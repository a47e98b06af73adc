"""What people type on Slack, answered by the real bot: flags, modals, mentions, shortcuts, the App Home, and every command
beside the drawing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from adapters.wavespeed.faults import Script
from bot.pictures import parameters_of
from tests.scenarios.house import picture, size_of
from tests.scenarios.slack_house import SlackHouse, short, slack_house
from tests.servers.slack_asked import NotOffered
from tests.servers.slack_world import Message, User, View

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SlackHouse]:
    environment = {"EASEL_LIMIT_PER_PERSON": "20"}
    async with slack_house(tmp_path_factory.mktemp("asking"), environment=environment) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def easel(shared: SlackHouse) -> AsyncIterator[SlackHouse]:
    yield shared.moved_in()
    await shared.check()


async def form(easel: SlackHouse, line: str = "") -> View:
    return await (await easel.imagine(line)).form()


# ---- text ----


async def test_a_line_with_flags_as_people_type_them(easel: SlackHouse) -> None:
    """Curly quotes, the em-dash that phones make of two hyphens, a `--` in the middle of a sentence."""
    line = "a fox’s “den” -- at dusk —lora yarn:0.8 --size 1216x832 –n 2 --seed 7 --cfg 3"
    message = await easel.drawn(line, prompt="a fox")
    (sent,) = [it.inputs for it in easel.simulator.submits if it.inputs["seed"] == 7]
    assert (sent["size"], sent["num_images"], sent["guidance_scale"]) == ("1216*832", 2, 3.0)
    assert sent["prompt"].startswith("a fox’s “den” -- at dusk, yarn art style")
    assert sent["loras"] == [{"path": "linoyts/yarn_art_Flux_LoRA", "scale": 0.8}]
    assert [size_of(shown.data) for shown in message.pictures] == [(1216, 832)] * 2
    assert message.buttons == ["🔄 Re-roll", "✏️ Edit prompt", "🗑️ Delete", "ℹ️ Details", "🎨 1", "🎨 2"]
    for word in ("a fox’s “den” -- at dusk", "seed 7", "$0.03", "Added for yarn: yarn art style"):
        assert word in message.text
    text = parameters_of(message.pictures[0].data)
    assert text is not None
    assert "Seed: 7" in text
    assert all("wavespeed" not in message.text and file.url.startswith(easel.slack.url) for file in message.files)


async def test_a_wrong_flag_is_told_privately_with_the_nearest(easel: SlackHouse) -> None:
    assert "--seed" in await easel.said("a fox --sed 7")
    assert "yarn" in await easel.said("a fox --lora yran")
    assert "goes from 0 to 4" in await easel.said("a fox --lora yarn:9")
    assert "/imagine lora list" in await easel.said("a fox --lora https://example.org/x.safetensors")
    injected = await easel.said("a fox --lora [x](https://evil.example):<!channel>")
    assert "lora" in injected.lower()


async def test_a_prompt_can_neither_ping_nor_format(easel: SlackHouse) -> None:
    prompt = "<!channel> & <@U0123> *bold* <https://evil.example|free> `code` :smile: @here"
    message = await easel.drawn(prompt, prompt="bold")
    (sent,) = [it.inputs for it in easel.simulator.submits if "*bold*" in it.inputs["prompt"]]
    assert sent["prompt"] == prompt
    assert prompt in message.text
    assert message.pings == []
    texts = [block for block in message.blocks if block["type"] not in ("rich_text", "actions")]
    assert "mrkdwn" not in str(texts)


# ---- the modal ----


async def test_the_form_from_an_empty_line(easel: SlackHouse) -> None:
    """Search as you type, what is wrong stands at its field, nothing typed is lost."""
    view = await form(easel)
    with pytest.raises(NotOffered):
        await easel.slack.submit(easel.ana, view, {"seed": "5"})  # Slack itself keeps it back without a prompt
    found = await easel.slack.suggest(easel.ana, view, "easel_in:lora1", "yar")
    assert found.values[0] == "yarn"
    assert (await easel.slack.suggest(easel.ana, view, "easel_in:lora1", "crochet")).values[0] == "yarn"
    assert (await easel.slack.suggest(easel.ana, view, "easel_in:lora1", "koda")).values[0] == "koda"
    posts = easel.simulator.posts
    typed = {
        "prompt": "a lantern",
        "lora1": ["yarn", "koda"],
        "easel_in:loras": "yarn:0.6, nowhere to be found:1",
        "seed": "11",
    }
    wrong = await easel.slack.submit(easel.ana, view, typed)
    assert list(wrong.errors) == ["loras"]
    assert view.open
    assert easel.simulator.posts == posts
    assert easel.slack.value(view, "prompt") == "a lantern"
    assert easel.slack.value(view, "lora1") == ["yarn", "koda"]
    wrong = await easel.slack.submit(easel.ana, view, {"easel_in:loras": "yarn:0.6", "mask": ("mask.png", picture())})
    assert "add the picture" in wrong.errors["mask"]
    right = await easel.slack.submit(easel.ana, view, {"mask": None, "count": "2", "steps": "12", "guidance": "4.5"})
    assert right.errors == {}
    assert right.failed is None
    assert right.acked is not None
    assert not view.open
    message = await easel.answer(easel.channel, "a lantern")
    assert len(message.pictures) == 2
    (sent,) = [it.inputs for it in easel.simulator.submits if it.inputs["seed"] == 11]
    assert (sent["num_images"], sent["num_inference_steps"], sent["guidance_scale"]) == (2, 12, 4.5)
    assert sorted((lora["path"], lora["scale"]) for lora in sent["loras"])[1] == ("linoyts/yarn_art_Flux_LoRA", 0.6)
    assert len(sent["loras"]) == 2


async def test_a_picture_and_a_mask_are_handed_in_by_the_form(easel: SlackHouse) -> None:
    view = await form(easel)
    files = {
        "image": ("cat.jpg", picture(900, 700, "teal", "JPEG")),
        "mask": ("mask.png", picture(900, 700, "white")),
    }
    before = len(easel.simulator.uploads)
    await easel.slack.submit(easel.ana, view, {"prompt": "a cat made of glass", "strength": "0.55", **files})
    message = await easel.answer(easel.channel, "a cat made of glass")
    (sent,) = easel.sent("a cat made of glass")
    assert sent["strength"] == 0.55
    assert sent["image"]
    assert sent["mask_image"]
    assert len(easel.simulator.uploads) == before + 2
    wide, high = size_of(message.pictures[0].data)
    assert wide / high == pytest.approx(900 / 700, rel=0.03)


async def test_what_is_no_picture_is_told(easel: SlackHouse) -> None:
    view = await form(easel)
    posts = easel.simulator.posts
    sent = await easel.slack.submit(easel.ana, view, {"prompt": "a broken vase", "image": ("vase.png", b"no picture")})
    assert sent.errors == {}
    await easel.slack.until(lambda: "That didn't work" in "".join(m.text for m in easel.slack.by_bot(easel.channel)))
    assert easel.simulator.posts == posts


async def test_the_form_of_another_command_that_lacks_something(easel: SlackHouse) -> None:
    view = await form(easel, "edit")
    assert "image" in view.text.lower()
    view = await form(easel, "show")
    message = await easel.drawn("a lonely bench")
    shown = await easel.slack.submit(easel.ana, view, {"id": short(message.text)})
    assert shown.errors == {}
    await easel.answer(easel.slack.direct(easel.ana), "a lonely bench")


# ---- everything else that is typed ----


async def test_every_other_command_answers_privately(easel: SlackHouse) -> None:
    message = await easel.drawn("a paper boat", user=easel.mia)
    number = short(message.text)
    assert "/imagine" in await easel.said("help")
    assert "a paper boat" in await easel.said("history", user=easel.mia)
    assert "/imagine show" in await easel.said("history", user=easel.mia)
    assert "Nothing of yours" in await easel.said("queue", user=easel.mia)
    assert "Nothing of yours" in await easel.said("cancel", user=easel.mia)
    assert "yarn" in await easel.said("lora list", user=easel.mia)
    assert "yarn" in await easel.said("lora list wool", user=easel.mia)
    assert "yarn art style" in await easel.said("lora info yarn", user=easel.mia)
    assert "There is no LoRA" in await easel.said("lora info yrn", user=easel.mia)
    assert "Awake and ready" in await easel.said("ping", user=easel.mia)
    assert "no picture" in await easel.said("show zzzzzz", user=easel.mia)
    assert "direct messages" in await easel.said(f"show {number}", user=easel.ben)
    shown = await easel.answer(easel.slack.direct(easel.ben), "a paper boat")
    assert [one.data for one in shown.pictures] == [one.data for one in message.pictures]


async def test_words_that_begin_like_a_command_are_a_prompt(easel: SlackHouse) -> None:
    message = await easel.drawn("show me a dragon")
    assert len(message.pictures) == 1


# ---- mentions, direct messages, shortcuts, the App Home ----


async def test_mentioned_in_a_channel_and_in_a_thread(easel: SlackHouse) -> None:
    slack = easel.slack
    await slack.mention(easel.ana, easel.channel, "a green frog --seed 3")
    message = await easel.answer(easel.channel, "a green frog")
    assert message.thread_ts is None
    assert easel.sent("a green frog")[0]["seed"] == 3

    parent = slack.say(easel.ben, easel.channel, "let us talk about frogs")
    with pytest.raises(NotOffered):
        await slack.type(easel.ana, easel.channel, "/imagine a red frog", thread=parent)
    await slack.mention(easel.ben, easel.channel, "a blue frog", thread=parent)
    blue = await easel.answer(easel.channel, "a blue frog")
    assert slack.thread(parent)[-1] is blue
    await slack.press(easel.mia, blue, "Re-roll")
    await slack.until(lambda: len([m for m in easel.about(easel.channel, "a blue frog") if m.pictures]) == 2, 20)
    await slack.until(lambda: len(slack.thread(parent)) == 3, 20)
    assert all("a blue frog" in m.text and m.pictures for m in slack.by_bot(easel.channel) if m.thread_ts)


async def test_a_thread_keeps_everything_that_is_said_in_it(easel: SlackHouse) -> None:
    slack = easel.slack
    parent = slack.say(easel.ben, easel.channel, "a thread of its own")
    wrong = await slack.mention(easel.ben, easel.channel, "a fox --sed 7", thread=parent)
    assert "--seed" in await wrong.told()
    assert wrong.answers[-1].thread_ts == parent.ts
    drawn = await slack.mention(easel.ben, easel.channel, "a tin soldier", thread=parent)
    assert drawn.failed is None
    message = await easel.answer(easel.channel, "a tin soldier")
    form = await (await slack.press(easel.ben, message, "Edit prompt")).form()
    await slack.submit(easel.ben, form, {"prompt": "a tin sailor"})
    await easel.answer(easel.channel, "a tin sailor")
    details = await slack.press(easel.ben, message, "Details")
    assert "a tin soldier" in await details.told()
    assert details.answers[-1].thread_ts in (parent.ts, None)
    assert [m.thread_ts for m in slack.by_bot(easel.channel)] == [parent.ts] * 2


async def test_mentioned_without_a_word_it_helps(easel: SlackHouse) -> None:
    asked = await easel.slack.mention(easel.ana, easel.channel, "")
    assert "What you can ask" in await asked.told()


async def test_mentioned_with_a_picture(easel: SlackHouse) -> None:
    files = {"cat.jpg": picture(640, 640, "teal", "JPEG"), "mask.png": picture(640, 640, "white")}
    await easel.slack.mention(easel.ana, easel.channel, "a cat of clay", files=files)
    await easel.answer(easel.channel, "a cat of clay")
    (sent,) = easel.sent("a cat of clay")
    assert sent["image"]
    assert sent["mask_image"]


async def test_in_direct_messages(easel: SlackHouse) -> None:
    """By a plain message, by one with a picture, by the command; nobody else sees any of it."""
    slack, direct = easel.slack, easel.slack.direct(easel.ben)
    before = len(slack.visible(easel.channel))
    await slack.direct_message(easel.ben, "a blue heron --seed 4")
    await slack.direct_message(easel.ben, "a grey heron", files={"bird.png": picture(512, 512, "grey")})
    await easel.drawn("a white heron", user=easel.ben, channel=direct)
    await easel.answer(direct, "a blue heron")
    await easel.answer(direct, "a grey heron")
    assert easel.sent("a blue heron")[0]["seed"] == 4
    assert easel.sent("a grey heron")[0]["image"]
    own = slack.say(easel.ben, direct, "a thing that I said")
    await slack.edit(easel.ben, own, "a thing that I changed")
    assert "direct" not in "".join(m.text for m in slack.visible(easel.channel)[before:])
    assert len(slack.visible(easel.channel)) == before
    assert easel.sent("a thing that I changed") == []


async def test_the_global_shortcut(easel: SlackHouse) -> None:
    view = await (await easel.slack.shortcut(easel.mia, "easel_create")).form()
    await easel.slack.submit(easel.mia, view, {"prompt": "a snow globe", "channel": easel.channel})
    await easel.answer(easel.channel, "a snow globe")
    view = await (await easel.slack.shortcut(easel.mia, "easel_create")).form()
    await easel.slack.submit(easel.mia, view, {"prompt": "a hidden globe", "channel": None})
    await easel.answer(easel.slack.direct(easel.mia), "a hidden globe")
    assert easel.about(easel.channel, "a hidden globe") == []


async def test_the_shortcuts_on_a_message(easel: SlackHouse) -> None:
    slack = easel.slack
    ours = await easel.drawn("a stone bridge --lora yarn:0.7", prompt="a stone bridge")
    theirs = slack.upload(easel.ben, easel.channel, "photo.png", picture())
    plain = slack.say(easel.ben, easel.channel, "no picture here")
    details = await slack.message_shortcut(easel.ben, ours, "easel_details")
    assert "a stone bridge" in await details.told()
    assert "--lora" in await details.told()
    none = await slack.message_shortcut(easel.ana, theirs, "easel_details")
    assert "isn't one of my pictures" in await none.told()
    none = await slack.message_shortcut(easel.ana, plain, "easel_source")
    assert "no picture" in await none.told()

    async def drawn_from(source: Message, prompt: str, user: User) -> None:
        view = await (await slack.message_shortcut(user, source, "easel_source")).form()
        await slack.submit(user, view, {"prompt": prompt, "strength": "0.5"})
        await easel.answer(easel.channel, prompt)
        (sent,) = easel.sent(prompt)
        assert sent["strength"] == 0.5
        assert sent["image"]

    await asyncio.gather(drawn_from(ours, "in winter", easel.ben), drawn_from(theirs, "in spring", easel.mia))


async def test_the_app_home(easel: SlackHouse) -> None:
    slack, noor = easel.slack, easel.slack.user("noor")
    await slack.open_home(noor)
    await slack.until(lambda: noor.home)
    home = noor.home
    assert home is not None
    assert "Nothing of yours is waiting" in home.text
    assert "yarn" in home.text
    await easel.drawn("a first kite", user=noor)
    easel.simulator.script(Script(seconds=60.0), prompt="a slow kite")
    await easel.imagine("a slow kite", user=noor)
    await easel.simulator.until(lambda: len(easel.sent("a slow kite")) == 1)
    await slack.open_home(noor)
    await slack.until(lambda: noor.home is not None and "a slow kite" in noor.home.text)
    assert noor.home is home
    assert "a first kite" in home.text
    await slack.press(noor, home, "Cancel")
    await slack.until(lambda: [m for m in easel.about(easel.channel, "a slow kite") if "Cancelled" in m.text])
    await slack.until(lambda: "Nothing of yours is waiting" in home.text)
    assert "❌ Cancel" not in home.buttons
    view = await (await slack.press(noor, home, "Create an image")).form()
    await slack.submit(noor, view, {"prompt": "a third kite"})
    await easel.answer(slack.direct(noor), "a third kite")
    again = await slack.press(noor, home, "Re-roll")
    assert again.failed is None
    await slack.until(lambda: len([m for m in slack.by_bot(slack.direct(noor)) if m.pictures]) == 2, 20)


async def test_the_form_in_a_place_for_two(easel: SlackHouse) -> None:
    """The bot is no part of other people's messages: said before anything is paid, with another way."""
    between = easel.slack.between(easel.ana, easel.ben)
    posts = easel.simulator.posts
    asked = await easel.imagine("a shared umbrella", channel=between)
    assert "nothing was drawn" in await asked.told()
    assert easel.simulator.posts == posts
    await easel.slack.press(easel.ana, asked.answers[-1], "Send it to me directly instead")
    await easel.answer(easel.slack.direct(easel.ana), "a shared umbrella")
    assert easel.simulator.posts == posts + 1


async def test_the_log_holds_no_prompt_key_or_token(easel: SlackHouse) -> None:
    """Last: after all that was asked before."""
    lines = easel.bot.lines()
    assert "delivered" in lines
    tokens = [easel.slack.team.token, easel.slack.app_token, easel.slack.signing_secret, easel.slack.verification_token]
    urls = [asked.response_url for asked in easel.slack.asked if asked.response_url]
    prompts = ["a-key", "paper boat", "blue heron", "a hidden globe", "evil.example", "ana-", "a slow kite"]
    assert [word for word in [*prompts, *tokens, *urls] if word in lines] == []
