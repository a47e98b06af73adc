"""Slack over Easel's own HTTP port: all that comes by Socket Mode comes here, too, proved by its signature, fresh, and once."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from tests.scenarios.slack_house import SlackHouse, slack_house

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SlackHouse]:
    folder = tmp_path_factory.mktemp("http")
    async with slack_house(folder, environment={"SLACK_MODE": "http"}, learnt=False) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def easel(shared: SlackHouse) -> AsyncIterator[SlackHouse]:
    yield shared.moved_in()
    await shared.check()


async def test_what_comes_by_socket_comes_by_http(easel: SlackHouse) -> None:
    """A line, a form with its search and an error at its field, a mention in a thread, buttons, shortcuts, the App Home."""
    slack = easel.slack
    assert slack.socket.opened == 0
    view = await (await easel.imagine("")).form()
    assert (await slack.suggest(easel.ana, view, "easel_in:lora1", "yar")).values[0] == "yarn"
    wrong = await slack.submit(easel.ana, view, {"prompt": "a kettle --sed 7"})
    assert "--seed" in wrong.errors["prompt"]
    right = await slack.submit(easel.ana, view, {"prompt": "a kettle --seed 7"})
    assert right.errors == {}
    parent = slack.say(easel.ben, easel.channel, "what about a teapot?")
    await slack.mention(easel.ben, easel.channel, "a teapot", thread=parent)
    kettle, teapot = await easel.answer(easel.channel, "a kettle"), await easel.answer(easel.channel, "a teapot")
    assert (kettle.thread_ts, teapot.thread_ts) == (None, parent.ts)
    assert easel.sent("a kettle")[0]["seed"] == 7

    details = await slack.message_shortcut(easel.mia, kettle, "easel_details")
    assert "a kettle" in await details.told()
    form = await (await slack.press(easel.mia, kettle, "Edit prompt")).form()
    await slack.submit(easel.mia, form, {"prompt": "a samovar"})
    await easel.answer(easel.channel, "a samovar")
    running = await easel.running("a slow cooker", user=easel.mia)
    await slack.open_home(easel.mia)
    await slack.until(lambda: easel.mia.home is not None and "a slow cooker" in easel.mia.home.text)
    assert easel.mia.home is not None
    await slack.press(easel.mia, easel.mia.home, "Cancel")
    await easel.until(running, "Cancelled")
    view = await (await slack.shortcut(easel.mia, "easel_create")).form()
    await slack.submit(easel.mia, view, {"prompt": "a hidden spoon", "channel": None})
    await easel.answer(slack.direct(easel.mia), "a hidden spoon")


async def test_slack_may_look_whether_the_address_is_ours(easel: SlackHouse) -> None:
    answer = await easel.slack.verify_url("is it you?")
    assert answer.status == 200
    assert "is it you?" in str(answer.body)


async def test_what_is_forged_unsigned_or_old_is_refused(easel: SlackHouse) -> None:
    slack = easel.slack
    asked = await easel.imagine("a paper crane")
    await easel.answer(easel.channel, "a paper crane")
    mentioned = await slack.mention(easel.ben, easel.channel, "a wooden crane")
    await easel.answer(easel.channel, "a wooden crane")
    posts = easel.simulator.posts
    for one in (asked, mentioned):
        body, content_type = slack.delivery.http.written(one)
        refused = [
            await slack.forged(one),
            await slack.aged(one),
            await slack.aged(one, -400.0),
            await slack.post_raw(body, content_type, signature=""),
            await slack.post_raw(body, content_type, signature="v0=" + "0" * 64),
        ]
        assert [answer.status for answer in refused] == [401] * len(refused)
    await easel.drawn("an iron crane")
    assert easel.simulator.posts == posts + 1
    assert len(slack.visible(easel.channel)) == 4  # what ben said, and three cranes


async def test_what_is_replayed_is_one_job(easel: SlackHouse) -> None:
    """Commands, presses and events: the same bytes signed anew, or under the very same signature."""
    slack = easel.slack
    asked = await easel.imagine("a music box")
    message = await easel.answer(easel.channel, "a music box")
    pressed = await slack.press(easel.ben, message, "Details")
    told = await pressed.told()
    mentioned = await slack.mention(easel.mia, easel.channel, "a snow box")
    await easel.answer(easel.channel, "a snow box")
    posts = easel.simulator.posts
    for one in (asked, pressed, mentioned):
        for _ in range(2):
            assert (await slack.replay(one)).status < 500
    slack.redeliver(mentioned)
    await easel.drawn("a tin box")
    assert easel.simulator.posts == posts + 1
    assert pressed.private == [told]
    assert len(easel.about(easel.channel, "box")) == 3


async def test_a_command_that_is_minutes_old_is_not_worked_on(easel: SlackHouse) -> None:
    """Its person read long ago that it failed. How late is late shows by those that came before."""
    await easel.said("queue")
    posts = easel.simulator.posts
    fields = "command=%2Fimagine&text=a+late+guest&team_id={}&user_id={}&channel_id={}&trigger_id=1.2.3"
    body = fields.format(easel.slack.team.id, easel.ana.id, easel.channel.id)
    answer = await easel.slack.post_raw(body, "application/x-www-form-urlencoded", age=60.0)
    assert answer.status == 200
    await easel.drawn("an early guest")
    assert easel.simulator.posts == posts + 1
    assert easel.sent("a late guest") == []
    assert "came too late" in easel.bot.lines()


async def test_nonsense_is_no_failure_of_ours(easel: SlackHouse) -> None:
    slack = easel.slack
    form = "application/x-www-form-urlencoded"
    for body, content_type in (
        ("", form),
        ("{}", "application/json"),
        ("[1]", "application/json"),
        ("{", "application/json"),
        ("payload=%7B%7D", form),
        ("payload=not+json", form),
    ):
        answer = await slack.post_raw(body, content_type)
        assert answer.status < 500, body
        answer = await slack.post_raw(body, content_type, signature="")
        assert 400 <= answer.status < 500, body
    async with (
        aiohttp.ClientSession() as stranger,
        stranger.post(slack.request_url, data=io.BytesIO(b"x" * 2_000_000)) as refused,
    ):
        assert refused.status == 413
    await easel.drawn("all is well")


async def test_it_comes_again_when_nobody_was_there(easel: SlackHouse) -> None:
    """Last in this module: Slack tries an event again, if in greater steps than here."""
    slack = easel.slack
    await easel.running("a sleeping owl", seconds=1.0)
    slack.delivery.retries = (0.1, *[1.0] * 40)
    await easel.bot.kill()
    mentioned = await slack.mention(easel.ben, easel.channel, "a sleeping mouse", wait=False)
    await easel.bot.start()
    for prompt in ("a sleeping owl", "a sleeping mouse"):
        await easel.answer(easel.channel, prompt)
        assert len(easel.sent(prompt)) == 1
    assert mentioned.attempts > 1
