"""Old rows go, a few at a time, so that the database does not grow without bound and no job waits for the broom.

A portion is one short transaction: on SQLite it shares the writers' thread with accepted jobs, on Postgres it locks no
more rows than it deletes. Between two of them everybody else has a turn.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import sqlalchemy as sa
from ulid import ULID

from bot.store.database import Database
from bot.store.tables import jobs, ledger, pictures

DAY = 86400.0
LEDGER_DAYS = 400
"""A year's accounts can be closed with every line of it at hand."""
PORTION = 200
"""Rows."""
REST = 0.02
"""Seconds at the least between two portions."""
SHARE = 2
"""A portion that took long is followed by a rest this many times as long: a slow disk is left to the jobs."""

_END: sa.BindParameter[str] = sa.bindparam("end")
_BEFORE: sa.BindParameter[float] = sa.bindparam("before")
_BEYOND: sa.BindParameter[str] = sa.bindparam("beyond")
_SINCE: sa.BindParameter[float] = sa.bindparam("since")
_MOST: sa.BindParameter[int] = sa.bindparam("most")

# An id tells when its job was made, and no job closed before that: so the index on (state, id) leads to the old ones.
# Each portion begins where the last one ended: on Postgres what was deleted is walked over until the next vacuum.
# What a peer is sweeping right now is skipped (Postgres; SQLite has one process, and no such clause).
_OLD_JOBS = (
    sa.select(jobs.c.id)
    .where(jobs.c.state == "closed", jobs.c.id > _BEYOND, jobs.c.id < _END, jobs.c.closed_at < _BEFORE)
    .order_by(jobs.c.id)
    .limit(_MOST)
    .with_for_update(skip_locked=True)
)
_OLD_LINES = (
    sa.select(ledger.c.job_id, ledger.c.charged_at)
    .where(
        ledger.c.charged_at >= _SINCE,
        ledger.c.charged_at < _BEFORE,
        ~sa.exists().where(jobs.c.id == ledger.c.job_id),
    )
    .order_by(ledger.c.charged_at)
    .limit(_MOST)
    .with_for_update(skip_locked=True, of=ledger)
)


@dataclass(frozen=True, slots=True)
class Swept:
    """How many rows went."""

    jobs: int
    lines: int

    def __str__(self) -> str:
        return f"{self.jobs} jobs, {self.lines} lines"


async def sweep(database: Database, *, jobs_days: int, ledger_days: int = LEDGER_DAYS) -> Swept:
    """Forget jobs that closed longer ago than this, with their pictures' rows; then the ledger's old lines.

    A line stays for as long as its job does. Open jobs are never touched.
    """
    end = str(ULID.from_datetime(datetime.now(UTC) - timedelta(days=jobs_days)))
    gone = await _in_portions(database, partial(_jobs, end, time.time() - jobs_days * DAY), "")
    lines = await _in_portions(database, partial(_lines, time.time() - max(ledger_days, jobs_days) * DAY), 0.0)
    return Swept(gone, lines)


T = TypeVar("T")
Portion = Callable[[T, sa.Connection], tuple[int, T]]
"""Deletes the next rows beyond there; how many they were, and beyond what it goes on."""


async def _in_portions(database: Database, portion: Portion[T], beyond: T) -> int:
    total = 0
    while True:
        started = time.monotonic()
        count, beyond = await database.write(partial(portion, beyond))
        total += count
        if count < PORTION:
            return total
        await asyncio.sleep(max(REST, SHARE * (time.monotonic() - started)))


def _jobs(end: str, oldest: float, beyond: str, connection: sa.Connection) -> tuple[int, str]:
    values = {"beyond": beyond, "end": end, "before": oldest, "most": PORTION}
    some = list(connection.execute(_OLD_JOBS, values).scalars())
    if some:
        connection.execute(pictures.delete().where(pictures.c.job_id.in_(some)))
        connection.execute(jobs.delete().where(jobs.c.id.in_(some)))
    return len(some), some[-1] if some else beyond


def _lines(oldest: float, since: float, connection: sa.Connection) -> tuple[int, float]:
    some = connection.execute(_OLD_LINES, {"since": since, "before": oldest, "most": PORTION}).all()
    if some:
        connection.execute(ledger.delete().where(ledger.c.job_id.in_([row.job_id for row in some])))
    return len(some), some[-1].charged_at if some else since
