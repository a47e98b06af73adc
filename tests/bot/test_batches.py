"""What queues up shares a transaction, and never a failure."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bot.store import Database
from bot.store.batches import Batches, Work
from tests.servers.postgres import new_database


class Transactions:
    """Counts them. While `held`, the first one waits; `commit_fails` once all of its pieces were done."""

    def __init__(self) -> None:
        self.count = 0
        self.held = threading.Event()
        self.commit_fails = False

    def __call__(self, work: Work[Any]) -> Any:
        self.count += 1
        self.held.wait(10)
        found = work(None)  # type: ignore[arg-type]  # no piece here looks at it
        if self.commit_fails and self.count > 1:
            raise ConnectionError("the answer to the commit is lost")
        return found


class Piece:
    def __init__(self, error: Exception | None = None) -> None:
        self.done = 0
        self._error = error

    def __call__(self, _connection: object) -> int:
        self.done += 1
        if self._error is not None:
            raise self._error
        return self.done


@asynccontextmanager
async def queued(transactions: Transactions, *pieces: Piece) -> AsyncIterator[asyncio.Future[list[Any]]]:
    """They came while the first transaction, of a piece before them, was under way."""
    batches = Batches(transactions, "test")
    first = asyncio.create_task(batches.do(Piece()))
    try:
        async with asyncio.timeout(10):
            while not transactions.count:
                await asyncio.sleep(0.005)
        answers = asyncio.gather(*(batches.do(piece) for piece in pieces), return_exceptions=True)
        await asyncio.sleep(0)
        transactions.held.set()
        yield answers
        await first
    finally:
        transactions.held.set()
        batches.close()


async def test_what_comes_meanwhile_shares_the_next_transaction() -> None:
    transactions = Transactions()
    async with queued(transactions, *(Piece() for _ in range(20))) as answers:
        assert await answers == [1] * 20
    assert transactions.count == 2


async def test_one_that_fails_takes_no_other_with_it() -> None:
    transactions, wrong = Transactions(), ValueError("no")
    async with queued(transactions, Piece(), Piece(wrong), Piece()) as answers:
        assert await answers == [2, wrong, 1]
    assert transactions.count == 1 + 1 + 3


async def test_nothing_is_repeated_when_nobody_knows_whether_it_was_committed() -> None:
    transactions, pieces = Transactions(), [Piece(), Piece()]
    transactions.commit_fails = True
    async with queued(transactions, *pieces) as answers:
        assert [type(answer) for answer in await answers] == [ConnectionError] * 2
    assert [piece.done for piece in pieces] == [1, 1]


@pytest.mark.parametrize("pieces", [1, 2])
async def test_whoever_gave_up_waiting_holds_up_nobody(pieces: int) -> None:
    transactions = Transactions()
    batches = Batches(transactions, "test")
    waiters = [asyncio.create_task(batches.do(Piece())) for _ in range(pieces)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    transactions.held.set()
    assert await batches.do(Piece()) == 1
    assert await asyncio.gather(*waiters[1:]) == [1] * (pieces - 1)
    batches.close()


async def test_with_two_lanes_a_jobs_pieces_keep_their_order_and_wait_for_no_other_jobs(postgres_url: str) -> None:
    database = Database(new_database(postgres_url), run_lanes=2)
    held, done = threading.Event(), list[str]()

    def piece(name: str, *, waits: bool = False) -> Work[None]:
        def work(_connection: object) -> None:
            if waits:
                held.wait(10)
            done.append(name)

        return work

    try:
        slow = asyncio.create_task(database.write(piece("slow", waits=True), "run", "a job"))
        await asyncio.sleep(0.05)
        behind = asyncio.create_task(database.write(piece("behind"), "run", "a job"))
        names = [f"job {number}" for number in range(20)]
        others = [asyncio.create_task(database.write(piece(name), "run", name)) for name in names]
        async with asyncio.timeout(5):
            while len(done) < 5:  # about half of them are in the other lane
                await asyncio.sleep(0.01)
        assert not {"slow", "behind"} & set(done)
        held.set()
        await asyncio.gather(slow, behind, *others)
        assert done.index("slow") < done.index("behind")
    finally:
        held.set()
        database.close()
