"""What several processes on one Postgres share: who may go next, what was spent, and word of each other.

Intake asks here instead of its own memory when there is more than one process (`EASEL_SLOTS`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from bot.bell import Bell
from bot.guard import Limits
from bot.images import ImageRequest
from bot.jobs import Job, Requester
from bot.ledger import DAY, Entry, Ledger
from bot.spent import Spent
from bot.standing import Held
from bot.store import Database, admission
from bot.store.admission import Bounds, Queue

SETTLE_EVERY = 60.0


More = Callable[[sa.Connection], None]


@dataclass(slots=True)
class Common:
    """`runs` False for a gateway: what it accepts is anybody's."""

    database: Database
    standing: Held
    bell: Bell
    ledger: Ledger
    limits: Limits
    bounds: Bounds
    runs: bool
    spent: Spent = field(default_factory=Spent)
    queue: Queue = field(default_factory=lambda: Queue(0, 0, ()))
    _settled_at: float = -SETTLE_EVERY
    _looked_at: float = 0.0

    @property
    def owner(self) -> str:
        """Whose a job is that we accept."""
        return self.standing.owner if self.runs else ""

    def check(
        self,
        connection: sa.Connection,
        requester: Requester,
        request: ImageRequest,
        price: float,
        more: More,
        but: str = "",
    ) -> None:
        """Raise what the limits do, or `more`, over all processes; the job `but` is not counted."""
        usage = self.spent.usage(connection, requester, but)
        self.limits.check(usage, pictures=request.count, price=price)
        more(connection)

    def reserve(self, connection: sa.Connection, job: Job, price: float, more: More) -> Entry:
        """In the transaction that accepts the job, once its row is there: check, and reserve what it will cost.

        `spent.lock` came first: nobody else is counted meanwhile.
        """
        self.check(connection, job.requester, job.request, price, more, but=job.id)
        entry = self.ledger.reserve(connection, job, price)
        if not self.runs:
            self.bell.ring_in(connection, "job")
        return entry

    async def let_in(self, most: int) -> list[str]:
        """Our jobs that may go to the API now; they are marked as running."""
        standing, bounds = self.standing, self.bounds

        def work(connection: sa.Connection) -> list[str]:
            return admission.let_in(connection, standing.owner, standing.owners, bounds, most)

        return await self.database.write(work)

    async def take(self) -> list[str]:
        """A fair part of the jobs that nobody runs yet is ours now; their ids."""
        owner, workers = self.standing.owner, self.standing.workers
        return await self.database.write(lambda connection: admission.take(connection, owner, workers))

    async def look(self, within: float = 0.0) -> Queue:
        """The whole queue, not older than so many seconds."""
        if time.monotonic() - self._looked_at > within:
            owners = self.standing.owners
            self.queue = await self.database.read(lambda connection: admission.look(connection, owners, self.bounds))
            self._looked_at = time.monotonic()
        return self.queue

    async def settle(self) -> None:
        """What is summed up once a minute; called as often as one likes."""
        if time.monotonic() - self._settled_at < SETTLE_EVERY:
            return
        self._settled_at = time.monotonic()

        def work(connection: sa.Connection) -> None:
            self.spent.settle(connection)
            admission.forget(connection, time.time() - DAY)

        await self.database.write(work)
