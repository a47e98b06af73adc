"""Ending what runs beside us, and waiting for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any


async def ended(tasks: Iterable[asyncio.Task[Any]], seconds: float) -> None:
    """Let them end by themselves for so long, then end them."""
    left = set(tasks)
    if left:
        await asyncio.wait(left, timeout=seconds)
    await cancelled(left)


async def cancelled(tasks: Iterable[asyncio.Task[Any] | None]) -> None:
    """End them now, whatever they raise; None is one that was never begun."""
    left = [task for task in tasks if task is not None]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


async def within(seconds: float | None, event: asyncio.Event) -> bool:
    """Wait until it is set, for so long at the most (None: for ever); False when the time is over.

    Not `wait_for`: on Python 3.11 that can lose a cancel that comes as its time is over, and a loop goes on for good.
    """
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
