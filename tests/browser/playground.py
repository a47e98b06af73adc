"""The real bot as its own process, with the playground alone, and the simulated image API behind it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from adapters.wavespeed.simulator import Simulator

ROOT = Path(__file__).resolve().parents[2]
STARTS_WITHIN = 60.0
"""Seconds, on a machine that is busy with other processes."""
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


class Playground:
    """`python -m bot` with its own data folder. After a restart it has the same address."""

    def __init__(self, simulator: Simulator, data: Path, **environment: str) -> None:
        self.simulator = simulator
        self.url = ""
        self.lines: list[str] = []
        """What it wrote, of all its starts."""
        self._port = socket.socket()
        """Bound, so that nobody else is given it while the bot is away; it never listens, so that the bot still can."""
        self._port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "linux":  # elsewhere two can't be bound to one port
            self._port.bind(("127.0.0.1", 0))
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("EASEL_", "DISCORD_", "SLACK_", "WAVESPEED_"))
        } | {
            "EASEL_PLATFORMS": "web",
            "EASEL_HTTP_PORT": str(self._port.getsockname()[1]),
            "EASEL_DATA_DIR": str(data),
            "WAVESPEED_API_KEY": "a-key",
            "WAVESPEED_BASE_URL": simulator.base_url,
            "WAVESPEED_TIER": "ultra",
            **environment,
        }
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns once it can be reached."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot",
            cwd=ROOT,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        open_at: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read(self._process, open_at))
        self.url = await asyncio.wait_for(open_at, STARTS_WITHIN)
        await asyncio.wait_for(self._ready(), 10)
        self._environment["EASEL_HTTP_PORT"] = self.url.rpartition(":")[2]

    async def _ready(self) -> None:
        async with aiohttp.ClientSession(self.url) as session:
            while True:
                async with session.get("/readyz") as answer:
                    if answer.status == 200:
                        return
                await asyncio.sleep(0.02)

    async def _read(self, process: asyncio.subprocess.Process, open_at: asyncio.Future[str]) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            self.lines.append(line.decode())
            found = _ADDRESS.search(self.lines[-1])
            if found and "started" in self.lines[-1] and not open_at.done():
                open_at.set_result(found[0])
        if not open_at.done():
            open_at.set_exception(AssertionError("it did not start:\n" + "".join(self.lines)))

    async def stop(self) -> None:
        """SIGTERM, as an update does it."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        await self._end(signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> None:
        if self._process is None or self._reading is None:
            return
        if self._process.returncode is None:
            self._process.send_signal(number)
        await asyncio.wait_for(self._process.wait(), 15)
        await self._reading
        self._process = self._reading = None

    async def close(self) -> None:
        """For good."""
        await self.kill()
        self._port.close()

    def check(self) -> None:
        """What holds after every test."""
        wrong = [line for line in self.lines if "Traceback" in line or '"a command failed"' in line]
        assert not wrong, "".join(wrong)
        assert self.simulator.leaks == []


@asynccontextmanager
async def playground(data: Path, *, seconds: float = 0.4, **environment: str) -> AsyncIterator[Playground]:
    """It and its image API, until the block ends."""
    async with Simulator(seconds=seconds, picture="png") as simulator:
        made = Playground(simulator, data, **environment)
        try:
            await made.start()
            yield made
        finally:
            await made.close()
