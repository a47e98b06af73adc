"""What is remembered: jobs, their pictures, and a few facts; plain queries on SQLite or Postgres."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from bot import metrics
from bot.images import Picture
from bot.jobs import Cancelled, Finished, Job, Outcome, Place, Requester
from bot.store import rows
from bot.store.database import Database
from bot.store.tables import facts, jobs, pictures

if TYPE_CHECKING:
    from bot.bell import Bell

__all__ = ["Database", "Record", "Stage", "Store"]

Stage = Literal["waiting", "running", "ended"]
"""How far an open job is; of one that ended only the answer is missing."""

SHORT = 6
"""Characters of a short id at the least."""


@dataclass(frozen=True, slots=True)
class Record:
    """A job and what became of it. `withheld` holds the indexes of pictures that were not posted."""

    job: Job
    state: Literal["waiting", "running", "closed"]
    outcome: Outcome | None
    pictures: tuple[Picture, ...]
    """Also those of a cancelled job that was paid for."""
    withheld: frozenset[int]
    public: bool
    deleted: bool
    message_key: str
    cancelled: bool
    delivered: bool
    """False for what could not be shown where it was asked: it waits in the history."""
    ended_at: datetime | None
    owner: str = ""
    """The process that runs it; empty while any may take it."""
    started_at: datetime | None = None
    """When it was let in, where several processes decide that together."""

    @property
    def began(self) -> bool:
        """Whether it is past the queue: it was let in, or has its end and only its answer is missing."""
        return self.state == "running" or self.outcome is not None

    @classmethod
    def fresh(cls, job: Job, message_key: str, owner: str) -> Record:
        """As a job's row reads right after it was accepted."""
        return cls(job, "waiting", None, (), frozenset(), False, False, message_key, False, False, None, owner)


# Statements that every job needs are made once: building one takes longer than running it.
_OF: sa.BindParameter[str] = sa.bindparam("of")
_GET = sa.select(jobs).where(jobs.c.id == _OF)
# A cancel that comes in between two statements would be told and not kept.
_OUTCOME = sa.case(
    (jobs.c.cancelled_at.is_not(None), sa.bindparam("if_cancelled", type_=sa.JSON)),
    else_=sa.bindparam("outcome", type_=sa.JSON),
)
_ENDED = (
    jobs.update()
    .where(jobs.c.id == _OF, jobs.c.outcome.is_(None), jobs.c.owner == sa.bindparam("by"))
    .values(outcome=_OUTCOME, seconds=sa.bindparam("seconds"), ended_at=sa.bindparam("ended_at"))
    .returning(jobs.c.spoiler, jobs.c.cancelled_at)
)
_INSERT_PICTURES = pictures.insert()
_CLOSED = (
    jobs.update()
    .where(jobs.c.id == _OF)
    .values(
        state="closed",
        closed_at=sa.bindparam("closed_at"),
        address=sa.bindparam("address"),
        public=sa.bindparam("public"),
        message_key=sa.func.coalesce(sa.bindparam("message_key", type_=sa.String), jobs.c.message_key),
    )
)


