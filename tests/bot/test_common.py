"""Limits, turns, cancels and roles hold over several processes on one Postgres."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from bot import intake, spent
from bot.common import SETTLE_EVERY
from bot.errors import BudgetReached, LimitReached
from bot.guard import Limits
from bot.jobs import Cancelled, Failed, Finished, Job, Requester
from bot.store.rows import job_to_row
from bot.store.tables import jobs
from tests.bot.house import LIMITS, House, Peer
from tests.bot.making import ANNA, BEN, SQUARE, job, request
from tests.doubles.backend import Account, PaintedBackend, Painting
from tests.doubles.reply import NotingReply
from tests.doubles.scrape import Growth
from tests.servers.postgres import new_database


@asynccontextmanager
async def houses(
    postgres_url: str, root: Path, roles: tuple[str, ...] = ("all", "all"), *, limits: Limits = LIMITS, **backend: Any
) -> AsyncIterator[list[House]]:
    """They draw at one account."""
    url, account, replies = new_database(postgres_url), Account(), {}  # type: ignore[var-annotated]
    async with AsyncExitStack() as stack:
        made = [
            House(
                root,
                PaintedBackend(account=account, **backend),
                limits=limits,
                replies=replies,
                peer=Peer(url, slot, role),
            )
            for slot, role in enumerate(roles)
        ]
        for house in made:
            await stack.enter_async_context(house)
        for house in made:
            assert house.common is not None
            await until(lambda standing=house.common.standing: len(standing.present) == len(made))
            await until(lambda standing=house.common.standing: standing.workers == len(made) - roles.count("gateway"))
        yield made


async def until(true: Any, seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


def at_once(paintings: Iterable[Painting], seconds: float) -> int:
    """The most that were drawn at the same time, each for so long."""
    began = [painting.ends - seconds for painting in paintings]
    return max(sum(start <= at < start + seconds for start in began) for at in began)


def person(name: str) -> Requester:
    return Requester("double", name, name)


async def test_nobody_draws_more_a_day_by_asking_two_processes(postgres_url: str, tmp_path: Path) -> None:
    limits = Limits(per_person=9, queue_per_person=9, per_day=3, budget=10.0)
    async with houses(postgres_url, tmp_path, limits=limits) as here:
        for number in range(3):
            await here[number % 2].ask(request(seed=number))
        for house in here:
            with pytest.raises(LimitReached, match="more than 3 pictures in 24 hours; you have 0 left"):
                await house.intake.check(ANNA, SQUARE, request())
            with pytest.raises(LimitReached):
                await house.ask(request())
        assert len(await here[0].store.history(ANNA)) == 3


async def test_the_last_dollar_is_spent_once(postgres_url: str, tmp_path: Path) -> None:
    """At 1.5 cents a picture it is enough for four; ten people ask at once, at two processes."""
    limits = Limits(per_person=9, queue_per_person=9, per_day=9, budget=0.0601)
    async with houses(postgres_url, tmp_path, limits=limits) as here:
        asked = [here[n % 2].ask(request(seed=n), requester=person(str(n))) for n in range(10)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(isinstance(answer, BudgetReached) for answer in answers) == 6
        await until(lambda: len(here[0].backend.account.paintings) == 4)
        with pytest.raises(BudgetReached):
            await here[1].intake.check(ANNA, SQUARE, request())


async def test_a_smaller_budget_holds_for_what_was_accepted_before_it_wherever_it_is_drawn(
    postgres_url: str, tmp_path: Path
) -> None:
    limits = Limits(per_person=9, queue_per_person=9, per_day=99, budget=0.045)
    async with houses(postgres_url, tmp_path, limits=limits, seconds=60, pictures_at_once=1) as (here, there):
        await here.ask(request(seed=1))
        await until(lambda: here.backend.account.paintings)
        await here.ask(request(seed=2))
        waiting, reply = await there.ask(request(seed=3))
        here.life.limits = there.life.limits = replace(limits, budget=0.03)  # as after a restart
        for house in (here, there):
            assert house.common is not None
            house.common._settled_at = -SETTLE_EVERY
            await house.common.settle()
        for painting in here.backend.account.paintings.values():
            painting.done.set()
        outcome = (await there.over(waiting)).outcome
        assert isinstance(outcome, Failed)
        assert outcome.kind == "BudgetReached"
        assert reply.closed


async def test_what_was_accepted_is_not_refused_at_its_post_for_what_was_given_back(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one process knows of the budget is up to a minute old: meanwhile it was given back, and spent anew."""
    monkeypatch.setattr(spent, "SKEW", 0.0)
    limits = Limits(per_person=9, queue_per_person=9, per_day=99, budget=0.045)
    async with houses(postgres_url, tmp_path, limits=limits, seconds=60, pictures_at_once=1) as (here, there):
        assert here.common is not None
        assert there.common is not None
        await here.ask(request(seed=1))
        paintings = here.backend.account.paintings
        await until(lambda: paintings)
        mine, _ = await here.ask(request(seed=2))
        other, _ = await there.ask(request(seed=3))
        await here.database.write(here.common.spent.settle)
        await there.intake.cancel(other.id, by=ANNA, moderates=False)
        await there.database.write(there.common.spent.settle)
        await there.ask(request(seed=4))
        with pytest.raises(BudgetReached):
            await here.intake.check(BEN, SQUARE, request(seed=5))
        async with asyncio.timeout(10):
            while (await here.store.get(mine.id)).state != "closed":
                for painting in list(paintings.values()):
                    painting.done.set()
                await asyncio.sleep(0.05)
        assert isinstance((await here.store.get(mine.id)).outcome, Finished)


