from __future__ import annotations

import asyncio
import random
import time
from itertools import islice, pairwise
from pathlib import Path
from statistics import median

import pytest

from adapters.wavespeed.polling import SLOW, Poller, Watched, looks
from adapters.wavespeed.wire import Prediction
from bot.errors import EaselError, Expired, RateLimited, TryAgain, Unreachable
from bot.pacing import LEARNT_FROM, Durations, Usual, polls, summary


def followed(usual: Usual | None, duration: float, dice: random.Random) -> tuple[int, float]:
    """How many looks a job costs that takes so long, and how late its end is seen."""
    for count, at in enumerate(looks(usual, 0.0, 300.0, dice), start=1):
        if at >= duration:
            return count, at - duration
    raise AssertionError


def test_a_learnt_job_of_six_seconds_costs_four_looks_and_is_seen_within_a_second() -> None:
    dice = random.Random(1)
    costs, lateness = [], []
    for _ in range(40):
        usual = summary([6 * dice.uniform(0.8, 1.2) for _ in range(LEARNT_FROM)])
        assert followed(usual, 6.0, dice)[0] <= 4
        for _ in range(50):
            cost, late = followed(usual, 6 * dice.uniform(0.8, 1.2), dice)
            costs.append(cost)
            lateness.append(late)
    assert median(lateness) <= 1.0
    assert sum(cost <= 4 for cost in costs) / len(costs) > 0.95
    assert median(costs) <= 3


def test_what_is_learnt_from_looks_doesnt_drift() -> None:
    """A thousand jobs, each planned on what the last ones seemed to take."""
    dice, durations, lateness = random.Random(2), Durations(), []
    for _ in range(1000):
        duration = 6 * dice.uniform(0.8, 1.2)
        before, seen = 0.0, 0.0
        for at in looks(durations.usual("k"), 0.0, 300.0, dice):
            if at >= duration:
                seen = at
                break
            before = at
        lateness.append(seen - duration)
        durations.learn("k", min(max((before + seen) / 2, before), seen))  # as `client._took` without inference time
    assert median(lateness[-200:]) <= 1.0


def test_an_unlearnt_job_is_looked_at_as_the_documentation_says() -> None:
    for seed in range(50):
        times = list(islice(looks(None, 0.0, 300.0, random.Random(seed)), 8))
        assert 2.0 <= times[0] <= 2.4
        gaps = [later - sooner for sooner, later in pairwise(times)]
        assert all(gap >= 2.0 for gap in gaps)
        assert max(gaps) <= 8 * 1.25 + 0.01


def test_looks_become_rare_after_the_deadline() -> None:
    times = [at for at in islice(looks(None, 0.0, 300.0, random.Random(3)), 80) if at < 1000]
    late = [later - sooner for sooner, later in pairwise(times) if sooner > 300]
    assert late
    assert all(SLOW * 0.8 <= gap <= SLOW * 1.2 for gap in late)


def test_a_job_that_is_overdue_after_a_restart_is_looked_at_now() -> None:
    usual = Usual(5, 6, 7, 60)
    for age in (6.1, 60.0, 3600.0, 5 * 86400.0):
        times = list(islice(looks(usual, age, 300.0, random.Random(4)), 3))
        assert times[0] == age
        assert times[1] > age


def test_a_job_that_isnt_due_after_a_restart_waits() -> None:
    assert next(looks(Usual(5, 6, 7, 60), 3.0, 300.0, random.Random(5))) >= 5.0


@pytest.mark.parametrize("usual", [None, Usual(5, 6, 7, 60), Usual(0.1, 0.1, 0.1, 60), Usual(900, 900, 900, 60)])
def test_looks_only_ever_go_forward(usual: Usual | None) -> None:
    for age in (0.0, 2.0, 40.0, 700.0):
        times = list(islice(looks(usual, age, 300.0, random.Random(6)), 200))
        assert times == sorted(times)
        assert times[0] >= age
    assert next(polls(usual, random.Random(0))) > 0


# ---- the poller itself ----


class Answers:
    """Stands for the API: each job's answers in turn, the last one for good."""

    def __init__(self, **answers: list[str | EaselError]) -> None:
        self.answers = answers
        self.looks: list[str] = []
        self.at_once = self.most_at_once = 0
        self.pause = 0.0
        self.looking = asyncio.Event()

    async def look(self, watched: Watched) -> Prediction:
        self.looks.append(watched.id)
        self.looking.set()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.pause)
        finally:
            self.at_once -= 1
        answers = self.answers[watched.id]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, EaselError):
            raise answer
        return Prediction(answer)


SOON = [number / 100 for number in range(1, 400)]
"""Looks to spare: those that are past by the time that one comes to plan them are skipped."""


