"""What guards the durable runs; the runs themselves need a process of their own (tests/scenarios)."""

import asyncio
import logging

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from bot import workflow
from tests.servers.postgres import new_database


async def test_a_run_whose_threads_a_stop_took_away_waits_for_its_end_and_cries_no_alarm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workflow, "_leaving", True)
    tries = 0

    async def describe(job_id: str) -> bool:
        nonlocal tries
        tries += 1
        raise RuntimeError("cannot schedule new futures after shutdown")

    with capture_logs() as said:
        run = asyncio.create_task(workflow._through_faults(describe, "a job"))
        await asyncio.wait({run}, timeout=0.1)
        assert not run.done()
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
    assert run.cancelled()
    assert (tries, said) == (1, [])


def test_the_first_process_makes_the_engines_tables_of_all(postgres_url: str) -> None:
    url = new_database(postgres_url)
    workflow.upgrade(url, 2)
    engine = sa.create_engine(url)
    assert all(sa.inspect(engine).has_table("workflow_status", schema=workflow.schema_of(slot)) for slot in (0, 1))
    engine.dispose()


def record(message: str, error: Exception | None = None) -> logging.LogRecord:
    found = (type(error), error, None) if error else None
    return logging.LogRecord("dbos", logging.WARNING, "", 0, message, (), found)


def test_what_the_engine_says_of_a_lost_database_is_said_once_and_without_the_drivers_words() -> None:
    spare = workflow.Sparing()
    lost = sa.exc.OperationalError("SELECT", {}, Exception("socket /var/run/x failed"))
    first, again = (record("Queue thread: (psycopg.OperationalError) socket /var/run/x failed", lost) for _ in range(2))
    assert spare.filter(first)
    assert (first.getMessage(), first.exc_info) == ("Queue thread", None)
    assert not spare.filter(again)


def test_whatever_else_the_engine_says_is_left_alone() -> None:
    spare = workflow.Sparing()
    for _ in range(2):
        said = record("a workflow failed", ValueError("x"))
        assert spare.filter(said)
        assert said.exc_info
