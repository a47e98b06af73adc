"""Money: a POST is begun once, and a lost one is never guessed. On both databases."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.jobs import Job
from bot.ledger import Ledger, State, adoptable
from bot.ports import Sighting, Ticket
from bot.store import Database, Store
from tests.bot.making import job

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database, "test")


@pytest.fixture
async def kept(database: Database, tmp_path: Path) -> Job:
    made = await Store(database, tmp_path).accept(job(), delivery_key="d", ordinal=0, message_key="m", kind="k")
    assert made is not None
    return made


def ticket(name: str, seconds: float = 0) -> Ticket:
    return Ticket(name, NOW + timedelta(seconds=seconds))


async def test_an_intent_is_written_once(ledger: Ledger, kept: Job) -> None:
    first = await ledger.intend(kept, 0.015)
    again = await ledger.intend(kept, 9.99)
    assert first == again
    assert (first.state, first.pictures, first.price) == (State.INTENDED, 1, 0.015)


async def test_of_many_who_want_to_post_one_may(ledger: Ledger, kept: Job) -> None:
    await ledger.intend(kept, 0.015)
    taken = await asyncio.gather(*(ledger.begin_post(kept.id) for _ in range(8)))
    assert taken.count(True) == 1
    assert await ledger.unresolved() == [kept.id]


async def test_nobody_may_post_without_an_intent(ledger: Ledger, kept: Job) -> None:
    assert not await ledger.begin_post(kept.id)


async def test_a_cancelled_job_is_not_posted(ledger: Ledger, kept: Job, database: Database, tmp_path: Path) -> None:
    await ledger.intend(kept, 0.015)
    assert await Store(database, tmp_path).cancel(kept.id)
    assert not await ledger.begin_post(kept.id)


async def test_after_a_proof_of_refusal_it_may_be_posted_again(ledger: Ledger, kept: Job) -> None:
    await ledger.intend(kept, 0.015)
    assert await ledger.begin_post(kept.id)
    await ledger.refused(kept.id)
    assert await ledger.begin_post(kept.id)
    assert await ledger.submitted(kept.id, ticket("p1"))
    entry = await ledger.entry(kept.id)
    assert entry is not None
    assert (entry.state, entry.ticket) == (State.SUBMITTED, ticket("p1"))
    assert not await ledger.begin_post(kept.id)


async def test_one_prediction_belongs_to_one_job(ledger: Ledger, kept: Job, database: Database, tmp_path: Path) -> None:
    other = await Store(database, tmp_path).accept(job(), delivery_key="e", ordinal=0, message_key="m", kind="k")
    assert other is not None
    for one in (kept, other):
        await ledger.intend(one, 0.015)
        await ledger.begin_post(one.id)
    assert await ledger.submitted(kept.id, ticket("p1"))
    assert not await ledger.submitted(other.id, ticket("p1"))
    entry = await ledger.entry(other.id)
    assert entry is not None
    assert entry.state is State.POSTING
    assert await ledger.predictions(datetime.now(UTC)) == {"p1"}


async def test_what_counts(ledger: Ledger, kept: Job) -> None:
    await ledger.intend(kept, 0.015)
    assert [entry.job_id for entry in await ledger.counted()] == [kept.id]
    await ledger.begin_post(kept.id)
    assert await ledger.uncertain(kept.id)
    assert [entry.state for entry in await ledger.counted()] == [State.UNCERTAIN]
    assert await ledger.uncertain_jobs(since=0) == 1
    await ledger.give_back(kept.id)
    assert await ledger.counted() == []


def sighting(name: str, matches: bool | None, seconds: float = 0) -> Sighting:
    return Sighting(ticket(name, seconds), matches)


@pytest.mark.parametrize(
    ("sightings", "known", "unresolved", "exclusive", "adopted"),
    [
        ([sighting("a", True)], set(), ["j"], False, ["a"]),
        ([sighting("a", True)], {"a"}, ["j"], False, []),
        ([sighting("a", False)], set(), ["j"], True, []),
        ([sighting("b", True, 2), sighting("a", True, 1)], set(), ["j", "k"], False, ["a", "b"]),
        ([sighting("a", None)], set(), ["j"], False, []),
        ([sighting("a", None)], set(), ["j"], True, ["a"]),
        ([sighting("a", None)], set(), ["j", "k"], True, []),
        ([sighting("a", None), sighting("b", None)], set(), ["j"], True, []),
        ([sighting("a", None), sighting("b", None)], {"b"}, ["j"], True, ["a"]),
        ([], set(), ["j"], True, []),
    ],
    ids=[
        "matching inputs",
        "another job's",
        "other inputs",
        "the older of two twins first",
        "no inputs, a shared key",
        "no inputs, our own key, one of each",
        "no inputs, two jobs in doubt",
        "no inputs, two unexplained",
        "no inputs, one of two explained",
        "nothing there",
    ],
)
def test_only_what_is_surely_ours_is_adopted(
    sightings: list[Sighting], known: set[str], unresolved: list[str], exclusive: bool, adopted: list[str]
) -> None:
    assert [found.id for found in adoptable(sightings, known, unresolved, exclusive=exclusive)] == adopted


async def test_what_is_forgiven_costs_the_budget_alone(ledger: Ledger, kept: Job) -> None:
    await ledger.intend(kept, 0.015)
    await ledger.forgive(kept.id)
    assert [(entry.pictures, entry.price) for entry in await ledger.counted()] == [(0, 0.015)]
