"""Takes work in: limits, store, queue, engine; cancels it; knows who waits where."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from ulid import ULID

from bot import cards, metrics
from bot.errors import BadRequest, BudgetReached, DiskFull, LimitReached, NotAllowed, OperatorMustAct, TryAgain
from bot.gate import Entrant, Gate
from bot.guard import Limits, Usage
from bot.images import ImageRequest
from bot.jobs import Cancelled, Job, Place, Progress, Requester, Waiting
from bot.ledger import State
from bot.life import Life
from bot.pacing import Usual, backoff, kind, usual_wait
from bot.ports import DeliveryFailed, Reply
from bot.store import Record

log = structlog.get_logger()

STARTING_AT_ONCE = 16

Start = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class QueueView:
    """`waiting` and `running` count everyone's jobs; `mine` are one person's own. `usual_wait` in seconds."""

    waiting: int
    running: int
    mine: tuple[tuple[Job, Progress], ...]
    usual_wait: float | None


class Intake:
    """`at_once` is how many pictures the account draws at the same time, for the estimate of a wait."""

    def __init__(self, life: Life, *, gate: Gate, limits: Limits, at_once: int, run: Start, redeliver: Start) -> None:
        """`run` starts a job's workflow, `redeliver` the one that only delivers."""
        self._life = life
        self._gate = gate
        self._limits = limits
        self._at_once = at_once
        self._run = run
        self._redeliver = redeliver
        self._arriving: Counter[str] = Counter()
        self._places: dict[str, int] | None = None
        self._starting: set[asyncio.Task[None]] = set()
        self._closed = False
        self._caps: dict[str, int] = {}

    # ---- from memory ----

    def cap(self, platform: str, pictures: int) -> None:
        """From now on, all of a platform's people together get so many in 24 hours: where anybody is new who likes."""
        self._caps[platform] = pictures

    def check(self, requester: Requester, place: Place, request: ImageRequest) -> None:
        """Raise LimitReached, BudgetReached, DiskFull, KeyRefused or CreditsExhausted; waits for nothing.

        Of a spent budget and a full disk the operator is alerted.
        """
        del place  # what a community allows comes with its settings
        try:
            self._check(requester, request)
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
        cap = self._caps.get(platform)
        if cap is not None and self._life.accounts.pictures_of(platform) + pictures > cap:
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

    def queue(self, requester: Requester) -> QueueView:
        announcer = self._life.announcer
        mine = [(job, announcer.progress(job.id) or Waiting(1, None)) for job in announcer.of(requester.key)]
        return QueueView(self._gate.waiting, self._gate.running, tuple(mine), self._wait(self._gate.waiting + 1))

    @property
    def load(self) -> tuple[int, int]:
        """(waiting, running) jobs of everyone."""
        return self._gate.waiting, self._gate.running

    def place(self, job_id: str) -> Waiting | None:
        """Where a job waits; None once it no longer does."""
        if self._places is None:
            self._places = self._gate.places()
        place = self._places.get(job_id)
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
        self.check(requester, place, request)
        job = Job(
            id=str(ULID()),
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
            kept = await self._life.store.accept(
                job, delivery_key=delivery_key, ordinal=ordinal, message_key=reply.key, kind=kind(request)
            )
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
        self._life.hand_over(kept, reply.key)
        self._queue(kept, reply)
        return kept

    async def _replayed(self, requester: Requester, delivery_key: str, ordinal: int) -> Job:
        record = await self._life.store.delivered_as(requester.platform, delivery_key, ordinal)
        assert record is not None
        log.info("replayed", job=record.job.id)
        return record.job

    def _queue(self, job: Job, reply: Reply | None, *, quiet: bool = False) -> None:
        self._gate.join(_entrant(job))
        self._places = None
        if reply is not None:
            self._life.announcer.open(job, reply, quiet=quiet)
        self.pump()

    def pump(self) -> None:
        """Let in whoever may pass now, a few at a time: in a burst, first answers to people come before submits."""
        while not self._closed and len(self._starting) < STARTING_AT_ONCE and (entrant := self._gate.next()):
            self._places = None
            task = asyncio.create_task(self._start(entrant.job_id))
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
        self._gate.leave(job_id)
        self._places = None
        self.pump()

    # ---- after a restart ----

    def resume(self, record: Record, reply: Reply | None, *, inside: bool) -> None:
        """Take an open job back: as one that was `inside`, or into the queue again."""
        job = record.job
        if not self._life.accounts.knows(job.id) and record.outcome is None:
            self._life.accounts.charge(job.id, job.requester.key, job.request.count, self.price(job.request))
        if not inside:
            self._queue(job, reply, quiet=True)
            return
        self._gate.enter(_entrant(job))
        if reply is not None and not record.cancelled:
            self._life.announcer.open(job, reply, quiet=True)

    def requeue(self, job: Job) -> None:
        """It was marked as running, and the engine never heard of it."""
        self._gate.leave(job.id)
        self._queue(job, None)

    async def close(self) -> None:
        """Take nothing in any more; what is being started is finished."""
        self._closed = True
        if self._starting:
            _, left = await asyncio.wait(self._starting, timeout=1)
            for task in left:  # they stay in the store: the next start goes on with them
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    # ---- cancel ----

    async def cancel(self, job_id: str, *, by: Requester, moderates: bool) -> str:
        """Stop a job and close its message; returns what to tell. Raises NotAllowed, or BadRequest if it is over."""
        record = await self._life.store.get(job_id)
        job = record.job
        if job.requester.key != by.key and not moderates:
            raise NotAllowed("Only the person who asked, or a moderator, can cancel this.")
        if not await self._life.store.cancel(job_id):
            raise BadRequest("That one is already over.")
        entry = await self._life.ledger.entry(job_id)
        paid = entry is not None and entry.state in (State.POSTING, State.SUBMITTED)
        log.info("cancelled", job=job_id, paid=paid)
        if self._gate.is_waiting(job_id):
            self.over(job_id)
            self._life.accounts.give_back(job_id)
            await self._life.store.ended(record, Cancelled(paid=False), 0.0, {})
            if not await self._life.deliver(job_id):
                await self._redeliver(job_id)
        else:
            await self._show_cancelled(job, paid)
        return "Cancelled. It was already being drawn, so it is still paid for." if paid else "Cancelled."

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
