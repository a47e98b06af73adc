"""The short form: few and small runs, in which every kind of fault happens. `python -m tests.chaos` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.account import Account
from tests.chaos.kinds import together
from tests.chaos.run import run
from tests.servers.postgres import Postgres

pytestmark = [
    pytest.mark.timeout(400),  # one that breaks says what it knows by then, also on a machine that is busy
    pytest.mark.processes,
]

JOBS = 8
"""During each fault. What takes longest comes first, so that it does not come last in one of several workers."""
ON_POSTGRES = (
    ["peer-kill-2", "peer-frozen-2"],
    ["api-answers-lost", "discord-cuts", "slack-answers-lost"],
    ["peer-gone-2"],
    ["peer-boundary-3", "discord-429-3"],
    ["roles-gone"],
    ["kill-in-post"],
    ["kill-starting"],
    ["postgres-restart", "postgres-cuts", "postgres-crash-kill"],
)
ON_SQLITE = (
    ["kill"],
    ["kill-boundary"],
    ["stop", "discord-down-kill"],
    ["api-down", "api-slow", "api-429", "sqlite-locked"],
    ["discord-429", "discord-answers-lost", "slack-down", "slack-429", "slack-cuts"],
)


@pytest.mark.parametrize("faults", ON_POSTGRES, ids=" ".join)
async def test_every_job_is_accounted_for_on_postgres(faults: list[str], postgres: Postgres, tmp_path: Path) -> None:
    account = await run(together(*faults), 1, tmp_path, postgres=postgres, jobs=JOBS, long=False)
    check(account, JOBS * len(faults))


@pytest.mark.parametrize("faults", ON_SQLITE, ids=" ".join)
async def test_every_job_is_accounted_for(faults: list[str], tmp_path: Path) -> None:
    account = await run(together(*faults), 1, tmp_path, jobs=JOBS, long=False)
    check(account, JOBS * len(faults))


def check(account: Account, jobs: int) -> None:
    assert account.problems == []
    assert account.jobs >= jobs
