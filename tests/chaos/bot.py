"""One bot process that faults are thrown at, and when it went on with its work after each start."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.scenarios.easel_process import EaselProcess

QUIT_WITHIN = 60.0


@dataclass(slots=True)
class Start:
    """`at` in Unix seconds, `offset` is where its log begins. `clear`: nothing outside kept it from going on at once."""

    at: float
    offset: int
    clear: bool


@dataclass(slots=True)
class Bot:
    process: EaselProcess
    slot: int = 0
    starts: list[Start] = field(default_factory=list)

    async def start(self, *, fatal: str | None = None, online: bool = True, clear: bool = True, **more: str) -> None:
        """See EaselProcess.start."""
        size = self.process.log.stat().st_size if self.process.log.exists() else 0
        self.starts.append(Start(time.time(), size, clear))
        await self.process.start(fatal=fatal, online=online, **more)

    async def kill(self) -> None:
        await self.process.kill()

    async def stop(self) -> float:
        return await self.process.stop()

    async def died(self, seconds: float) -> bool:
        """Whether it ended by itself within so many seconds."""
        with contextlib.suppress(TimeoutError):
            await self.process.died(seconds)
            return True
        return False

    def signal(self, number: signal.Signals) -> None:
        assert self.process.process is not None
        self.process.process.send_signal(number)

    @property
    def pid(self) -> int:
        assert self.process.process is not None
        return self.process.process.pid

    @property
    def running(self) -> bool:
        return self.process.process is not None and self.process.process.returncode is None

    async def until_logged(self, event: str, seconds: float = 30.0) -> None:
        """Until its log, since the last start, tells of this. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while event not in self.process.lines()[self.starts[-1].offset :]:
                await asyncio.sleep(0.05)

    def events(self, since: int = 0) -> Iterator[dict[str, Any]]:
        """What it logged as JSON, from this offset on."""
        for line in self.process.lines()[since:].splitlines():
            with contextlib.suppress(ValueError):
                if isinstance(event := json.loads(line), dict):
                    yield event

    def resumed(self) -> list[float]:
        """For each start that found open jobs: the seconds until it was at work on them."""
        ends = [start.offset for start in self.starts[1:]] + [None]
        found = []
        for start, end in zip(self.starts, ends, strict=True):
            text = self.process.lines()[start.offset : end]
            if start.clear and '"event": "resuming"' in text and (at := _started(text)):
                found.append(at - start.at)
        return found


def _started(text: str) -> float | None:
    for line in text.splitlines():
        if '"event": "started"' in line:
            return datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp()
    return None
