"""Keeps the visible messages of open jobs up to date, all from one task."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from bot import cards
from bot.jobs import Checking, Generating, Job, Progress, Waiting
from bot.pacing import Usual, next_tick
from bot.ports import DeliveryFailed, Reply
from bot.tasks import cancelled, within

log = structlog.get_logger()

SILENT = 5.0
"""Seconds that a job may wait without a word; most are at the API before, which spares an edit."""
FIRST_WORD = 2.0
"""Seconds after which a message that still says nothing is tried again: its platform was at a limit."""
LAST_WORD = 120.0
"""Seconds before a message can't be edited any more at which its requester is told where the picture will be."""


@dataclass(slots=True, eq=False)
class _Open:
    job: Job
    reply: Reply
    since: float
    phase: str = "waiting"
    usual: Usual | None = None
    due: float = 0.0
    showing: asyncio.Task[None] | None = None
    ends: bool = False
    late: bool = False
    """Its last word is being said, or was: the message is not to be touched again."""


class Announcer:
    """`place` tells a waiting job's place and usual wait; `on_late` is awaited when a message's time has run out."""

    def __init__(
        self,
        place: Callable[[str], Waiting | None],
        on_late: Callable[[Job, str], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
        may: Callable[[], bool] = lambda: True,
    ) -> None:
        """`may` tells whether these jobs surely are ours: else a peer may have shown an end already."""
        self._place = place
        self._on_late = on_late
        self._may = may
        self._clock = clock
        self._open: dict[str, _Open] = {}
        self._due: list[tuple[float, str]] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Announcer:
        self._task = asyncio.create_task(self._tick(), name="announcer")
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await cancelled([self._task, *(item.showing for item in self._open.values())])

    def open(self, job: Job, reply: Reply, *, quiet: bool = False) -> None:
        """Take a message over, as waiting. `quiet`: say nothing before the next tick, e.g. after a restart."""
        item = self._open[job.id] = _Open(job, reply, self._clock())
        if quiet:
            self._schedule(item)
        else:
            self._show(item)

    def of(self, person: str) -> list[Job]:
        """This person's open jobs, oldest first."""
        return [item.job for item in self._open.values() if item.job.requester.key == person]

    def generating(self, job_id: str, since: float, usual: Usual | None) -> None:
        """It is at the API since `since` (this announcer's clock)."""
        self._change(job_id, "generating", since, usual)

    def checking(self, job_id: str) -> None:
        self._change(job_id, "checking", self._clock(), None)

    def progress(self, job_id: str) -> Progress | None:
        item = self._open.get(job_id)
        return self._progress(item) if item else None

    async def finish(self, job_id: str) -> Reply | None:
        """Show nothing more of this job, and hand its message back; None if it isn't open here, or has had its last word."""
        item = self._open.pop(job_id, None)
        if item is None:
            return None
        item.ends = True
        if item.late and item.showing is not None:  # an end shown meanwhile would be overwritten by it
            await asyncio.wait({item.showing})
            return None
        if item.showing is not None:
            item.showing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await item.showing
        return item.reply

    def _change(self, job_id: str, phase: str, since: float, usual: Usual | None) -> None:
        item = self._open.get(job_id)
        if item is not None:
            item.phase, item.since, item.usual = phase, since, usual
            self._show(item)

    def _show(self, item: _Open) -> None:
        self._schedule(item)
        # One edit in flight; whoever comes meanwhile is served by the next tick.
        if item.showing is None or item.showing.done():
            item.showing = asyncio.create_task(self._edit(item))

    def _schedule(self, item: _Open) -> None:
        now = self._clock()
        waiting = item.phase == "waiting" and now - item.since >= SILENT
        self._due_in(item, next_tick(now - item.since, waiting=waiting, open_jobs=len(self._open)))

    def _due_in(self, item: _Open, seconds: float) -> None:
        item.due = self._clock() + seconds
        if not self._due or item.due < self._due[0][0]:
            self._wake.set()
        heapq.heappush(self._due, (item.due, item.job.id))

    async def _edit(self, item: _Open) -> None:
        if not self._may():
            return
        expires = item.reply.expires_at
        if expires is not None and (expires - datetime.now(UTC)).total_seconds() < LAST_WORD:
            await self._say_late(item)
            return
        now = self._progress(item)
        if now is not None and not item.ends and not await item.reply.show(cards.progress(item.job, now)):
            self._due_in(item, FIRST_WORD)

    async def _say_late(self, item: _Open) -> None:
        item.late = True
        try:
            address = await item.reply.close(cards.late(item.job))
        except DeliveryFailed as failure:
            log.warning("late word lost", job=item.job.id, reason=failure.reason)
            address = ""
        try:
            await self._on_late(item.job, address)
        finally:
            self._open.pop(item.job.id, None)

    def _progress(self, item: _Open) -> Progress | None:
        match item.phase:
            case "waiting":  # past the queue it may still wait, for the account's limits or an API that is down
                silent = self._clock() - item.since >= SILENT
                return self._place(item.job.id) or (Waiting(1, None) if silent else None)
            case "generating":
                return Generating(self._clock() - item.since, item.usual.mid if item.usual else None)
            case _:
                return Checking()

    async def _tick(self) -> None:
        while True:
            now = self._clock()
            while self._due and self._due[0][0] <= now:
                due, job_id = heapq.heappop(self._due)
                item = self._open.get(job_id)
                if item is not None and item.due == due:  # else it was shown since, and is due later
                    self._show(item)
            self._wake.clear()
            await within(self._due[0][0] - now if self._due else None, self._wake)
