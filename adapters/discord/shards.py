"""Which of Discord's shards this process serves, and when it may identify: agreed between processes over the database.

Shard s belongs to slot s modulo the number of processes that receive; direct messages come to shard 0, so to slot 0.
https://discord.com/developers/docs/events/gateway#sharding
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)

IDENTIFY_EVERY = 5.0
"""Seconds in which Discord takes `max_concurrency` identifies of one bot."""
LEEWAY = 0.2
"""Seconds more, since what left us evenly may arrive closer together."""
LONGEST = 600.0
"""Seconds ahead of which no turn can be: beyond it the clock was set back."""


class Facts(Protocol):
    """What of the store is needed here."""

    async def fact(self, key: str) -> str | None: ...

    async def swap_fact(self, key: str, old: str | None, new: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Share:
    """`mine` are the shards of this process, of `count` in all."""

    count: int
    mine: tuple[int, ...]

    @classmethod
    def of(cls, count: int, slot: int, receivers: int) -> Share:
        return cls(count, tuple(range(slot, count, receivers)) if slot < receivers else ())


async def agreed(facts: Facts, receivers: int, recommended: int) -> int:
    """How many shards there are when the operator did not say: at least one for each process that receives.

    One process alone follows Discord at each start. Several keep the number that the first of them found, also when
    Discord recommends more later: a guild between two numbers would be served twice, or by nobody. It is the operator
    who stops them all for a new number; Discord refuses a shard only from 2,500 guilds on, and recommends 1,000.
    """
    if receivers == 1:
        return recommended
    key = f"discord:shards-of-{receivers}"
    await facts.swap_fact(key, None, str(max(receivers, recommended)))
    count = int(await facts.fact(key) or receivers)
    if recommended > count:
        log.warning(
            "discord recommends more shards: stop all processes, set DISCORD_SHARDS and start them",
            recommended=recommended,
            now=count,
        )
    return count


class Turns:
    """One identify after the other, over all processes: `at_once` of them in five seconds, as Discord says."""

    def __init__(self, facts: Facts, at_once: int, clock: Callable[[], float] = time.time) -> None:
        self._facts = facts
        self._at_once = at_once
        self._clock = clock

    async def wait(self, shard: int) -> None:
        """Until this shard may identify."""
        await asyncio.sleep(await self.take(shard))

    async def take(self, shard: int) -> float:
        """Take the next turn; returns the seconds until it comes."""
        key = f"discord:identify-{shard % self._at_once}"
        while True:
            last = await self._facts.fact(key)
            now = self._clock()
            turn = max(now, _last(last, now) + IDENTIFY_EVERY + LEEWAY)
            if await self._facts.swap_fact(key, last, f"{turn:.3f}"):
                return turn - now


def _last(said: str | None, now: float) -> float:
    last = float(said) if said else 0.0
    return last if last < now + LONGEST else 0.0
