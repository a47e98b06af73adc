"""One process of the heart, and the people who keep it busy: `python -m tests.bench.heart_process LOAD`.

Started by `tests.bench.heart`, which reads lines of JSON from it: one once it is ready, one with what was measured. The
moment at which the load begins (`time.monotonic`, one clock for all processes of a machine) is told it in between.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import psutil
import uvloop

from bot import logs
from bot.app import opened
from bot.easel import Easel
from bot.images import ImageRequest, Size
from bot.jobs import Place, Requester
from bot.settings import Settings
from tests.bench.heart_doubles import QuietBackend, QuietPlatform, QuietReply

SQUARE = Place(QuietPlatform.name, "community", "channel")


@dataclass(frozen=True, slots=True)
class Load:
    """What one process is to do. Times in seconds.

    `people` of them each ask for one picture after another, as soon as the last one is there; or, with `per_second`,
    somebody new asks at that rate; or, with `jobs`, that many are asked for at once, and wait.
    """

    people: int = 0
    per_second: float = 0.0
    jobs: int = 0
    job_takes: float = 0.3
    at_once: int = 5000
    """Pictures that the account draws at the same time, as at the tier ultra."""
    warm: float = 3.0
    """Between the first job and what is measured; with `jobs`, after the last one was accepted."""
    window: float = 6.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What one process saw while it was measured. Times in seconds."""

    closed: int
    cpu: float
    seconds: float
    submitted: list[float] = field(default_factory=list)
    """From the ask until the submit begins, of each job that was."""
    answered: list[float] = field(default_factory=list)
    """From the ask until the end is shown."""
    parts: dict[str, float] = field(default_factory=dict)
    """CPU by what its threads are for."""


class Crowd:
    def __init__(self, easel: Easel, backend: QuietBackend, platform: QuietPlatform) -> None:
        self.asked: dict[int, float] = {}
        self.answered: dict[int, float] = {}
        self._easel, self._backend, self._platform = easel, backend, platform
        self._dice = random.SystemRandom()

    async def ask(self, person: str) -> tuple[int, QuietReply]:
        """Returns the seed, which tells the request from all others, and the message."""
        seed, reply = self._dice.randrange(2**31), self._platform.open()
        self.asked[seed] = time.monotonic()
        await self._easel.intake.accept(
            ImageRequest(prompt="a lighthouse at dawn, oil on canvas", size=Size(1024, 1024), seed=seed),
            requester=Requester(QuietPlatform.name, person, person),
            place=SQUARE,
            delivery_key=f"{seed}-{reply.key}",
            reply=reply,
        )
        return seed, reply

    async def ask_and_wait(self, person: str) -> None:
        seed, reply = await self.ask(person)
        await reply.closed.wait()
        self.answered[seed] = time.monotonic()

    async def ask_again_and_again(self, person: str) -> None:
        while True:
            await self.ask_and_wait(person)

    def seen(self, since: float, cpu: float) -> Seen:
        now = time.monotonic()
        answered = {seed: at for seed, at in self.answered.items() if at >= since}
        submitted = [at - self.asked[seed] for seed, at in self._backend.submitted.items() if self.asked[seed] >= since]
        return Seen(
            closed=len(answered),
            cpu=time.process_time() - cpu,
            seconds=now - since,
            submitted=submitted,
            answered=[at - self.asked[seed] for seed, at in answered.items()],
        )


async def saturate(crowd: Crowd, load: Load, start: float) -> Seen:
    people = [asyncio.create_task(crowd.ask_again_and_again(str(number))) for number in range(load.people)]
    seen = await _measured(crowd, start + load.warm, load.window)
    for person in people:
        person.cancel()
    return seen


async def pace(crowd: Crowd, load: Load, start: float) -> Seen:
    async def arrivals() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(int(load.per_second * (load.warm + load.window))):
                await _until(start + number / load.per_second)
                group.create_task(crowd.ask_and_wait(str(number)))

    arriving = asyncio.create_task(arrivals())
    seen = await _measured(crowd, start + load.warm, load.window)
    await arriving
    return seen


async def fill(crowd: Crowd, load: Load, start: float) -> Seen:
    """Five jobs each of a fifth as many people."""
    await _until(start)
    for number in range(0, load.jobs, 50):
        await asyncio.gather(*(crowd.ask(str(one // 5)) for one in range(number, min(number + 50, load.jobs))))
    _say({"filled": True})
    return await _measured(crowd, time.monotonic() + load.warm, load.window)


async def _measured(crowd: Crowd, since: float, window: float) -> Seen:
    await _until(since)
    cpu, parts = time.process_time(), _parts()
    await _until(since + window)
    seen = crowd.seen(since, cpu)
    return replace(seen, parts={name: spent - parts.get(name, 0.0) for name, spent in _parts().items()})


PARTS = {
    "MainThread": "event loop",
    "dbos": "engine",
    "easel-accept": "accepting",
    "easel-run": "jobs' rows",
    "easel-write": "jobs' rows",
    "easel-read": "reading",
}
"""By the beginning of a thread's name."""


def _parts() -> dict[str, float]:
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    found: dict[str, float] = {}
    for thread in psutil.Process().threads():
        name = names.get(thread.id, "")
        part = next((part for beginning, part in PARTS.items() if name.startswith(beginning)), "other")
        found[part] = found.get(part, 0.0) + thread.user_time + thread.system_time
    return found


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def main(load: Load) -> None:
    settings = Settings(_env_file=None)
    logs.configure(settings.log_level)
    backend, platform = QuietBackend(seconds=load.job_takes, at_once=load.at_once), QuietPlatform()
    async with opened(settings, backend, [platform]) as easel:
        gc.collect()
        gc.freeze()  # as the bot does once it has started
        _say({"ready": True})
        start = float(await asyncio.to_thread(sys.stdin.readline))
        run = saturate if load.people else pace if load.per_second else fill
        _say(asdict(await run(Crowd(easel, backend, platform), load, start)))
        await asyncio.to_thread(sys.stdin.readline)  # until whoever measures from outside has done so, and ends it


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Load(**json.loads(sys.argv[1]))))
