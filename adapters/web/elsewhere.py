"""Messages whose jobs run in other processes: the newest word of each, and its row, read when it has changed."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from adapters.web.news import Underway
from bot.jobs import Progress
from bot.store import Record
from bot.tasks import cancelled

log = structlog.get_logger(__name__)

MOST = 5000
"""Messages of which the newest word is remembered."""


@dataclass(slots=True)
class _Heard:
    word: Underway
    record: Record | None = None


class Elsewhere:
    """`find` reads a message's row, `tell` shows it to the windows here and says whether its job is still under way."""

    def __init__(
        self,
        find: Callable[[str], Awaitable[Record | None]],
        tell: Callable[[Record], bool],
        watched: Callable[[], bool],
    ) -> None:
        """`watched`: whether any window is open here, so that there is somebody to read for."""
        self._find = find
        self._tell = tell
        self._watched = watched
        self._heard: OrderedDict[str, _Heard] = OrderedDict()
        self._unread: dict[str, None] = {}
        self._reading: asyncio.Task[None] | None = None

    def progress(self, key: str) -> Progress | None:
        """How far another process is with it; None where it isn't known to be under way there."""
        heard = self._heard.get(key)
        return heard.word.by(time.time()) if heard else None

    def hear(self, word: Underway) -> None:
        """Its row is read once, at the first word of it."""
        heard = self._heard.setdefault(word.key, _Heard(word))
        heard.word = word
        self._heard.move_to_end(word.key)
        if len(self._heard) > MOST:
            self._heard.popitem(last=False)
        if heard.record is None:
            self.look_at(word.key)
        elif word.key not in self._unread:
            self._tell(heard.record)

    def look_at(self, key: str) -> None:
        """Its row reads otherwise than before, or was not read yet."""
        if not self._watched():
            return
        self._unread[key] = None
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())

    def forget(self, key: str) -> None:
        self._heard.pop(key, None)

    def forget_all(self) -> None:
        """It may have gone on unheard."""
        self._heard.clear()

    async def close(self) -> None:
        await cancelled([self._reading])

    async def _read(self) -> None:
        """One after the other, so that an older reading is never told after a newer one."""
        while self._unread:
            key = next(iter(self._unread))
            del self._unread[key]
            try:
                record = await self._find(key)
            except SQLAlchemyError as error:  # whoever lost the database is told to start over
                log.warning("a message can't be read", error=type(error).__name__)
                continue
            self._found(key, record)

    def _found(self, key: str, record: Record | None) -> None:
        if record is None or record.deleted or not self._tell(record):
            self.forget(key)
        elif (heard := self._heard.get(key)) is not None:
            heard.record = record
