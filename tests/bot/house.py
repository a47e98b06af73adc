"""The heart without its engine: the same intake and life, each job's run a plain task that can be killed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from uuid import uuid4

from bot.accounts import Accounts
from bot.alerts import Alerts
from bot.announcer import Announcer
from bot.answers import Answers
from bot.bell import Bell
from bot.brake import Brake
from bot.common import Common
from bot.gate import Gate
from bot.guard import Limits, Policy
from bot.images import ImageRequest
from bot.intake import Intake
from bot.jobs import Job, Place, Requester
from bot.ledger import Ledger
from bot.life import Life
from bot.pacing import Durations
from bot.pictures import Gallery
from bot.pricing import Pricing
from bot.standing import Held
from bot.store import Database, Record, Store
from bot.store.admission import Bounds
from bot.store.lease import Lease, owner_of
from bot.store.migrate import upgrade
from bot.vault import Vault
from tests.bot.making import ANNA, SQUARE
from tests.doubles.backend import PaintedBackend, Painting
from tests.doubles.reply import NotingReply

LIMITS = Limits(per_person=3, queue_per_person=20, per_day=100, budget=10.0)


@dataclass(frozen=True)
class Peer:
    """One process of several on the Postgres at `url`."""

    url: str
    slot: int
    role: str = "all"
    adopt_after: float = 5.0
    of: int = 2

    @property
    def name(self) -> str:
        return owner_of(self.slot)


class NotingPlatform:
    """Reopens the messages of an earlier start: `replies` by their address without the token."""

    name = "double"
    ready = True

    def __init__(self, replies: dict[str, NotingReply]) -> None:
        self.replies = replies
        self.reopened: list[str] = []

    def routes(self) -> tuple[()]:
        return ()

    async def login(self, vault: Vault) -> None: ...

    async def serve(self, easel: object) -> None: ...

    def reopen(self, address: str) -> NotingReply:
        self.reopened.append(address)
        return self.replies[address.split("?")[0]]

    async def stop_taking(self) -> None: ...

    async def close(self) -> None: ...


class House:
    """One start of the bot on `root`. Leaving the block is a kill: whatever runs is dropped where it stands."""

    def __init__(
        self,
        root: Path,
        backend: PaintedBackend,
        *,
        limits: Limits = LIMITS,
        policy: Policy | None = None,
        replies: dict[str, NotingReply] | None = None,
        look_for: float = 0.05,
        peer: Peer | None = None,
    ) -> None:
        """`peer`: one of several on a Postgres."""
        self.backend = backend
        self.peer = peer
        self.database = Database(peer.url if peer else f"sqlite:///{root / 'easel.sqlite'}", peer.name if peer else "")
        upgrade(self.database)
        gallery = Gallery(root)
        self.bell = Bell(self.database)
        owner = peer.name if peer else ""
        self.store = Store(self.database, gallery.pictures, owner, self.bell if peer else None)
        self.ledger = Ledger(self.database, owner or "house")
        self.alerts = Alerts("")
        self.replies = replies if replies is not None else {}
        self.platform = NotingPlatform(self.replies)
        self.life = Life(
            store=self.store,
            ledger=self.ledger,
            accounts=Accounts(time.time),
            backend=backend,
            gallery=gallery,
            answers=Answers(policy or Policy(), backend.capabilities.model),
            limits=limits,
            pricing=Pricing(backend, self.store),
            durations=Durations(),
            brake=Brake(backend, self.alerts, lambda: 0.015),
            alerts=self.alerts,
            platforms={"double": self.platform},
            embed_parameters=True,
            look_for=look_for,
        )
        self.common = self._common(peer, limits) if peer and peer.of > 1 else None
        if (common := self.common) is not None:
            self.life.standing = common.standing
            self.life.spent = lambda: common.spent.surely
        self.intake = Intake(
            self.life,
            common=self.common,
            gate=Gate(limits.per_person, backend.pictures_at_once),
            limits=limits,
            at_once=backend.pictures_at_once,
            run=self.run,
            redeliver=self.redeliver,
            mend=self._mend,
        )
        self.runs: dict[str, asyncio.Task[None]] = {}

    def _common(self, peer: Peer, limits: Limits) -> Common:
        standing = Held(Lease(self.database, peer.slot, peer.of, peer.role, peer.adopt_after))
        bounds = Bounds(limits.per_person, self.backend.pictures_at_once, self.backend.pictures_per_minute)
        runs = peer.role != "gateway"
        return Common(self.database, standing, self.bell, self.ledger, limits, bounds, runs)

    async def _join(self, common: Common) -> None:
        """As `bot.app` does, without an engine."""
        await common.standing.__aenter__()
        await common.settle()
        await self.bell.__aenter__()
        common.standing.draws(now=common.runs)
        common.standing.adopts(self.intake.take)
        common.standing.stays()
        self.bell.on("place", lambda _: self.intake.pump())
        self.bell.on("job", lambda _: self.intake.wake())
        self.bell.on("cancelled", self.intake.hear_cancelled)
        self.bell.on_missed(self.intake.hear_missed)
        self.start_ticking()

    def start_ticking(self) -> None:
        self._ticking = asyncio.create_task(self._tick())

    async def _leave(self, common: Common) -> None:
        self._ticking.cancel()
        await asyncio.gather(self._ticking, return_exceptions=True)
        await self.bell.__aexit__()
        await common.standing.__aexit__()

    async def _tick(self) -> None:
        while True:
            await self.intake.tick()
            await asyncio.sleep(0.2)

    async def _mend(self, left: Sequence[Record]) -> None:
        for record in left:
            if record.began:
                await self.run(record.job.id)

    async def __aenter__(self) -> Self:
        if self.common is not None:
            await self._join(self.common)
        self.life.announcer = await Announcer(self.intake.place, self.life.late).__aenter__()
        self.life.accounts.refill(await self.ledger.counted())
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.intake.close()  # else the end of one run lets in the next
        for task in self.runs.values():
            task.cancel()
        await asyncio.gather(*self.runs.values(), return_exceptions=True)
        await self.life.announcer.__aexit__()
        if self.common is not None:
            await self._leave(self.common)
        self.database.close()

    async def run(self, job_id: str) -> None:
        self.runs[job_id] = asyncio.create_task(self._live(job_id))

    async def redeliver(self, job_id: str) -> None:
        self.runs[job_id + "+"] = asyncio.create_task(self.life.redeliver(job_id))

    async def _live(self, job_id: str) -> None:
        try:
            if not await self.life.live(job_id):
                await self.redeliver(job_id)
        finally:
            self.intake.over(job_id)

    async def resume(self) -> None:
        """Go on with what an earlier start left."""
        for record in await self.store.open():
            reply = self.platform.reopen(record.job.address) if record.job.address else None
            self.intake.resume(record, reply, inside=record.began)
            if record.began:
                await self.run(record.job.id)

    async def ask(
        self,
        request: ImageRequest,
        *,
        requester: Requester = ANNA,
        place: Place = SQUARE,
        key: str | None = None,
        private: bool = False,
        spoiler: bool = False,
        reply: NotingReply | None = None,
    ) -> tuple[Job, NotingReply]:
        shown = reply or NotingReply(message=uuid4().hex[:8])
        self.replies[f"double:{shown.message}"] = shown
        made = await self.intake.accept(
            request,
            requester=requester,
            place=place,
            delivery_key=key or uuid4().hex,
            reply=shown,
            private=private,
            spoiler=spoiler,
        )
        return made, shown

    async def painting(self) -> Painting:
        """Wait until the first job is at the API."""
        async with asyncio.timeout(5):
            while not (paintings := self.backend.account.paintings):
                await asyncio.sleep(0.005)
        return next(iter(paintings.values()))

    async def over(self, job: Job, seconds: float = 5.0) -> Record:
        """Wait until the job is closed."""
        async with asyncio.timeout(seconds):
            while True:
                record = await self.store.get(job.id)
                if record.state == "closed":
                    return record
                await asyncio.sleep(0.005)
