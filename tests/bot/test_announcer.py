"""Messages are kept up to date from one task, and never after their end."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from bot import announcer as module
from bot.announcer import Announcer
from bot.cards import Card
from bot.jobs import Checking, Generating, Job, Waiting
from bot.pacing import Usual, next_tick
from bot.ports import Keep
from tests.bot.making import ANNA, job
from tests.doubles.reply import NotingReply


class SlowReply(NotingReply):
    """Each edit takes until `free` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.free = asyncio.Event()
        self.in_flight = 0
        self.most = 0

    async def show(self, card: Card) -> bool:
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            await self.free.wait()
            return await super().show(card)
        finally:
            self.in_flight -= 1


@pytest.fixture
async def announcer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Announcer]:
    monkeypatch.setattr(module, "next_tick", lambda age, waiting, open_jobs: 0.02)

    async def late(job: Job, address: str) -> None: ...

    async with Announcer(lambda job_id: Waiting(2, 30.0), late) as made:
        yield made


async def until(condition: object, seconds: float = 3.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.005)


async def test_it_goes_on_telling_how_long_it_takes(announcer: Announcer) -> None:
    made, reply = job(), NotingReply()
    announcer.open(made, reply)
    announcer.generating(made.id, announcer._clock() - 6, Usual(7, 8, 9, 30))
    await until(lambda: len(reply.shown) >= 4)
    assert re.fullmatch(r"Generating… [67] s \(usually 8 s\)", reply.shown[-1].title)


async def test_who_is_past_the_queue_and_not_yet_at_the_api_hears_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API may be down, or the account's limit of a minute used up: nobody is left with a mere "thinking…"."""
    monkeypatch.setattr(module, "next_tick", lambda age, waiting, open_jobs: 0.02)
    monkeypatch.setattr(module, "SILENT", 0.1)

    async def late(job: Job, address: str) -> None: ...

    async with Announcer(lambda job_id: None, late) as announcer:
        made, reply = job(), NotingReply()
        announcer.open(made, reply)
        await asyncio.sleep(0)
        assert reply.shown == []
        await until(lambda: reply.shown)
        assert reply.shown[0].title == "Queued · about #1 in line"
        assert reply.shown[0].actions


def test_the_first_word_to_who_waits_comes_soon() -> None:
    assert next_tick(0, waiting=False, open_jobs=1) <= module.SILENT


async def test_one_edit_is_in_flight_and_the_newest_state_wins(announcer: Announcer) -> None:
    made, reply = job(), SlowReply()
    announcer.open(made, reply)
    await asyncio.sleep(0)
    announcer.generating(made.id, announcer._clock(), None)
    await asyncio.sleep(0.06)
    assert reply.most == 1
    reply.free.set()
    await until(lambda: reply.shown and reply.shown[-1].title.startswith("Generating"))
    assert reply.most == 1


async def test_the_end_waits_for_no_edit_and_nothing_follows_it(announcer: Announcer) -> None:
    made, reply = job(), SlowReply()
    announcer.open(made, reply)
    await asyncio.sleep(0.01)
    assert reply.in_flight == 1
    assert await asyncio.wait_for(announcer.finish(made.id), 1) is reply
    assert reply.in_flight == 0
    reply.free.set()
    announcer.generating(made.id, 0.0, None)
    await asyncio.sleep(0.06)
    assert reply.shown == []
    assert await announcer.finish(made.id) is None


async def test_after_a_restart_nothing_is_said_at_once(announcer: Announcer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "next_tick", lambda age, waiting, open_jobs: 60.0)
    reply = NotingReply()
    announcer.open(job(), reply, quiet=True)
    await asyncio.sleep(0.02)
    assert reply.shown == []


async def test_what_a_person_has_open(announcer: Announcer) -> None:
    first, second = job(), job()
    announcer.open(first, NotingReply())
    announcer.open(second, NotingReply())
    announcer.checking(second.id)
    assert [made.id for made in announcer.of(ANNA.key)] == [first.id, second.id]
    assert announcer.progress(first.id) == Waiting(2, 30.0)
    assert announcer.progress(second.id) == Checking()
    announcer.generating(first.id, announcer._clock(), None)
    assert isinstance(announcer.progress(first.id), Generating)
    assert announcer.progress("never") is None


class BusyReply(NotingReply):
    """Skips so many cards: its platform is at its limit."""

    def __init__(self, skips: int) -> None:
        super().__init__()
        self.skips = skips

    async def show(self, card: Card) -> bool:
        if self.skips:
            self.skips -= 1
            return False
        return await super().show(card)


async def test_who_saw_nothing_yet_is_served_again_soon(announcer: Announcer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "next_tick", lambda age, waiting, open_jobs: 60.0)
    monkeypatch.setattr(module, "FIRST_WORD", 0.02)
    reply = BusyReply(skips=3)
    announcer.open(job(), reply)
    await until(lambda: reply.shown)


async def test_the_last_word_is_never_said_over_the_end() -> None:
    told: list[str] = []

    async def late(job: Job, address: str) -> None:
        told.append(job.id)

    class SlowEnd(NotingReply):
        async def close(self, card: Card, keep: Keep | None = None) -> str:
            await asyncio.sleep(0.05)
            return await super().close(card, keep)

    async with Announcer(lambda job_id: Waiting(2, 30.0), late) as announcer:
        made, reply = job(), SlowEnd(expires_at=datetime.now(UTC) + timedelta(seconds=30))
        announcer.open(made, reply)
        await asyncio.sleep(0.01)
        assert await announcer.finish(made.id) is None
        assert told == [made.id]
        assert reply.closed is not None
        assert reply.closed.title == "Still drawing"
