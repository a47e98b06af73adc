"""The life of a job: submit, follow, deliver.

It may be entered again at any time, also in another process, after a crash at any line. What must happen once
is guarded by a compare-and-set in the ledger or the store; everything else is a repeatable read, write or edit.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import structlog

from bot import cards, metrics, pictures
from bot.accounts import Accounts
from bot.alerts import Alerts
from bot.announcer import Announcer
from bot.answers import Answers
from bot.brake import Brake
from bot.errors import (
    Ambiguous,
    BudgetReached,
    CreditsExhausted,
    EaselError,
    Expired,
    GenerationFailed,
    OperatorMustAct,
    PersonCanAct,
    RateLimited,
    TryAgain,
)
from bot.guard import Limits, Showing
from bot.images import Picture
from bot.jobs import Cancelled, Failed, Finished, Job, Outcome, Uncertain
from bot.ledger import Entry, Ledger, State, adoptable
from bot.pacing import Durations, backoff, kind
from bot.pictures import Gallery
from bot.ports import Backend, DeliveryFailed, Platform, Prepared, Rendered, Reply, Sighting, Ticket
from bot.pricing import Pricing
from bot.standing import Alone, Standing
from bot.store import Record, Store

log = structlog.get_logger()

DELIVER_WITHIN = 10.0
"""Seconds; a delivery that takes longer goes on elsewhere, so that the account's slot is free."""
REDELIVER_WITHIN = 120.0
"""Seconds of one try there: nobody waits for it, and a slow line needs more than ten for large pictures."""
REDELIVER_FOR = 24 * 3600.0
REFUSED_FOR = 600.0
"""Seconds in which a submit that was surely refused (429, no connection) is tried again."""
LOOK_FOR = 30.0
"""Seconds in which a lost submit is looked for: the account's listing may lag."""
LOOK_LONGER = 15 * 60.0
"""Seconds more for as long as the listing can't be read at all."""
REFUNDED = (PersonCanAct, GenerationFailed, CreditsExhausted)
"""The API says itself that the task failed, which it pays back (its troubleshooting page). All else was paid for."""


class NotOurs(Exception):
    """Another process goes on with this job: nothing of it is ours to do any more."""


@dataclass(frozen=True, slots=True)
class End:
    """How a job ended. `held` holds its pictures, and whether each is withheld; `detail` is for the log."""

    outcome: Outcome
    seconds: float = 0.0
    held: Mapping[Picture, bool] = field(default_factory=dict)
    detail: str = ""


