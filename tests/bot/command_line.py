"""`python -m bot …` as a process of its own, with nothing in its environment but what a test gives it."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = ("EASEL_", "DISCORD_", "WAVESPEED_")


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str


@asynccontextmanager
async def process(folder: Path, *arguments: str, **environment: str) -> AsyncIterator[Process]:
    """A running one, with `folder` as its working directory; what is left of it at the end is killed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *arguments,
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT), "EASEL_HTTP_PORT": "0"} | environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def ended(running: Process, within: float = 30.0) -> Ended:
    out, err = await asyncio.wait_for(running.communicate(), within)
    assert running.returncode is not None
    return Ended(running.returncode, out.decode(), err.decode())


async def easel(folder: Path, *arguments: str, **environment: str) -> Ended:
    async with process(folder, *arguments, **environment) as running:
        return await ended(running)
