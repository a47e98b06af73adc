"""Jobs that are in nobody's hands for a moment are gone on with: of several processes on one Postgres, some are always away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot import intake
from bot.common import Common
from bot.guard import Limits
from bot.jobs import Cancelled, Finished
from bot.ledger import State
from bot.life import Life
from bot.store import Record
from bot.store.tables import jobs
from tests.bot.house import House, Peer
from tests.bot.making import ANNA, BEN, job, request
from tests.bot.test_common import houses, until
from tests.doubles.backend import Account, Fate, PaintedBackend
from tests.doubles.reply import NotingReply
from tests.servers.postgres import new_database

ONE_AT_ONCE = Limits(per_person=1, queue_per_person=9, per_day=99, budget=10.0)


def starts(postgres_url: str, root: Path, account: Account) -> Callable[[], House]:
    """Each call is one start of the same process."""
    peer, replies = Peer(new_database(postgres_url), 0), dict[str, NotingReply]()

    def start() -> House:
        backend = PaintedBackend(seconds=60, account=account)
        return House(root, backend, limits=ONE_AT_ONCE, peer=peer, replies=replies)

    return start


async def test_a_job_that_ran_at_what_is_a_gateway_now_goes_on_at_a_worker(postgres_url: str, tmp_path: Path) -> None:
    async with houses(postgres_url, tmp_path, seconds=60) as (here, there):
        job, reply = await there.ask(request())
        paintings = there.backend.account.paintings
        await until(lambda: len(paintings) == 1)
        there._ticking.cancel()
        there.runs.pop(job.id).cancel()
        await there.store.release()
        next(iter(paintings.values())).done.set()
        record = await here.over(job)
        assert isinstance(record.outcome, Finished)
        assert record.owner == "easel-0"
        assert reply.closed
        assert len(paintings) == 1


async def test_who_cancelled_a_waiting_job_is_answered_after_a_crash(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end was written down, and not told yet."""

    async def crash(_life: Life, _job_id: str, _within: float = 0.0) -> bool:
        raise SystemError("the machine lost its power")

    account = Account()
    start = starts(postgres_url, tmp_path, account)
    async with start() as first:
        await first.ask(request())
        await until(lambda: len(account.paintings) == 1)
        waiting, reply = await first.ask(request(seed=2))
        monkeypatch.setattr(Life, "deliver", crash)
        with pytest.raises(SystemError):
            await first.intake.cancel(waiting.id, by=ANNA, moderates=False)
    monkeypatch.undo()
    async with start() as second:
        await second.resume()
        assert (await second.over(waiting)).outcome == Cancelled(paid=False)
        assert reply.closed


async def test_who_cancelled_right_before_a_crash_does_not_wait_for_the_others(
    postgres_url: str, tmp_path: Path
) -> None:
    """It was written down, and not acted on: nobody ran the job then."""
    account = Account()
    start = starts(postgres_url, tmp_path, account)
    async with start() as first:
        await first.ask(request())
        await until(lambda: len(account.paintings) == 1)
        waiting, reply = await first.ask(request(seed=2))
        assert await first.store.cancel(waiting.id)
    async with start() as second:
        await second.resume()
        assert (await second.over(waiting)).outcome == Cancelled(paid=False)
        assert reply.closed


async def test_who_was_let_in_by_a_commit_whose_answer_was_lost_is_drawn(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "LEFT_EVERY", 0.3)
    whole = Common.let_in
    lost: list[str] = []

    async def cut_off(common: Common, most: int) -> list[str]:
        found = await whole(common, most)
        if found and not lost:
            lost.extend(found)
            raise sa.exc.OperationalError("COMMIT", {}, OSError("server closed the connection"))
        return found

    monkeypatch.setattr(Common, "let_in", cut_off)
    async with houses(postgres_url, tmp_path, seconds=0.05) as (here, _there):
        job, reply = await here.ask(request())
        assert isinstance((await here.over(job)).outcome, Finished)
        assert lost == [job.id]
        assert reply.closed
        assert here.backend.posts == 1


async def test_what_became_ours_by_a_commit_whose_answer_was_lost_is_drawn(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "LEFT_EVERY", 0.3)
    async with houses(postgres_url, tmp_path, ("all", "gateway"), seconds=0.05) as (here, gateway):
        here._ticking.cancel()
        here.bell._hearers["job"].clear()  # deaf, so that it takes nothing by itself
        here.bell._missed.clear()
        job, reply = await gateway.ask(request())
        ours = jobs.update().where(jobs.c.id == job.id).values(owner="easel-0")
        await gateway.database.write(lambda connection: connection.execute(ours).close())
        here.start_ticking()
        assert isinstance((await here.over(job)).outcome, Finished)
        assert reply.closed


