"""A slot is held by one process; who is silent loses it, and who comes back in time keeps it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Literal, cast

import pytest
import sqlalchemy as sa

from bot import standing
from bot.errors import BadSettings
from bot.standing import Adopt, Held
from bot.store import Database, Store
from bot.store.lease import Lease, Peer, SlotLost, SlotTaken, owner_of
from bot.store.migrate import upgrade
from bot.store.tables import slots
from tests.bot.making import job, request
from tests.servers.postgres import new_database


@pytest.fixture
def url(postgres_url: str) -> str:
    made = new_database(postgres_url)
    with closing(Database(made)) as database:
        upgrade(database)
    return made


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with closing(Database(url, owner_of(0))) as made:
        yield made


@pytest.fixture
def other(url: str) -> Iterator[Database]:
    """That of another process."""
    with closing(Database(url, owner_of(1))) as made:
        yield made


@asynccontextmanager
async def taken(database: Database, slot: int) -> AsyncIterator[Lease]:
    lease = Lease(database, slot, 2, "all", 30)
    await lease.take()
    try:
        yield lease
    finally:
        await lease.let_go()


async def heard_of(lease: Lease, slot: int) -> Peer:
    return next(peer for peer in await lease.beat() if peer.slot == slot)


def adopts_to(found: list[list[str]]) -> Adopt:
    async def adopt(job_ids: list[str]) -> None:
        found.append(job_ids)

    return adopt


async def slots_of(database: Database) -> set[int]:
    return set(await database.read(lambda connection: connection.execute(sa.select(slots.c.slot)).scalars().all()))


async def accepted(database: Database, owner: str) -> str:
    made = job(request())
    kept = await Store(database, Path(), owner).accept(made, delivery_key=made.id, ordinal=0, message_key="m", kind="k")
    assert kept is not None
    return kept.id


async def silence(database: Database, slot: int, seconds: float) -> None:
    """As if its last beat was so long ago."""
    aged = slots.update().where(slots.c.slot == slot).values(beat_at=slots.c.beat_at - seconds)
    await database.write(lambda connection: connection.execute(aged).close())


async def test_a_slot_is_held_by_one_and_free_once_it_lets_go(database: Database, other: Database) -> None:
    async with taken(database, 0):
        with pytest.raises(SlotTaken):
            await Lease(other, 0, 2, "all", 30).take()
    async with Held(Lease(other, 0, 2, "all", 30)):  # it takes a moment until the server has heard
        pass


async def test_everyone_hears_of_everyone(database: Database, other: Database) -> None:
    async with taken(database, 0) as one, taken(other, 1) as two:
        await silence(database, 1, 60)
        seen = {peer.slot: peer.silent_for for peer in await one.beat()}
        assert seen[0] == 0.0
        assert seen[1] > 59
        await two.beat()
        assert max(peer.silent_for for peer in await one.beat()) < 5


async def test_only_a_silent_peer_is_adopted_and_then_it_has_lost_its_slot(database: Database, other: Database) -> None:
    async with taken(database, 0) as one, taken(other, 1) as two:
        before = await heard_of(one, 1)
        await two.beat()
        assert await one.adopt(before) is None
        assert await one.adopt(await heard_of(one, 1)) == []
        with pytest.raises(Exception):  # noqa: B017, PT011 - its session was ended: which error is the driver's affair
            await two.beat()
        await two.let_go()
        with pytest.raises(SlotLost):
            await two.beat()


async def test_of_two_who_would_adopt_one_does(database: Database, other: Database, url: str) -> None:
    with closing(Database(url, owner_of(2))) as third:
        async with taken(database, 0) as one, taken(third, 2) as three:
            async with taken(other, 1):
                pass
            peer = await heard_of(one, 1)
            found = await asyncio.gather(one.adopt(peer), three.adopt(peer))
            assert [one is None for one in found].count(True) == 1


async def test_a_lost_connection_is_replaced_and_the_slot_kept(database: Database, other: Database) -> None:
    async with taken(database, 0) as one, taken(other, 1):
        ended = sa.text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%beat_at%' AND pid <> pg_backend_pid()"
        )
        await one.beat()
        await other.write(lambda connection: connection.execute(ended).close())
        with pytest.raises(Exception):  # noqa: B017, PT011 - as above
            await one.beat()
        await one.let_go()
        assert {peer.slot for peer in await one.beat()} >= {0}


async def test_a_taken_slot_is_refused_and_told(database: Database, other: Database) -> None:
    async with taken(database, 0):
        held = Held(Lease(other, 0, 2, "all", 30))
        with pytest.raises(BadSettings, match="another Easel holds slot 0"):
            await held.__aenter__()


async def test_a_holder_that_is_silent_for_too_long_is_ended_by_its_successor(
    database: Database, other: Database
) -> None:
    async with taken(database, 0):
        await silence(other, 0, 31)
        began = time.monotonic()
        async with Held(Lease(other, 0, 2, "all", 30)) as held:
            assert held.sure
        assert time.monotonic() - began < 4


async def test_nothing_is_sure_while_the_server_is_away_and_then_it_is_again(database: Database) -> None:
    async with Held(Lease(database, 0, 2, "all", 5)) as held:
        await held.hold()
        held._beat_at -= 10
        assert not held.sure
        async with asyncio.timeout(5):
            await held.hold()  # the next beat
        assert held.sure


async def test_who_is_silent_is_not_counted_on(database: Database, other: Database) -> None:
    async with taken(other, 1) as peer, Held(Lease(database, 0, 2, "all", 30)) as held:
        held.draws(now=True)
        peer.draws = True
        await peer.beat()
        async with asyncio.timeout(5):
            while held.owners != ["easel-0", "easel-1"]:
                await asyncio.sleep(0.05)
        assert held.workers == 2
        await silence(database, 1, 4)
        async with asyncio.timeout(5):
            while held.owners != ["easel-0"]:
                await asyncio.sleep(0.05)
        assert held.workers == 1


async def test_who_counts_the_slots_differently_is_refused_and_told(database: Database, other: Database) -> None:
    async with Held(Lease(database, 0, 2, "all", 30)):
        with pytest.raises(BadSettings, match="EASEL_SLOTS: it is 3 here and 2 in slot 0, which is at work"):
            await Held(Lease(other, 1, 3, "all", 30)).__aenter__()
        assert await slots_of(database) == {0}  # else what is at work would be refused when it starts again
    async with taken(database, 0), Held(Lease(other, 1, 3, "all", 30)):  # it is silent, and that is waited for
        pass


async def test_who_would_take_others_for_dead_sooner_or_later_than_they_do_is_refused_and_told(
    database: Database, other: Database
) -> None:
    async with Held(Lease(database, 0, 2, "all", 30)):
        with pytest.raises(BadSettings, match="EASEL_ADOPT_AFTER: it is 300 here and 30 in slot 0, which is at work"):
            await Held(Lease(other, 1, 2, "all", 300)).__aenter__()


@pytest.mark.parametrize(
    ("role", "serves", "fits"),
    [
        ("all", {"discord"}, True),
        ("all", {"discord", "slack"}, False),
        ("all", set(), False),
        ("worker", {"discord", "slack"}, True),
        ("gateway", {"slack"}, False),
        ("gateway", {"discord"}, True),
        ("gateway", set(), True),
    ],
)
async def test_whoever_draws_has_to_answer_wherever_anybody_is_asked(
    database: Database, other: Database, role: str, serves: set[str], fits: bool
) -> None:
    there = "gateway" if role == "worker" else "all"
    async with Held(Lease(database, 0, 2, there, 30, frozenset({"discord"}))):
        held = Held(Lease(other, 1, 2, role, 30, frozenset(serves)))
        if fits:
            async with held:
                return
        with pytest.raises(BadSettings, match=r"EASEL_PLATFORMS: (discord|slack) is served either here or in slot 0"):
            await held.__aenter__()


async def test_when_the_servers_clock_is_set_nobody_who_lives_is_taken_for_dead(
    database: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Setting the clock makes all beats of before look old, until the next ones."""
    adopted: list[list[str]] = []
    async with Held(Lease(database, 0, 2, "all", 5)) as held, Held(Lease(other, 1, 2, "all", 5)):
        held.adopts(adopts_to(adopted))
        held._steady_since -= 60
        for _ in range(4):
            await asyncio.sleep(0.7)
            await silence(database, 1, 3600)
        assert not adopted
        assert 1 in await slots_of(database)