def watched(id: str, *plan: float, give_up: float = 3600.0) -> Watched:
    now = asyncio.get_running_loop().time()
    return Watched(id, Path(id), iter([*plan, *(1000.0 + extra for extra in range(100))]), now, now + give_up)


class Open:
    def __init__(self, answers: Answers, *, at_once: int = 8, per_second: float = 1000) -> None:
        self.poller = Poller(answers.look, at_once=at_once, per_second=per_second)

    async def __aenter__(self) -> Poller:
        self.poller.open()
        return self.poller

    async def __aexit__(self, *exc: object) -> None:
        await self.poller.close()


async def news(job: Watched) -> object:
    async with asyncio.timeout(5):
        found = await job.news.get()
    return found.status if isinstance(found, Prediction) else found


async def test_changes_and_the_end_are_told() -> None:
    answers = Answers(a=["created", "created", "processing", "completed"])
    async with Open(answers) as poller:
        job = watched("a", *SOON)
        poller.follow(job)
        assert [await news(job) for _ in range(3)] == ["created", "processing", "completed"]
        assert answers.looks == ["a"] * 4
        assert 0 < job.unfinished_at < job.seen_at


async def test_a_failing_look_is_repeated_and_an_end_is_an_end() -> None:
    answers = Answers(a=[Unreachable("x"), "completed"], b=[Expired("gone")])
    async with Open(answers) as poller:
        a, b = watched("a", 0.0, *SOON), watched("b", 0.0)
        poller.follow(a)
        poller.follow(b)
        assert await news(a) == "completed"
        assert isinstance(await news(b), Expired)


async def test_a_mistake_of_ours_ends_the_job_instead_of_hanging_it() -> None:
    answers = Answers()  # a KeyError
    async with Open(answers) as poller:
        job = watched("a", 0.0)
        poller.follow(job)
        assert isinstance(await news(job), KeyError)


async def test_a_429_quiets_every_look_for_as_long_as_it_says() -> None:
    clock = asyncio.get_running_loop().time
    answers = Answers(a=[RateLimited("x", retry_after=0.3), "completed"], b=["completed"])
    async with Open(answers) as poller:
        a, b = watched("a", 0.0, *SOON), watched("b", 0.05)
        began = clock()
        poller.follow(a)
        poller.follow(b)
        assert await news(b) == "completed"
        assert await news(a) == "completed"
        assert clock() - began >= 0.29


async def test_after_the_deadline_the_person_is_told_to_try_again() -> None:
    async with Open(Answers(a=["processing"], b=[Unreachable("x")])) as poller:
        a, b = watched("a", 0.0, give_up=0.0), watched("b", 0.0, give_up=0.0)
        poller.follow(a)
        poller.follow(b)
        assert await news(a) == "processing"
        assert isinstance(await news(a), TryAgain)
        assert isinstance(await news(b), TryAgain)


async def test_looks_share_one_limit() -> None:
    jobs = {f"j{number}": ["completed"] for number in range(60)}
    answers, clock = Answers(**jobs), asyncio.get_running_loop().time  # type: ignore[arg-type]
    answers.pause = 0.005
    async with Open(answers, at_once=4, per_second=100) as poller:
        began, watching = clock(), [watched(name, 0.0) for name in jobs]
        for job in watching:
            poller.follow(job)
        assert [await news(job) for job in watching] == ["completed"] * 60
    assert answers.most_at_once <= 4
    assert clock() - began >= 0.4


async def test_a_first_look_that_comes_late_is_still_made() -> None:
    async with Open(Answers(a=["completed"])) as poller:
        job = watched("a", 0.0)
        time.sleep(0.05)  # noqa: ASYNC251 - the loop is busy elsewhere before we come to follow it
        poller.follow(job)
        assert await news(job) == "completed"


async def test_forgetting_leaves_nothing_behind() -> None:
    answers = Answers(a=["processing"], b=["processing"], c=["completed"])
    answers.pause = 30.0
    async with Open(answers, at_once=2) as poller:
        looked_at, waiting = watched("a", 0.0), watched("b", 100.0)
        poller.follow(looked_at)
        poller.follow(waiting)
        await answers.looking.wait()
        poller.forget(looked_at)
        poller.forget(waiting)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert poller._due == []
        assert poller._watched == set()
        assert answers.at_once == 0
        answers.pause = 0.0
        third = watched("c", 0.0)  # the slots are free again
        poller.follow(third)
        assert await news(third) == "completed"


async def test_closing_tells_whoever_still_waits() -> None:
    async with Open(Answers()) as poller:
        job = watched("a", 100.0)
        poller.follow(job)
    assert isinstance(await news(job), TryAgain)
