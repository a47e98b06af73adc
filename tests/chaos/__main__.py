"""`make chaos`: runs of every kind of fault, several side by side, and a table of what became of every job.

`python -m tests.chaos soak` is one long run of two processes instead.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

from tests.chaos import soak
from tests.chaos.account import Account
from tests.chaos.kinds import KINDS, Kind
from tests.chaos.lanes import Task, work
from tests.chaos.table import table


def main(words: Sequence[str]) -> None:
    if words[:1] == ["soak"]:
        soak.main(words[1:])
    asked = _arguments(words)
    folder = Path(asked.logs or tempfile.mkdtemp(prefix="easel-chaos-"))
    kinds = [KINDS[name] for name in asked.only or KINDS]
    tasks = itertools.islice(_tasks(kinds, asked.database, asked.seed, folder), asked.runs)
    until = time.monotonic() + asked.minutes * 60
    begun = time.monotonic()
    found = _all(list(tasks), asked.side_by_side, until)
    print(table(found, time.monotonic() - begun))
    sys.exit(not all(account.good for account in found))


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=224, help="how many runs, over all kinds (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the others count on from it")
    parser.add_argument("--only", action="append", choices=KINDS, metavar="KIND", help=f"one of {', '.join(KINDS)}")
    parser.add_argument("--database", choices=("sqlite", "postgres"), help="on this one alone")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no run after so many")
    parser.add_argument("--side-by-side", type=int, default=3 * (os.cpu_count() or 2), help="runs at the same time")
    parser.add_argument("--logs", help="where the logs of failed runs are kept (default: a new folder)")
    return parser.parse_args(words)


def _tasks(kinds: list[Kind], database: str | None, seed: int, folder: Path) -> Iterator[Task]:
    """For ever: each kind by its weight, on each of its databases."""
    pairs = [
        (kind, each)
        for turn in range(max(kind.weight for kind in kinds))
        for kind in kinds
        for each in kind.databases
        if turn < kind.weight and database in (None, each)
    ]
    for number, (kind, each) in enumerate(itertools.cycle(pairs)):
        name = f"{kind.name}-{each}-{seed + number}"
        yield Task(kind.name, each, seed + number, folder / name)


def _all(tasks: list[Task], side_by_side: int, until: float) -> list[Account]:
    found: list[Account] = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(side_by_side, context) as pool:
        waiting = iter(tasks)
        under_way: dict[Future[Account], Task] = {}
        while True:
            while len(under_way) < side_by_side and time.monotonic() < until and (task := next(waiting, None)):
                under_way[pool.submit(work, task)] = task
            if not under_way:
                return found
            try:
                done = wait(under_way, return_when=FIRST_COMPLETED).done
            except KeyboardInterrupt:  # no more of them, and the table of those that are over
                pool.shutdown(wait=False, cancel_futures=True)
                return found
            for future in done:
                task = under_way.pop(future)
                found.append(_told(len(found) + 1, task, future.result()))


def _told(number: int, task: Task, account: Account) -> Account:
    """One line for a good run; for another all that helps."""
    word = "good" if account.good else "NOT GOOD"
    print(f"{number:4} {task.kind} on {task.database}, {account.chats}, seed {task.seed}: {word}", flush=True)
    if not account.good:
        print(*(f"       {problem}" for problem in account.problems), sep="\n")
        print(f"       logs: {task.folder}\n       again: {task.again}", flush=True)
    return account


if __name__ == "__main__":
    main(sys.argv[1:])
