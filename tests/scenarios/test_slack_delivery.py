"""A finished picture reaches its person by whatever way is left, once, whatever Slack does meanwhile."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.scenarios.slack_house import SlackHouse, slack_house
from tests.scenarios.test_slack_crash import closed
from tests.servers.slack_asked import Asked, NotOffered

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SlackHouse]:
    environment = {"EASEL_LIMIT_PER_PERSON": "20", "SLACK_PROGRESS_PER_MINUTE": "50"}
    async with slack_house(tmp_path_factory.mktemp("delivery"), environment=environment) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def easel(shared: SlackHouse) -> AsyncIterator[SlackHouse]:
    yield shared.moved_in()
    await shared.check()


# ---- before anything is paid ----


async def test_where_it_is_no_member_it_says_so_first_and_offers_another_way(easel: SlackHouse) -> None:
    slack, outside = easel.slack, easel.slack.channel("outside", bot_inside=False)
    secret = slack.channel("secret", easel.ana, private=True, bot_inside=False)
    posts = easel.simulator.posts
    with pytest.raises(NotOffered):
        await slack.mention(easel.ana, outside, "a fox")
    asked = await easel.imagine("a walled garden --seed 5", channel=outside)
    assert "/invite @easel" in await asked.told()
    hidden = await easel.imagine("a locked door", channel=secret)
    assert "/invite @easel" in await hidden.told()
    assert easel.simulator.posts == posts
    assert "Nothing of yours" in await easel.said("queue")
    await slack.press(easel.ana, asked.answers[-1], "Send it to me directly instead")
    await easel.answer(slack.direct(easel.ana), "a walled garden")
    assert easel.sent("a walled garden")[0]["seed"] == 5
    assert slack.visible(outside) == slack.visible(secret) == []
    outside.bot_inside = True
    await easel.drawn("an open gate", channel=outside)


async def test_a_form_for_a_place_where_it_is_no_member(easel: SlackHouse) -> None:
    slack, outside = easel.slack, easel.slack.channel("outside too", bot_inside=False)
    direct, posts = slack.direct(easel.mia), easel.simulator.posts
    form = await (await slack.shortcut(easel.mia, "easel_create")).form()
    await slack.submit(easel.mia, form, {"prompt": "a garden wall", "channel": outside})
    await slack.until(lambda: [m for m in slack.by_bot(direct) if "/invite @easel" in m.text])
    (told,) = slack.by_bot(direct)
    assert easel.simulator.posts == posts
    await slack.press(easel.mia, told, "Send it to me directly instead")
    await easel.answer(direct, "a garden wall")


# ---- when the place goes ----


@pytest.mark.parametrize("how", ["bot_inside", "archived", "gone"])
async def test_a_place_that_goes_meanwhile_ends_in_direct_messages(easel: SlackHouse, how: str) -> None:
    prompt = f"a falling star of {how}"
    await easel.running(prompt, seconds=1.0)
    setattr(easel.channel, how, how != "bot_inside")
    message = await easel.answer(easel.slack.direct(easel.ana), prompt)
    assert len(message.pictures) == 1
    assert [m for m in easel.slack.by_bot(easel.channel) if m.pictures] == []


async def test_where_every_way_is_closed_it_is_kept_for_the_history(easel: SlackHouse) -> None:
    slack, leo = easel.slack, easel.slack.user("leo")
    await easel.running("a closed door", seconds=1.0, user=leo)
    easel.channel.gone, leo.deleted = True, True
    await closed(easel.bot.data)
    leo.deleted = False
    told = await easel.said("history", user=leo, channel=slack.channel("lounge"))
    assert "not posted" in told
    found = re.search(r"([0-9a-z]{6,}) .*not posted", told)
    assert found
    await easel.imagine(f"show {found[1]}", user=leo, channel=slack.direct(leo))
    await easel.answer(slack.direct(leo), "a closed door")


async def test_a_deleted_message_comes_anew_once(easel: SlackHouse) -> None:
    growing = await easel.running("a shy deer", seconds=1.0)
    easel.slack.remove(growing)
    message = await easel.answer(easel.channel, "a shy deer")
    assert message is not growing
    details = await easel.slack.press(easel.ben, message, "Details")
    assert "a shy deer" in await details.told()


# ---- when Slack fails ----

FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "a stubborn mule": ("files.getUploadURLExternal", {"status": 500, "times": 3}),
    "a patient ox": ("files.completeUploadExternal", {"status": 429, "retry_after": 1, "times": 2}),
    "a lost answer": ("files.completeUploadExternal", {"status": 500, "after": True}),
    "a cut wire": ("files.completeUploadExternal", {"drop": True, "after": True}),
    "a torn letter": ("files.completeUploadExternal", {"error": "internal_error", "after": True}),
    "a full ship": ("upload", {"status": 503, "times": 2}),
    "a blind owl": ("files.info", {"status": 500, "times": 4}),
    "a slow clerk": ("files.info", {"status": 429, "retry_after": 1, "times": 2}),
    "a stuck broom": ("chat.delete", {"status": 500, "times": 2}),
}


@pytest.mark.parametrize("prompt", FAULTS)
async def test_server_errors_rate_limits_and_lost_answers_at_the_end(easel: SlackHouse, prompt: str) -> None:
    await easel.running(prompt, seconds=1.0)
    method, fault = FAULTS[prompt]
    planned = easel.slack.fail(rf"^{re.escape(method)}$", **fault)
    message = await easel.answer(easel.channel, prompt, 40)
    assert planned.hits == fault.get("times", 1)
    assert len(message.pictures) == 1
    assert easel.slack.visible(easel.channel) == [message]


async def test_slack_is_down_while_pictures_finish(easel: SlackHouse) -> None:
    prompts = ("one lamp", "two lamps", "three lamps")
    for prompt in prompts:
        await easel.running(prompt, seconds=1.5)
    easel.slack.refusing = True
    await easel.simulator.until(lambda: len(easel.simulator.finished_at) == len(easel.simulator.submits))
    await asyncio.sleep(1.0)  # some tries fail in that time
    easel.slack.refusing = False
    for prompt in prompts:
        await easel.answer(easel.channel, prompt, 40)
    assert len(easel.slack.visible(easel.channel)) == 3


async def test_an_upload_that_slack_takes_and_shows_nowhere(easel: SlackHouse) -> None:
    """As it now and then happens: after a while the files are deleted and uploaded anew, so that no late one doubles."""
    await easel.running("a vanishing act", seconds=1.0)
    easel.slack.lost_shares = 1
    message = await easel.answer(easel.channel, "a vanishing act", 40)
    assert easel.slack.lost_shares == 0
    assert len(message.pictures) == 1
    lost = [file for file in easel.slack.files.values() if file.completed and not file.shares and file.owner.bot]
    assert all(file.deleted for file in lost)


async def test_slack_shares_late(easel: SlackHouse) -> None:
    """The answer comes seconds before the message: nothing is repeated meanwhile."""
    easel.slack.share_delay = 3.0
    try:
        await easel.drawn("a late bloomer")
    finally:
        easel.slack.share_delay = 0.05
    assert len(easel.slack.visible(easel.channel)) == 1


# ---- when the connections break ----


async def test_one_connection_breaks_and_nothing_is_lost(easel: SlackHouse) -> None:
    slack, before = easel.slack, easel.slack.socket.opened
    await easel.running("a rope bridge", seconds=1.5)
    assert slack.cut_sockets(1) == 1
    asked = await asyncio.gather(
        *(slack.type(easel.ben, slack.channel(f"gap{number}"), f"/imagine a gap {number}") for number in range(4))
    )
    assert [one.failed for one in asked] == [None] * 4
    await slack.until(lambda: slack.socket.opened == before + 1 and len(slack.socket.live) == 2, 20)
    await easel.answer(easel.channel, "a rope bridge")
    for one in asked:
        assert one.channel is not None
        await easel.answer(one.channel, "a gap")


async def test_both_connections_break_and_events_come_again(easel: SlackHouse) -> None:
    slack, before = easel.slack, easel.slack.socket.opened
    await easel.running("a drawbridge", seconds=1.5)
    slack.cut_sockets()
    missed = await slack.type(easel.ben, easel.channel, "/imagine a missed call")
    mentioned = await slack.mention(easel.mia, easel.channel, "a second call")
    assert missed.failed == "dispatch_failed"
    assert mentioned.failed is None
    assert mentioned.attempts > 1
    await slack.until(lambda: slack.socket.opened >= before + 2 and len(slack.socket.live) == 2, 20)
    await easel.answer(easel.channel, "a drawbridge")
    await easel.answer(easel.channel, "a second call")
    assert easel.sent("a missed call") == []
    assert (await easel.bot.http("/readyz"))[0] == 200


async def test_slack_asks_to_connect_anew(easel: SlackHouse) -> None:
    """Both at once, since they were opened at once: the new ones stand before the old ones are left."""
    slack, before = easel.slack, easel.slack.socket.opened
    await easel.running("a relay race", seconds=1.5)
    await slack.refresh_sockets()
    asked: list[Asked] = []
    while slack.socket.opened < before + 2 or len(asked) < 5:
        asked.append(await slack.type(easel.ben, easel.channel, "/imagine queue"))
    assert [one.failed for one in asked if one.failed] == []
    old = list(slack.socket.live)[:-2]
    for connection in old:
        connection.cut()
    assert (await slack.type(easel.ben, easel.channel, "/imagine queue")).failed is None
    await easel.answer(easel.channel, "a relay race")


async def test_an_address_that_is_good_no_more_is_asked_for_anew(easel: SlackHouse) -> None:
    """Slack gives out each of them for one try within seconds."""
    slack, given = easel.slack, easel.slack.socket.ticket
    slack.socket.ticket = lambda: given().replace("ticket=", "ticket=late-")  # type: ignore[method-assign]
    slack.cut_sockets()
    asked = slack.requests["apps.connections.open"]
    await slack.until(lambda: slack.requests["apps.connections.open"] >= asked + 2, 20)
    slack.socket.ticket = given  # type: ignore[method-assign]
    await slack.online(2, 30)
    await easel.drawn("a fresh start")


async def test_what_is_delivered_twice_is_drawn_once(easel: SlackHouse) -> None:
    slack, posts = easel.slack, easel.simulator.posts
    asked = await slack.mention(easel.ana, easel.channel, "an echo")
    slack.redeliver(asked)
    await easel.answer(easel.channel, "an echo")
    slack.redeliver(asked)
    await easel.drawn("something after it")
    assert easel.simulator.posts == posts + 2
    assert len(slack.by_bot(easel.channel)) == 2


async def test_stopped_while_it_runs_it_comes_after_the_next_start(easel: SlackHouse) -> None:
    """Last in this module. Slack delivers an event again when nobody was there."""
    await easel.running("a sleeping bear", seconds=1.0)
    await easel.running("a sleeping cat", seconds=1.0)
    assert await easel.bot.stop() < 10
    easel.slack.delivery.retries = (0.1, *[1.0] * 40)  # they outlast a slow start
    mentioned = await easel.slack.mention(easel.ben, easel.channel, "a sleeping dog", wait=False)
    await easel.bot.start()
    for prompt in ("a sleeping bear", "a sleeping cat", "a sleeping dog"):
        await easel.answer(easel.channel, prompt)
        assert len(easel.sent(prompt)) == 1
    assert mentioned.failed is None
    assert len(easel.slack.by_bot(easel.channel)) == 3
    slack = easel.slack
    slack.redeliver(mentioned)
    await easel.drawn("a rooster")
    assert len(easel.sent("a sleeping dog")) == 1