@dataclass(slots=True)
class Life:
    store: Store
    ledger: Ledger
    accounts: Accounts
    backend: Backend
    gallery: Gallery
    answers: Answers
    limits: Limits
    pricing: Pricing
    durations: Durations
    brake: Brake
    alerts: Alerts
    platforms: Mapping[str, Platform]
    embed_parameters: bool
    announcer: Announcer = field(init=False)
    spent: Callable[[], float] = field(init=False)
    """US$ of everyone's last 24 hours, what waits included and nothing that was given back."""
    standing: Standing = field(default_factory=Alone)
    dice: random.Random = field(default_factory=random.Random)
    look_for: float = LOOK_FOR
    _fresh: dict[str, tuple[Record, Entry | None]] = field(default_factory=dict)
    _late: set[str] = field(default_factory=set)
    _posting: int = 0
    _draining: bool = False
    _redelivered: set[str] = field(default_factory=set)
    _redelivering: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(8))

    def __post_init__(self) -> None:
        self.spent = lambda: self.accounts.dollars

    async def live(self, job_id: str) -> bool:
        """Whatever of its life a job has not lived yet. False if its one answer can't be shown now; True when it is out,
        or for another process to give."""
        try:
            fresh = self._fresh.pop(job_id, None)
            record, reserved = fresh or (await self.store.get(job_id), None)
            return await self._live(record, reserved)
        except NotOurs:
            log.info("left to a peer", job=job_id)
            await self.announcer.finish(job_id)
            return True

    async def _live(self, record: Record, reserved: Entry | None) -> bool:
        if record.owner != self.store.owner:
            raise NotOurs
        if record.outcome is None:
            went = await self.submit(record.job, reserved)
            end = went if isinstance(went, End) else await self.follow(record.job, went)
            record = await self._end(record, end)
        return await self._deliver(record)

    def hand_over(self, job: Job, message_key: str, reserved: Entry | None) -> None:
        """A job that was accepted here a moment ago: its row, and its line if it has one, need not be read again."""
        self._fresh[job.id] = Record.fresh(job, message_key, self.store.owner), reserved

    # ---- submit ----

    async def submit(self, job: Job, reserved: Entry | None) -> Entry | End:
        """Bring the job to the API, paid once: what to follow, or how it ended."""
        # What became of a reserved line meanwhile, the right to POST tells.
        entry = reserved or await self.ledger.intend(job, self.pricing.price(job.request))
        self.accounts.mirror(entry)
        return await self._from(job, entry)

    async def _from(self, job: Job, entry: Entry) -> Entry | End:
        """Go on from where the ledger says that it is."""
        match entry.state:
            case State.SUBMITTED:
                return entry
            case State.POSTING:
                return await self._reconcile(job, entry)
            case State.INTENDED:
                return await self._post(job, entry)
            case State.UNCERTAIN:  # a crash came between the ledger's last word and the store's
                return End(Uncertain())
            case State.RETURNED:
                return End(Failed("Interrupted", "This was interrupted before it was drawn. Nothing was charged."))

    async def _post(self, job: Job, entry: Entry) -> Entry | End:
        until: float | None = None  # from the first refusal on: it may have waited for the operator for hours before
        attempt = 0
        while True:
            attempt += 1
            await self.brake.wait()
            try:
                self.limits.check_budget(self.spent(), 0.0)
                prepared = await self._prepare(job)
                return await self._post_once(job, entry, prepared)
            except Ambiguous as error:
                log.warning("submit lost, reconciling", job=job.id, detail=error.detail)
                return await self._reconcile(job, await self._entry(job))
            except TryAgain as error:
                until = until or time.monotonic() + REFUSED_FOR
                if time.monotonic() > until:
                    return await self._refuse(job, error)
                wait = backoff(attempt, self.dice)
                if isinstance(error, RateLimited) and error.retry_after is not None:
                    wait = max(wait, min(error.retry_after, 120.0))
                log.info("submit refused, trying again", job=job.id, error=type(error).__name__, seconds=round(wait, 1))
                await asyncio.sleep(wait)
            except EaselError as error:
                return await self._refuse(job, error)

    async def _prepare(self, job: Job) -> Prepared:
        names = [name for name in (job.request.image, job.request.mask) if name]
        sources = {name: await self.gallery.source(name) for name in names}
        return await self.backend.prepare(job.request, sources)

    async def _post_once(self, job: Job, entry: Entry, prepared: Prepared) -> Entry | End:
        async with self.backend.turn(job.request.count):
            self.brake.check()
            if self._draining:
                await asyncio.Event().wait()  # the next start goes on from here
            await self.standing.hold()
            self._posting += 1
            try:
                if await self.ledger.begin_post(job.id):
                    await self.standing.hold()  # the database may have been away meanwhile
                    ticket = await self._paid(job, prepared)
                    metrics.submitted(entry.price, ticket.submitted_at - job.created_at)
                    return replace(entry, state=State.SUBMITTED, ticket=ticket)
            finally:
                self._posting -= 1
        return await self._not_ours(job)

    async def _paid(self, job: Job, prepared: Prepared) -> Ticket:
        started = time.monotonic()
        try:
            ticket = await self.backend.submit(prepared)
        except Ambiguous:
            raise
        except EaselError:
            await self.ledger.refused(job.id)
            raise
        if not await self.ledger.submitted(job.id, ticket):
            # Another job that asked for the very same, and got lost, took it for its own: then that one's may be ours.
            raise Ambiguous("Easel is checking which picture is yours.", detail="the prediction has an owner")
        log.info("submitted", job=job.id, prediction=ticket.id, seconds=round(time.monotonic() - started, 3))
        return ticket

    async def _not_ours(self, job: Job) -> Entry | End:
        """The right to POST is gone: cancelled meanwhile, or taken by an earlier run or a peer."""
        if not await self.store.holds(job.id):
            raise NotOurs
        entry = await self._entry(job)
        if entry.state in (State.INTENDED, State.RETURNED):
            await self._give_back(job)
            return End(Cancelled(paid=False))
        return await self._reconcile(job, entry) if entry.state is State.POSTING else entry

    async def _entry(self, job: Job) -> Entry:
        entry = await self.ledger.entry(job.id)
        assert entry is not None
        return entry

    async def _refuse(self, job: Job, error: EaselError) -> End:
        if isinstance(error, OperatorMustAct):
            self._call_operator(error)
        await self._give_back(job)
        return _failed(error)

    def _call_operator(self, error: OperatorMustAct) -> None:
        if isinstance(error, BudgetReached):  # goes on by itself
            self.alerts.raise_("BudgetReached", "the daily budget is spent; nothing is drawn until it frees up.")
        else:
            self.brake.pull(error)

    async def _reconcile(self, job: Job, entry: Entry) -> Entry | End:
        """The fate of a POST is unknown: look for it in the account's listing, adopt only what surely is ours."""
        self.announcer.checking(job.id)
        since = (entry.posted_at or datetime.now(UTC)) - timedelta(seconds=60)
        until = time.monotonic() + self.look_for
        last = until + LOOK_LONGER
        wait = 1.0
        while True:
            sightings = await self._sightings(job, since)
            ticket = await self._adopted(job, sightings or [], since)
            if ticket is not None:
                metrics.submitted(entry.price, ticket.submitted_at - job.created_at)
                log.info("submit found again", job=job.id, prediction=ticket.id)
                return replace(entry, state=State.SUBMITTED, ticket=ticket)
            now = await self._entry(job)
            if now.state is not State.POSTING:  # who made the POST was taken for dead, and has its answer after all
                return await self._from(job, now)
            # While nothing can be read, nothing is decided: an API that was down is asked again when it is back.
            left = (until if sightings is not None else last) - time.monotonic()
            if left <= 0:
                return await self._lost(job)
            await asyncio.sleep(min(wait, left))
            wait = min(15.0, wait * 2)

    async def _lost(self, job: Job) -> End:
        if await self.ledger.uncertain(job.id):
            self.accounts.forgive(job.id)
            self.alerts.raise_("Uncertain", f"job {job.short} may have been paid for without a picture.")
        return End(Uncertain())

    async def _sightings(self, job: Job, since: datetime) -> list[Sighting] | None:
        """What the account's listing shows; None where it can't be read."""
        try:
            return await self.backend.sightings(Prepared(job.request), since)
        except EaselError as error:
            log.warning("listing not readable", job=job.id, error=type(error).__name__)
            return None

    async def _adopted(self, job: Job, sightings: list[Sighting], since: datetime) -> Ticket | None:
        known, unresolved = await self.ledger.predictions(since), await self.ledger.unresolved()
        for ticket in adoptable(sightings, known, unresolved, exclusive=self.backend.exclusive_key):
            if await self.ledger.submitted(job.id, ticket):
                return ticket
        return None

    # ---- follow ----

    async def follow(self, job: Job, entry: Entry) -> End:
        """Watch until the end and keep the pictures."""
        assert entry.ticket is not None
        ticket = entry.ticket
        usual = self.durations.usual(kind(job.request))
        age = max(0.0, (datetime.now(UTC) - ticket.submitted_at).total_seconds())
        self.announcer.generating(job.id, time.monotonic() - age, usual)
        try:
            rendered = await self._watch(job, ticket)
        except EaselError as error:
            await (self._give_back(job) if isinstance(error, REFUNDED) else self._forgive(job))
            return _failed(error)
        return await self._rendered(job, rendered, ticket, entry.price)

    async def _watch(self, job: Job, ticket: Ticket) -> Rendered:
        """Through a refused key and a full disk, which the operator mends: what was paid for is not given up."""
        until = time.monotonic() + 24 * 3600
        while True:
            try:
                usual = self.durations.usual(kind(job.request))
                async for seen in self.backend.watch(ticket, job.request, self.gallery.place(job.id), usual):
                    if isinstance(seen, Rendered):
                        return seen
                    log.debug("step", job=job.id, state=seen.state)
                raise Expired("The API stopped answering for this picture.")
            except CreditsExhausted as error:  # to look costs nothing: it is the task that ended so, for good
                self.brake.pull(error)
                raise
            except (OperatorMustAct, OSError) as error:
                if time.monotonic() > until:
                    raise
                self._troubled(error)
                await asyncio.sleep(30)

    def _troubled(self, error: OperatorMustAct | OSError) -> None:
        if isinstance(error, OperatorMustAct):
            self.brake.pull(error)
        else:
            self.alerts.raise_("Disk", "a finished picture can't be written to the disk; trying again.")
            log.error("picture not written", errno=error.errno)

    async def _rendered(self, job: Job, rendered: Rendered, ticket: Ticket, price: float) -> End:
        seen = (datetime.now(UTC) - ticket.submitted_at).total_seconds()
        took = rendered.seconds or seen
        whole = rendered.took or took
        self.durations.learn(kind(job.request), whole)
        metrics.drawn(seen)
        if self.embed_parameters and not job.private:
            await self._describe(job, rendered.pictures)
        held = {picture: self.answers.showing(job, picture) is Showing.WITHHELD for picture in rendered.pictures}
        return End(Finished(rendered.pictures, rendered.missing, took, price), whole, held)

    async def _describe(self, job: Job, found: tuple[Picture, ...]) -> None:
        text = cards.infotext(job.request, self.backend.capabilities.model)
        for picture in found:
            if picture.media_type == "image/png":
                await asyncio.to_thread(pictures.describe, picture.path, text)

    # ---- deliver ----

    async def deliver(self, job_id: str, within: float = DELIVER_WITHIN) -> bool:
        """Show the one visible answer and close the job. False if it can't be shown now, `within` so many seconds."""
        self._fresh.pop(job_id, None)
        return await self._deliver(await self.store.get(job_id), within)

    async def _deliver(self, record: Record, within: float = DELIVER_WITHIN) -> bool:
        job = record.job
        if record.owner != self.store.owner:
            raise NotOurs
        await self.standing.hold()
        if record.state == "closed":
            await self.announcer.finish(job.id)
            return True
        if record.outcome is None:  # only after a fault of ours: nobody is left without an answer
            record = await self._end(record, await self._broken(job))
        reply = await self.announcer.finish(job.id) or self.reopen(job)
        if reply is None or record.deleted:
            await self.store.closed(job.id, address="", public=False)
            log.info("kept for history", job=job.id)
            return True
        return await self._close(record, reply, within)

    async def _broken(self, job: Job) -> End:
        """Its run failed for a fault of ours: what is charged depends on how far it came."""
        entry = await self.ledger.entry(job.id)
        match entry.state if entry else None:
            case State.POSTING | State.UNCERTAIN:
                return await self._lost(job)
            case State.SUBMITTED:
                await self._forgive(job)
            case _:
                await self._give_back(job)
        return End(Failed("Internal", "Something went wrong on our side. Please try again."))

    async def _close(self, record: Record, reply: Reply, within: float) -> bool:
        job = record.job
        card = self.answers.card(record)
        try:
            async with asyncio.timeout(within):
                address = await reply.close(card, lambda address: self.store.readdress(job.id, address))
        except TimeoutError:
            log.warning("delivery slow", job=job.id)
            return False
        except DeliveryFailed as failure:
            log.warning("delivery failed", job=job.id, reason=failure.reason, gone=failure.gone)
            if failure.gone:
                await self.store.closed(job.id, address="", public=False)
            return failure.gone
        public = bool(card.pictures) and not job.private and job.place.community is not None and reply.public
        await self.store.closed(job.id, address=address, message_key=reply.key, public=public)
        metrics.delivered(job.place.platform, record.ended_at)
        log.info("delivered", job=job.id, outcome=type(record.outcome).__name__, pictures=len(card.pictures))
        if isinstance(record.outcome, Finished) and self.answers.withheld(record):
            await reply.whisper(cards.withheld_word(job))
        return True

    async def redeliver(self, job_id: str) -> None:
        """Try again until it is shown; after a day it stays in the history. One that is tried already is left alone."""
        if job_id in self._redelivered:
            return
        self._redelivered.add(job_id)
        try:
            await self._redeliver(job_id)
        finally:
            self._redelivered.discard(job_id)

    async def _redeliver(self, job_id: str) -> None:
        until = time.monotonic() + REDELIVER_FOR
        attempt = 0
        while True:
            async with self._redelivering:
                if await self._deliver_or_log(job_id):
                    return
            attempt += 1
            if time.monotonic() > until:
                await self.store.closed(job_id, address="", public=False)
                log.error("never delivered, kept for history", job=job_id)
                return
            await asyncio.sleep(backoff(attempt, self.dice, first=5.0, most=300.0))

    async def _deliver_or_log(self, job_id: str) -> bool:
        try:
            return await self.deliver(job_id, REDELIVER_WITHIN)
        except NotOurs:
            return True
        except Exception:
            # A fault of ours must not end the only thing that still tries.
            log.exception("delivery broken", job=job_id)
            return False

    async def late(self, job: Job, address: str) -> None:
        """The message can't be changed any more: what comes is found in the history."""
        self._late.add(job.id)
        await self.store.readdress(job.id, "")

    def reopen(self, job: Job) -> Reply | None:
        """Its visible message, from the address that is kept; None where it has none that can be changed."""
        if job.id in self._late:
            self._late.discard(job.id)
            return None
        platform = self.platforms.get(job.place.platform)
        return platform.reopen(job.address) if platform and job.address else None

    # ---- both ----

    async def _end(self, record: Record, end: End) -> Record:
        record = await self.store.ended(record, end.outcome, end.seconds, end.held)
        outcome = record.outcome
        if outcome is None:
            raise NotOurs
        what = {"kind": outcome.kind} if isinstance(outcome, Failed) else {}
        detail = {"detail": end.detail} if end.detail else {}
        log.info("ended", job=record.job.id, outcome=type(outcome).__name__, **what, **detail)
        return record

    async def _give_back(self, job: Job) -> None:
        await self.ledger.give_back(job.id)
        self.accounts.give_back(job.id)

    async def _forgive(self, job: Job) -> None:
        await self.ledger.forgive(job.id)
        self.accounts.forgive(job.id)

    async def settle(self, seconds: float) -> None:
        """Begin no POST any more, and wait for those under way, for at most this long."""
        self._draining = True
        until = time.monotonic() + seconds
        while self._posting and time.monotonic() < until:  # noqa: ASYNC110 - a counter, looked at for a few seconds once
            await asyncio.sleep(0.02)


def _failed(error: EaselError) -> End:
    return End(Failed(type(error).__name__, str(error)), detail=error.detail)
