"""The division of Discord's shards between processes, and their turns to identify."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.discord.shards import Share, Turns, agreed
from bot.store import Database, Store
from bot.store.migrate import upgrade


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    database = Database(f"sqlite:///{tmp_path / 'easel.sqlite'}")
    upgrade(database)
    yield Store(database, tmp_path)
    database.close()


@pytest.mark.parametrize(("count", "receivers"), [(1, 1), (7, 1), (2, 2), (5, 2), (16, 3), (3, 3), (2, 3)])
def test_each_shard_has_exactly_one_process(count: int, receivers: int) -> None:
    shares = [Share.of(count, slot, receivers) for slot in range(receivers)]
    assert sorted(shard for share in shares for shard in share.mine) == list(range(count))


def test_direct_messages_come_to_slot_0() -> None:
    assert 0 in Share.of(8, 0, 3).mine


async def test_one_process_alone_follows_discord(store: Store) -> None:
    assert [await agreed(store, 1, recommended) for recommended in (1, 3, 2)] == [1, 3, 2]


async def test_several_have_at_least_one_shard_each(store: Store) -> None:
    assert await agreed(store, 3, recommended=1) == 3


async def test_several_agree_also_when_discord_tells_them_different_numbers(store: Store) -> None:
    found = await asyncio.gather(*(agreed(store, 2, recommended) for recommended in (4, 5, 6)))
    assert len(set(found)) == 1


async def test_the_number_stays_when_discord_recommends_more_later(store: Store) -> None:
    assert await agreed(store, 2, recommended=4) == 4
    assert await agreed(store, 2, recommended=9) == 4


async def test_another_number_of_processes_agrees_anew(store: Store) -> None:
    assert await agreed(store, 2, recommended=2) == 2
    assert await agreed(store, 4, recommended=2) == 4


async def test_processes_identify_one_after_the_other(store: Store) -> None:
    processes = [Turns(store, 1, clock=lambda: 1000.0) for _ in range(3)]
    waits = await asyncio.gather(*(process.take(shard) for shard, process in enumerate(processes)))
    assert sorted(round(wait, 1) for wait in waits) == [0.0, 5.2, 10.4]


async def test_as_many_identify_at_once_as_discord_takes(store: Store) -> None:
    turns = Turns(store, 2, clock=lambda: 1000.0)
    assert [round(await turns.take(shard), 1) for shard in range(4)] == [0.0, 0.0, 5.2, 5.2]


async def test_a_turn_is_free_again_after_five_seconds(store: Store) -> None:
    now = [1000.0]
    turns = Turns(store, 1, clock=lambda: now[0])
    await turns.take(0)
    now[0] += 6
    assert await turns.take(1) == 0.0


async def test_a_clock_that_was_set_back_holds_nobody_up(store: Store) -> None:
    await Turns(store, 1, clock=lambda: 1e6).take(0)
    assert await Turns(store, 1, clock=lambda: 1e3).take(0) == 0.0
