"""Who goes next over several processes: the same order as `bot.gate`'s, from the jobs' rows on Postgres.

A job that is running and has no end yet holds a place at the API. The others wait, each at the process that owns it, and
are let in by turns of people: whoever was served longest ago, or came first, goes first, and nobody's second job before
everybody's first. What a silent process owns is passed over until a peer takes it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from bot.pacing import MINUTE

ADMITTING = 0x6561736F
"""Advisory lock: `easo`. One at a time decides."""
MOST = 200
"""Jobs looked at in one go."""
MOST_PLACES = 5000
"""Jobs that are told their place."""

_LOCK = sa.text("SELECT pg_advisory_xact_lock(:key)").bindparams(key=ADMITTING)
_TAKEN = sa.text("""
    SELECT coalesce((SELECT sum(count) FROM jobs WHERE state = 'running' AND outcome IS NULL), 0),
           coalesce((SELECT sum(count) FROM jobs WHERE started_at > :minute_ago), 0)
""")
_NEXT = """
    WITH open AS MATERIALIZED (
        SELECT id, platform || ':' || requester_id AS person, count, owner, state, created_at
        FROM jobs WHERE outcome IS NULL AND state <> 'closed'
    ), inside AS (
        SELECT person, count(*) AS jobs FROM open WHERE state = 'running' GROUP BY person
    ), waiting AS (
        SELECT id, person, count, owner, row_number() OVER (PARTITION BY person ORDER BY id) AS nth,
               min(created_at) OVER (PARTITION BY person) AS since
        FROM open WHERE state = 'waiting' AND owner = ANY(:owners)
    )
    SELECT id, waiting.person, waiting.count AS pictures, owner, nth + coalesce(jobs, 0) <= :per_person AS may
    FROM waiting LEFT JOIN inside USING (person) LEFT JOIN turns USING (person)
    ORDER BY nth, greatest(since, coalesce(at, 0)), id
"""
_MAY_NEXT = sa.text(f"SELECT * FROM ({_NEXT}) AS next WHERE may LIMIT :most")  # noqa: S608 - our own words
_ORDER = sa.text(f"SELECT id FROM ({_NEXT}) AS next LIMIT :most")  # noqa: S608 - our own words
_COUNTED = sa.text("""
    SELECT count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'running')
    FROM jobs WHERE outcome IS NULL AND state <> 'closed'
""")
_LET_IN = sa.text("""
    UPDATE jobs SET state = 'running', started_at = :now
    WHERE id = ANY(:ids) AND state = 'waiting' AND owner = :owner RETURNING id
""")
_SERVED = sa.text("""
    INSERT INTO turns (person, at) SELECT unnest(CAST(:people AS text[])), :now
    ON CONFLICT (person) DO UPDATE SET at = excluded.at
""")
_TAKE = sa.text("""
    UPDATE jobs SET owner = :owner WHERE id IN (
        SELECT id FROM jobs WHERE owner = '' AND state IN ('waiting', 'running') ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED
    ) RETURNING id
""")
_FREE = sa.text("SELECT count(*) FROM jobs WHERE owner = '' AND state IN ('waiting', 'running')")
_FORGET = sa.text("DELETE FROM turns WHERE at < :before")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What holds over all processes: jobs of one person, pictures of the account at once and per minute."""

    per_person: int
    at_once: int
    per_minute: int


@dataclass(frozen=True, slots=True)
class Queue:
    """Everyone's jobs: `order` holds the ids of those that wait, the next one first, `MOST_PLACES` of them."""

    waiting: int
    running: int
    order: tuple[str, ...]


def let_in(connection: sa.Connection, owner: str, owners: Sequence[str], bounds: Bounds, most: int) -> list[str]:
    """Let in those of `owner`'s jobs that are next among all, `most` of them; their ids, in order.

    `owners` are the processes that are counted on.
    """
    connection.execute(_LOCK)
    now = time.time()
    inside, lately = connection.execute(_TAKEN, {"minute_ago": now - MINUTE}).one()
    if inside >= bounds.at_once or lately >= bounds.per_minute:
        return []
    values = {"owners": list(owners), "per_person": bounds.per_person, "most": MOST}
    found = connection.execute(_MAY_NEXT, values).all()
    mine = [row for row in _fitting(found, inside, lately, bounds) if row.owner == owner][:most]
    if not mine:
        return []
    values = {"ids": [row.id for row in mine], "owner": owner, "now": now}
    done = set(connection.execute(_LET_IN, values).scalars())
    people = sorted({row.person for row in mine if row.id in done})
    connection.execute(_SERVED, {"people": people, "now": now})
    return [row.id for row in mine if row.id in done]


def _fitting(found: Sequence[sa.Row[Any]], inside: int, lately: int, bounds: Bounds) -> Iterator[sa.Row[Any]]:
    """Those for whom there is room. One that is larger than all room passes alone; smaller ones don't overtake, or a
    large one would never get in."""
    for row in found:
        inside_then, lately_then = inside + row.pictures, lately + row.pictures
        if (inside and inside_then > bounds.at_once) or (lately and lately_then > bounds.per_minute):
            return
        inside, lately = inside_then, lately_then
        yield row


def take(connection: sa.Connection, owner: str, workers: int) -> list[str]:
    """Make a fair part of the jobs that nobody owns ours; their ids."""
    free = connection.execute(_FREE).scalar_one()
    if not free:
        return []
    return list(connection.execute(_TAKE, {"owner": owner, "most": -(-free // max(1, workers))}).scalars())


def look(connection: sa.Connection, owners: Sequence[str], bounds: Bounds) -> Queue:
    """The queue as it stands."""
    waiting, running = connection.execute(_COUNTED).one()
    values = {"owners": [*owners, ""], "per_person": bounds.per_person, "most": MOST_PLACES}
    order = tuple(connection.execute(_ORDER, values).scalars()) if waiting else ()
    return Queue(waiting, running, order)


def forget(connection: sa.Connection, before: float) -> None:
    """Turns of long ago, which change no order any more."""
    connection.execute(_FORGET, {"before": before})
