"""The acknowledgement that Slack waits three seconds for: said once, and in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

ANSWER_BY = 2.5
"""Seconds after which a modal that came back is closed, whatever becomes of it."""


class Ack:
    """Whatever is said first is what Slack hears; a modal that came back is closed by a plain one."""

    def __init__(self, say: Callable[..., Awaitable[Any]], *, view: bool = False) -> None:
        self._say = say
        self._view = view
        self._done = asyncio.Event()

    @property
    def done(self) -> bool:
        return self._done.is_set()

    async def __call__(self, **said: Any) -> None:
        if self.done:
            return
        self._done.set()
        if self._view and not said:
            said = {"response_action": "clear"}
        await self._say(**said)

    async def in_time(self, running: asyncio.Task[None]) -> None:
        """Wait for what answers, and answer for it where it takes too long."""
        waiting = asyncio.create_task(self._done.wait())
        try:
            await asyncio.wait({running, waiting}, timeout=ANSWER_BY, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        await self()
