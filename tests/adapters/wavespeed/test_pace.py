from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from adapters.wavespeed.pace import Turns, room_in
from bot.pacing import MINUTE


def test_a_minute_holds_what_the_tier_allows_and_no_more() -> None:
    taken = [(0.0, 4), (1.0, 4)]
    assert room_in(taken, 2, 2.0, 10) == 0.0
    assert room_in(taken, 3, 2.0, 10) == MINUTE - 2.0
    assert room_in(taken, 10, 2.0, 10) == 1.0 + MINUTE - 2.0
    assert room_in(taken, 10, MINUTE + 1.5, 10) == 0.0


def test_a_job_larger_than_the_minute_waits_for_an_empty_one() -> None:
    assert room_in([], 4, 0.0, 2) == 0.0
    assert room_in([(0.0, 1)], 4, 1.0, 2) == MINUTE - 1.0


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 4)), max_size=60), st.integers(4, 12))
def test_no_window_ever_holds_more_than_the_tier_allows(arrivals: list[tuple[float, int]], per_minute: int) -> None:
    now, taken = 0.0, list[tuple[float, int]]()
    for gap, pictures in arrivals:
        now += gap
        now += room_in(taken, pictures, now, per_minute)
        now += 1e-6
        assert room_in(taken, pictures, now, per_minute) == 0.0
        taken.append((now, pictures))
    for start, _ in taken:
        assert sum(count for when, count in taken if start <= when < start + 60) <= per_minute


async def test_lanes_bound_the_submits_in_flight() -> None:
    turns, inside, most = Turns(lanes=2, per_minute=1000), 0, 0

    async def submit() -> None:
        nonlocal inside, most
        async with turns.turn(1):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(submit() for _ in range(20)))
    assert most == 2


async def test_a_cancelled_turn_gives_its_lane_back() -> None:
    turns = Turns(lanes=1, per_minute=1)
    async with turns.turn(1):
        pass
    waiting = asyncio.create_task(turns.turn(1).__aenter__())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert turns._lanes._value == 1
    assert not turns._first.locked()


async def test_a_refusal_makes_everyone_pause() -> None:
    turns, clock = Turns(lanes=4, per_minute=1000), asyncio.get_running_loop().time
    turns.pause(0.2)
    began = clock()
    async with turns.turn(1):
        assert clock() - began >= 0.19
