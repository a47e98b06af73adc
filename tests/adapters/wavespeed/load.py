"""Draws many large pictures at once in a process of its own, and prints what that took as JSON.

python -m tests.adapters.wavespeed.load BASE_URL MODE JOBS FOLDER
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from pathlib import Path

from adapters.wavespeed.client import Client
from bot.pacing import LEARNT_FROM, Usual
from bot.ports import Rendered
from tests.adapters.wavespeed.values import request, settings


async def job(client: Client, number: int, folder: Path) -> Rendered:
    asked = request(seed=number)
    prepared = await client.prepare(asked, {})
    async with client.turn(1):
        ticket = await client.submit(prepared)
    async for step in client.watch(ticket, asked, folder / f"{number}", Usual(0.8, 1.0, 1.2, LEARNT_FROM)):
        if isinstance(step, Rendered):
            return step
    raise AssertionError("a watch without an end")


async def main(base_url: str, mode: str, jobs: int, folder: Path) -> None:
    async with Client(settings(base_url, base64=mode == "base64")) as client:
        await client.balance()
        before = peak()
        began = time.process_time()
        ends = await asyncio.gather(*(job(client, number, folder) for number in range(jobs)))
        cpu = (time.process_time() - began) / jobs
    sizes = [picture.path.stat().st_size for end in ends for picture in end.pictures]
    print(json.dumps({"before": before, "peak": peak(), "cpu_ms": cpu * 1000, "sizes": sizes}))


def peak() -> int:
    """Megabytes; `getrusage` would tell the parent's peak if that was higher."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) // 1024 if found else 0


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])))
