"""What people ask on Discord, answered by the real bot: every option, every command, every refusal."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from bot.pictures import parameters_of
from tests.scenarios.house import House, house, picture, size_of
from tests.servers.discord_asked import NotOffered
from tests.servers.discord_world import Channel

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(tmp_path_factory.mktemp("asking")) as made:
        yield made


@pytest.fixture
def easel(shared: House) -> Iterator[House]:
    yield shared
    shared.check()


async def refused(easel: House, prompt: str, **more: Any) -> str:
    """The private word; nothing was posted for others, and nothing was paid."""
    posts, seen = easel.simulator.posts, len(easel.discord.seen_in(easel.channel))
    asked = await easel.imagine(prompt, **more)
    assert asked.ack is not None
    assert asked.ack.ephemeral
    told = await asked.told()
    assert easel.simulator.posts == posts
    assert len(easel.discord.seen_in(easel.channel)) == seen
    return told


async def test_every_option_reaches_the_image_api(easel: House) -> None:
    message = await easel.drawn(
        "a red fox",
        lora1="yarn:0.8",
        lora2="realism",
        lora3="koda:1.5",
        loras="owner/thing:0.6, frosting",
        size="1216x832",
        count=2,
        seed=77,
        steps=12,
        guidance=4.5,
        spoiler=True,
    )
    sent = easel.last
    assert (sent["size"], sent["num_images"], sent["seed"]) == ("1216*832", 2, 77)
    assert (sent["num_inference_steps"], sent["guidance_scale"]) == (12, 4.5)
    assert [(lora["path"], lora["scale"]) for lora in sent["loras"]] == [
        ("linoyts/yarn_art_Flux_LoRA", 0.8),
        ("XLabs-AI/flux-RealismLora", 0.8),
        ("alvdansen/flux-koda", 1.5),
        ("owner/thing", 0.6),
        ("alvdansen/frosting_lane_flux", 1.0),
    ]
    assert sent["prompt"].startswith("a red fox, yarn art style")
    assert "Added for yarn: yarn art style" in message.text
    assert [size_of(shown.data) for shown in message.pictures] == [(1216, 832)] * 2
    assert [shown.spoiler for shown in message.pictures] == [True, True]
    assert "seed 77" in message.text
    assert "$0.03" in message.text
    assert message.buttons == ["🔄 Re-roll", "✏️ Edit prompt", "🗑️ Delete", "ℹ️ Details", "🎨 1", "🎨 2"]


async def test_width_height_and_flags_in_the_prompt(easel: House) -> None:
    _, message = await asyncio.gather(
        easel.drawn("a lighthouse", width=640, height=768),
        easel.drawn("a fox, asleep --ar 16:9 --seed 7 —n 2 --lora yarn:0.8 --cfg 3"),
    )
    assert easel.sent("a lighthouse")[0]["size"] == "640*768"
    (sent,) = easel.sent("a fox, asleep, yarn art style")
    assert (sent["size"], sent["seed"], sent["num_images"], sent["guidance_scale"]) == ("1360*768", 7, 2, 3.0)
    text = parameters_of(message.pictures[0].data)
    assert text is not None
    assert "Seed: 7" in text


async def test_what_is_wrong_is_told_privately_with_the_way_out(easel: House) -> None:
    assert "--seed" in await refused(easel, "a fox --sed 7")
    assert "yarn" in await refused(easel, "a fox", lora1="yran")
    assert "twice" in await refused(easel, "a fox --seed 7", seed=8)
    assert "goes from 0 to 4" in await refused(easel, "a fox", lora1="yarn:9")
    assert "/lora list" in await refused(easel, "a fox", lora1="https://example.org/x.safetensors")
    assert "add the picture" in await refused(easel, "a fox", attachments={"mask": ("m.png", picture())})
    injected = await refused(easel, "a fox", loras="[x](https://evil.example):@everyone")
    assert "@everyone" not in injected
    assert "](" not in re.sub(r"\\.", "", injected)


async def test_an_image_and_a_mask(easel: House) -> None:
    files = {"image": ("cat.jpg", picture(900, 700, "teal", "JPEG")), "mask": ("m.png", picture(900, 700, "white"))}
    photo = {"image": ("cat.webp", picture(512, 512, "teal", "WEBP"))}
    before = len(easel.simulator.uploads)
    edited = await easel.discord.command(
        "edit", {"prompt": "as a watercolour"}, user=easel.ben, channel=easel.channel, attachments=photo
    )
    message = await easel.drawn("a cat made of glass", strength=0.55, attachments=files)
    assert (await edited.settled(20)).pictures
    (sent,) = easel.sent("a cat made of glass")
    assert sent["strength"] == 0.55
    assert sent["image"]
    assert sent["mask_image"]
    assert easel.sent("as a watercolour")[0]["image"]
    assert len(easel.simulator.uploads) == before + 3
    wide, high = size_of(message.pictures[0].data)
    assert wide / high == pytest.approx(900 / 700, rel=0.03)
    assert "from a picture, strength 0.55" in message.text


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({"image": ("cat.png", b"\x89PNG\r\n\x1a\n broken")}, "picture"),
        ({"image": ("cat.png", b"GIF89a" + b"\0" * 50)}, "picture"),
        ({"image": ("cat.png", b"")}, "picture"),
        ({"image": ("cat.png", picture(800, 600)), "mask": ("m.png", picture(640, 640))}, "mask"),
    ],
    ids=["broken", "another type", "empty", "mask of another size"],
)
async def test_a_bad_file_is_said_kindly_and_costs_nothing(
    easel: House, files: dict[str, tuple[str, bytes]], word: str
) -> None:
    posts = easel.simulator.posts
    asked = await easel.imagine("a cat", attachments=files)
    message = await asked.settled()
    assert "That didn't work" in message.text
    assert word in message.text.lower()
    assert message.pictures == []
    assert easel.simulator.posts == posts


async def test_a_private_picture_is_for_one_person_and_carries_no_parameters(easel: House) -> None:
    seen = len(easel.discord.seen_in(easel.channel))
    asked = await easel.imagine("a secret garden", private=True)
    message = await asked.settled(20)
    assert message.ephemeral
    assert message.pictures
    assert parameters_of(message.pictures[0].data) is None
    assert "garden" not in message.pictures[0].alt
    assert len(easel.discord.seen_in(easel.channel)) == seen
    shown = await easel.discord.command("show", {"id": short(message.text)}, user=easel.ben, channel=easel.channel)
    assert "no picture" in await shown.told()


async def test_the_commands_that_look(easel: House) -> None:
    message = await easel.drawn("a paper boat", user=easel.mia)
    number = short(message.text)

    async def said(name: str, options: dict[str, object] | None = None) -> str:
        asked = await easel.discord.command(name, options, user=easel.mia, channel=easel.channel)
        assert asked.ack is not None
        assert asked.ack.ephemeral
        return await asked.told()

    assert "a paper boat" in await said("history")
    assert number in await said("history")
    assert "Nothing of yours" in await said("queue")
    assert "Nothing of yours" in await said("cancel")
    assert "yarn" in await said("lora list")
    assert "yarn" in await said("lora list", {"search": "wool"})
    assert "yarn art style" in await said("lora info", {"name": "yarn"})
    assert "There is no LoRA" in await said("lora info", {"name": "yrn"})
    assert "/imagine" in await said("help")
    assert "Awake and ready" in await said("ping")
    shown = await easel.discord.command("show", {"id": number}, user=easel.ben, channel=easel.channel)
    await shown.told()
    assert shown.message is not None
    assert shown.message.ephemeral
    assert shown.message.pictures[0].data == message.pictures[0].data
    assert "no picture" in await said("show", {"id": "zzzzzz"})


async def test_autocomplete_answers_from_memory(easel: House) -> None:
    async def typed(text: str, option: str = "lora1") -> list[object]:
        found = await easel.discord.autocomplete("imagine", option, text, user=easel.ana, channel=easel.channel)
        assert len(found.choices) <= 25
        times.append(found.ms)
        return found.values

    times: list[float] = []
    assert await typed("")
    assert (await typed("yar"))[0] == "yarn"
    assert (await typed("yarn:0.8"))[0] == "yarn:0.8"
    assert "yarn" in await typed("crochet", "lora2")
    assert "koda" in await typed("flmft", "lora3")
    assert await typed("nothing like this") == []
    assert sorted(times)[len(times) // 2] < 100


async def test_what_discord_knows_of_the_commands(easel: House) -> None:
    """Types, ranges and choices: what is out of them can't even be sent."""
    known = {command["name"]: command for command in easel.discord.catalogue.all()}
    options = {option["name"]: option for option in known["imagine"]["options"]}
    types = {name: option["type"] for name, option in options.items()}
    assert types == {
        **dict.fromkeys(("prompt", "lora1", "lora2", "lora3", "loras", "size"), 3),
        **dict.fromkeys(("width", "height", "count", "seed", "steps"), 4),
        **dict.fromkeys(("guidance", "strength"), 10),
        **dict.fromkeys(("image", "mask"), 11),
        **dict.fromkeys(("spoiler", "private"), 5),
    }
    assert {option["name"] for option in options.values() if option.get("autocomplete")} == {"lora1", "lora2", "lora3"}
    assert known.keys() >= {"edit", "show", "history", "queue", "cancel", "lora", "help", "ping"}
    assert known.keys() >= {"Image details", "Use as source image", "Mark as spoiler"}
    for bad in ({"width": 511}, {"height": 1537}, {"count": 5}, {"steps": 51}, {"guidance": 10.5}, {"size": "12x12"}):
        with pytest.raises(NotOffered):
            await easel.imagine("a fox", **bad)
    assert easel.discord.syncs == 1


