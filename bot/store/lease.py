"""A slot on a Postgres that several processes share: one of them holds it, and the others see whether it lives.

Two things make a hold. A session's advisory lock ends with its process, so that a restart gets the slot at once. A row
with a heartbeat tells of a process that is there and does nothing: a frozen one keeps its lock. All times are the
server's, since clocks differ. https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ulid import ULID

from bot.store.database import Database

if TYPE_CHECKING:
    from psycopg import AsyncConnection

SLOT_LOCKS = 0x6561736D
"""The space of the slots' advisory locks: `easm`."""
ADOPTING = 0x6561736E
"""Advisory lock of whoever adopts, or opens a slot: `easn`. Who has just come is not taken for one that is not there."""
SESSIONS_END_WITHIN = "5s"

_OPEN = """
    INSERT INTO slots (slot, owner, role, "of", dead_after, serves, beat_at)
    VALUES (%s, %s, %s, %s, %s, %s, extract(epoch FROM clock_timestamp()))
    ON CONFLICT (slot) DO UPDATE SET
        owner = excluded.owner, role = excluded.role, "of" = excluded."of", dead_after = excluded.dead_after,
        serves = excluded.serves, draws = false, beat_at = excluded.beat_at
"""
_PEER = 'slot, role, "of", dead_after, serves, draws, beat_at, extract(epoch FROM clock_timestamp()) - beat_at'
"""As `Lease._peer` takes it."""
_PEERS = f"SELECT {_PEER} FROM slots"  # noqa: S608 - our own words
_BEAT = f"""
    WITH mine AS (
        UPDATE slots SET draws = %s, beat_at = extract(epoch FROM clock_timestamp())
        WHERE slot = %s AND owner = %s RETURNING slot
    )
    SELECT (SELECT count(*) FROM mine), {_PEER} FROM slots ORDER BY slot
"""  # noqa: S608 - our own words
_HOLDER = "SELECT owner, extract(epoch FROM clock_timestamp()) - beat_at FROM slots WHERE slot = %s FOR UPDATE"
_END_SESSIONS = (  # and wait until they have: what one was committing is there before we look
    "SELECT pg_terminate_backend(pid, 200) FROM pg_stat_activity "
    "WHERE application_name = %s AND datname = current_database() AND pid <> pg_backend_pid()"
)
_END_HOLDER = (
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = %s "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()"
)
_TAKE_JOBS = "UPDATE jobs SET owner = %s WHERE owner = %s AND state IN ('waiting', 'running') RETURNING id"
_TAKE_LEFT = """
    UPDATE jobs SET owner = %s WHERE id IN (
        SELECT id FROM jobs WHERE state IN ('waiting', 'running') AND owner <> '' AND owner <> ALL(%s)
        FOR UPDATE SKIP LOCKED
    ) RETURNING id
"""


class SlotTaken(Exception):
    """Another process holds it. `silent_for`: seconds since its last beat."""

    def __init__(self, silent_for: float) -> None:
        super().__init__()
        self.silent_for = silent_for


class SlotLost(Exception):
    """A peer took us for dead, and goes on with our jobs."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A process with a slot, as it was last heard of; `of` is how many it believes there are, `silent_for` in seconds,
    `dead_after` the seconds after which it takes others for dead.

    `serves` are the platforms whose messages it can change, `draws`: it lets in its jobs by now. `beat_at`: Unix seconds.
    """

    slot: int
    role: str
    of: int
    dead_after: float
    serves: frozenset[str]
    draws: bool
    beat_at: float
    silent_for: float

    @property
    def owner(self) -> str:
        return owner_of(self.slot)


def owner_of(slot: int) -> str:
    """How a slot's process is called in `jobs.owner`, in the engine, and as an application of the server."""
    return f"easel-{slot}"


