"""The real bot as its own process, between a local Discord, a local Slack or both, and the simulated image API."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from adapters.wavespeed.simulator import Simulator
from tests.servers.discord import DiscordServer
from tests.servers.slack import SlackServer

ROOT = Path(__file__).resolve().parents[2]
STARTS_WITHIN = 40.0
"""Seconds, on a machine that is busy with other processes."""
STARTED = '"event": "started"'


class EaselProcess:
    """`python -m bot` with its own data folder, as it stands in `root`. Standard error goes to `log`.

    On Slack it serves by Socket Mode unless `SLACK_MODE` says otherwise.
    """

    def __init__(
        self,
        discord: DiscordServer | None,
        simulator: Simulator,
        data: Path,
        *,
        slack: SlackServer | None = None,
        **environment: str,
    ) -> None:
        self.data = data
        self.log = data.parent / f"{data.name}.log"
        self.root = ROOT
        own = ("EASEL_", "DISCORD_", "SLACK_", "WAVESPEED_")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(own)},
            **(_of_discord(discord) if discord else {}),
            **(_of_slack(slack) if slack else {}),
            "WAVESPEED_API_KEY": "a-key",
            "WAVESPEED_BASE_URL": simulator.base_url,
            "WAVESPEED_TIER": "ultra",
            "EASEL_DATA_DIR": str(data),
            "EASEL_HTTP_PORT": "0",
            **environment,
        }
        self.process: asyncio.subprocess.Process | None = None
        self._discord, self._slack = discord, slack

    async def start(self, *, fatal: str | None = None, online: bool = True, **environment: str) -> None:
        """`fatal` is a point at which the process kills itself; see `tests.scenarios.fatal`."""
        command = ["-m", "tests.scenarios.fatal", fatal] if fatal else ["-m", "bot"]
        arrivals = self._arrivals()
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *command,
                cwd=self.root,
                env=self.environment | environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if online:
            for arrives in arrivals:
                await arrives()

    def _arrivals(self) -> list[Callable[[], Awaitable[None]]]:
        """What to wait for, on each platform, until it is served anew."""
        found: list[Callable[[], Awaitable[None]]] = []
        if (discord := self._discord) is not None:
            before = discord.gateway.identifies
            found.append(lambda: self._on_discord(discord, before))
        if (slack := self._slack) is not None:
            if self.environment.get("SLACK_MODE") == "http":
                starts = self.lines().count(STARTED)
                found.append(lambda: self._on_slack_by_http(slack, starts))
            else:
                opened = slack.socket.opened
                found.append(lambda: self._on_slack(slack, opened))
        return found

    async def _on_discord(self, discord: DiscordServer, before: int) -> None:
        await discord.gateway.changes.until(
            lambda: discord.gateway.identifies > before and any(discord.catalogue.all()),
            STARTS_WITHIN,
            self.log.read_text,
        )

    async def _on_slack(self, slack: SlackServer, opened: int) -> None:
        wanted = int(self.environment.get("SLACK_CONNECTIONS", "2"))
        await slack.until(
            lambda: slack.socket.opened >= opened + wanted and len(slack.socket.live) >= wanted, STARTS_WITHIN
        )

    async def _on_slack_by_http(self, slack: SlackServer, starts: int) -> None:
        """Nothing tells when an HTTP port is there, so it is asked."""
        async with asyncio.timeout(STARTS_WITHIN):
            while self.lines().count(STARTED) <= starts or (await self.http("/readyz"))[0] != 200:
                await asyncio.sleep(0.05)
        slack.request_url = f"{self.address}/slack/events"

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

    @property
    def address(self) -> str:
        """Easel's own HTTP port, as it was told at the last start."""
        port = self.lines().rsplit("http://127.0.0.1:", 1)[1].split('"')[0].strip("/")
        return f"http://127.0.0.1:{port}"

    async def http(self, path: str) -> tuple[int, object]:
        """(status, JSON) of one of Easel's own addresses."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.address}{path}") as answer:
            return answer.status, await answer.json()


def _of_discord(discord: DiscordServer) -> dict[str, str]:
    return {"DISCORD_TOKEN": discord.token, "DISCORD_API_BASE": discord.url}


def _of_slack(slack: SlackServer) -> dict[str, str]:
    return {
        "SLACK_BOT_TOKEN": slack.team.token,
        "SLACK_APP_TOKEN": slack.app_token,
        "SLACK_SIGNING_SECRET": slack.signing_secret,
        "SLACK_API_BASE": slack.url,
    }


@asynccontextmanager
async def easel(
    discord: DiscordServer | None,
    simulator: Simulator,
    data: Path,
    environment: Mapping[str, str] | None = None,
    *,
    slack: SlackServer | None = None,
) -> AsyncIterator[EaselProcess]:
    """A running bot; what is left of it at the end is killed."""
    process = EaselProcess(discord, simulator, data, slack=slack, **(environment or {}))
    try:
        yield process
    finally:
        await process.kill()
