"""`python -m tests.chaos soak`: two processes at work for a long time with faults on, and whether they grow.

Nobody is killed here, so that a process can show what it keeps. Each fault heals itself, and the next one comes after a
rest.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import sqlalchemy as sa
import uvloop

from tests.chaos import apis, chats, databases
from tests.chaos.account import Account, ended
from tests.chaos.bot import Bot
from tests.chaos.kinds import Fault
from tests.chaos.run import account_of, until_closed
from tests.chaos.world import World, world
from tests.servers.postgres import postgres_server

PROCESSES = 2
SAMPLE_EVERY = 5.0
WARM = 300.0
"""Seconds of a process's life that say nothing about growth: threads and connections are made, and memory is taken, as
the first bursts need them. What grows for good still does afterwards."""
REST = (5.0, 20.0)
"""Seconds between two faults."""
PATIENCE = 180.0
MOST_GROWTH = {"memory": 6.0, "threads": 5.0, "files": 15.0}
"""From the first third to the last, in medians (MB): the larger a burst was, the more of each is kept for the next one.
What grows with every fault or every job grows beyond it: there are some 80 of those, and 6,000 of these."""
FAULTS: tuple[Fault, ...] = (
    apis.down,
    apis.slow,
    apis.answers_lost,
    apis.submits_lost,
    chats.discord_down,
    chats.discord_too_many,
    chats.discord_loses_answers,
    chats.discord_cuts,
    chats.slack_down,
    chats.slack_too_many,
    chats.slack_loses_answers,
    chats.slack_cuts,
    databases.restarted,
    databases.crashed,
    databases.cut,
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Of one process at one moment. `memory` in MB."""

    pid: int
    memory: float
    threads: float
    files: float


