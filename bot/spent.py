"""What people and the whole bot used up over several processes, decided in the transaction that accepts a job.

The ledger's line is written there, too, under a lock: of two that come at once for the last dollar, one gets it. Summing
a day's dollars each time would cost more than all the rest, so all but the last minute's is summed once a minute; what
is given back meanwhile counts until then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from bot.guard import Usage
from bot.jobs import Requester
from bot.ledger import COUNTED, DAY, State
from bot.store.tables import jobs, ledger

SPENDING = 0x65617370
"""Advisory lock: `easp`."""
SKEW = 10.0
"""Seconds by which two machines' clocks may differ: a line that is younger may still come from another one."""

_LOCK = sa.text("SELECT pg_advisory_xact_lock(:key)").bindparams(key=SPENDING)
_COUNTED = [state.value for state in COUNTED]
_CHARGED = [state.value for state in COUNTED if state is not State.UNCERTAIN]
_SINCE: sa.BindParameter[float] = sa.bindparam("since")

_DOLLARS = sa.select(sa.func.coalesce(sa.func.sum(ledger.c.price), 0.0)).where(ledger.c.state.in_(_COUNTED))
_SETTLED = _DOLLARS.where(ledger.c.charged_at > _SINCE, ledger.c.charged_at <= sa.bindparam("until"))
_LATELY = _DOLLARS.where(ledger.c.charged_at > sa.bindparam("lately"))
_PICTURES = sa.select(sa.func.coalesce(sa.func.sum(ledger.c.pictures), 0)).where(
    ledger.c.charged_at > _SINCE, ledger.c.state.in_(_CHARGED)
)
_PICTURES_OF = _PICTURES.where(ledger.c.person == sa.bindparam("person"))
_PICTURES_OF_ALL = _PICTURES.where(ledger.c.person.like(sa.bindparam("people")))
# One statement for all that a job is held against: each of its own would be a round trip under the lock.
_USAGE = (
    sa.select(
        sa.func.count().filter(jobs.c.state == "running").label("running"),
        sa.func.count().filter(jobs.c.state == "waiting").label("waiting"),
        _PICTURES_OF.scalar_subquery().label("pictures"),
        _LATELY.scalar_subquery().label("dollars"),
    )
    .select_from(jobs)
    .where(
        jobs.c.platform == sa.bindparam("platform"),
        jobs.c.requester_id == sa.bindparam("requester"),
        jobs.c.outcome.is_(None),
        jobs.c.state != "closed",
        jobs.c.id != sa.bindparam("but"),
    )
)


@dataclass(slots=True)
class Spent:
    """`clock` tells seconds since 1970."""

    clock: Callable[[], float] = time.time
    _settled: float = 0.0
    _until: float = 0.0
    _last: float = field(default=0.0)
    _surely: float = 0.0

    @property
    def dollars(self) -> float:
        """US$ of everybody's last 24 hours, as last looked up."""
        return self._last

    @property
    def surely(self) -> float:
        """As it was when all of it was last summed up. What `dollars` counts may be given back, or a day old, since then:
        others may have been accepted for it."""
        return self._surely

    def settle(self, connection: sa.Connection) -> None:
        """Sum up what is too old to change but by being given back. Called about once a minute."""
        now = self.clock()
        until = now - SKEW
        self._settled = float(connection.execute(_SETTLED, {"since": now - DAY, "until": until}).scalar_one())
        self._until = until
        self._last = self._settled + float(connection.execute(_LATELY, {"lately": self._lately}).scalar_one())
        self._surely = self._last

    def lock(self, connection: sa.Connection) -> None:
        """Until the transaction ends, nobody else may reserve anything."""
        connection.execute(_LOCK)

    def usage(self, connection: sa.Connection, requester: Requester, but: str = "") -> Usage:
        """What counts against this person and everybody, without the job `but`."""
        values = {
            "since": self.clock() - DAY,
            "lately": self._lately,
            "person": requester.key,
            "platform": requester.platform,
            "requester": requester.id,
            "but": but,
        }
        found = connection.execute(_USAGE, values).one()
        self._last = self._settled + float(found.dollars)
        return Usage(found.running, found.waiting, int(found.pictures), self._last)

    def pictures_of(self, connection: sa.Connection, platform: str) -> int:
        """Charged to all of one platform's people."""
        values = {"since": self.clock() - DAY, "people": f"{platform}:%"}
        return int(connection.execute(_PICTURES_OF_ALL, values).scalar_one())

    @property
    def _lately(self) -> float:
        """What is younger is not settled yet."""
        return max(self._until, self.clock() - DAY)
