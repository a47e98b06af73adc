"""The account's turn-taking: few submits in flight, and never more pictures in any minute than the tier allows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from bot.pacing import MINUTE

PAUSE = 5.0
"""Seconds that everyone pauses after a 429 that says no number."""
LONGEST_PAUSE = 120.0


def room_in(taken: Iterable[tuple[float, int]], pictures: int, now: float, per_minute: int) -> float:
    """Seconds until `pictures` more may be submitted. `taken` is (when, how many), oldest first.

    A sliding window: a leaky bucket would let a full minute's pictures through at once and again within the same
    minute. A job larger than the whole minute waits until nothing else is in it.
    """
    recent = [(when, count) for when, count in taken if when > now - MINUTE]
    over = sum(count for _, count in recent) + min(pictures, per_minute) - per_minute
    if over <= 0:
        return 0.0
    for when, count in recent:
        over -= count
        if over <= 0:
            return when + MINUTE - now
    return MINUTE


class Turns:
    """First come, first served."""

    def __init__(self, *, lanes: int, per_minute: int) -> None:
        self._lanes = asyncio.Semaphore(lanes)
        self._first = asyncio.Lock()
        self._per_minute = per_minute
        self._taken: deque[tuple[float, int]] = deque()
        self._quiet_until = 0.0

    @asynccontextmanager
    async def turn(self, pictures: int) -> AsyncIterator[None]:
        """Hold a submit lane, once the minute has room for these pictures."""
        async with self._lanes:
            async with self._first:
                await self._room(pictures)
            yield

    def pause(self, seconds: float | None) -> None:
        """The API said 429: nobody's turn comes before that is over."""
        wait = PAUSE if seconds is None else min(seconds, LONGEST_PAUSE)
        self._quiet_until = max(self._quiet_until, asyncio.get_running_loop().time() + wait)

    async def _room(self, pictures: int) -> None:
        clock = asyncio.get_running_loop().time
        while (wait := self._wait(pictures, clock())) > 0:  # noqa: ASYNC110 - it is time that we wait for
            await asyncio.sleep(wait)
        while self._taken and self._taken[0][0] <= clock() - MINUTE:
            self._taken.popleft()
        self._taken.append((clock(), pictures))

    def _wait(self, pictures: int, now: float) -> float:
        return max(self._quiet_until - now, room_in(self._taken, pictures, now, self._per_minute))