@dataclass
class Record:
    """`connections` are all sessions of the database."""

    of: dict[int, list[Sample]] = field(default_factory=dict)
    connections: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def main(words: Sequence[str]) -> None:
    asked = _arguments(words)
    folder = Path(asked.logs or tempfile.mkdtemp(prefix="easel-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{asked.minutes:g} minutes, {asked.rate:g} jobs a second, seed {asked.seed}; logs: {folder}", flush=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seconds = WARM + asked.minutes * 60
        account, record = runner.run(soak(seconds, asked.rate, asked.seed, folder, calm=asked.calm))
    ended(account)
    for slot, samples in record.of.items():
        for problem in grown(_last_life(samples)):
            account.problem(f"process {slot}: {problem}")
    print(_told(account, record))
    sys.exit(not account.good)


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="after the first five (default %(default)s)")
    parser.add_argument("--rate", type=float, default=5.0, help="jobs a second (default %(default)s)")
    parser.add_argument("--calm", action="store_true", help="without faults: what grows then grows with the jobs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--logs", help="where the processes' logs are kept (default: a new folder)")
    return parser.parse_args(words)


async def soak(seconds: float, rate: float, seed: int, folder: Path, *, calm: bool = False) -> tuple[Account, Record]:
    """People ask at a steady rate for so many seconds; every job is accounted for at the end."""
    record, begun = Record(), time.monotonic()
    account = Account("soak", seed, "postgres", "discord+slack")
    with postgres_server() as postgres:
        chats = ("discord", "slack")
        async with world(
            random.Random(seed), folder, chats=chats, postgres=postgres, slots=PROCESSES, validate=False
        ) as here:
            await _live(here, record, seconds, rate, calm=calm)
            account_of(here, account)
    account.seconds = time.monotonic() - begun
    return account, record


async def _live(here: World, record: Record, seconds: float, rate: float, *, calm: bool) -> None:
    assert here.slack is not None
    here.slack.limits.on = False  # at this rate they would be what is measured
    here.all_asked.set()
    await asyncio.gather(*(bot.start() for bot in here.bots))
    sampling = asyncio.create_task(_sample(here, record))
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(_ask(here, seconds, rate))
        if not calm:
            group.create_task(_faults(here, record, asking))
    _heal(here)
    await until_closed(here, PATIENCE)
    sampling.cancel()
    await asyncio.gather(sampling, return_exceptions=True)


async def _ask(here: World, seconds: float, rate: float) -> None:
    begun = time.monotonic()
    for number in range(round(seconds * rate)):
        await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
        await here.ask()


async def _faults(here: World, record: Record, asking: asyncio.Task[None]) -> None:
    """One after the other, as long as people ask."""
    while not asking.done():
        await asyncio.sleep(here.dice.uniform(*REST))
        fault = here.dice.choice(FAULTS)
        record.faults.append(f"{fault.__module__.rpartition('.')[2]}.{fault.__name__}")
        print(f"  {len(here.asked):6} asked; {record.faults[-1]}", flush=True)
        await fault(here)


def _heal(here: World) -> None:
    """What was planned and has not happened yet shall not."""
    assert here.discord is not None
    assert here.slack is not None
    here.simulator.heal()
    for fault in here.discord.faults:
        fault.times = 0
    for failure in here.slack.faults:
        failure.times = 0


async def _sample(here: World, record: Record) -> None:
    assert here.postgres is not None
    while True:
        await asyncio.sleep(SAMPLE_EVERY)
        for bot in here.bots:
            record.of.setdefault(bot.slot, []).extend(_of(bot))
        with contextlib.suppress(sa.exc.OperationalError):  # it is being restarted
            record.connections.append(await asyncio.to_thread(here.postgres.sessions))


def _of(bot: Bot) -> list[Sample]:
    """Nothing while it is away."""
    try:
        process = psutil.Process(bot.pid)
        with process.oneshot():
            return [Sample(bot.pid, process.memory_info().rss / 1e6, process.num_threads(), process.num_fds())]
    except psutil.Error:
        return []


# ---- what is told ----


def grown(samples: Sequence[Sample]) -> list[str]:
    """What says that a process grows. Medians, so that a burst says nothing."""
    if len(samples) < 3:
        return ["it did not live long enough"]
    return [
        f"{name} grew by {growth:.0f}, of at most {most:g}"
        for name, most in MOST_GROWTH.items()
        if (growth := _growth([getattr(sample, name) for sample in samples])) > most
    ]


def _growth(values: Sequence[float]) -> float:
    first, _, last = _by_thirds(values)
    return last - first


def _by_thirds(values: Sequence[float]) -> tuple[float, float, float]:
    third = len(values) // 3
    parts = values[:third], values[third : 2 * third], values[2 * third :]
    return statistics.median(parts[0]), statistics.median(parts[1]), statistics.median(parts[2])


def _last_life(samples: Sequence[Sample]) -> list[Sample]:
    """Of the process that there was at the end, without its first minutes."""
    return [sample for sample in samples if sample.pid == samples[-1].pid][round(WARM / SAMPLE_EVERY) :]


def _told(account: Account, record: Record) -> str:
    warm = round(WARM / SAMPLE_EVERY)
    lines = [f"{'':28}{'first third':>13}{'middle':>10}{'last third':>12}{'growth':>10}{'most':>8}"]
    for slot, samples in sorted(record.of.items()):
        lives = list(dict.fromkeys(sample.pid for sample in samples))
        last = _last_life(samples)
        again = f", its life number {len(lives)}" if len(lives) > 1 else ""
        lines.append(
            f"process {slot}{again}, {len(last) * SAMPLE_EVERY / 60:.0f} minutes after the first {WARM / 60:g}"
        )
        lines.append(_thirds("  memory, MB", [sample.memory for sample in last]))
        lines.append(_thirds("  threads", [sample.threads for sample in last]))
        lines.append(_thirds("  file descriptors", [sample.files for sample in last]))
    lines.append(_thirds("database connections", record.connections[warm:]))
    lines.append(
        f"{account.jobs} jobs, {len(record.faults)} faults: lost {account.lost}, twice {account.twice}, wrong "
        f"{account.wrong}, two answers {account.two}, failed {account.failed}, uncertain {account.uncertain} of at most "
        f"{account.doubts}, refused {account.refused}; processes that ended by themselves: {account.exits or 'none'}"
    )
    return "\n".join([*lines, *account.problems[:20]])


def _thirds(name: str, values: Sequence[float]) -> str:
    if len(values) < 3:
        return f"{name:28} too short"
    first, middle, last = _by_thirds(values)
    return f"{name:28}{first:13.0f}{middle:10.0f}{last:12.0f}{last - first:+10.1f}{max(values):8.0f}"