async def test_an_answer_that_comes_while_its_post_is_looked_for_counts(tmp_path: Path) -> None:
    """A process that was taken for dead wakes, or its line is whole again, and it writes down what the API said."""
    account = Account()
    account.tells_inputs = False  # so that the listing proves nothing
    async with House(
        tmp_path, PaintedBackend(seconds=0.1, account=account, fates=(Fate(lost=True),)), look_for=20
    ) as house:
        job, reply = await house.ask(request())
        await until(lambda: account.paintings)
        (painting,) = account.paintings.values()
        assert await house.ledger.submitted(job.id, painting.ticket)
        assert isinstance((await house.over(job, seconds=10)).outcome, Finished)
        assert reply.closed


async def test_who_is_let_in_before_the_answer_to_the_commit_comes_is_no_free_cancel(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer was lost, and it takes a while until the row is found."""
    async with houses(postgres_url, tmp_path, seconds=60, limits=ONE_AT_ONCE) as (here, _there):
        for seed in range(2):
            await here.ask(request(seed=seed), requester=BEN)  # one waits, so that it is asked who may go
        paintings = here.backend.account.paintings
        await until(lambda: len(paintings) == 1)
        accept, find = here.store.accept, here.store.delivered_as

        async def cut_off(*args: Any, **more: Any) -> None:
            await accept(*args, **more)
            raise sa.exc.OperationalError("COMMIT", {}, OSError("server closed the connection"))

        async def late(*args: Any) -> Record | None:
            await until(lambda: len(paintings) == 2)
            return await find(*args)

        monkeypatch.setattr(here.store, "accept", cut_off)
        monkeypatch.setattr(here.store, "delivered_as", late)
        job, reply = await here.ask(request(seed=9))
        await here.intake.cancel(job.id, by=ANNA, moderates=False)
        await until(lambda: reply.closed)
        for painting in paintings.values():
            painting.done.set()
        assert (await here.over(job)).outcome == Cancelled(paid=True)
        entry = await here.ledger.entry(job.id)
        assert entry is not None
        assert entry.state is State.SUBMITTED


async def test_who_is_over_before_the_answer_to_the_commit_comes_does_not_wait_again(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer was lost, the job was found in nobody's hands, and drawn; only then its row is found."""
    monkeypatch.setattr(intake, "LEFT_EVERY", 0.1)
    async with houses(postgres_url, tmp_path, seconds=0.05) as (here, _there):
        accept = here.store.accept
        taken: list[Record] = []

        async def cut_off(*args: Any, **more: Any) -> None:
            kept = await accept(*args, **more)
            assert kept is not None
            taken.append(await here.over(kept))
            await here.runs[kept.id]  # its place is free by then
            raise sa.exc.OperationalError("COMMIT", {}, OSError("server closed the connection"))

        monkeypatch.setattr(here.store, "accept", cut_off)
        made, _ = await here.ask(request())
        assert taken[0].job.id == made.id
        assert here.intake._gate.ids() == (set(), set())
        assert here.backend.posts == 1


async def test_one_process_on_postgres_finds_what_is_in_nobodys_hands_too(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit was done, and for longer than anybody waits nothing told so."""
    monkeypatch.setattr(intake, "LEFT_EVERY", 0.1)
    url = new_database(postgres_url)
    async with House(tmp_path, PaintedBackend(seconds=0.05), peer=Peer(url, 0, of=1)) as house:
        await house.intake.tick()
        shown = NotingReply(message="m")
        house.replies["double:m"] = shown
        left = await house.store.accept(
            job(address="double:m"), delivery_key="left", ordinal=0, message_key="m", kind="k"
        )
        assert left is not None
        while (await house.store.get(left.id)).state != "closed":
            await asyncio.sleep(0.1)
            await house.intake.tick()
        assert shown.closed
        assert house.backend.posts == 1


@pytest.mark.parametrize("of", [1, 2])
async def test_who_was_found_and_runs_when_the_answer_to_the_commit_comes_holds_one_place(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: int
) -> None:
    monkeypatch.setattr(intake, "LEFT_EVERY", 0.1)
    peer = Peer(new_database(postgres_url), 0, of=of)
    async with House(tmp_path, PaintedBackend(seconds=60), peer=peer) as house:
        accept, paintings = house.store.accept, house.backend.account.paintings

        async def cut_off(*args: Any, **more: Any) -> None:
            await accept(*args, **more)
            async with asyncio.timeout(10):
                while not paintings:
                    await house.intake.tick()
                    await asyncio.sleep(0.02)
            raise sa.exc.OperationalError("COMMIT", {}, OSError("server closed the connection"))

        monkeypatch.setattr(house.store, "accept", cut_off)
        made, _ = await house.ask(request())
        for painting in paintings.values():
            painting.done.set()
        await house.over(made)
        await house.runs[made.id]
        gate = house.intake._gate
        assert (gate.running, gate.waiting, gate.of(ANNA.key), gate._pictures) == (0, 0, (0, 0), 0)
        assert house.backend.posts == 1
