"""A finished picture reaches its person by whatever way is left, once, whatever Discord does meanwhile."""

from __future__ import annotations

import asyncio
import io
import random
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from adapters.wavespeed.faults import Script
from tests.scenarios.house import House, house
from tests.servers.discord_asked import Asked
from tests.servers.discord_world import Channel, Message

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(tmp_path_factory.mktemp("delivery"), environment={"EASEL_LIMIT_PER_PERSON": "20"}) as made:
        yield made


@pytest.fixture
def easel(shared: House) -> Iterator[House]:
    paid = len(shared.simulator.charged)
    yield shared
    shared.check()
    assert len(shared.simulator.charged) > paid


async def generating(easel: House, prompt: str, *, seconds: float = 1.0, **where: Any) -> Asked:
    """A picture that is being drawn; it ends in `seconds`."""
    easel.simulator.script(Script(seconds=seconds), prompt=prompt)
    asked = await easel.imagine(prompt, **where)
    await asked.until(lambda message: "Generating" in message.text)
    return asked


async def arrives(easel: House, channel: Channel, prompt: str, timeout: float = 25.0) -> Message:
    """The one message in this channel that shows the picture of this prompt."""

    def found() -> list[Message]:
        return [m for m in easel.discord.seen_in(channel) if m.pictures and prompt in m.text]

    await easel.discord.until(found, timeout)
    (message,) = found()
    return message


async def kept_in_history(easel: House, prompt: str) -> None:
    """Not posted anywhere, and told so in the history, from where it can be shown."""
    async with asyncio.timeout(25):
        while True:
            asked = await easel.discord.command("history", user=easel.ana, channel=easel.channel)
            told = await asked.told()
            if re.search(rf"not posted.*\n> {prompt}", told):
                break
            await asyncio.sleep(0.2)
    found = re.search(rf"([0-9a-z]{{6,}}) .*not posted.*\n> {prompt}", told)
    assert found
    shown = await easel.discord.command("show", {"id": found[1]}, user=easel.ana, channel=easel.channel)
    await shown.told()
    assert shown.message is not None
    assert len(shown.message.pictures) == 1


async def test_a_token_that_ended_falls_to_the_bots_own_edit(easel: House) -> None:
    asked = await generating(easel, "a late train")
    asked.expired = True
    message = await arrives(easel, easel.channel, "a late train")
    assert message is asked.original
    assert message.history[-1].by == "bot"


async def test_server_errors_rate_limits_and_lost_answers_at_the_end(easel: House) -> None:
    faults: dict[str, dict[str, object]] = {
        "a stubborn mule": {"status": 500, "times": 3},
        "a patient ox": {"status": 429, "retry_after": 0.7, "times": 2},
        "a lost answer": {"status": 500, "after": True, "times": 2},
        "a cut wire": {"drop": True, "times": 2},
    }
    asked = [await generating(easel, prompt, seconds=1.5) for prompt in faults]
    for one, fault in zip(asked, faults.values(), strict=True):
        easel.discord.fail("PATCH", f"/{one.token}/messages/@original", **fault)
    for one, prompt in zip(asked, faults, strict=True):
        message = await one.settled(25)
        assert len(message.pictures) == 1
        assert [m for m in easel.discord.seen_in(easel.channel) if prompt in m.text] == [message]


async def test_a_deleted_message_comes_anew_once(easel: House) -> None:
    asked = await generating(easel, "a shy deer")
    assert asked.original is not None
    asked.original.deleted = True
    message = await arrives(easel, easel.channel, "a shy deer")
    assert message is not asked.original
    assert message.nonce
    assert "🔄 Re-roll" in message.buttons
    details = await easel.discord.press(message, "Details", user=easel.ben)
    assert "a shy deer" in await details.told()
    gone = await easel.discord.press(message, "Delete", user=easel.ana)
    await gone.acked()
    await message.changes.until(lambda: message.deleted, 10, lambda: repr(message))


async def test_a_channel_that_is_gone_ends_in_direct_messages(easel: House) -> None:
    channel = easel.discord.channel(easel.guild, "doomed")
    await generating(easel, "a falling star", channel=channel)
    channel.gone = True
    message = await arrives(easel, easel.discord.direct(easel.ana), "a falling star")
    assert len(message.pictures) == 1