async def test_a_prompt_can_neither_ping_nor_format(easel: House) -> None:
    prompt = "@everyone <@1> **bold** [free](https://evil.example) `code`\n# big <#2>"
    message = await easel.drawn(prompt)
    assert easel.last["prompt"] == prompt
    for edit in message.history:
        assert edit.body["allowed_mentions"] == {"parse": []}
        bare = re.sub(r"\\.", "", edit.text)
        for live in ("@everyone", "<@", "<#", "**", "](", "`", "https://"):
            assert live not in bare
        assert not re.search(r"^(> )?#", bare.replace("### ", ""), re.MULTILINE)


async def test_in_threads_direct_messages_and_where_only_a_person_installed_it(easel: House) -> None:
    thread = easel.discord.thread(easel.channel)
    direct = easel.discord.direct(easel.ben)
    friends = easel.discord.group(easel.ana, easel.ben)
    elsewhere = easel.discord.channel(easel.discord.guild("elsewhere", bot_inside=False))
    places = [(thread, False), (direct, False), (friends, True), (elsewhere, True)]

    async def drawn_in(channel: Channel, installed: bool) -> None:
        message = await easel.drawn("a kite", user=easel.ben, channel=channel, user_install=installed)
        assert len(message.pictures) == 1, channel.name
        assert message.channel is channel

    await asyncio.gather(*(drawn_in(*place) for place in places))
    forced = await easel.imagine(
        "a kite", channel=elsewhere, user_install=True, permissions={"send_messages", "attach_files"}
    )
    assert (await forced.settled(20)).ephemeral