async def test_what_waits_counts_wherever_it_waits(postgres_url: str, tmp_path: Path) -> None:
    limits = Limits(per_person=1, queue_per_person=2, per_day=99, budget=10.0)
    async with houses(postgres_url, tmp_path, limits=limits, seconds=60) as here:
        for number in range(3):
            await here[number % 2].ask(request(seed=number))
        with pytest.raises(LimitReached, match="You already have 3 jobs under way"):
            await here[1].ask(request(seed=9))


async def test_one_persons_jobs_at_once_are_counted_over_all(postgres_url: str, tmp_path: Path) -> None:
    limits = Limits(per_person=2, queue_per_person=20, per_day=99, budget=10.0)
    async with houses(postgres_url, tmp_path, limits=limits, seconds=60) as here:
        asked = [await here[number % 2].ask(request(seed=number)) for number in range(6)]
        paintings = here[0].backend.account.paintings
        await until(lambda: len(paintings) == 2)
        await asyncio.sleep(0.5)  # whoever else would get in is in by then
        assert len(paintings) == 2
        for count in range(1, 7):
            await until(lambda: any(not painting.done.is_set() for painting in paintings.values()))
            next(painting for painting in paintings.values() if not painting.done.is_set()).done.set()
            await until(lambda count=count: len(paintings) == min(6, count + 2))
        for job, _ in asked:
            await here[0].over(job)


async def test_the_accounts_pictures_at_once_and_a_minute_hold_over_all(postgres_url: str, tmp_path: Path) -> None:
    async with houses(postgres_url, tmp_path, seconds=0.05, pictures_at_once=3, pictures_per_minute=5) as here:
        for number in range(12):
            await here[number % 2].ask(request(seed=number), requester=person(str(number)))
        paintings = here[0].backend.account.paintings
        await until(lambda: len(paintings) == 5)
        await asyncio.sleep(0.5)
        assert len(paintings) == 5
        assert at_once(paintings.values(), 0.05) <= 3


async def test_a_hog_does_not_hold_up_the_others_first_jobs(postgres_url: str, tmp_path: Path) -> None:
    """500 jobs of one person wait at two processes; then 50 others come. Each one's first starts within two lengths."""
    limits = Limits(per_person=30, queue_per_person=1000, per_day=1000, budget=100.0)
    async with houses(postgres_url, tmp_path, limits=limits, seconds=1.0, pictures_at_once=40) as here:
        hog = person("hog")
        await asyncio.gather(*(here[n % 2].ask(request("hog", seed=n), requester=hog) for n in range(500)))
        posts, others, came = here[0].backend.account.posts, [], []
        for n in range(50):
            others.append((await here[n % 2].ask(request("fox", seed=n), requester=person(str(n))))[0])
            came.append(len(posts))
        await until(lambda: sum(post.request.prompt == "fox" for post in posts) == 50)
        started = {post.request.seed: at for at, post in enumerate(posts) if post.request.prompt == "fox"}
        passed = [sum(post.request.prompt == "hog" for post in posts[at : started[n]]) for n, at in enumerate(came)]
        assert max(passed) < 2 * limits.per_person  # so many start in two lengths
        for job in others:
            await here[0].over(job)


async def test_jobs_are_cancelled_from_elsewhere(postgres_url: str, tmp_path: Path) -> None:
    limits = Limits(per_person=1, queue_per_person=9, per_day=99, budget=10.0)
    async with houses(postgres_url, tmp_path, limits=limits, seconds=60) as (here, there):
        (running, shown), (waiting, other) = [await here.ask(request(seed=number)) for number in range(2)]
        await until(lambda: len(here.backend.account.paintings) == 1)
        told = await there.intake.cancel(waiting.id, by=ANNA, moderates=False)
        assert told == "Cancelled."
        assert (await here.over(waiting)).outcome == Cancelled(paid=False)
        told = await there.intake.cancel(running.id, by=ANNA, moderates=False)
        assert told.startswith("Cancelled. It was already being drawn")
        await until(lambda: shown.closed and other.closed)
        next(iter(here.backend.account.paintings.values())).done.set()
        assert (await here.over(running)).outcome == Cancelled(paid=True)
        assert len(here.backend.account.paintings) == 1


