"""One poller for all jobs: it looks when a job of this kind usually ends, and shares one limit between all.

A job costs a place in a heap while it waits, and a task only while it is looked at.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from aiolimiter import AsyncLimiter

from adapters.wavespeed.sieve import Base64File
from adapters.wavespeed.wire import Prediction
from bot import metrics
from bot.errors import EaselError, RateLimited, TryAgain, Unreachable
from bot.pacing import Usual, polls
from bot.tasks import cancelled, within

SLOW = 30.0
"""Seconds between looks at a job that should have ended long ago."""
OLD = 600.0
"""Seconds after which a resumed job's usual time says nothing any more."""
FIRST_LATE = 5.0
"""Seconds by which the first look at a job may be late, and is still made."""
PAUSE = 2.0
"""Seconds that all looks pause after a 429 that says no number."""
LONGEST_PAUSE = 60.0


def looks(usual: Usual | None, age: float, deadline: float, dice: random.Random) -> Iterator[float]:
    """Seconds after the submit at which to look at a job that is `age` seconds old, without end.

    A job that should have been looked at before (after a restart) is looked at now. `deadline` seconds from now the
    looks become rare.
    """
    last = age
    overdue = age > OLD
    for at in (
        polls(usual, dice) if not overdue else (age + later for later in itertools.chain([0.0], polls(None, dice)))
    ):
        if at < age:
            overdue = True
            continue
        if overdue and at > age:
            yield age
        overdue = False
        if at > age + deadline:
            break
        yield at
        last = at
    while True:
        last += SLOW * dice.uniform(0.8, 1.2)
        yield last


class Watched:
    """One job that is followed. `news` gets every change of state and, last, its end or an error."""

    __slots__ = (
        "began",
        "give_up_at",
        "id",
        "into",
        "news",
        "plan",
        "seen_at",
        "spilled",
        "state",
        "task",
        "unfinished_at",
    )

    def __init__(self, id: str, into: Path, plan: Iterator[float], began: float, give_up_at: float) -> None:
        self.id = id
        self.into = into
        self.plan = plan
        self.began = began
        """The submit, on the loop's clock."""
        self.give_up_at = give_up_at
        self.news: asyncio.Queue[Prediction | Exception] = asyncio.Queue()
        self.state = ""
        self.task: asyncio.Task[None] | None = None
        self.unfinished_at = self.seen_at = 0.0
        """Seconds after the submit of the last look that found it running, and of the one that found its end."""
        self.spilled: list[Base64File] = []


class Poller:
    """Looks at what is followed, at most `at_once` at a time and `per_second` in all."""

    def __init__(self, look: Callable[[Watched], Awaitable[Prediction]], *, at_once: int, per_second: float) -> None:
        self._look = look
        self._due: list[tuple[float, int, Watched]] = []
        self._order = itertools.count()
        self._watched: set[Watched] = set()
        self._changed = asyncio.Event()
        self._slots = asyncio.Semaphore(at_once)
        # A tenth of a second's worth at a time, so that a thousand jobs that end together don't knock at once.
        self._rate = AsyncLimiter(max(1.0, per_second / 10), max(0.1, 1 / per_second))
        self._quiet_until = 0.0
        self._server: asyncio.Task[None] | None = None

    def open(self) -> None:
        self._server = asyncio.create_task(self._serve(), name="wavespeed poller")

    async def close(self) -> None:
        """Stop looking. Whoever still follows a job is told to try again."""
        await cancelled([*(watched.task for watched in self._watched), self._server])
        for watched in self._watched:
            watched.news.put_nowait(Unreachable("Easel is restarting; this job goes on afterwards."))
        self._due.clear()

    def follow(self, watched: Watched) -> None:
        self._watched.add(watched)
        # Its first look stands even if we were slow to come here; later ones that are past are skipped.
        self._schedule(watched, late=FIRST_LATE)

    def forget(self, watched: Watched) -> None:
        """Look no more, and leave nothing behind."""
        self._watched.discard(watched)
        if watched.task is not None:
            watched.task.cancel()
        if any(entry[2] is watched for entry in self._due):
            self._due = [entry for entry in self._due if entry[2] is not watched]
            heapq.heapify(self._due)

    def _schedule(self, watched: Watched, *, late: float = 0.01) -> None:
        if watched not in self._watched:
            return
        now = asyncio.get_running_loop().time()
        due = next(at for at in watched.plan if watched.began + at >= now - late) + watched.began
        heapq.heappush(self._due, (due, next(self._order), watched))
        if self._due[0][2] is watched:
            self._changed.set()

    async def _serve(self) -> None:
        while True:
            self._changed.clear()
            wait = self._wait()
            if wait is None or wait > 0:
                await within(wait, self._changed)
                continue
            await self._slots.acquire()
            await self._rate.acquire()
            self._start()

    def _wait(self) -> float | None:
        if not self._due:
            return None
        return max(self._due[0][0], self._quiet_until) - asyncio.get_running_loop().time()

    def _start(self) -> None:
        if not self._due:  # forgotten while we waited for a slot
            self._slots.release()
            return
        watched = heapq.heappop(self._due)[2]
        watched.task = asyncio.create_task(self._visit(watched))
        # Also when the task is cancelled before its first step.
        watched.task.add_done_callback(lambda _: self._slots.release())

    async def _visit(self, watched: Watched) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            found = await self._look(watched)
        except TryAgain as error:
            metrics.looked("nothing")
            self._missed(watched, error)
        except Exception as error:  # an EaselError, or a mistake of ours that must not lose the job silently
            metrics.looked("nothing")
            watched.news.put_nowait(error)
        else:
            watched.task = None
            metrics.looked("ended" if found.terminal else "running")
            if found.terminal:
                watched.seen_at = clock() - watched.began
                watched.news.put_nowait(found)
            else:
                watched.unfinished_at = began - watched.began
                self._unfinished(watched, found)

    def _unfinished(self, watched: Watched, found: Prediction) -> None:
        if found.status != watched.state:
            watched.state = found.status
            watched.news.put_nowait(found)
        self._later(watched, Unreachable("The image service still works on it. Please look again later."))

    def _missed(self, watched: Watched, error: EaselError) -> None:
        watched.task = None
        if isinstance(error, RateLimited):
            pause = PAUSE if error.retry_after is None else min(error.retry_after, LONGEST_PAUSE)
            self._quiet_until = max(self._quiet_until, asyncio.get_running_loop().time() + pause)
        self._later(watched, error)

    def _later(self, watched: Watched, otherwise: EaselError) -> None:
        if asyncio.get_running_loop().time() >= watched.give_up_at:
            watched.news.put_nowait(otherwise)
        else:
            self._schedule(watched)
