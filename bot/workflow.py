"""The durable run of a job's life, and the only file that knows the engine (DBOS Transact).

The engine keeps the id of each job under way and runs it again after a crash. A run has no steps for the engine to
remember: how far a job has come stands in the ledger and the store, which guard it anyway (`bot.life`), and each of the
engine's checkpoints would cost two more transactions to say it again. So every line may run more than once. Names of
workflows are frozen, and a changed flow gets a new name.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog
from dbos import DBOS, DBOSConfig, SetWorkflowID, WorkflowSerializationFormat

from bot.life import Life
from bot.store.database import session, sqlite_engine
from bot.store.lease import owner_of
from bot.tasks import cancelled

T = TypeVar("T")

log = structlog.get_logger()

_PORTABLE = WorkflowSerializationFormat.PORTABLE
_REDELIVER = ".redeliver"
_FLOW = "1"
"""The application version: fixed, since the engine runs only what has its own version after a restart."""

_life: Life
_on_over: Callable[[str], None]
_runs: dict[asyncio.Task[Any], str] = {}
"""The tasks of runs under way, each with its job's id: a stop ends them before what they use is closed, and the engine's
own tables may call one pending that a lost database has ended."""
_leaving = False
"""Set by a stop: the engine takes the loop's threads with it, so what still runs fails at its next file."""


@DBOS.workflow(name="job", max_recovery_attempts=None, serialization_type=_PORTABLE)
async def job(job_id: str) -> None:
    try:
        if not await live(job_id):
            await _ours(job_id, _redelivery(f"{DBOS.workflow_id}{_REDELIVER}", job_id))
    finally:
        _on_over(job_id)


@DBOS.workflow(name="redeliver", max_recovery_attempts=None, serialization_type=_PORTABLE)
async def redeliver(job_id: str) -> None:
    try:
        await _ours(job_id, _life.redeliver(job_id))
    finally:
        # After a crash the queue may have let it in once more, and its own run, which is over, will not say so.
        _on_over(job_id)


async def _redelivery(name: str, job_id: str) -> None:
    """Begin it, also while the database is away: nobody else knows that this one's answer is not out."""
    for attempt in itertools.count(1):
        try:
            await _apart(_begin(redeliver, name, job_id))
            return
        except Exception:
            if _leaving:
                await asyncio.Event().wait()  # `Engine.close` ends it here; the next start goes on
            log.exception("redelivery not begun", job=job_id, attempt=attempt)
        await asyncio.sleep(min(2.0**attempt, 30.0))


async def live(job_id: str) -> bool:
    """True when the answer is out."""
    try:
        return await _ours(job_id, _through_faults(_life.live, job_id))
    except Exception:
        log.exception("job broken", job=job_id)
        return False  # the person still gets an answer


async def _ours(job_id: str, coroutine: Coroutine[object, object, T]) -> T:
    """Run as a task that `Engine.close` can end."""
    task = asyncio.create_task(coroutine)
    _runs[task] = job_id
    task.add_done_callback(_runs.pop)
    return await task


