"""One run in a process of its own, which does many of them one after the other, all on one Postgres."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path

from tests.chaos.account import Account
from tests.chaos.kinds import KINDS, POSTGRES
from tests.chaos.run import JOBS, run
from tests.servers.postgres import Postgres, postgres_server

_kept = ExitStack()
_server: Postgres | None = None


@dataclass(frozen=True, slots=True)
class Task:
    kind: str
    database: str
    seed: int
    folder: Path

    @property
    def again(self) -> str:
        """The command that repeats it."""
        return f"python -m tests.chaos --only {self.kind} --database {self.database} --seed {self.seed} --runs 1"


def work(task: Task) -> Account:
    """One run, in a process of the pool. Logs of a good one are not kept."""
    task.folder.mkdir(parents=True, exist_ok=True)
    server = _postgres() if task.database == POSTGRES else None
    account = asyncio.run(run(KINDS[task.kind], task.seed, task.folder, postgres=server, jobs=JOBS))
    if account.good:
        shutil.rmtree(task.folder)
    return account


def _postgres() -> Postgres:
    """This process's own server, on which it does one run at a time."""
    global _server
    if _server is None:
        _server = _kept.enter_context(postgres_server())
        Finalize(None, _kept.close, exitpriority=10)
    return _server
