"""Killed at every step boundary of a delivery on Slack: one visible answer for each command, paid once, its own picture.

Slack takes no name for a message or an upload that would make a repetition harmless: what keeps an answer from coming
twice is what was kept before each step, and what Slack says about it afterwards.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from adapters.wavespeed.simulator import Simulator
from bot.pictures import parameters_of
from tests.scenarios.easel_process import easel
from tests.scenarios.fatal import SLACK
from tests.scenarios.house import paid_once
from tests.servers.slack import SlackServer
from tests.servers.slack_asked import Asked
from tests.servers.slack_world import Message

POINTS = ["after Store.accept", *SLACK]

PROMPTS = ["a red fox", "a blue whale", "a green parrot"]


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(seconds=0.6, picture="png") as server:
        yield server


async def ask(slack: SlackServer) -> list[Asked]:
    """One by the command in a channel, one by a mention in a thread, one in direct messages."""
    channel = slack.channel("pictures")
    ana, ben, mia = (slack.user(name) for name in ("ana", "ben", "mia"))
    parent = slack.say(ben, channel, "what do you think of")
    return [
        await slack.type(ana, channel, f"/imagine {PROMPTS[0]}", wait=False),
        await slack.mention(ben, channel, PROMPTS[1], thread=parent, wait=False),
        await slack.direct_message(mia, PROMPTS[2], wait=False),
    ]


async def end_well(
    slack: SlackServer, simulator: Simulator, asked: list[Asked], data: Path, *, uncertain: int = 0
) -> None:
    """Whatever happened: one answer for each accepted job, none paid twice, none with another's picture. Of a POST in
    which it was killed nobody may know: so many may be told to have got lost.
    """
    accepted = accepted_prompts(data)
    rooms = {prompt: one.channel for prompt, one in zip(PROMPTS, asked, strict=True)}

    def answers(prompt: str) -> list[Message]:
        room = rooms[prompt]
        assert room is not None
        return [message for message in slack.by_bot(room) if prompt in message.text]

    await closed(data)
    lost = [prompt for prompt in accepted if any("got lost" in message.text for message in answers(prompt))]
    assert len(lost) <= uncertain
    for prompt in accepted:
        (message,) = answers(prompt)
        if prompt in lost:
            continue
        assert len(message.pictures) == 1, message
        text = parameters_of(message.pictures[0].data)
        assert text is not None
        assert text.startswith(prompt)
        assert "ℹ️ Details" in message.buttons
    others = [m for room in set(rooms.values()) if room for m in slack.by_bot(room) if not named(m)]
    assert [m.text for m in others] == ["Working on it…"] * len(others)
    assert len(others) <= len(PROMPTS) - len(accepted)
    thread = next(one.source for one in asked if one.source is not None and one.source.thread_ts)
    assert all(message.thread_ts == thread.thread_ts for message in answers(PROMPTS[1]))
    paid = paid_once(simulator)
    assert set(accepted) - set(lost) <= set(paid) <= set(accepted)
    assert slack.violations == []


def named(message: Message) -> bool:
    return any(prompt in message.text for prompt in PROMPTS)


def accepted_prompts(data: Path) -> list[str]:
    """Those whose job was committed: who asked before that has to ask again."""
    with closing(sqlite3.connect(f"file:{data / 'easel.sqlite'}?mode=ro", uri=True)) as database:
        requests = [request for (request,) in database.execute("SELECT request FROM jobs")]
    return [prompt for prompt in PROMPTS if any(prompt in request for request in requests)]


async def closed(data: Path, seconds: float = 50.0) -> None:
    """Until no job is open any more: that is written last, after all that Slack hears of."""
    async with asyncio.timeout(seconds):
        while still_open(data):
            await asyncio.sleep(0.05)


def still_open(data: Path) -> int:
    with closing(sqlite3.connect(f"file:{data / 'easel.sqlite'}?mode=ro", uri=True)) as database:
        (number,) = database.execute("SELECT count(*) FROM jobs WHERE state != 'closed'").fetchone()
    return int(number)


@pytest.mark.parametrize("point", POINTS)
async def test_a_kill_at_a_step_boundary(point: str, slack: SlackServer, simulator: Simulator, tmp_path: Path) -> None:
    async with easel(None, simulator, tmp_path / "data", slack=slack) as bot:
        await bot.start(fatal=point)
        asked = await ask(slack)
        await bot.died()
        await bot.start()
        await end_well(slack, simulator, asked, bot.data)
        assert "Traceback" not in bot.lines()


@pytest.mark.parametrize("point", ["before SlackReply._stand", "after SlackReply._stand"])
async def test_killed_while_nobody_knows_whether_slack_has_shared_it(
    point: str, slack: SlackServer, simulator: Simulator, tmp_path: Path
) -> None:
    """Slack was asked, has done it, and its answer is lost; then the power fails."""
    slack.fail("^files.completeUploadExternal$", drop=True, after=True)
    async with easel(None, simulator, tmp_path / "data", slack=slack) as bot:
        await bot.start(fatal=point)
        asked = await ask(slack)
        await bot.died()
        await bot.start()
        await end_well(slack, simulator, asked, bot.data)


async def test_killed_after_slack_took_the_pictures_and_showed_them_nowhere(
    slack: SlackServer, simulator: Simulator, tmp_path: Path
) -> None:
    slack.lost_shares = 1
    async with easel(None, simulator, tmp_path / "data", slack=slack) as bot:
        await bot.start(fatal="after SlackReply._complete")
        asked = await ask(slack)
        await bot.died()
        await bot.start()
        await end_well(slack, simulator, asked, bot.data)
    assert slack.lost_shares == 0


async def test_killed_before_slack_shows_what_it_took(slack: SlackServer, simulator: Simulator, tmp_path: Path) -> None:
    """The message comes while nobody is there, or after the start: it is found, and nothing comes beside it."""
    slack.share_delay = 4.0
    async with easel(None, simulator, tmp_path / "data", slack=slack) as bot:
        await bot.start(fatal="after SlackReply._complete")
        asked = await ask(slack)
        await bot.died()
        await bot.start()
        await end_well(slack, simulator, asked, bot.data)


async def test_killed_again_and_again(slack: SlackServer, simulator: Simulator, tmp_path: Path) -> None:
    dice = random.Random()
    moments = [round(dice.uniform(0.02, 1.6), 2) for _ in range(4)]
    async with easel(None, simulator, tmp_path / "data", slack=slack) as bot:
        await bot.start()
        asked = await ask(slack)
        for seconds in moments:
            await asyncio.sleep(seconds)  # a moment that nobody chose
            await bot.kill()
            await bot.start(online=False)
        await slack.online(2)
        try:
            await end_well(slack, simulator, asked, bot.data, uncertain=3)
        except (AssertionError, TimeoutError) as error:
            raise AssertionError(f"killed after {moments} s: {error}") from error


async def test_a_stop_leaves_what_runs_to_the_next_start(
    slack: SlackServer, simulator: Simulator, tmp_path: Path
) -> None:
    async with easel(None, simulator, tmp_path / "data", slack=slack) as bot:
        await bot.start()
        asked = await ask(slack)
        await simulator.until(lambda: len(simulator.submits) == len(PROMPTS))
        assert await bot.stop() < 10
        await bot.start()
        await end_well(slack, simulator, asked, bot.data)
        assert "Traceback" not in bot.lines()