async def _begin(flow: Callable[[str], Coroutine[object, object, None]], name: str, job_id: str) -> None:
    try:
        with SetWorkflowID(name):
            await DBOS.start_workflow_async(flow, job_id)
    except (Exception, asyncio.CancelledError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # some of the engine's own errors are no Exception, and would slip by everyone
        raise RuntimeError("the engine refused the job") from error


async def _apart(coroutine: Coroutine[object, object, None]) -> None:
    """Outside the run that we may be in: a job's end lets in the next one, which the engine would take for its child,
    and refuse once the first is over."""
    await asyncio.create_task(coroutine, context=contextvars.Context())


def _anew(job_id: str) -> str:
    """A name for one more run: a finished one of the same name would stand for it."""
    return f"{job_id}.{secrets.token_hex(4)}"


SPARED = 60.0
"""Seconds."""
_TRIES = 5


async def _through_faults(part: Callable[[str], Awaitable[T]], job_id: str) -> T:
    """Go on after faults of ours, e.g. a database that is away for a moment; the last one is raised."""
    for attempt in range(1, _TRIES):
        try:
            return await part(job_id)
        except Exception:
            if _leaving:
                await asyncio.Event().wait()  # `Engine.close` ends it here; the next start goes on
            log.exception("fault", job=job_id, part=part.__name__, attempt=attempt)
            await asyncio.sleep(2.0**attempt)
    return await part(job_id)


def schema_of(slot: int) -> str:
    """Each process has tables of its own: the engine hands what it recovers to whichever process looks first."""
    return f"dbos_{slot}" if slot else "dbos"


def upgrade(url: str, slots: int) -> None:
    """Bring the engine's tables on Postgres up to date, for all processes, before any of them works.

    `Engine.launch` would do it, too, without a heartbeat meanwhile. And it makes indexes CONCURRENTLY, which wait for the
    transactions of every peer: an engine at work always has one open, of a second, so a start beside it takes twenty.
    """
    if sa.make_url(url).get_backend_name() != "sqlite":
        for slot in range(slots):
            DBOS.migrate(url, schema=schema_of(slot))


def has_run(connection: sa.Connection) -> bool:
    """Whether the engine remembers any run in this Postgres."""
    there = sa.inspect(connection).has_table("workflow_status", schema=schema_of(0))
    return there and connection.execute(sa.text("SELECT 1 FROM dbos.workflow_status LIMIT 1")).first() is not None


class Sparing(logging.Filter):
    """While the database is away, the engine says so in five ways every second: once a minute each is enough, and
    without the driver's own words, which name hosts and paths."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        words, driver, _ = record.getMessage().partition("(psycopg")
        error = record.exc_info[1] if record.exc_info else None
        if not driver and not isinstance(error, sa.exc.DBAPIError):
            return True
        now = time.monotonic()
        if now - self._said.get(words, -SPARED) < SPARED:
            return False
        self._said[words] = now
        record.msg, record.args, record.exc_info, record.exc_text = words.rstrip(" :"), (), None, None
        return True


_SPARING = Sparing()


class Engine:
    """One per process. `url` names the engine's own database, `slot` this process among its peers."""

    def __init__(self, life: Life, url: str, slot: int, on_over: Callable[[str], None]) -> None:
        """`on_over` is called when a job no longer holds its place at the API."""
        global _life, _on_over, _leaving
        _life, _on_over, _leaving = life, on_over, False
        self._url = sa.make_url(url)
        self._sqlite: sa.Engine | None = None
        self._slot = slot

    def launch(self) -> None:
        """Go on with what a crash left. Called on the running loop: the workflows run there."""
        config = DBOSConfig(
            name="easel",
            system_database_url=self._url.render_as_string(hide_password=False),
            application_version=_FLOW,
            executor_id=owner_of(self._slot),
            dbos_system_schema=schema_of(self._slot),
            max_executor_threads=8,
            log_level="WARNING",
            notification_listener_polling_interval_sec=1.0,
            scheduler_polling_interval_sec=3600.0,
        )
        if self._url.get_backend_name() == "sqlite":
            # A custom engine skips the settings that DBOS makes on its own, so ours makes them; and WAL. What the
            # engine forgets in a power cut is repeated: money stands in the ledger, which waits for the disk.
            self._sqlite = sqlite_engine(self._url, synchronous="NORMAL", own_begin=False)
            config["system_database_engine"] = self._sqlite
        else:  # who may take over our jobs ends our sessions by that name
            config["db_engine_kwargs"] = {"connect_args": session(owner_of(self._slot))}
        DBOS(config=config)
        logger = logging.getLogger("dbos")
        logger.handlers.clear()  # its lines go the way of all others
        logger.propagate = True
        logger.addFilter(_SPARING)
        DBOS.launch()

    async def start(self, job_id: str) -> None:
        """Run a job. One that was started before is not started again."""
        await _apart(_begin(job, job_id, job_id))

    async def start_again(self, job_id: str) -> None:
        """Run a job of which the engine may have heard before, when it was ours, too."""
        await _apart(_begin(job, _anew(job_id), job_id))

    async def start_redelivery(self, job_id: str) -> None:
        await _apart(_begin(redeliver, f"{_anew(job_id)}{_REDELIVER}", job_id))

    def here(self) -> set[str]:
        """Ids of the jobs that run, or are redelivered, in this process by now."""
        return set(_runs.values())

    async def under_way(self) -> set[str]:
        """Ids of the jobs that the engine still runs, or will go on with."""
        found = await DBOS.list_workflows_async(status=["PENDING", "ENQUEUED"], load_input=False, load_output=False)
        return {status.workflow_id.partition(".")[0] for status in found}

    async def sweep(self, older_than: timedelta) -> int:
        """Forget finished workflows; the engine has no sweep of its own. Returns how many."""
        before = (datetime.now(UTC) - older_than).isoformat()
        count = 0
        while True:
            found = await DBOS.list_workflows_async(
                status=["SUCCESS", "ERROR", "CANCELLED"],
                end_time=before,
                limit=500,
                load_input=False,
                load_output=False,
            )
            if not found:
                return count
            await DBOS.delete_workflows_async([status.workflow_id for status in found])
            count += len(found)

    async def close(self) -> None:
        """Leave what runs to the next start."""
        global _leaving
        _leaving = True
        logging.getLogger("dbos").setLevel(
            logging.CRITICAL
        )  # it complains of each run that is left, which is the point
        await asyncio.to_thread(DBOS.destroy)
        # Only now: a run that is ended while the engine lives would be written down as failed.
        await cancelled(_runs)
        if self._sqlite is not None:
            self._sqlite.dispose()
