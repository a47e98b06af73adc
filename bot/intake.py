"""Takes work in: limits, store, queue, engine; cancels it; knows who waits where."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import structlog

from bot import cards, metrics
from bot.errors import BadRequest, BudgetReached, DiskFull, LimitReached, NotAllowed, OperatorMustAct, TryAgain
from bot.gate import Entrant, Gate
from bot.guard import Limits, Usage
from bot.images import ImageRequest
from bot.jobs import Cancelled, Generating, Job, Place, Progress, Requester, Waiting, new_id
from bot.ledger import Entry, State
from bot.life import Life
from bot.pacing import Usual, backoff, kind, usual_wait
from bot.ports import DeliveryFailed, Reply
from bot.store import Record, Stage
from bot.tasks import ended

if TYPE_CHECKING:
    from bot.common import Common

log = structlog.get_logger()

LOOK_WITHIN = 0.5
"""Seconds that a command waits to hear what all processes used up: its first answer has to be out in three."""
LOOK_EVERY = 2.0
"""Seconds between two looks at the queue over all processes, while somebody waits in it here."""
LOOK_IDLE = 10.0
"""The same while nobody here waits: what is watched is known for all of them."""
LEFT_EVERY = 15.0
"""Seconds between two looks for jobs that are ours and in nobody's hands; longer than a cancel's answer takes."""
PAID = (State.POSTING, State.SUBMITTED)
STARTING_AT_ONCE = 16

Start = Callable[[str], Awaitable[None]]
Mend = Callable[[Sequence[Record]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class QueueView:
    """`waiting` and `running` count everyone's jobs; `mine` are one person's own. `usual_wait` in seconds."""

    waiting: int
    running: int
    mine: tuple[tuple[Job, Progress], ...]
    usual_wait: float | None


class Intake:
    """`at_once` is how many pictures the account draws at the same time, for the estimate of a wait."""

    def __init__(
        self,
        life: Life,
        *,
        gate: Gate,
        limits: Limits,
        at_once: int,
        run: Start,
        redeliver: Start,
        mend: Mend,
        common: Common | None = None,
    ) -> None:
        """`run` starts a job's workflow, `redeliver` the one that only delivers, `mend` whichever of them is missing for
        jobs that began elsewhere.

        `common` is there when several processes are: then the gate only knows who of ours is where, and it is decided
        over all of them who may go next, and what was used up.
        """
        self._life = life
        self._common = common
        self._gate = gate
        self._limits = limits
        self._at_once = at_once
        self._run = run
        self._redeliver = redeliver
        self._mend = mend
        self._arriving: Counter[str] = Counter()
        self._places: dict[str, int] | None = None
        self._starting: set[asyncio.Task[None]] = set()
        self._aside: set[asyncio.Task[None]] = set()
        self._letting_in: asyncio.Task[None] | None = None
        self._again = False
        self._begun: set[str] = set()
        self._left: set[tuple[str, Stage]] = set()
        self._left_at = time.monotonic()
        self._closed = False
        self._caps: dict[str, int] = {}

    # ---- from memory ----

    def cap(self, platform: str, pictures: int) -> None:
        """From now on, all of a platform's people together get so many in 24 hours: where anybody is new who likes."""
        self._caps[platform] = pictures

    async def check(self, requester: Requester, place: Place, request: ImageRequest) -> None:
        """Raise LimitReached, BudgetReached, DiskFull, KeyRefused or CreditsExhausted.

        Of a spent budget and a full disk the operator is alerted. One process waits for nothing; of several, it is
        looked up what all of them used up, if that is told in a moment: it is decided when the job is accepted.
        """
        del place  # what a community allows comes with its settings
        with self._alerting():
            self._check(requester, request)
            if self._common is not None:
                await self._check_all(self._common, requester, request)

    async def _check_all(self, common: Common, requester: Requester, request: ImageRequest) -> None:
        def look(connection: sa.Connection) -> None:
            common.check(connection, requester, request, self.price(request), self._capped(common, requester, request))

        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_WITHIN):
                await common.database.read(look)

    @contextmanager
    def _alerting(self) -> Iterator[None]:
        try:
            yield
        except BudgetReached:
            self._life.alerts.raise_("BudgetReached", "the daily budget is spent; nothing is drawn until it frees up.")
            raise
        except DiskFull:
            self._life.alerts.raise_("DiskFull", "the disk is nearly full; no new job is taken.")
            raise

    def _check(self, requester: Requester, request: ImageRequest) -> None:
        self._life.brake.check()
        self._life.gallery.check_room()
        running, waiting = self._gate.of(requester.key)
        usage = Usage(
            running=running,
            waiting=waiting + self._arriving[requester.key],
            pictures=self._life.accounts.pictures(requester.key),
            dollars=self._life.accounts.dollars,
        )
        self._limits.check(usage, pictures=request.count, price=self.price(request))
        self._check_cap(requester.platform, request.count)

    def _check_cap(self, platform: str, pictures: int) -> None:
        self._under_cap(platform, self._life.accounts.pictures_of(platform), pictures)

    def _under_cap(self, platform: str, drawn: int, pictures: int) -> None:
        cap = self._caps.get(platform)
        if cap is not None and drawn + pictures > cap:
            raise LimitReached(
                f"Everyone here together gets {cap} pictures in 24 hours, and they are used up. "
                "They come back one by one; please try again later."
            )

    def price(self, request: ImageRequest) -> float:
        """US$ for the whole request."""
        return self._life.pricing.price(request)

    def usual(self, request: ImageRequest) -> Usual | None:
        """What such a job took lately."""
        return self._life.durations.usual(kind(request))

    @property
    def paused(self) -> OperatorMustAct | None:
        """What stops all work, if anything does."""
        return self._life.brake.reason

    async def queue(self, requester: Requester) -> QueueView:
        if self._common is None:
            mine = [(job, self.progress(job.id) or Waiting(1, None)) for job in self._life.announcer.of(requester.key)]
        else:
            await self._look()
            mine = [(record.job, self._seen(record)) for record in await self._life.store.open_of(requester)]
        waiting, running = self.load
        return QueueView(waiting, running, tuple(mine), self._wait(waiting + 1))

    def _seen(self, record: Record) -> Progress:
        """How far a job is that may run elsewhere."""
        if (known := self.progress(record.job.id)) is not None or record.started_at is None:
            return known or Waiting(1, None)
        usual = self.usual(record.job.request)
        return Generating((datetime.now(UTC) - record.started_at).total_seconds(), usual.mid if usual else None)

    def progress(self, job_id: str) -> Progress | None:
        """How far a job is that runs here, or waits anywhere; None for any other."""
        return self._life.announcer.progress(job_id) or self.place(job_id)

    @property
    def load(self) -> tuple[int, int]:
        """(waiting, running) jobs of everyone."""
        if self._common is not None:
            return self._common.queue.waiting, self._common.queue.running
        return self._gate.waiting, self._gate.running

    @property
    def spent(self) -> float:
        """US$ of everyone's last 24 hours, what waits included."""
        return self._common.spent.dollars if self._common else self._life.accounts.dollars

    def place(self, job_id: str) -> Waiting | None:
        """Where a job waits; None once it no longer does."""
        if self._places is None:
            order = self._common.queue.order if self._common else ()
            self._places = {one: place for place, one in enumerate(order, 1)} or self._gate.places()
        place = self._places.get(job_id)
        if place is None and self._common is not None and self._gate.is_waiting(job_id):
            place = self._common.queue.waiting + 1  # it came after the last look
        return Waiting(place, self._wait(place)) if place else None

    def _wait(self, place: int) -> float | None:
        return usual_wait(place, self._life.durations.typical(), self._at_once)

    # ---- work in ----

    async def accept(
        self,
        request: ImageRequest,
        *,
        requester: Requester,
        place: Place,
        delivery_key: str,
        reply: Reply,
        ordinal: int = 0,
        private: bool = False,
        spoiler: bool = False,
        locale: str = "en",
        notes: tuple[str, ...] = (),
    ) -> Job:
        """Commit a job, queue it, and from then on keep `reply` up to date until its one answer is out.

        A replay of the same delivery is the same job. Raises what `check` raises, BadRequest for what the backend
        can't do, TryAgain while shutting down.
        """
        if self._closed:
            raise TryAgain("Easel is restarting. Please ask again in a moment.")
        self._life.backend.capabilities.check(request)
        with self._alerting():
            self._check(requester, request)
        job = Job(
            id=new_id(),
            short="",
            request=request,
            requester=requester,
            place=place,
            address=reply.address,
            created_at=datetime.now(UTC),
            private=private,
            spoiler=spoiler,
            locale=locale,
            notes=notes,
        )
        self._life.accounts.charge(job.id, requester.key, request.count, self.price(request))
        self._arriving[requester.key] += 1
        try:
            with self._alerting():
                kept = await self._commit(job, delivery_key, ordinal, reply.key)
        except BaseException:
            self._life.accounts.give_back(job.id)
            raise
        finally:
            self._arriving[requester.key] -= 1
            if not self._arriving[requester.key]:
                del self._arriving[requester.key]
        if kept is None:
            self._life.accounts.give_back(job.id)
            return await self._replayed(requester, delivery_key, ordinal)
        metrics.accepted(place.platform)
        log.info("accepted", job=kept.id, platform=place.platform, pictures=request.count)
        if self._runs:
            self._queue(kept, reply)
        else:  # what a worker gives back would stay charged here
            self._life.accounts.give_back(job.id)
        return kept

    async def _commit(self, job: Job, delivery_key: str, ordinal: int, message_key: str) -> Job | None:
        values: dict[str, Any] = {}
        reserved: Entry | None = None

        def reserve(connection: sa.Connection) -> None:
            nonlocal reserved
            assert common is not None
            capped = self._capped(common, job.requester, job.request)
            reserved = common.reserve(connection, job, self.price(job.request), capped)

        if (common := self._common) is not None:
            # The lock before the row: who comes by two ways at once would wait for himself in a circle.
            values = {"owner": common.owner, "first": common.spent.lock, "check": reserve}
        store = self._life.store
        try:
            kept = await store.accept(
                job,
                delivery_key=delivery_key,
                ordinal=ordinal,
                message_key=message_key,
                kind=kind(job.request),
                **values,
            )
        except sa.exc.OperationalError as error:
            kept = await self._after_all(job, delivery_key, ordinal, error)
        if kept is not None and self._runs:
            self._life.hand_over(kept, message_key, reserved)
        return kept

    async def _after_all(self, job: Job, delivery_key: str, ordinal: int, error: sa.exc.OperationalError) -> Job | None:
        """The database went away: was it before, or after the commit?"""
        log.warning("not committed", job=job.id, error=type(error.orig).__name__)
        try:
            record = await self._life.store.delivered_as(job.requester.platform, delivery_key, ordinal)
        except sa.exc.OperationalError:
            record = None
        if record is None:
            raise TryAgain("Easel can't reach its database right now. Please ask again in a minute.") from error
        # It may have been found in nobody's hands meanwhile, and be over.
        return record.job if record.job.id == job.id and record.outcome is None else None

    @property
    def _runs(self) -> bool:
        """Whether what is accepted here is ours to run."""
        return self._common is None or self._common.runs

    def _capped(self, common: Common, requester: Requester, request: ImageRequest) -> Callable[[sa.Connection], None]:
        def check(connection: sa.Connection) -> None:
            if (platform := requester.platform) in self._caps:
                self._under_cap(platform, common.spent.pictures_of(connection, platform), request.count)

        return check

    async def _replayed(self, requester: Requester, delivery_key: str, ordinal: int) -> Job:
        record = await self._life.store.delivered_as(requester.platform, delivery_key, ordinal)
        assert record is not None
        log.info("replayed", job=record.job.id)
        return record.job

    def _queue(self, job: Job, reply: Reply | None, *, quiet: bool = False) -> None:
        if not self._gate.knows(job.id):  # else it was found in nobody's hands before the answer to its commit came
            self._come_in(job)
        self._places = None
        if reply is not None:
            self._life.announcer.open(job, reply, quiet=quiet)
        self.pump()

    def _come_in(self, job: Job) -> None:
        if job.id in self._begun:  # it was let in before the answer to its commit came
            self._gate.enter(_entrant(job))
        else:
            self._gate.join(_entrant(job))

    def pump(self) -> None:
        """Let in whoever may pass now, a few at a time: in a burst, first answers to people come before submits."""
        if self._common is not None:
            self._ask(self._common)
            return
        while not self._closed and len(self._starting) < STARTING_AT_ONCE and (entrant := self._gate.next()):
            self._places = None
            self._begin(entrant.job_id)

    def _ask(self, common: Common) -> None:
        """Who of ours may pass is decided over all processes: one question at a time, and one more for what came
        meanwhile."""
        if self._closed or (self._letting_in is not None and not self._letting_in.done()):
            self._again = True
        elif self._gate.waiting and len(self._starting) < STARTING_AT_ONCE:
            self._again = False
            self._letting_in = asyncio.create_task(self._let_in(common))
            self._letting_in.add_done_callback(lambda _: self.pump() if self._again else None)

    async def _let_in(self, common: Common) -> None:
        room = STARTING_AT_ONCE - len(self._starting)
        try:
            found = await common.let_in(room)
        except Exception:  # asked again in a second
            log.exception("nobody let in")
            return
        for job_id in found:
            if self._gate.admit(job_id) is None:
                log.warning("let in, and not here yet", job=job_id)
            self._begin(job_id)
        self._again = self._again or len(found) == room

    def _begin(self, job_id: str) -> None:
        self._begun.add(job_id)
        task = asyncio.create_task(self._start(job_id))
        self._starting.add(task)
        task.add_done_callback(self._started)

    def _started(self, task: asyncio.Task[None]) -> None:
        self._starting.discard(task)
        self.pump()

    async def _start(self, job_id: str) -> None:
        for attempt in itertools.count(1):
            try:
                await self._run(job_id)
                return
            except Exception:
                log.exception("job not started", job=job_id, attempt=attempt)
            await asyncio.sleep(backoff(attempt, self._life.dice, first=1.0))

    def over(self, job_id: str) -> None:
        """A job no longer holds its place."""
        self._begun.discard(job_id)
        self._gate.leave(job_id)
        self._places = None
        if self._common is not None:  # what was spent over all of them is counted from the tables
            self._life.accounts.give_back(job_id)
        self.pump()

    # ---- among several processes ----

    async def tick(self) -> None:
        """Once a second, on Postgres: find what is in nobody's hands, and of several processes let in whoever may pass,
        and know the queue."""
        if (common := self._common) is None:
            if not self._closed:
                await self._look_after()
            return
        await common.settle()
        if common.runs and not self._closed:
            await self.take(await common.take())
            await self._look_after()
            self.pump()
        await self._look(LOOK_EVERY if self._gate.waiting else LOOK_IDLE)

    async def _look_after(self) -> None:
        """Find what is ours by its row, and in nobody's hands: a commit whose answer was lost let it in or made it ours,
        or the database went away right after. What is seen twice is not just on its way."""
        if time.monotonic() - self._left_at < LEFT_EVERY:
            return
        self._left_at = time.monotonic()
        before = self._here()
        ours = await self._life.store.ours()
        after = self._here()
        waiting, inside = before[0] | after[0], before[1] | after[1]
        left = {
            (job_id, stage)
            for job_id, stage in ours.items()
            if job_id not in inside and (stage != "waiting" or job_id not in waiting)
        }
        found = left & self._left
        self._left = left - found
        if lost := [job_id for job_id, stage in found if stage != "ended"]:  # that is shown again and again, for a day
            log.warning("left over", jobs=len(lost))
        for job_id, _ in found:
            self._gate.leave(job_id)
        await self.take(sorted(job_id for job_id, _ in found))

    def _here(self) -> tuple[set[str], set[str]]:
        """(waiting, inside): who is where."""
        waiting, inside = self._gate.ids()
        return waiting, inside | self._begun

    def wake(self) -> None:
        """A gateway accepted something."""
        self._background(self.tick())

    async def _look(self, within: float = 0.0) -> None:
        assert self._common is not None
        await self._common.look(within)
        self._places = None

    async def take(self, job_ids: Sequence[str]) -> None:
        """Go on with jobs that are ours now, as after a restart: they wait here, or are inside and run."""
        if not job_ids:
            return
        found = await self._life.store.some(job_ids)
        for record in found:
            self.resume(record, self._life.reopen(record.job), inside=record.began)
        await self._mend(found)

    def hear_cancelled(self, job_id: str) -> None:
        """Somebody cancelled it at another process."""
        if self._gate.knows(job_id):
            self._background(self._cancelled(job_id))

    def hear_missed(self) -> None:
        """Rings may have been lost: somebody may wait, have cancelled, or have left a place."""
        self._background(self._catch_up())

    async def _catch_up(self) -> None:
        for job_id in await self._life.store.cancelled():
            self.hear_cancelled(job_id)
        await self.tick()

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    # ---- after a restart ----

    def resume(self, record: Record, reply: Reply | None, *, inside: bool) -> None:
        """Take an open job back: as one that was `inside`, or into the queue again."""
        job = record.job
        if record.outcome is not None:  # only its answer is missing
            return
        if not self._life.accounts.knows(job.id):
            self._life.accounts.charge(job.id, job.requester.key, job.request.count, self.price(job.request))
        if not inside:
            self._queue(job, reply, quiet=True)
            if record.cancelled:
                self._background(self._cancelled(job.id))
            return
        self._gate.enter(_entrant(job))
        if reply is not None and not record.cancelled:
            self._life.announcer.open(job, reply, quiet=True)

    async def close(self) -> None:
        """Take nothing in any more; what is being started is finished."""
        self._closed = True
        await ended(self._aside | ({self._letting_in} if self._letting_in else set()), 1.0)
        await ended(self._starting, 1.0)  # who is left stays in the store: the next start goes on with them

    # ---- cancel ----

    async def cancel(self, job_id: str, *, by: Requester, moderates: bool) -> str:
        """Stop a job and close its message; returns what to tell. Raises NotAllowed, or BadRequest if it is over."""
        record = await self._life.store.get(job_id)
        job = record.job
        if job.requester.key != by.key and not moderates:
            raise NotAllowed("Only the person who asked, or a moderator, can cancel this.")
        if not await self._life.store.cancel(job_id):
            raise BadRequest("That one is already over.")
        paid = await self._paid(job_id)
        log.info("cancelled", job=job_id, paid=paid)
        if self._common is None or self._gate.knows(job_id):
            await self._end_cancelled(record, paid)
        else:
            await self._common.bell.ring("cancelled", job_id)
        return "Cancelled. It was already being drawn, so it is still paid for." if paid else "Cancelled."

    async def _cancelled(self, job_id: str) -> None:
        """It was written down elsewhere, or before a crash."""
        await self._end_cancelled(await self._life.store.get(job_id), await self._paid(job_id))

    async def _paid(self, job_id: str) -> bool:
        entry = await self._life.ledger.entry(job_id)
        return entry is not None and entry.state in PAID

    async def _end_cancelled(self, record: Record, paid: bool) -> None:
        job_id = record.job.id
        if paid or not self._gate.is_waiting(job_id):
            await self._show_cancelled(record.job, paid)
            return
        self.over(job_id)
        self._life.accounts.give_back(job_id)
        await self._life.ledger.give_back(job_id)
        await self._life.store.ended(record, Cancelled(paid=False), 0.0, {})
        if not await self._life.deliver(job_id):
            await self._redeliver(job_id)

    async def _show_cancelled(self, job: Job, paid: bool) -> None:
        """Say so at once; the job's own end says the same once more, whatever happens to us until then."""
        reply = await self._life.announcer.finish(job.id)
        if reply is None:
            return
        try:
            card = cards.outcome(job, Cancelled(paid), model=self._life.backend.capabilities.model)
            await reply.close(card, lambda address: self._life.store.readdress(job.id, address))
        except DeliveryFailed as failure:
            log.warning("cancel not shown yet", job=job.id, reason=failure.reason)


def _entrant(job: Job) -> Entrant:
    return Entrant(job.id, job.requester.key, job.request.count)
