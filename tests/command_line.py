"""`python -m bot …` as a process of its own, in an empty folder and with no settings but those given."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str


class CommandLine:
    """`folder` is where it runs, and thereby where `.env` and the data are."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("EASEL_", "DISCORD_", "SLACK_", "WAVESPEED_"))
        }
        self._environment = inherited | {"PYTHONPATH": str(ROOT)} | dict(environment)

    @asynccontextmanager
    async def started(self, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Killed at the end of the block, unless it has ended by then."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot",
            *arguments,
            cwd=self.folder,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.communicate()

    async def run(self, *arguments: str, seconds: float = 40.0) -> Ended:
        async with self.started(*arguments) as process:
            out, err = await asyncio.wait_for(process.communicate(), seconds)
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())
