"""What guards the durable runs; the runs themselves need a process of their own (tests/scenarios)."""

import asyncio

import pytest
from structlog.testing import capture_logs

from bot import workflow


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
