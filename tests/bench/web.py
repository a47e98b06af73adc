"""The playground's part of the benchmark: the bot as a newcomer starts it, and people with the page open."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import psutil

from adapters.wavespeed.simulator import Simulator
from tests.adapters.web.visitor import Visitor
from tests.bench.world import ENVIRONMENT
from tests.browser.playground import Playground

WINDOWS = 200
SAID = 20
PAUSE = 1.0
"""Seconds between two: one person may not say much more."""
_STATIC = re.compile(r'(?:href|src)="(/static/[^"#]+)')
_IMPORT = re.compile(r'(?:from|import)\s+"\./([\w.-]+)"|url\("?\./?([\w.-]+)"?\)')


@dataclass(frozen=True, slots=True)
class PageFigures:
    """Times in seconds, memory in MB."""

    usable: float
    """From the start of the process until the page and what it begins with are there."""
    weight: float
    """KB of all that the page loads before pictures, as it is sent."""
    acknowledged: list[float]
    crowded: list[float]
    """The same while 200 windows are open, and each is told of every message."""
    idle: float
    with_windows: float


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Playground, float]]:
    """The playground, and the seconds until it could be used."""
    with TemporaryDirectory() as folder:
        async with Simulator(post_latency=0.05, balance=1e9, seconds=3.0, one_picture=True, picture="jpeg") as api:
            # Its address is read from the log, so that isn't as quiet as elsewhere.
            more = {"EASEL_WEB_LIMIT_PER_DAY": "0", "EASEL_LOG_LEVEL": "INFO"}
            here = Playground(api, Path(folder) / "data", **(ENVIRONMENT | more))
            started = perf_counter()
            try:
                await here.start()
                async with someone(here) as first:
                    await first.arrive()
                    usable = perf_counter() - started
                yield here, usable
            finally:
                await here.close()


@asynccontextmanager
async def someone(here: Playground) -> AsyncIterator[Visitor]:
    visitor = Visitor(here.url, None, None)
    try:
        yield visitor
    finally:
        await visitor.close()


async def figures() -> PageFigures:
    async with opened() as (here, usable), AsyncExitStack() as stack:
        idle = _memory(here)
        alone = await _said(here)
        visitors = [await stack.enter_async_context(someone(here)) for _ in range(WINDOWS)]
        for visitor in visitors:
            await visitor.arrive()
            await visitor.window()
        crowded = await _said(here)
        return PageFigures(usable, await _weight(here), alone, crowded, idle, _memory(here))


async def _said(here: Playground) -> list[float]:
    """Somebody types command after command: seconds until each is on its way."""
    found = []
    async with someone(here) as visitor:
        await visitor.arrive()
        for number in range(SAID):
            before = perf_counter()
            answer = await visitor.say(f"picture {number}")
            found.append(perf_counter() - before)
            assert answer["kind"] == "message", answer
            await asyncio.sleep(PAUSE)
    return found


async def _weight(here: Playground) -> float:
    async with someone(here) as visitor:
        loaded: dict[str, int] = {}
        waiting = ["/"]
        while waiting:
            path = waiting.pop()
            if path in loaded:
                continue
            async with visitor.session.get(here.url + path) as answer:
                body = await answer.read()
                assert answer.status == 200, path
                loaded[path] = int(answer.headers.get("Content-Length") or len(body))
            text = body.decode(errors="replace")
            folder = path.rpartition("/")[0]
            waiting += _STATIC.findall(text) if path == "/" else []
            waiting += [f"{folder}/{first or second}" for first, second in _IMPORT.findall(text)] if path != "/" else []
    return sum(loaded.values()) / 1000


def _memory(here: Playground) -> float:
    assert here._process is not None
    return float(psutil.Process(here._process.pid).memory_info().rss / 1024**2)
