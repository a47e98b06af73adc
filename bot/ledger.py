"""Money: the intent is on disk before a paid POST, and a crash is reconciled, never guessed.

    intended → posting → submitted
        ↑_________|          an answer that proves the refusal (429, a connection never opened)
    any → returned           no picture came of it, and nothing was paid: nothing is counted
    posting → uncertain      nobody can know: the person is told and not charged; the budget is, to be safe

Every arrow is a compare-and-set, so a POST is made by exactly one process, once. The rows stay when a
job is deleted, and go 400 days later at the earliest (`bot.store.sweeping`).
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.dml import ReturningUpdate

from bot.jobs import Job
from bot.ports import Sighting, Ticket
from bot.store import Database, insert
from bot.store.tables import jobs, ledger

DAY = 24 * 3600.0


class State(enum.StrEnum):
    INTENDED = "intended"
    POSTING = "posting"
    SUBMITTED = "submitted"
    RETURNED = "returned"
    UNCERTAIN = "uncertain"


COUNTED = (State.INTENDED, State.POSTING, State.SUBMITTED, State.UNCERTAIN)
"""What counts against the budget. All but the uncertain count against the person, too."""


_OF: sa.BindParameter[str] = sa.bindparam("of")
_GET = sa.select(ledger).where(ledger.c.job_id == _OF)
_STARTED = jobs.update().where(jobs.c.id == _OF, jobs.c.state == "waiting").values(state="running")


def _move(old: State, new: State, **values: Any) -> ReturningUpdate[Any]:
    """One arrow. RETURNING, never rowcount: it is -1 on some drivers, and truthy."""
    change = ledger.update().where(ledger.c.job_id == _OF, ledger.c.state == old.value)
    return change.values(state=new.value, **values).returning(ledger.c.job_id)


_BEGIN_POST = _move(
    State.INTENDED, State.POSTING, posted_at=sa.bindparam("posted_at"), owner=sa.bindparam("owner")
).where(
    sa.select(jobs.c.id)
    .where(jobs.c.id == _OF, jobs.c.cancelled_at.is_(None), jobs.c.owner.in_(["", sa.bindparam("owner")]))
    .exists()
)
_SUBMITTED = _move(
    State.POSTING,
    State.SUBMITTED,
    prediction_id=sa.bindparam("prediction_id"),
    submitted_at=sa.bindparam("submitted_at"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One job's line. `pictures` and `price` (US$) are what it is charged; `posted_at` is when the POST began."""

    job_id: str
    person: str
    state: State
    pictures: int
    price: float
    charged_at: float
    posted_at: datetime | None
    ticket: Ticket | None