async def test_who_is_dead_is_so_whatever_the_servers_clock_says(database: Database, other: Database) -> None:
    adopted: list[list[str]] = []
    async with Held(Lease(database, 0, 2, "all", 5)) as held:
        held.adopts(adopts_to(adopted))
        async with taken(other, 1):
            pass
        await silence(database, 1, -3600)  # the clock was set back
        began = time.monotonic()
        async with asyncio.timeout(10):
            while not adopted:
                await asyncio.sleep(0.05)
        assert time.monotonic() - began > 4


async def test_what_a_slot_left_that_nobody_has_is_gone_on_with(
    database: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer that was taken for dead accepted one more before it heard of it."""
    monkeypatch.setattr(standing, "LEFT_EVERY", 0.5)
    left = await accepted(database, "easel-7")
    nobodys, held_by_one = await accepted(database, ""), await accepted(database, "easel-1")
    closed = await accepted(database, "easel-7")
    await Store(database, Path()).closed(closed, address="", public=False)
    adopted: list[list[str]] = []
    async with taken(other, 1), Held(Lease(database, 0, 2, "all", 30)) as held:
        held.adopts(adopts_to(adopted))
        held._steady_since -= 60
        async with asyncio.timeout(5):
            while not adopted:
                await asyncio.sleep(0.05)
    store = Store(database, Path())
    assert adopted == [[left]]
    owners = [(await store.get(job_id)).owner for job_id in (left, nobodys, held_by_one, closed)]
    assert owners == ["easel-0", "", "easel-1", "easel-7"]


async def test_who_stops_adopts_nobody(database: Database, other: Database) -> None:
    adopted: list[list[str]] = []
    async with Held(Lease(database, 0, 2, "all", 5)) as held:
        held.adopts(adopts_to(adopted))
        held._steady_since -= 60
        async with taken(other, 1):
            pass
        held.adopts(None)
        await asyncio.sleep(7)
        assert not adopted
        assert 1 in await slots_of(database)


@pytest.mark.parametrize("apart", [False, True])
async def test_who_is_stopped_in_the_middle_of_a_transaction_holds_up_the_others_for_a_moment_only(
    database: Database, other: Database, monkeypatch: pytest.MonkeyPatch, apart: bool
) -> None:
    lock = "SELECT pg_advisory_xact_lock(4711)"
    began = time.monotonic()
    if apart:
        connection = await database.apart()
        await connection.execute(f"BEGIN; {lock}")
    else:
        pooled = database.engine.connect()
        pooled.execute(sa.text(lock))
    await other.write(lambda there: there.execute(sa.text(lock)).close())
    assert 2 < time.monotonic() - began < 6
    if apart:
        await connection.close()
    else:
        pooled.invalidate()
        pooled.close()


async def test_starts_that_fail_one_after_the_other_are_nobody_to_wait_for(database: Database, other: Database) -> None:
    """A wrong token: its supervisor starts it again and again, and its jobs are gone on with by a peer."""
    adopted: list[list[str]] = []
    async with Held(Lease(database, 0, 2, "all", 5)) as held:
        held.adopts(adopts_to(adopted))
        async with Held(Lease(other, 1, 2, "all", 5)) as peer:
            peer.stays()
        job_id = await accepted(database, "easel-1")
        async with asyncio.timeout(15):
            while not adopted:
                await asyncio.sleep(3.3)
                async with Held(Lease(other, 1, 2, "all", 5)):
                    pass
        assert adopted == [[job_id]]


class SlowLease:
    """The server takes its time for our heartbeat, and the peer's comes in between."""

    slot, of, role, serves, draws, dead_after = 0, 2, "all", frozenset[str](), False, 5.0
    beats = 0

    async def beat(self) -> list[Peer]:
        self.beats += 1
        await asyncio.sleep(4.0 if self.beats == 1 else 0.0)
        silent_for = 0.1 if self.beats == 1 else 1.2
        ours = Peer(0, "all", 2, 5.0, frozenset(), draws=True, beat_at=1.0 * self.beats, silent_for=0.0)
        return [ours, Peer(1, "all", 2, 5.0, frozenset(), draws=True, beat_at=100.0, silent_for=silent_for)]


async def test_who_beat_while_our_own_beat_was_slow_is_there() -> None:
    held = Held(cast(Lease, SlowLease()))
    await held._beat()
    await asyncio.sleep(1.1)
    await held._beat()
    assert held.present == {0, 1}
    assert not held._is_dead(held._peers[1])


@pytest.mark.parametrize("lane", [None, "run"])
@pytest.mark.parametrize("at_the_end", [False, True])
async def test_what_was_taken_back_from_a_stopped_process_is_done_again(
    database: Database, lane: Literal["run"] | None, at_the_end: bool
) -> None:
    tries = 0
    alive = sa.text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")

    def work(connection: sa.Connection) -> int:
        nonlocal tries
        tries += 1
        pid = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        if tries == 1:
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as seen:
                while seen.execute(alive, {"pid": pid}).scalar_one():
                    time.sleep(0.05)
        return 2 if at_the_end else int(connection.execute(sa.text("SELECT 2")).scalar_one())

    assert await database.write(work, lane) == 2
    assert tries == 2


async def test_a_successor_ends_what_its_silent_predecessor_left_under_way(
    database: Database, other: Database, url: str
) -> None:
    """A machine that lost its power in the middle of a commit: the server keeps the lock that everybody waits for."""
    async with taken(database, 0):
        connection = database.engine.connect()
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(4711)"))
        await silence(database, 0, 31)
        with closing(Database(url, owner_of(0))) as anew:
            async with Held(Lease(anew, 0, 1, "all", 30)):
                free = sa.text("SELECT pg_try_advisory_xact_lock(4711)")
                assert await other.read(lambda there: there.execute(free).scalar())
        connection.invalidate()
        connection.close()
