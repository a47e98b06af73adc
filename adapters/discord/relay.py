"""Shards that pass from process to process, so that no command is lost while one of them is away.

Who stops leaves its sessions behind, and a peer resumes them: nothing is missed. Who is gone without a word is stood in
for by a new session. Who comes back opens its own first, and then its stand-in lets go. For a moment both may hear the
same interaction: Discord takes one first answer, and the database one job for it.

Discord gives every session of a shard its events, and lets sessions be taken over:
https://discord.com/developers/docs/events/gateway#sharding and #resuming
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol, Self

import structlog

from adapters.discord.shards import Facts, Share
from bot.standing import any_there
from bot.tasks import cancelled, within

log = structlog.get_logger(__name__)

KIND = "discord"
"""Of the rings that say which shards changed hands."""
FRESH = 60.0
"""Seconds for which a session that was left is worth resuming."""
ABSENT = 5.0
"""Seconds that a process may be away before its shards are taken: a restart takes less."""
LOOK_EVERY = 1.0
LEAVE_WITHIN = 2.0
"""Seconds of a stop, once a peer is seen."""


@dataclass(frozen=True, slots=True)
class Session:
    """What RESUME needs. `url` is the one that Discord gave for it."""

    id: str
    sequence: int
    url: str


class Sessions(Protocol):
    """The gateway, as far as shards come and go; see adapters.discord.gateway."""

    async def wait_complete(self) -> None: ...

    async def connect_shard(self, shard: int, session: Session | None) -> None: ...

    async def leave(self, shard: int) -> Session | None: ...

    async def let_go(self, shard: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Holding:
    """Which slot serves a shard, since when (seconds since 1970); and the session, if that one left it."""

    slot: int
    at: float
    left: Session | None = None

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        if not text:
            return None
        told = json.loads(text)
        return cls(told["slot"], told["at"], Session(**told["left"]) if told["left"] else None)

    def __str__(self) -> str:
        return json.dumps(asdict(self))


class HeldFacts(Facts, Protocol):
    async def set_fact(self, key: str, value: str) -> None: ...


class Relay:
    """Runs beside the gateway wherever several processes receive. `present` tells which slots are there, ours too."""

    def __init__(
        self,
        facts: HeldFacts,
        sessions: Sessions,
        ring: Callable[[str], Awaitable[None]],
        present: Callable[[], Collection[int]],
        slot: int,
        receivers: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._facts, self._sessions, self._ring, self._present = facts, sessions, ring, present
        self._slot, self._receivers, self._clock = slot, receivers, clock
        self._share: Share | None = None
        self._standing_in: dict[int, asyncio.Task[None]] = {}
        self._absent: dict[int, float] = {}
        self._heard: set[int] = set()
        self._wake = asyncio.Event()
        self._over = False

    # ---- to be told ----

    def hear(self, about: str) -> None:
        """These shards changed hands."""
        self._heard |= {int(part) for part in about.split(",") if part}
        self._wake.set()

    def missed(self) -> None:
        """Rings may have been lost: look at all of them."""
        self._heard |= set(range(self._share.count if self._share else 0))
        self._wake.set()

    # ---- as long as the gateway is open ----

    async def run(self, share: Share) -> None:
        """Until cancelled. Raises nothing: without it, everyone has their own shards all the same."""
        self._share = share
        self.missed()
        arriving = asyncio.create_task(self._arrive())
        try:
            while True:
                await self._look_patiently()
                await within(LOOK_EVERY, self._wake)
        finally:
            await cancelled([arriving, *self._standing_in.values()])

    async def _arrive(self) -> None:
        """Our own shards are served by us: whoever stood in for them may let go."""
        await self._sessions.wait_complete()
        assert self._share is not None
        for shard in self._share.mine:
            await self._facts.set_fact(_key(shard), str(Holding(self._slot, self._clock())))
        await self._tell(self._share.mine)

    async def _look_patiently(self) -> None:
        try:
            await self._look()
        except Exception as error:  # the database is away: once more in a second
            log.warning("shards not looked after", error=type(error).__name__)
            self._absent.clear()
            self.missed()
            self._wake.clear()

    async def _look(self) -> None:
        self._wake.clear()
        heard, self._heard = self._heard, set()
        absent = self._gone()
        assert self._share is not None
        for shard in sorted(set(range(self._share.count)) if absent else heard):
            if shard not in self._share.mine and not self._over:
                await self._look_at(shard, absent)

    def _gone(self) -> set[int]:
        """The slots that should receive and have been away for too long; each is told of once."""
        now, present = self._clock(), set(self._present())
        away = set(range(self._receivers)) - present
        self._absent = {slot: self._absent.get(slot, now) for slot in away}
        gone = {slot for slot, since in self._absent.items() if since <= now - ABSENT}
        for slot in gone:
            self._absent[slot] = float("inf")  # not once more before it was there again
        return gone

    async def _look_at(self, shard: int, absent: Collection[int]) -> None:
        text = await self._facts.fact(_key(shard))
        holding = Holding.parse(text)
        holder = holding.slot if holding else shard % self._receivers
        left = holding.left if holding and holding.at > self._clock() - FRESH else None
        if shard in self._standing_in:
            if holder != self._slot:
                await self._let_go(shard)
        elif (left or holder in absent or holder == self._slot) and await self._claim(shard, text):
            log.info("standing in on discord", shard=shard, resumes=left is not None)
            self._standing_in[shard] = asyncio.create_task(self._sessions.connect_shard(shard, left))

    async def _claim(self, shard: int, text: str | None) -> bool:
        return await self._facts.swap_fact(_key(shard), text, str(Holding(self._slot, self._clock())))

    async def _let_go(self, shard: int) -> None:
        await cancelled([self._standing_in.pop(shard)])
        await self._sessions.let_go(shard)
        log.info("no longer standing in on discord", shard=shard)

    # ---- the end ----

    async def leave(self) -> None:
        """Leave every session of ours to a peer, if there is one. Never raises."""
        if self._share is None or not await any_there(set(range(self._receivers)) - {self._slot}, self._present):
            return
        self._over = True
        try:
            async with asyncio.timeout(LEAVE_WITHIN):
                await self._leave()
        except Exception as error:
            log.warning("discord's sessions were not left to a peer", error=type(error).__name__)

    async def _leave(self) -> None:
        assert self._share is not None
        shards = [*self._share.mine, *self._standing_in]
        await cancelled(self._standing_in.values())
        left = [shard for shard, taken in zip(shards, await self._all_left(shards), strict=True) if taken]
        await self._tell(left)
        log.info("discord's sessions left to a peer", shards=left)

    async def _all_left(self, shards: Sequence[int]) -> list[bool]:
        return await asyncio.gather(*(self._leave_one(shard) for shard in shards))

    async def _leave_one(self, shard: int) -> bool:
        session = await self._sessions.leave(shard)
        if session is not None:
            await self._facts.set_fact(_key(shard), str(Holding(self._slot, self._clock(), session)))
        return session is not None

    async def _tell(self, shards: Iterable[int]) -> None:
        await self._ring(",".join(str(shard) for shard in shards))


def _key(shard: int) -> str:
    return f"discord:shard-{shard}"