class Lease:
    """Not safe for several tasks at once: one holder, one connection.

    Whoever is silent for `dead_after` seconds is taken for dead, the same in all processes.
    """

    def __init__(
        self,
        database: Database,
        slot: int,
        of: int,
        role: str,
        dead_after: float,
        serves: frozenset[str] = frozenset(),
    ) -> None:
        self._database = database
        self.slot = slot
        self.of = of
        self.draws = False
        """What the next beat tells of us."""
        self.serves = serves
        self.role = role
        self.dead_after = dead_after
        self._instance = str(ULID())
        self.fits: Callable[[Peer], None] = lambda _peer: None
        """Raises for a peer beside which we can't work: before any row tells of us, or it would be refused, too."""
        self._connection: AsyncConnection[Any] | None = None
        self._held = False
        self._found: Peer | None = None
        """What our slot's row told of its last holder."""

    async def take(self) -> None:
        """Raises SlotTaken, SlotLost when it was ours before and is not any more, psycopg.Error without a server.

        A holder that was silent for `dead_after` is ended with all its sessions, so that the next try has a chance: its
        machine is gone, and the server has not noticed yet. One of them may hold a lock that everybody waits for.
        """
        await self.let_go()
        self._connection = await self._database.apart()
        try:
            await self._take(self._connection)
        except BaseException:
            await self.let_go()
            raise

    async def _take(self, connection: AsyncConnection[Any]) -> None:
        found = await (await connection.execute("SELECT pg_try_advisory_lock(%s, %s)", self._lock)).fetchone()
        if found is None or not found[0]:
            owner, silent_for = await self._holder(self.slot)
            if self._held and owner != self._instance:
                raise SlotLost
            if self._held:  # our own last connection, which broke unseen
                await connection.execute(_END_HOLDER, self._lock)
            elif silent_for >= self.dead_after:
                await connection.execute(_END_SESSIONS, (owner_of(self.slot),))
            raise SlotTaken(silent_for)
        if not self._held:
            await self._open(connection)
            self._held = True

    async def _open(self, connection: AsyncConnection[Any]) -> None:
        serves = ",".join(sorted(self.serves))
        values = self.slot, self._instance, self.role, self.of, self.dead_after, serves
        async with _adopting(connection):
            for row in await (await connection.execute(_PEERS)).fetchall():
                peer = self._peer(*row)
                if peer.slot == self.slot:
                    self._found = peer
                else:
                    self.fits(peer)
            await connection.execute(_OPEN, values)

    async def beat(self) -> list[Peer]:
        """Say that we live, and hear of everybody, us included. Raises SlotLost; psycopg.Error without a server."""
        if self._connection is None or self._connection.closed:
            await self.take()
        assert self._connection is not None
        rows = await (await self._connection.execute(_BEAT, (self.draws, self.slot, self._instance))).fetchall()
        if not any(mine for mine, *_ in rows):
            raise SlotLost
        return [self._peer(*row) for _, *row in rows]

    def _peer(
        self,
        slot: int,
        role: str,
        of: int,
        dead_after: float,
        serves: str,
        draws: bool,
        beat_at: float,
        silent_for: float,
    ) -> Peer:
        silent_for = 0.0 if slot == self.slot else max(0.0, silent_for)  # our own beat is read as it was before
        platforms = frozenset(filter(None, serves.split(",")))
        return Peer(slot, role, of, dead_after, platforms, draws, beat_at, silent_for)

    async def adopt(self, peer: Peer) -> list[str] | None:
        """Take a silent peer's slot away and its open jobs over; their ids. None if it lives, or somebody else did.

        Its sessions are ended first: what it is about to commit must not come after us.
        """
        assert self._connection is not None
        async with _adopting(self._connection):
            there = "SELECT 1 FROM slots WHERE slot = %s AND beat_at = %s FOR UPDATE"
            if await (await self._connection.execute(there, (peer.slot, peer.beat_at))).fetchone() is None:
                return None
            await self._connection.execute(_END_SESSIONS, (peer.owner,))
            found = await (await self._connection.execute(_TAKE_JOBS, (owner_of(self.slot), peer.owner))).fetchall()
            await self._connection.execute("DELETE FROM slots WHERE slot = %s", (peer.slot,))
        return [job_id for (job_id,) in found]

    async def take_back(self) -> None:
        """Leave our slot's row as it was before us: it told of a process that was silent since then, or of none."""
        assert self._connection is not None
        if self._found is None:
            await self._connection.execute(
                "DELETE FROM slots WHERE slot = %s AND owner = %s", (self.slot, self._instance)
            )
        else:
            before = "UPDATE slots SET draws = false, beat_at = %s WHERE slot = %s AND owner = %s"
            await self._connection.execute(before, (self._found.beat_at, self.slot, self._instance))

    async def adopt_left(self) -> list[str]:
        """Take over the open jobs of slots that nobody has; their ids. A peer that was taken for dead accepts one more
        before it hears of it, and what a slot left may be of a time when there were more of them."""
        assert self._connection is not None
        async with self._connection.transaction():
            free = await (
                await self._connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (ADOPTING,))
            ).fetchone()
            if free is None or not free[0]:  # the next look is soon, and a heart must not wait
                return []
            held = await (await self._connection.execute("SELECT slot FROM slots")).fetchall()
            owners = [owner_of(slot) for (slot,) in held]
            found = await (await self._connection.execute(_TAKE_LEFT, (owner_of(self.slot), owners))).fetchall()
        return [job_id for (job_id,) in found]

    async def let_go(self) -> None:
        """The lock ends with its session. The row stays: whoever restarts us has time until a peer takes over."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    @property
    def _lock(self) -> Sequence[int]:
        return SLOT_LOCKS, self.slot

    async def _holder(self, slot: int) -> tuple[str, float]:
        """Which process had it last, and for how many seconds it was silent; 0 for a slot that nobody ever held."""
        assert self._connection is not None
        row = await (await self._connection.execute(_HOLDER, (slot,))).fetchone()
        return (str(row[0]), max(0.0, float(row[1]))) if row else ("", 0.0)


@asynccontextmanager
async def _adopting(connection: AsyncConnection[Any]) -> AsyncIterator[None]:
    """A transaction in which nobody else adopts or opens a slot."""
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{SESSIONS_END_WITHIN}'".encode())
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (ADOPTING,))
        yield
