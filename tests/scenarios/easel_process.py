"""The real bot as its own process, between a local Discord and the simulated image API."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from adapters.wavespeed.simulator import Simulator
from tests.servers.discord import DiscordServer

ROOT = Path(__file__).resolve().parents[2]


class EaselProcess:
    """`python -m bot` with its own data folder. Standard error goes to `log`."""

    def __init__(self, discord: DiscordServer, simulator: Simulator, data: Path, **environment: str) -> None:
        self.data = data
        self.log = data.parent / f"{data.name}.log"
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("EASEL_", "DISCORD_", "WAVESPEED_"))
        } | {
            "DISCORD_TOKEN": discord.token,
            "DISCORD_API_BASE": discord.url,
            "WAVESPEED_API_KEY": "a-key",
            "WAVESPEED_BASE_URL": simulator.base_url,
            "WAVESPEED_TIER": "ultra",
            "EASEL_DATA_DIR": str(data),
            "EASEL_HTTP_PORT": "0",
            **environment,
        }
        self.process: asyncio.subprocess.Process | None = None
        self._discord = discord

    async def start(self, *, fatal: str | None = None, online: bool = True, **environment: str) -> None:
        """`fatal` is a point at which the process kills itself; see `tests.scenarios.fatal`."""
        command = ["-m", "tests.scenarios.fatal", fatal] if fatal else ["-m", "bot"]
        before = self._discord.gateway.identifies
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *command,
                cwd=ROOT,
                env=self.environment | environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if online:
            await self._discord.gateway.changes.until(
                lambda: self._discord.gateway.identifies > before and any(self._discord.catalogue.all()),
                20,
                self.log.read_text,
            )

    async def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> float:
        """SIGTERM; returns the seconds it took."""
        started = asyncio.get_running_loop().time()
        await self._end(signal.SIGTERM)
        return asyncio.get_running_loop().time() - started

    async def died(self, seconds: float = 20.0) -> int:
        assert self.process is not None
        return await asyncio.wait_for(self.process.wait(), seconds)

    async def _end(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)
            await asyncio.wait_for(self.process.wait(), 15)

    def lines(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    async def http(self, path: str) -> tuple[int, object]:
        """(status, JSON) of one of Easel's own addresses."""
        port = self.lines().rsplit("http://127.0.0.1:", 1)[1].split('"')[0].strip("/")
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, await answer.json()


@asynccontextmanager
async def easel(
    discord: DiscordServer, simulator: Simulator, data: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[EaselProcess]:
    """A running bot; what is left of it at the end is killed."""
    process = EaselProcess(discord, simulator, data, **(environment or {}))
    try:
        yield process
    finally:
        await process.kill()