async def test_a_queue_is_seen_from_everywhere(postgres_url: str, tmp_path: Path) -> None:
    limits = Limits(per_person=1, queue_per_person=9, per_day=99, budget=10.0)
    async with houses(postgres_url, tmp_path, limits=limits, seconds=60) as (here, there):
        for number in range(3):
            await here.ask(request(seed=number))
        await until(lambda: len(here.backend.account.paintings) == 1)
        view = await there.intake.queue(ANNA)
        assert (view.waiting, view.running, len(view.mine)) == (2, 1, 3)
        assert [type(progress).__name__ for _, progress in view.mine] == ["Generating", "Waiting", "Waiting"]


async def test_a_process_with_nothing_to_do_knows_the_queue_too(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tells of it on its page for Prometheus, and one old number there would stand for all of them."""
    monkeypatch.setattr(intake, "LOOK_IDLE", 0.05)
    limits = Limits(per_person=1, queue_per_person=9, per_day=99, budget=10.0)
    async with houses(postgres_url, tmp_path, limits=limits, seconds=60) as (here, there):
        asked = [await here.ask(request(seed=number)) for number in range(3)]
        await until(lambda: there.intake.load == (2, 1))
        for job, _ in reversed(asked):
            await here.intake.cancel(job.id, by=ANNA, moderates=False)
        await until(lambda: there.intake.load[0] == 0)


async def test_what_a_gateway_accepts_workers_draw(postgres_url: str, tmp_path: Path) -> None:
    async with houses(postgres_url, tmp_path, ("gateway", "worker", "worker"), seconds=0.2) as (gateway, *workers):
        asked = [await gateway.ask(request(seed=n), requester=person(str(n))) for n in range(20)]
        for job, reply in asked:
            record = await gateway.over(job)
            assert record.owner in {"easel-1", "easel-2"}
            assert reply.closed
        assert all(worker.runs for worker in workers)
        assert not gateway.runs


async def test_a_silent_peers_jobs_are_adopted_and_nothing_is_paid_twice(postgres_url: str, tmp_path: Path) -> None:
    growth = Growth()
    async with houses(postgres_url, tmp_path, seconds=0.5) as (here, there):
        there.backend.seconds = 60
        asked = [await there.ask(request(seed=n), requester=person(str(n))) for n in range(4)]
        await until(lambda: len(there.backend.account.paintings) == 4)
        assert there.common is not None
        task = there.common.standing._task  # its heart stops, and it knows nothing of it
        assert task is not None
        task.cancel()
        while {(await here.store.get(job.id)).owner for job, _ in asked} != {"easel-0"}:
            await asyncio.sleep(0.05)
        for painting in there.backend.account.paintings.values():
            painting.done.set()  # both of them see it
        for job, reply in asked:
            assert (await here.over(job)).owner == "easel-0"
            assert reply.closed
        assert len(here.backend.account.paintings) == 4
    assert growth("easel_adopted_jobs_total") == 4


async def test_nobodys_turn_waits_for_a_process_that_starts_or_stops(postgres_url: str, tmp_path: Path) -> None:
    """It lives, so that nobody adopts its jobs; but a platform that is down may keep it from letting them in for hours."""
    async with houses(postgres_url, tmp_path, seconds=60, pictures_at_once=1) as (here, there):
        assert here.common is not None
        assert there.common is not None
        there.common.standing.draws(now=False)
        owners = here.common.standing
        await until(lambda: owners.owners == ["easel-0"])
        first, _ = await there.ask(request(seed=1), requester=person("first"))
        await here.ask(request(seed=2), requester=person("second"))
        paintings = here.backend.account.paintings
        await until(lambda: len(paintings) == 1)
        there.common.standing.draws(now=True)
        await until(lambda: len(owners.owners) == 2)
        for painting in paintings.values():
            painting.done.set()
        await until(lambda: len(paintings) == 2)
        assert (await here.store.get(first.id)).state == "running"


async def test_the_same_command_at_two_processes_is_one_job_and_nobody_waits_in_a_circle(
    postgres_url: str, tmp_path: Path
) -> None:
    """Postgres would end one of two that wait for each other, after a second."""
    async with houses(postgres_url, tmp_path, seconds=60) as (here, there):
        assert here.common is not None
        spent, doubled = here.common.spent, job(request())
        asking: list[asyncio.Task[tuple[Job, NotingReply]]] = []
        loop = asyncio.get_running_loop()

        def at_the_same_time(connection: sa.Connection) -> None:
            spent.lock(connection)
            asking.append(asyncio.run_coroutine_threadsafe(_ask(), loop).result())
            time.sleep(0.3)  # it waits by now
            row = job_to_row(doubled, "m", "k") | {"delivery_key": "twice", "ordinal": 0, "short": "twice"}
            connection.execute(jobs.insert(), row)

        async def _ask() -> asyncio.Task[tuple[Job, NotingReply]]:
            return asyncio.create_task(there.ask(request(), key="twice"))

        with capture_logs() as said:
            await here.database.write(at_the_same_time)
            assert (await asking[0])[0].id == doubled.id
        assert [line for line in said if line["event"] == "not committed"] == []