async def test_missing_permissions_are_said_before_anything_is_paid(easel: House) -> None:
    channel = easel.discord.channel(easel.guild, "narrow")
    channel.bot_permissions = channel.bot_permissions - {"attach_files"}
    assert "Attach Files" in await refused(easel, "a fox", channel=channel)
    thread = easel.discord.thread(easel.channel, "quiet")
    thread.bot_permissions = thread.bot_permissions - {"send_messages_in_threads"}
    assert "Send Messages in Threads" in await refused(easel, "a fox", channel=thread)


async def test_an_old_interaction_is_not_worked_on(easel: House) -> None:
    posts = easel.simulator.posts
    asked = await easel.imagine("too late", age=2.8)
    assert asked.failed
    async with asyncio.timeout(5):
        while "came too late" not in easel.bot.lines():
            await asyncio.sleep(0.02)
    assert easel.simulator.posts == posts


async def test_the_log_holds_no_prompt_key_or_token(easel: House) -> None:
    """Last: after all that was asked before."""
    lines = easel.bot.lines()
    assert "delivered" in lines
    secrets = ["a-key", easel.discord.token, "red fox", "secret garden", "paper boat", "@everyone", "evil.example"]
    tokens = list(easel.discord.asked)
    assert [word for word in [*secrets, *tokens] if word in lines] == []


def short(text: str) -> str:
    found = re.search(r"id ([0-9a-z]{6,})", text)
    assert found, text
    return found[1]
