"""One bot process that faults are thrown at, its supervisor, and when it went on with its work after each start."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from tests.scenarios.easel_process import EaselProcess

ONLINE_WITHIN = 180.0
"""Seconds, on a machine that is busy with other runs."""
AGAIN_AFTER = 0.3
"""Seconds until the supervisor starts a process again that ended by itself."""


@dataclass(slots=True)
class Start:
    """`at` in Unix seconds, `offset` is where its log begins. `clear`: nothing outside kept it from going on at once."""

    at: float
    offset: int
    clear: bool
    queued: float = 0.0
    """Seconds until it was at work in which it waited for a CPU, since other runs had them all."""


@dataclass
class Bot:
    process: EaselProcess
    slot: int = 0
    starts: list[Start] = field(default_factory=list)
    exits: list[int] = field(default_factory=list)
    """Codes with which it ended by itself."""
    disturbed: bool = False
    """Something else goes wrong at the same time: how long a start takes says nothing."""
    _keeper: asyncio.Task[None] | None = None
    _watches: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self, *, fatal: str | None = None, online: bool = True, clear: bool = True) -> None:
        """Start it under a supervisor, which starts it again when it ends by itself; one with a `fatal` point has none."""
        await self._spawn(fatal, clear=clear)
        if not fatal:
            self._keeper = asyncio.create_task(self._keep())
        if online:
            await self.online(fatal=fatal is not None)

    async def _spawn(self, fatal: str | None, *, clear: bool) -> None:
        size = self.log.stat().st_size if self.log.exists() else 0
        self.starts.append(start := Start(time.time(), size, clear and not self.disturbed))
        await self.process.start(fatal=fatal, online=False)
        self._watches.append(asyncio.create_task(self._watch(start, self.pid)))

    async def _keep(self) -> None:
        while True:
            self.exits.append(await self.process.died(86400))
            await asyncio.sleep(AGAIN_AFTER)
            await self._spawn(None, clear=False)

    async def _watch(self, start: Start, pid: int) -> None:
        """How long it waited for a CPU until it was at work: see "schedstat" in proc(5)."""
        with contextlib.suppress(OSError):
            while _started(self.log_since(start)) is None:
                waited = Path(f"/proc/{pid}/schedstat").read_text().split()
                start.queued = int(waited[1]) / 1e9 if waited else 0.0
                await asyncio.sleep(0.1)

    async def online(self, *, fatal: bool = False) -> None:
        """Until it says that it serves. One with a fatal point may have died before."""
        async with asyncio.timeout(ONLINE_WITHIN):
            while not await self.ready():
                if fatal and not self.running:
                    return
                await asyncio.sleep(0.05)

    async def ready(self) -> bool:
        if not self.running or not self.starts or _started(self.log_since(self.starts[-1])) is None:
            return False
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with asyncio.timeout(2):
                return (await self.process.http("/readyz"))[0] == 200
        return False

    # ---- its end ----

    async def kill(self) -> None:
        """SIGKILL; its supervisor leaves it so."""
        await self._let_go()
        await self.process.kill()

    async def stop(self) -> float:
        """SIGTERM; the seconds it took."""
        await self._let_go()
        return await self.process.stop()

    async def died(self, seconds: float) -> bool:
        """Whether it ended by itself within so many seconds."""
        with contextlib.suppress(TimeoutError):
            await self.process.died(seconds)
            return True
        return False

    async def close(self) -> None:
        await self.kill()
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)

    async def _let_go(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None

    def send(self, number: signal.Signals) -> None:
        assert self.process.process is not None
        self.process.process.send_signal(number)

    @property
    def pid(self) -> int:
        assert self.process.process is not None
        return self.process.process.pid

    @property
    def code(self) -> int | None:
        """How it ended; None while it runs."""
        return self.process.process.returncode if self.process.process is not None else None

    @property
    def running(self) -> bool:
        return self.process.process is not None and self.process.process.returncode is None

    # ---- its log ----

    @property
    def log(self) -> Path:
        return self.process.log

    def log_since(self, start: Start, end: int | None = None) -> str:
        with self.log.open("rb") as log:
            log.seek(start.offset)
            return log.read(-1 if end is None else end - start.offset).decode(errors="replace")

    def events(self) -> Iterator[dict[str, Any]]:
        """What it logged."""
        for line in self.process.lines().splitlines():
            with contextlib.suppress(ValueError):
                if isinstance(event := json.loads(line), dict):
                    yield event

    def resumed(self) -> list[tuple[float, float]]:
        """For each start that found open jobs: the seconds until it was at work on them, with and without those in
        which it waited for a CPU."""
        ends: list[int | None] = [*(start.offset for start in self.starts[1:]), None]
        found = []
        for start, end in zip(self.starts, ends, strict=True):
            text = self.log_since(start, end)
            if start.clear and '"event": "resuming"' in text and (at := _started(text)):
                found.append((at - start.at, at - start.at - start.queued))
        return found


def _started(text: str) -> float | None:
    """When it said so, in Unix seconds."""
    for line in text.splitlines():
        if '"event": "started"' in line:
            return datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp()
    return None