class Ledger:
    def __init__(self, database: Database, owner: str) -> None:
        """`owner` names this process, so that an operator can tell who made a POST."""
        self._database = database
        self._owner = owner
        conflict = insert(database, ledger).on_conflict_do_nothing(index_elements=["job_id"])
        self._intend = conflict.returning(ledger.c.job_id)

    def reserve(self, connection: sa.Connection, job: Job, price: float) -> Entry:
        """Write the line in the transaction that accepts the job: from then on every process counts it."""
        row = _line(job, price)
        connection.execute(self._intend, row).close()
        return _intended(row)

    async def intend(self, job: Job, price: float) -> Entry:
        """Write down what will be paid, once, and that the job runs; a repeated call returns the line as it stands."""
        row = _line(job, price)

        def work(connection: sa.Connection) -> Entry:
            connection.execute(_STARTED, {"of": job.id})
            if connection.execute(self._intend, row).first():
                return _intended(row)
            return _entry(connection.execute(_GET, {"of": job.id}).mappings().one())

        return await self._database.write(work, "run", job.id)

    async def begin_post(self, job_id: str) -> bool:
        """Take the one right to POST this job. False if it was taken before, the job was cancelled, or it is a peer's."""
        return await self._moved(_BEGIN_POST, {"of": job_id, "posted_at": _now(), "owner": self._owner})

    async def refused(self, job_id: str) -> None:
        """The answer proves that nothing was accepted: the POST may be tried again."""
        await self._moved(_move(State.POSTING, State.INTENDED), {"of": job_id})

    async def submitted(self, job_id: str, ticket: Ticket) -> bool:
        """Write down the accepted prediction. False if another job already owns it."""
        values = {"of": job_id, "prediction_id": ticket.id, "submitted_at": ticket.submitted_at.timestamp()}
        try:
            return await self._moved(_SUBMITTED, values)
        except sa.exc.IntegrityError:
            return False

    async def give_back(self, job_id: str) -> None:
        """No picture came of it, and nothing was paid: the person's quota and the budget get it back."""
        await self._set(job_id, state=State.RETURNED.value)

    async def forgive(self, job_id: str) -> None:
        """It was paid and no picture came of it: the person's quota gets it back, the budget does not."""
        await self._set(job_id, pictures=0)

    async def uncertain(self, job_id: str) -> bool:
        return await self._moved(_move(State.POSTING, State.UNCERTAIN), {"of": job_id})

    async def entry(self, job_id: str) -> Entry | None:
        values = {"of": job_id}
        row = await self._database.read(lambda connection: connection.execute(_GET, values).mappings().first())
        return _entry(row) if row else None

    async def predictions(self, since: datetime) -> set[str]:
        """Every prediction id that the ledger knows from then on."""
        statement = sa.select(ledger.c.prediction_id).where(
            ledger.c.prediction_id.is_not(None), ledger.c.charged_at >= since.timestamp() - DAY
        )
        found = await self._database.read(lambda connection: connection.execute(statement).scalars().all())
        return {str(prediction) for prediction in found}

    async def unresolved(self) -> list[str]:
        """Jobs whose POST may be at the API without us knowing its prediction."""
        statement = sa.select(ledger.c.job_id).where(ledger.c.state == State.POSTING.value)
        found = await self._database.read(lambda connection: connection.execute(statement).scalars().all())
        return list(found)

    async def counted(self) -> list[Entry]:
        """Every line of the last 24 hours that counts, oldest first."""
        statement = (
            sa.select(ledger)
            .where(ledger.c.charged_at > _now() - DAY, ledger.c.state.in_([state.value for state in COUNTED]))
            .order_by(ledger.c.charged_at)
        )
        found = await self._database.read(lambda connection: connection.execute(statement).mappings().all())
        return [_entry(row) for row in found]

    async def uncertain_jobs(self, since: float) -> int:
        statement = (
            sa.select(sa.func.count())
            .select_from(ledger)
            .where(ledger.c.state == State.UNCERTAIN.value, ledger.c.charged_at > since)
        )
        return await self._database.read(lambda connection: int(connection.execute(statement).scalar_one()))

    async def _moved(self, move: sa.Executable, values: dict[str, Any]) -> bool:
        return await self._database.write(
            lambda connection: connection.execute(move, values).first() is not None, "run", values["of"]
        )

    async def _set(self, job_id: str, **values: Any) -> None:
        change = ledger.update().where(ledger.c.job_id == job_id).values(**values)
        await self._database.write(lambda connection: connection.execute(change).close(), "run", job_id)


def adoptable(
    sightings: Iterable[Sighting], known: Collection[str], unresolved: Collection[str], *, exclusive: bool
) -> list[Ticket]:
    """Which predictions a job without an id may take as its own, the likeliest first.

    Only what matches by inputs. Where the listing carries no inputs: the only unexplained prediction, if the key is
    ours alone (`exclusive`) and this is the only job in doubt. A wrong guess would show one person's picture to another.
    """
    unexplained = [sighting for sighting in sightings if sighting.ticket.id not in known]
    matching = [sighting.ticket for sighting in unexplained if sighting.request_matches]
    if matching:
        return sorted(matching, key=lambda ticket: ticket.submitted_at)
    alone = len(unexplained) == 1 and unexplained[0].request_matches is None and len(unresolved) == 1
    return [unexplained[0].ticket] if exclusive and alone else []


def _line(job: Job, price: float) -> dict[str, Any]:
    return {
        "job_id": job.id,
        "person": job.requester.key,
        "state": State.INTENDED.value,
        "pictures": job.request.count,
        "price": price,
        "charged_at": _now(),
    }


def _intended(row: dict[str, Any]) -> Entry:
    """A line as it was just written."""
    return Entry(
        row["job_id"], row["person"], State.INTENDED, row["pictures"], row["price"], row["charged_at"], None, None
    )


def _entry(row: sa.RowMapping) -> Entry:
    ticket = None
    if row["prediction_id"]:
        ticket = Ticket(row["prediction_id"], datetime.fromtimestamp(row["submitted_at"], UTC))
    posted_at = datetime.fromtimestamp(row["posted_at"], UTC) if row["posted_at"] else None
    return Entry(
        row["job_id"],
        row["person"],
        State(row["state"]),
        row["pictures"],
        row["price"],
        row["charged_at"],
        posted_at,
        ticket,
    )


def _now() -> float:
    return datetime.now(UTC).timestamp()
