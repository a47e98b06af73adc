"""What guards the durable runs; the runs themselves need a process of their own (tests/scenarios)."""

import asyncio

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
