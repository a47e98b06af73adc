"""What happens a little later on the local Slack."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Timers:
    """What happens a little later; nothing is left when the server closes."""

    def __init__(self) -> None:
        self._handles: set[asyncio.TimerHandle] = set()

    def later(self, seconds: float, act: Callable[[], object]) -> asyncio.TimerHandle:
        loop = asyncio.get_running_loop()

        def run() -> None:
            self._handles.discard(handle)
            act()

        handle = loop.call_later(max(seconds, 0.0), run)
        self._handles.add(handle)
        return handle

    def cancel(self) -> None:
        for handle in self._handles:
            handle.cancel()
        self._handles.clear()