def insert(database: Database, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT, in the database's own dialect."""
    return sqlite.insert(table) if database.is_sqlite else postgresql.insert(table)


class Store:
    """`root` is the folder that the pictures' paths are kept relative to; `owner` is this process among its peers."""

    def __init__(self, database: Database, root: Path, owner: str = "", bell: Bell | None = None) -> None:
        self.owner = owner
        self._database = database
        self._root = root
        self._bell = bell
        self._accept = insert(database, jobs).on_conflict_do_nothing().returning(jobs.c.id)

    # ---- the life of a job ----

    async def accept(
        self,
        job: Job,
        *,
        delivery_key: str,
        ordinal: int,
        message_key: str,
        kind: str,
        owner: str | None = None,
        first: Callable[[sa.Connection], None] = lambda _connection: None,
        check: Callable[[sa.Connection], None] = lambda _connection: None,
    ) -> Job | None:
        """Commit a job and give it its short id. None if this very thing was accepted before.

        It is ours, or `owner`'s. `first` and `check` run in the same transaction, before and after the row is there, and
        take it back by raising.
        """

        def insert_as(connection: sa.Connection, short: str) -> bool:
            row = rows.job_to_row(replace(job, short=short), message_key, kind)
            values = row | {
                "delivery_key": delivery_key,
                "ordinal": ordinal,
                "owner": self.owner if owner is None else owner,
            }
            return connection.execute(self._accept, values).first() is not None

        def work(connection: sa.Connection) -> Job | None:
            first(connection)
            # The shortest is nearly always free: tried rather than looked for.
            for short in _shorts(job.id):
                if insert_as(connection, short):
                    check(connection)
                    return replace(job, short=short)
                if _is_there(connection, job, delivery_key, ordinal):
                    return None
            raise LookupError(f"no short id is left for {job.id}")

        return await self._database.write(work, "accept")

    async def delivered_as(self, platform: str, delivery_key: str, ordinal: int) -> Record | None:
        """The job that this delivery made."""
        found = await self._select(
            (jobs.c.platform == platform) & (jobs.c.delivery_key == delivery_key) & (jobs.c.ordinal == ordinal)
        )
        return found[0] if found else None

    async def get(self, job_id: str) -> Record:
        """Raises LookupError for an id that never was."""
        found = await self._database.read(lambda connection: self._records(connection, _GET, {"of": job_id}))
        if not found:
            raise LookupError(job_id)
        return found[0]

    async def open(self) -> list[Record]:
        """Every job of ours that is not closed yet, oldest first."""
        return await self._select((jobs.c.state != "closed") & (jobs.c.owner == self.owner), order=jobs.c.id)

    async def open_of(self, requester: Requester) -> list[Record]:
        """A person's jobs that have no end yet, whoever runs them, oldest first."""
        return await self._select(
            _of(requester) & jobs.c.outcome.is_(None) & jobs.c.cancelled_at.is_(None), order=jobs.c.id
        )

    async def cancelled(self) -> list[str]:
        """Ids of our jobs that somebody cancelled and that have no end yet."""
        here = (jobs.c.owner == self.owner) & jobs.c.outcome.is_(None) & jobs.c.cancelled_at.is_not(None)
        statement = sa.select(jobs.c.id).where(here)
        return list(await self._database.read(lambda connection: connection.execute(statement).scalars().all()))

    async def ours(self) -> dict[str, Stage]:
        """Ids of our jobs that are not closed, and how far each is."""
        stage = sa.case((jobs.c.outcome.is_not(None), "ended"), else_=jobs.c.state).label("stage")
        here = (jobs.c.owner == self.owner) & jobs.c.state.in_(["waiting", "running"])
        statement = sa.select(jobs.c.id, stage).where(here)
        found = await self._database.read(lambda connection: connection.execute(statement).all())
        return {row.id: row.stage for row in found}

    async def some(self, job_ids: Iterable[str]) -> list[Record]:
        return await self._select(jobs.c.id.in_(list(job_ids)), order=jobs.c.id)

    async def own(self) -> None:
        """Make every open job ours that is nobody's."""
        await self._hand(from_="", to=self.owner)

    async def release(self) -> None:
        """Leave every open job of ours to whoever takes it."""
        await self._hand(from_=self.owner, to="")

    async def _hand(self, *, from_: str, to: str) -> None:
        await self._update((jobs.c.state != "closed") & (jobs.c.owner == from_), owner=to)

    async def holds(self, job_id: str) -> bool:
        """Whether this process is the one that runs it."""
        return (await self.get(job_id)).owner == self.owner

    async def cancel(self, job_id: str) -> bool:
        """Mark a job as cancelled. False if it already was, or is over."""
        open_ = (jobs.c.state != "closed") & jobs.c.cancelled_at.is_(None) & jobs.c.outcome.is_(None)
        return await self._update(jobs.c.id == job_id, where=open_, cancelled_at=_now())

    async def ended(self, record: Record, outcome: Outcome, seconds: float, found: Mapping[Picture, bool]) -> Record:
        """Write down how a job ended, its pictures, and for each whether it is withheld. The first end stands.

        Returns the record as it is then: what was marked as a spoiler meanwhile says so. A job that was cancelled
        meanwhile ends as that, paid for; its pictures are kept. One that another process runs by now is left alone.
        """
        job_id = record.job.id
        lines = [rows.picture_to_row(job_id, picture, self._root, withheld=held) for picture, held in found.items()]
        if_cancelled = Cancelled(paid=True) if isinstance(outcome, Finished) else outcome
        values = {
            "of": job_id,
            "by": record.owner,
            "outcome": rows.outcome_to_json(outcome),
            "if_cancelled": rows.outcome_to_json(if_cancelled),
            "seconds": seconds,
            "ended_at": _now(),
        }

        def work(connection: sa.Connection) -> tuple[Outcome, bool] | None:
            row = connection.execute(_ENDED, values).first()
            if row is None:
                return None
            if lines:
                connection.execute(_INSERT_PICTURES, lines)
            if self._bell is not None:
                self._bell.ring_in(connection, "place")
            return outcome if row.cancelled_at is None else if_cancelled, bool(row.spoiler)

        ended = await self._database.write(work, "run", job_id)
        if ended is None:
            return await self.get(job_id)
        end, spoiler = ended
        metrics.ended(record.job.place.platform, end, len(found))
        job = replace(record.job, spoiler=spoiler)
        withheld = frozenset(picture.index for picture, held in found.items() if held)
        return replace(
            record, job=job, outcome=end, pictures=tuple(found), withheld=withheld, ended_at=datetime.now(UTC)
        )

    async def closed(self, job_id: str, *, address: str, message_key: str | None = None, public: bool) -> None:
        """The one visible answer is out, or can never be; tokens are no longer kept."""
        values = {"of": job_id, "closed_at": _now(), "address": address, "public": public, "message_key": message_key}
        await self._database.write(lambda connection: connection.execute(_CLOSED, values).close(), "run", job_id)

    async def readdress(self, job_id: str, address: str) -> None:
        await self._update(jobs.c.id == job_id, address=address)

    # ---- looking back ----

    async def find(self, text: str) -> Record | None:
        """By ULID, by short id, or by any longer or unique beginning of its random part."""
        text = text.strip().lstrip("#").lower()
        if len(text) == 26:
            found = await self._select(jobs.c.id == text.upper())
            return found[0] if found else None
        if not text.isalnum() or not 4 <= len(text) <= 16:
            return None
        beginnings = [text[:length] for length in range(SHORT, len(text) + 1)]
        found = await self._select(jobs.c.short.in_(beginnings) | jobs.c.short.startswith(text), limit=10)
        exact = [record for record in found if record.job.short == text]
        fits = exact or [record for record in found if record.job.id[10:].lower().startswith(text)]
        return fits[0] if len(fits) == 1 else None

    async def by_message(self, key: str) -> Record | None:
        found = await self._select(jobs.c.message_key == key, order=jobs.c.id.desc(), limit=1)
        return found[0] if found else None

    async def history(self, requester: Requester, *, limit: int = 10, before: str | None = None) -> list[Record]:
        """Newest first, without deleted ones. `before` is a ULID to page on from."""
        condition = _of(requester) & jobs.c.deleted.is_(sa.false())
        if before:
            condition &= jobs.c.id < before
        return await self._select(condition, order=jobs.c.id.desc(), limit=limit)

    async def posted(self, place: Place, *, seen_by: Requester, limit: int, before: str | None = None) -> list[Record]:
        """What this person sees in a place: newest first, without deleted ones and without others' private ones."""
        condition = _in(place) & (jobs.c.private.is_(sa.false()) | _of(seen_by))
        if before:
            condition &= jobs.c.id < before
        return await self._select(condition, order=jobs.c.id.desc(), limit=limit)

    async def drawn(
        self,
        place: Place,
        *,
        seen_by: Requester,
        limit: int,
        before: str | None = None,
        text: str = "",
        lora: str = "",
        mine: bool = False,
    ) -> list[Record]:
        """As `posted`, but finished ones only: with this in the prompt, this LoRA (name or path), this person's own."""
        condition = _in(place) & (jobs.c.outcome["is"].as_string() == "finished")
        condition &= _of(seen_by) if mine else jobs.c.private.is_(sa.false()) | _of(seen_by)
        if before:
            condition &= jobs.c.id < before
        if text:
            condition &= jobs.c.request["prompt"].as_string().icontains(text, autoescape=True)
        if lora:  # a LoRA's name or path stands there in quotes
            loras = sa.cast(jobs.c.request["loras"], sa.String)
            condition &= loras.icontains(json.dumps(lora), autoescape=True)
        return await self._select(condition, order=jobs.c.id.desc(), limit=limit)

    async def last(self, requester: Requester) -> Record | None:
        found = await self.history(requester, limit=1)
        return found[0] if found else None

    async def mark_deleted(self, job_id: str) -> None:
        await self._update(jobs.c.id == job_id, deleted=True)

    async def mark_spoiler(self, job_id: str) -> None:
        """Wherever its pictures are shown from now on, they are covered."""
        await self._update(jobs.c.id == job_id, spoiler=True)

    async def durations(self, limit: int = 1000) -> list[tuple[str, float]]:
        """(kind, seconds) of the last finished jobs, oldest first."""
        statement = (
            sa.select(jobs.c.kind, jobs.c.seconds)
            .where(jobs.c.seconds > 0)
            .order_by(jobs.c.ended_at.desc())
            .limit(limit)
        )
        found = await self._database.read(lambda connection: connection.execute(statement).all())
        return [(kind, seconds) for kind, seconds in reversed(found)]

    # ---- facts ----

    async def fact(self, key: str) -> str | None:
        statement = sa.select(facts.c.value).where(facts.c.key == key)
        return await self._database.read(lambda connection: connection.execute(statement).scalar())

    async def set_fact(self, key: str, value: str) -> None:
        statement = insert(self._database, facts).values(key=key, value=value)
        upsert = statement.on_conflict_do_update(index_elements=["key"], set_={"value": value})
        await self._database.write(lambda connection: connection.execute(upsert).close())

    async def swap_fact(self, key: str, old: str | None, new: str) -> bool:
        """Set it only if it still reads `old` (None: if there is none yet). False: somebody else was first."""
        if old is None:
            change: sa.UpdateBase = (
                insert(self._database, facts).values(key=key, value=new).on_conflict_do_nothing().returning(facts.c.key)
            )
        else:
            same = (facts.c.key == key) & (facts.c.value == old)
            change = facts.update().where(same).values(value=new).returning(facts.c.key)
        return await self._database.write(lambda connection: connection.execute(change).first() is not None)

    async def settle_fact(self, key: str, value: str) -> str:
        """What stands there: this, unless something was put before. Of several processes, one settles it for all."""
        await self.swap_fact(key, None, value)
        return await self.fact(key) or value

    # ---- below ----

    async def _update(self, which: sa.ColumnElement[bool], where: Any = None, **values: Any) -> bool:
        condition = which if where is None else which & where
        change = jobs.update().where(condition).values(**values).returning(jobs.c.id)
        return await self._database.write(lambda connection: connection.execute(change).first() is not None)

    async def _select(
        self, condition: sa.ColumnElement[bool], *, order: Any = None, limit: int | None = None
    ) -> list[Record]:
        statement = sa.select(jobs).where(condition)
        if order is not None:
            statement = statement.order_by(order)
        if limit is not None:
            statement = statement.limit(limit)

        return await self._database.read(lambda connection: self._records(connection, statement, {}))

    def _records(self, connection: sa.Connection, statement: sa.Select[Any], values: dict[str, Any]) -> list[Record]:
        found = connection.execute(statement, values).mappings().all()
        ended = [row["id"] for row in found if row["outcome"] is not None]
        kept = _pictures(connection, ended) if ended else {}
        return [self._record(row, kept.get(row["id"], [])) for row in found]

    def _record(self, row: rows.Row, kept: Iterable[rows.Row]) -> Record:
        found = tuple(rows.picture_from_row(line, self._root) for line in kept)
        ended_at = row["ended_at"]
        return Record(
            job=rows.job_from_row(row),
            state=row["state"],
            outcome=rows.outcome_from_json(row["outcome"], found),
            pictures=found,
            withheld=frozenset(line["index"] for line in kept if line["withheld"]),
            public=row["public"],
            deleted=row["deleted"],
            message_key=row["message_key"],
            cancelled=row["cancelled_at"] is not None,
            delivered=row["state"] == "closed" and bool(row["address"]),
            ended_at=datetime.fromtimestamp(ended_at, UTC) if ended_at else None,
            owner=row["owner"],
            started_at=datetime.fromtimestamp(row["started_at"], UTC) if row["started_at"] else None,
        )


def _pictures(connection: sa.Connection, job_ids: list[str]) -> dict[str, list[rows.Row]]:
    found: dict[str, list[rows.Row]] = {}
    # SQLite binds at most 32,766 values; a start with very many ended jobs stays under it.
    for start in range(0, len(job_ids), 1000):
        some = job_ids[start : start + 1000]
        statement = sa.select(pictures).where(pictures.c.job_id.in_(some)).order_by(pictures.c.job_id, pictures.c.index)
        for row in connection.execute(statement).mappings():
            found.setdefault(row["job_id"], []).append(row)
    return found


def _in(place: Place) -> sa.ColumnElement[bool]:
    here = (jobs.c.platform == place.platform) & (jobs.c.channel == place.channel)
    return here & jobs.c.deleted.is_(sa.false())


def _of(requester: Requester) -> sa.ColumnElement[bool]:
    return (jobs.c.platform == requester.platform) & (jobs.c.requester_id == requester.id)


def _shorts(job_id: str) -> Iterator[str]:
    """The beginnings of the ULID's random part, the shortest first."""
    random_part = job_id[10:].lower()
    return (random_part[:length] for length in range(SHORT, len(random_part) + 1))


def _is_there(connection: sa.Connection, job: Job, delivery_key: str, ordinal: int) -> bool:
    """Whether this very job has a row, by its id or by its delivery."""
    delivered = (
        (jobs.c.platform == job.requester.platform)
        & (jobs.c.delivery_key == delivery_key)
        & (jobs.c.ordinal == ordinal)
    )
    return connection.execute(sa.select(jobs.c.id).where(delivered | (jobs.c.id == job.id))).first() is not None


def _now() -> float:
    return datetime.now(UTC).timestamp()
