"""The short form: one small run of every kind. `python -m tests.chaos` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.kinds import KINDS, POSTGRES, SQLITE
from tests.chaos.run import run
from tests.servers.postgres import Postgres

JOBS = 10
ON_SQLITE = (
    "kill",
    "kill-boundary",
    "stop",
    "api-down",
    "api-slow",
    "api-429",
    "discord-down-kill",
    "discord-429",
    "discord-answers-lost",
    "slack-down",
    "slack-429",
    "slack-cuts",
    "sqlite-locked",
)
ON_POSTGRES = (
    "kill",
    "kill-in-post",
    "kill-starting",
    "api-answers-lost",
    "discord-cuts",
    "slack-answers-lost",
    "postgres-restart",
    "postgres-crash-kill",
    "postgres-cuts",
    "peer-kill-2",
    "peer-gone-2",
    "peer-frozen-2",
)


@pytest.mark.parametrize("kind", ON_SQLITE)
async def test_every_job_is_accounted_for(kind: str, tmp_path: Path) -> None:
    account = await run(KINDS[kind], 1, tmp_path, jobs=JOBS, long=False)
    assert account.problems == []
    assert account.jobs >= JOBS
    assert account.database == SQLITE


@pytest.mark.parametrize("kind", ON_POSTGRES)
async def test_every_job_is_accounted_for_on_postgres(kind: str, postgres: Postgres, tmp_path: Path) -> None:
    account = await run(KINDS[kind], 1, tmp_path, postgres=postgres, jobs=JOBS, long=False)
    assert account.problems == []
    assert account.jobs >= JOBS
    assert account.database == POSTGRES
