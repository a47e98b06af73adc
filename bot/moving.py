"""Carries everything from the SQLite file to an empty Postgres: in one transaction, checked before it counts.

    copied → checked → the SQLite file is marked → Postgres commits

An interruption leaves Postgres empty, and the next try begins anew. From the mark on the file can't be started: a job
that is open in two databases would be paid twice. Between the mark and the commit neither side works; the next try
ends that, too. What the engine had under way is not carried: the start on Postgres finds those jobs open, and unknown
to its engine, and goes on with them as after a crash (`bot.app`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from bot.errors import BadSettings, OperatorMustAct
from bot.store import Database
from bot.store.database import NEVER_IDLE
from bot.store.migrate import upgrade
from bot.store.tables import facts, jobs, metadata, slots, turns

MARK = "moved"
"""The fact that a SQLite file was moved, and where to. It alone stays behind."""
PORTION = 1000
"""Rows in memory at once."""
CARRIED = [table for table in metadata.sorted_tables if table not in (slots, turns)]
"""All but what is of the moment: who is at work, and whose turn it is."""
LOCKED_WITHIN = "10s"
_WAY_BACK = "`python -m bot move --undo` takes that back, if nothing was done there since."


@dataclass(frozen=True, slots=True)
class Table:
    """What a table holds: the digest is the same for the same rows, in whatever order and on either database."""

    name: str
    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class Moved:
    tables: tuple[Table, ...]
    under_way: int
    """Jobs that are open."""
    again: bool
    """It had been done before: everything was there already."""


def moved_to(connection: sa.Connection) -> str | None:
    """Where this database was moved, None for one that is in use."""
    found = connection.execute(sa.select(facts.c.value).where(facts.c.key == MARK)).scalar()
    return str(found) if found is not None else None


def check_in_use(database: Database) -> None:
    """Raises BadSettings for a SQLite file that was moved away: its jobs go on elsewhere."""
    with database.engine.begin() as connection:
        place = moved_to(connection)
    if place is not None:
        raise BadSettings(f"EASEL_DATABASE_URL: this SQLite database was moved to {place}. Set that. {_WAY_BACK}")


def undo(source: Database) -> bool:
    """Let the file be started again. False if it was never moved."""
    with source.engine.begin() as connection:
        return connection.execute(facts.delete().where(facts.c.key == MARK).returning(facts.c.key)).first() is not None


def move(source: Database, target: Database) -> Moved:
    """Bring both up to date, and everything over. Blocks; nobody else may use `source` meanwhile.

    Raises BadSettings for a target that can't be reached or isn't empty, and for a source that was moved elsewhere;
    OperatorMustAct when a row can't be carried. Then nothing has changed.
    """
    upgrade(source)
    place = _place(target.url)
    with source.engine.connect() as here:
        before = moved_to(here)
        if before not in (None, place):
            raise BadSettings(f"This SQLite database was moved to {before} already. {_WAY_BACK}")
        found = _tables(here)
        with _reached(target, place) as there:
            again = _check_empty(there, place, found)
            if not again:
                _carry(here, there)
                _check_same(found, _tables(there))
            under_way = here.execute(sa.select(sa.func.count()).where(jobs.c.state != "closed")).scalar_one()
            if before is None:
                here.execute(facts.insert().values(key=MARK, value=place))
            here.commit()
            _commit(there)
    return Moved(found, under_way, again)


def _place(url: sa.URL) -> str:
    """The address without what is secret in it."""
    query = {name: value for name, value in url.query.items() if not name.endswith("password")}
    return sa.URL.create("postgresql", url.username, None, url.host, url.port, url.database, query).render_as_string()


def _reached(target: Database, place: str) -> sa.Connection:
    """With every table of ours locked against other writers, until the transaction ends."""
    try:
        upgrade(target)
        there = target.engine.connect()
    except sa.exc.OperationalError as error:
        raise BadSettings(f"{place} can't be used ({_reason(error)}).") from None
    try:
        there.execute(sa.text(f"SET LOCAL lock_timeout = '{LOCKED_WITHIN}'"))
        there.execute(NEVER_IDLE)
        names = ", ".join(table.name for table in metadata.sorted_tables)
        there.execute(sa.text(f"LOCK TABLE {names} IN EXCLUSIVE MODE"))
    except sa.exc.OperationalError:
        there.close()
        raise BadSettings(f"{place} is in use: another Easel, or another move, is at work there.") from None
    except BaseException:
        there.close()
        raise
    return there


def _check_empty(there: sa.Connection, place: str, found: tuple[Table, ...]) -> bool:
    """True when the very same rows are there, of an earlier try. Raises BadSettings for any others."""
    from bot.workflow import has_run  # loads the engine

    used = has_run(there)
    if not used and all(there.execute(sa.select(table).limit(1)).first() is None for table in metadata.sorted_tables):
        return False
    if not used and _tables(there) == found:
        return True
    raise BadSettings(f"{place} is not empty: Easel has been at work there. Make a new database for the move.")


def _carry(here: sa.Connection, there: sa.Connection) -> None:
    for table in CARRIED:
        into = sa.table(table.name, *(sa.column(column.name, _plain(column.type)) for column in table.columns))
        try:
            for some in _portions(here, _kept(table)):
                there.execute(into.insert(), some)
        except sa.exc.OperationalError as error:
            raise OperatorMustAct(f"The connection broke ({_reason(error)}). Nothing was changed; try again.") from None
        except sa.exc.DBAPIError as error:
            raise OperatorMustAct(f"A row of {table.name} can't be carried ({_reason(error)}).") from None


def _commit(there: sa.Connection) -> None:
    try:
        there.commit()
    except sa.exc.OperationalError as error:
        raise OperatorMustAct(
            f"The connection broke at the very end ({_reason(error)}). Run this once more: it ends what was begun."
        ) from None


def _plain(kind: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    """None is NULL, which a JSON column would otherwise write as its own `null`."""
    return sa.JSON(none_as_null=True) if isinstance(kind, sa.JSON) else kind


def _kept(table: sa.Table) -> sa.Select[Any]:
    return sa.select(table).where(facts.c.key != MARK) if table is facts else sa.select(table)


def _portions(connection: sa.Connection, statement: sa.Select[Any]) -> Iterator[list[dict[str, Any]]]:
    with connection.execute(statement.execution_options(yield_per=PORTION)) as result:
        for some in result.mappings().partitions():
            yield [dict(row) for row in some]


# ---- the check ----


def _tables(connection: sa.Connection) -> tuple[Table, ...]:
    return tuple(_table(connection, table) for table in CARRIED)


def _table(connection: sa.Connection, table: sa.Table) -> Table:
    statement = _kept(table).add_columns(
        *(column.is_(sa.null()).label(f"{column.name} is null") for column in table.columns if column.nullable)
    )
    count, total = 0, 0
    for some in _portions(connection, statement):
        count += len(some)
        total += sum(_number(row) for row in some)
    return Table(table.name, count, f"{total % 2**256:064x}")


def _number(row: dict[str, Any]) -> int:
    """A sum of these does not depend on the order, which two databases see differently."""
    text = json.dumps({name: int(it) if isinstance(it, bool) else it for name, it in row.items()}, sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest())


def _check_same(sent: tuple[Table, ...], arrived: tuple[Table, ...]) -> None:
    for before, after in zip(sent, arrived, strict=True):
        if before != after:
            raise OperatorMustAct(
                f"{before.name} did not arrive as it was: {before.rows} rows were sent, {after.rows} came. "
                "Nothing was changed; please report this."
            )


def _reason(error: sa.exc.DBAPIError) -> str:
    """Its first line: the next ones quote what people wrote."""
    return str(error.orig).strip().splitlines()[0]
