"""The heart's part of the benchmark: processes without a chat platform, an image API and pictures' bytes, on one database.

SQLite, or a real Postgres that waits for the disk as an operator's does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import statistics
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import sqlalchemy as sa

from tests.bench.heart_process import Load, Seen
from tests.bench.world import ENVIRONMENT
from tests.scenarios.easel_process import ROOT
from tests.servers.postgres import AS_OPERATED, new_database, postgres

RUNS = 3
"""Of what is measured at saturation: the median of them stands."""
STARTS_WITHIN = 60.0
FILLS_WITHIN = 300.0


@dataclass(frozen=True, slots=True)
class Measured:
    """All processes together. Times in seconds, memory in MB."""

    seen: list[Seen]
    cpu: float
    server: float
    """CPU of the database's server; 0 for SQLite, which is in our processes."""
    seconds: float
    memory: float
    """Of the largest process."""
    others: float
    """CPU of everything else on this machine: much of it makes the figures worthless."""

    @property
    def closed(self) -> int:
        return sum(one.closed for one in self.seen)

    @property
    def per_second(self) -> float:
        return sum(one.closed / one.seconds for one in self.seen)

    @property
    def share(self) -> float:
        """Of one core, ours."""
        return self.cpu / self.seconds

    @property
    def parts(self) -> dict[str, float]:
        """What takes which share of our CPU, the largest first."""
        spent: Counter[str] = Counter()
        for one in self.seen:
            spent.update(one.parts)
        return {part: each / spent.total() for part, each in spent.most_common()}

    @property
    def submitted(self) -> list[float]:
        return [time for one in self.seen for time in one.submitted]

    @property
    def answered(self) -> list[float]:
        return [time for one in self.seen for time in one.answered]


class Ground:
    """Where the processes run: `database` makes the URL of a new database, `server` is the one that it lies on."""

    def __init__(self, processes: int, server: psutil.Process | None, database: Callable[[], str]) -> None:
        self.processes = processes
        self._server = server
        self._database = database

    async def measure(self, load: Load) -> Measured:
        """Each process under this load, on an empty database."""
        async with self._started(load) as hearts:
            idle = time.monotonic() + 0.2
            for heart in hearts:
                await heart.say(str(idle))
            await asyncio.gather(*(heart.heard(FILLS_WITHIN) for heart in hearts if load.jobs))
            begins = max(idle, time.monotonic()) + load.warm if load.jobs else idle + load.warm
            await asyncio.sleep(begins - time.monotonic())
            server, machine, began = self._server_cpu(), _machine_cpu(), time.monotonic()
            await asyncio.sleep(begins + load.window - time.monotonic())
            server, machine = self._server_cpu() - server, _machine_cpu() - machine
            seconds = time.monotonic() - began
            memory = max(heart.memory() for heart in hearts)
            seen = [Seen(**await heart.heard(load.window + 30)) for heart in hearts]
        cpu = sum(one.cpu for one in seen)
        return Measured(seen, cpu, server, seconds, memory, max(0.0, machine - cpu - server))

    def _server_cpu(self) -> float:
        if self._server is None:
            return 0.0
        times = [_times(process) for process in self._server.children(recursive=True)]
        own = self._server.cpu_times()
        return sum(times) + own.user + own.system + own.children_user + own.children_system

    @asynccontextmanager
    async def _started(self, load: Load) -> AsyncIterator[list[Heart]]:
        with TemporaryDirectory() as folder, ExitStack() as stack:
            shared = {"EASEL_DATA_DIR": folder, "EASEL_DATABASE_URL": self._database()}
            hearts = []
            for slot in range(self.processes):
                slots = {"EASEL_SLOTS": str(self.processes), "EASEL_SLOT": str(slot)}
                heart = Heart(await _start(load, **shared, **slots))
                stack.callback(heart.kill)
                hearts.append(heart)
            for heart in hearts:
                assert (await heart.heard(STARTS_WITHIN))["ready"]
            yield hearts


def _machine_cpu() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def _times(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


class Heart:
    """A running `tests.bench.heart_process`."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def heard(self, seconds: float) -> dict[str, Any]:
        """Its next line."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), seconds)
        assert line, "a process of the benchmark ended early; its reason stands above"
        found: dict[str, Any] = json.loads(line)
        return found

    async def say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()

    def memory(self) -> float:
        return float(psutil.Process(self._process.pid).memory_info().rss / 1024**2)

    def kill(self) -> None:
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)


async def _start(load: Load, **environment: str) -> Process:
    others = {name: value for name, value in os.environ.items() if not name.startswith("EASEL_")}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.heart_process",
        json.dumps(asdict(load)),
        cwd=ROOT,
        env={**others, **ENVIRONMENT, **environment},
        stdin=PIPE,
        stdout=PIPE,
        limit=2**24,
    )


@contextmanager
def on_sqlite() -> Iterator[Ground]:
    yield Ground(1, None, lambda: "")


@contextmanager
def on_postgres(processes: int) -> Iterator[Ground]:
    with postgres(AS_OPERATED) as server:
        yield Ground(processes, psutil.Process(_pid(server)), lambda: new_database(server))


def _pid(server: str) -> int:
    folder = sa.make_url(server).query["host"]
    return int((Path(str(folder)) / "data" / "postmaster.pid").read_text().split()[0])


async def saturated(ground: Ground) -> list[Measured]:
    """A few short runs, the slowest first."""
    found = [await ground.measure(Load(people=150)) for _ in range(RUNS)]
    return sorted(found, key=lambda measured: measured.per_second)


async def paced(ground: Ground) -> Measured:
    """Ten jobs a second over all processes."""
    return await ground.measure(Load(per_second=10 / ground.processes, window=30.0))


async def waiting(ground: Ground, jobs: int) -> Measured:
    """So many wait, over all processes, while the account draws all it can: pictures that take ten minutes."""
    at_once = 100
    each = (jobs + at_once) // ground.processes
    return await ground.measure(Load(jobs=each, job_takes=600.0, at_once=at_once, warm=5.0, window=15.0))


def median(found: list[Measured], value: Callable[[Measured], float]) -> float:
    return statistics.median(value(one) for one in found)
