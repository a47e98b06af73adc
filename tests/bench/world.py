"""One bot process under load, and what can be read off it from outside."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from adapters.wavespeed.simulator import Simulator
from tests.scenarios.easel_process import EaselProcess
from tests.servers.discord import DiscordServer
from tests.servers.discord_asked import Asked
from tests.servers.discord_world import Channel, Message

ENVIRONMENT = {
    "EASEL_BUDGET_PER_DAY": "1000000",
    "EASEL_LIMIT_PER_DAY": "1000000",
    "EASEL_LIMIT_PER_PERSON": "1000",
    "EASEL_QUEUE_PER_PERSON": "10000",
    "EASEL_LOG_LEVEL": "WARNING",
    "MALLOC_ARENA_MAX": "2",
}


def percentile(values: Iterable[float], percent: int) -> float:
    found = sorted(values)
    if not found:
        return float("nan")
    return found[min(len(found) - 1, int(len(found) * percent / 100))]


@dataclass(frozen=True, slots=True)
class Figures:
    """Times in seconds, memory in MB. Every list has one entry a job."""

    acknowledged: list[float]
    submitted: list[float]
    posted: list[float]
    cpu: float
    """Seconds of the bot's process, all threads."""
    seconds: float
    idle: float
    peak: float
    requests: int
    polls: list[int]
    jobs: int
    posting: float
    """Seconds from the first picture to the last."""

    @property
    def cpu_per_job(self) -> float:
        return self.cpu / self.jobs * 1000

    @property
    def polls_per_job(self) -> float:
        return statistics.fmean(self.polls) if self.polls else 0.0


class World:
    def __init__(self, discord: DiscordServer, simulator: Simulator, bot: EaselProcess, ready: float) -> None:
        self.discord = discord
        self.simulator = simulator
        self.bot = bot
        self.ready = ready
        """Seconds from the start of the process until commands arrive."""
        self.channel: Channel = discord.channel(discord.guild("bench"))
        self._numbers = 0

    @property
    def process(self) -> psutil.Process:
        assert self.bot.process is not None
        return psutil.Process(self.bot.process.pid)

    def cpu(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def memory(self, line: str = "VmRSS") -> float:
        """MB now (VmRSS) or at the peak so far (VmHWM)."""
        assert self.bot.process is not None
        text = Path(f"/proc/{self.bot.process.pid}/status").read_text()
        return int(text.split(line + ":")[1].split()[0]) / 1024

    async def ask(self, **options: Any) -> Asked:
        self._numbers += 1
        return await self.discord.command(
            "imagine",
            {"prompt": f"picture {self._numbers}", **options},
            user=self.discord.user(f"person{self._numbers}"),
            channel=self.channel,
            wait=False,
        )

    async def burst(self, count: int, *, per_second: float | None = None, timeout: float = 180) -> Figures:
        """`count` commands at once, or at a rate; until the last picture is posted."""
        idle, cpu, start = self.memory(), self.cpu(), self.discord.clock()
        requests = self.discord.requests.total()
        asked = []
        for number in range(count):
            if per_second:
                await asyncio.sleep(max(0.0, start + number / per_second - self.discord.clock()))
            asked.append(await self.ask())
            await asyncio.sleep(0)  # let it out: its clock runs
        await asyncio.gather(*(one.until(has_pictures, timeout) for one in asked))
        seconds = self.discord.clock() - start
        await asyncio.sleep(0.5)
        return self._figures(asked, self.cpu() - cpu, seconds, idle, self.discord.requests.total() - requests)

    def _figures(self, asked: Sequence[Asked], cpu: float, seconds: float, idle: float, requests: int) -> Figures:
        by_prompt = {submit.inputs["prompt"]: submit for submit in self.simulator.submits}
        acknowledged, submitted, posted, polls = [], [], [], []
        moments = [one.message.history[-1].at for one in asked if one.message is not None]
        for one in asked:
            assert one.ack is not None
            assert one.message is not None
            submit = by_prompt[one.data["options"][0]["value"]]
            acknowledged.append(one.ack.ms / 1000)
            submitted.append(submit.at - one.ack.at)
            posted.append(one.message.history[-1].at - self.simulator.finished_at[submit.id].monotonic)
            polls.append(self.simulator.polls[submit.id])
        return Figures(
            acknowledged,
            submitted,
            posted,
            cpu,
            seconds,
            idle,
            self.memory("VmHWM"),
            requests,
            polls,
            len(asked),
            max(moments) - min(moments),
        )


def has_pictures(message: Message) -> bool:
    return bool(message.pictures)


@asynccontextmanager
async def world(
    *, discord: dict[str, Any] | None = None, simulator: dict[str, Any], **environment: str
) -> AsyncIterator[World]:
    """The bot, started and idle for two seconds."""
    with TemporaryDirectory() as folder:
        async with (
            DiscordServer(validate=False, **(discord or {"route_limits": False})) as server,
            Simulator(post_latency=0.05, balance=1e9, **simulator) as api,
        ):
            bot = EaselProcess(server, api, Path(folder) / "data", slack=None, **(ENVIRONMENT | environment))
            started = server.clock()
            try:
                await bot.start()
                ready = server.clock() - started
                await asyncio.sleep(2)
                yield World(server, api, bot, ready)
            finally:
                await bot.kill()
