"""App Homes that somebody may be looking at: shown anew when their jobs change."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from adapters.slack.asked import Asked
from bot.tasks import cancelled

log = structlog.get_logger(__name__)

KIND = "slack-home"
"""Of the rings that say whose Home has changed."""
LOOKED_AT = 3600.0
"""Seconds after it was opened that a Home counts as looked at: Slack doesn't tell when it is left."""
SOON = 1.0
"""Seconds in which further changes are shown together."""
MOST = 500
"""Homes kept at once; the one that was opened first goes."""

Show = Callable[[Asked], Awaitable[None]]


@dataclass(slots=True)
class Homes:
    """By workspace and person."""

    _opened: OrderedDict[tuple[str, str], tuple[Asked, float]] = field(default_factory=OrderedDict)
    _showing: dict[tuple[str, str], asyncio.Task[None]] = field(default_factory=dict)
    show: Show | None = None
    ring: Callable[..., Awaitable[None]] | None = None
    """Tells every process, this one too: a job may run elsewhere than where its person's Home was opened."""
    _untold: set[str] = field(default_factory=set)
    _telling: asyncio.Task[None] | None = None

    def opened(self, asked: Asked) -> None:
        key = (asked.team, asked.user)
        self._opened[key] = (asked, time.monotonic())
        self._opened.move_to_end(key)
        while len(self._opened) > MOST:
            self._opened.popitem(last=False)

    def changed(self, team: str, user: str) -> None:
        """A job of this person was accepted, or is over."""
        if self.ring is None:
            self.heard(f"{team} {user}")
            return
        self._untold.add(f"{team} {user}")
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell(self.ring))

    async def _tell(self, ring: Callable[..., Awaitable[None]]) -> None:
        try:
            while self._untold:
                await asyncio.sleep(SOON)
                told, self._untold = self._untold, set()
                await ring(*sorted(told))
        except Exception as error:  # the next change tells anew
            log.info("homes not told", error=type(error).__name__)
        finally:
            self._telling = None

    def heard(self, about: str) -> None:
        """Somebody's Home has changed; `about` is a workspace and a person."""
        team, _, user = about.partition(" ")
        key = (team, user)
        asked, at = self._opened.get(key, (None, 0.0))
        if asked is None or time.monotonic() - at > LOOKED_AT or key in self._showing:
            return
        self._showing[key] = asyncio.create_task(self._soon(key, asked))

    async def _soon(self, key: tuple[str, str], asked: Asked) -> None:
        await asyncio.sleep(SOON)
        self._showing.pop(key, None)  # what changes from here on is shown once more
        if self.show is not None:
            await self.show(asked)

    async def close(self) -> None:
        await cancelled([*self._showing.values(), self._telling])