async def test_where_every_way_is_closed_it_is_kept_for_the_history(easel: House) -> None:
    channel = easel.discord.channel(easel.guild, "doomed too")
    await generating(easel, "a closed door", channel=channel)
    channel.gone = True
    easel.ana.dms_open = False
    try:
        await kept_in_history(easel, "a closed door")
    finally:
        easel.ana.dms_open = True


async def test_an_ephemeral_message_without_its_token_ends_in_the_history(easel: House) -> None:
    asked = await generating(easel, "a hidden cave", private=True)
    asked.expired = True
    await kept_in_history(easel, "a hidden cave")


async def test_a_picture_over_the_limit_is_posted_as_jpeg(easel: House) -> None:
    easel.discord.size_limit = 700_000
    easel.simulator.script(Script(picture=noise()), prompt="a sandstorm")
    try:
        message = await easel.drawn("a sandstorm", size="1024x1024")
    finally:
        easel.discord.size_limit = 10 << 20
    (shown,) = message.pictures
    assert shown.name.endswith((".jpg", ".jpeg"))
    assert len(shown.data) <= 700_000


async def test_discord_is_down_while_pictures_finish(easel: House) -> None:
    asked = [await generating(easel, prompt, seconds=1.0) for prompt in ("one lamp", "two lamps", "three lamps")]
    easel.discord.refusing = True
    await easel.simulator.until(lambda: len(easel.simulator.finished_at) == len(easel.simulator.submits))
    await asyncio.sleep(1.0)  # some tries fail in that time
    easel.discord.refusing = False
    for one in asked:
        message = await one.settled(40)
        assert len(message.pictures) == 1
        assert message is one.original
    assert len([m for m in easel.discord.seen_in(easel.channel) if "lamp" in m.text]) == 3


async def test_the_gateway_is_cut_and_resumed(easel: House) -> None:
    resumes, identifies = easel.discord.gateway.resumes, easel.discord.gateway.identifies
    asked = await generating(easel, "a rope bridge", seconds=1.0)
    await easel.discord.gateway.cut()
    missed = await easel.imagine("asked while cut", wait=False)
    await easel.discord.gateway.changes.until(lambda: easel.discord.gateway.resumes > resumes, 20, lambda: "no resume")
    assert easel.discord.gateway.identifies == identifies
    assert len((await asked.settled(20)).pictures) == 1
    await missed.acked(5)
    if not missed.failed:
        await missed.settled(20)
    answered = [m for m in easel.discord.seen_in(easel.channel) if "asked while cut" in m.text]
    drawn = [submit for submit in easel.simulator.submits if submit.inputs["prompt"] == "asked while cut"]
    assert len(answered) == len(drawn) == (0 if missed.failed else 1)


async def test_a_new_session_after_the_old_one_is_forgotten(easel: House) -> None:
    identifies = easel.discord.gateway.identifies
    asked = await generating(easel, "a phoenix", seconds=1.0)
    await easel.discord.gateway.cut(resumable=False)
    await easel.discord.gateway.changes.until(
        lambda: easel.discord.gateway.identifies > identifies, 30, lambda: "no new session"
    )
    assert len((await asked.settled(20)).pictures) == 1
    assert (await easel.drawn("a second phoenix")).pictures
    assert easel.discord.syncs == 1


async def test_stopped_while_it_runs_it_comes_after_the_next_start(easel: House) -> None:
    """Last in this module. Its token ended while nobody was there."""
    asked, other = await generating(easel, "a sleeping bear"), await generating(easel, "a sleeping cat")
    assert await easel.bot.stop() < 10
    asked.expired = True
    await easel.bot.start()
    message = await arrives(easel, easel.channel, "a sleeping bear")
    assert message is asked.original
    assert (await other.settled(20)).pictures
    assert len(easel.sent("a sleeping bear")) == len(easel.sent("a sleeping cat")) == 1


def noise() -> bytes:
    data = random.Random(1).randbytes(1024 * 1024 * 3)
    file = io.BytesIO()
    Image.frombytes("RGB", (1024, 1024), data).save(file, "PNG", compress_level=1)
    return file.getvalue()
