"""Word between processes that share one Postgres: something changed, look. (LISTEN/NOTIFY)

A ring is a hint and never the news itself: it may be lost with a connection, so whoever listens is told `missed` after
each new one, and looks at the tables. With SQLite there is one process, which nobody has to wake: nothing is rung.
https://www.postgresql.org/docs/current/sql-notify.html
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from typing import Self

import sqlalchemy as sa
import structlog

from bot.pacing import backoff
from bot.store import Database
from bot.tasks import cancelled

log = structlog.get_logger()

CHANNEL = "easel"
_RING = sa.text(f"SELECT pg_notify('{CHANNEL}', :payload)")

Hear = Callable[[str], None]


class Bell:
    """Kinds and what follows them: see the module that rings. Everyone hears a ring, also who rang."""

    def __init__(self, database: Database, *, alone: bool = False) -> None:
        """`alone`: the operator runs one process, so that nothing need be rung on Postgres either."""
        self._database = database
        self._alone = alone
        self._hearers: defaultdict[str, list[Hear]] = defaultdict(list)
        self._missed: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None

    @property
    def shared(self) -> bool:
        """Whether there may be anybody else."""
        return not self._database.is_sqlite and not self._alone

    def on(self, kind: str, hear: Hear) -> None:
        """Call `hear` on the event loop with what a ring of this kind says."""
        self._hearers[kind].append(hear)

    def on_missed(self, look: Callable[[], None]) -> None:
        """Call this once rings may have been lost."""
        self._missed.append(look)

    async def ring(self, kind: str, *abouts: str) -> None:
        """Tell everyone, of several things in one transaction. Raises what the database does."""
        if self.shared:
            await self._database.write(lambda connection: self._ring_all(connection, kind, abouts or ("",)))

    def _ring_all(self, connection: sa.Connection, kind: str, abouts: tuple[str, ...]) -> None:
        for about in abouts:
            self.ring_in(connection, kind, about)

    def ring_in(self, connection: sa.Connection, kind: str, about: str = "") -> None:
        """Tell everyone once this transaction is committed. `about`: a few hundred characters at the most."""
        if self.shared:
            connection.execute(_RING, {"payload": f"{kind} {about}"})

    async def __aenter__(self) -> Self:
        if self.shared:
            self._task = asyncio.create_task(self._listen(), name="bell")
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await cancelled([self._task])

    async def _listen(self) -> None:
        """For ever, over a connection of its own."""
        attempt = 0
        while True:
            try:
                async with self._database.listening(CHANNEL) as payloads:
                    attempt = 0
                    self._call(self._missed)
                    async for payload in payloads:
                        self._heard(payload)
            except Exception as error:  # whatever it is: without this connection we are deaf
                attempt += 1
                log.warning("the bell is silent", error=type(error).__name__, attempt=attempt)
            await asyncio.sleep(backoff(max(1, attempt), random.Random(), first=0.2, most=10.0))

    def _heard(self, payload: str) -> None:
        kind, _, about = payload.partition(" ")
        for hear in self._hearers[kind]:
            try:
                hear(about)
            except Exception:  # one that breaks must not deafen the others
                log.exception("a ring was not understood", kind=kind)

    def _call(self, looks: list[Callable[[], None]]) -> None:
        for look in looks:
            try:
                look()
            except Exception:
                log.exception("a look after lost rings failed")
