"""Ending what runs beside us."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable


async def ended(tasks: Iterable[asyncio.Task[None]], seconds: float) -> None:
    """Let them end by themselves for so long, then end them."""
    left = set(tasks)
    if left:
        await asyncio.wait(left, timeout=seconds)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
