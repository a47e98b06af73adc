"""What may show on Slack, and how much one may ask: the operator's rules, as people meet them there."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from adapters.wavespeed.faults import Script
from tests.scenarios.slack_house import SlackHouse, short, slack_house

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["age_restricted", "block"])
async def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SlackHouse]:
    rules = {"EASEL_NSFW": request.param, "EASEL_UNKNOWN_NSFW": "show"}
    limits = {"EASEL_LIMIT_PER_DAY": "4", "EASEL_LIMIT_PER_PERSON": "1", "EASEL_QUEUE_PER_PERSON": "1"}
    async with slack_house(tmp_path_factory.mktemp("rules"), environment=rules | limits, learnt=False) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def easel(shared: SlackHouse) -> AsyncIterator[SlackHouse]:
    yield shared.moved_in()
    await shared.check()


async def test_a_flagged_picture_is_withheld_and_told_privately(easel: SlackHouse) -> None:
    """Slack knows no age-restricted channels, so both rules withhold everywhere, also in direct messages."""
    slack = easel.slack
    files = len(slack.files)
    for channel in (easel.channel, slack.direct(easel.ana)):
        asked = await easel.imagine("an nsfw bust", channel=channel)
        await slack.until(lambda channel=channel: easel.about(channel, "an nsfw bust"), 20)  # type: ignore[misc]
        await slack.until(lambda: not easel.growing(), 20)
        (message,) = easel.about(channel, "an nsfw bust")
        assert message.pictures == []
        assert "not shown" in message.text
        assert not any("original" in button for button in message.buttons)
        if channel is easel.channel:
            assert "safety check flagged" in await asked.told()
    assert len(slack.files) == files
    assert slack.visible(easel.channel) == easel.about(easel.channel, "an nsfw bust")
    assert "withheld" in await easel.said("history")
    (message,) = easel.about(easel.channel, "an nsfw bust")
    number = short(message.text)
    assert "not shown here" in await easel.said(f"show {number}")
    assert "no picture" in await easel.said(f"show {number}", user=easel.ben)
    assert len(slack.files) == files


async def test_a_picture_that_was_not_judged_is_shown(easel: SlackHouse) -> None:
    easel.simulator.script(Script(nsfw=None), prompt="an unjudged hat")
    message = await easel.drawn("an unjudged hat", user=easel.mia)
    assert "preview" not in message.pictures[0].name


async def test_limits_are_told_privately(easel: SlackHouse) -> None:
    slack = easel.slack
    easel.simulator.script(Script(seconds=60.0), Script(seconds=60.0), prompt="a long")
    running = await easel.running("a long road", user=easel.ben)
    await easel.imagine("a long river", user=easel.ben)
    await slack.until(lambda: [m for m in easel.about(easel.channel, "a long river") if "in line" in m.text], 10)
    (waiting,) = easel.about(easel.channel, "a long river")
    assert "already have 2 jobs" in await easel.said("a third thing", user=easel.ben)
    assert easel.sent("a long river") == []
    free = await slack.press(easel.ben, waiting, "Cancel")
    assert "paid" not in await free.told()
    await easel.until(waiting, "Cancelled")
    await slack.press(easel.ben, running, "Cancel")
    await easel.until(running, "Cancelled")
    noor = slack.user("noor")
    await easel.drawn("two kites --n 2", user=noor)  # another person is not held up
    assert "you have 2 left" in await easel.said("three more --n 3", user=noor)
