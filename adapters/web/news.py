"""What happens on the page of one process, told to those of the others: a few bytes each, by the bell.

Of a job it is said which message to look at, and how far it is; its row says the rest. Progress is told once a second
at the most, that of all jobs in one transaction. A ring may be lost with a connection: then every window starts over.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.bell import Bell
from bot.jobs import Checking, Generating, Progress, Waiting
from bot.tasks import cancelled

log = structlog.get_logger(__name__)

KIND = "page"
EVERY = 1.0
"""Seconds between two rings of progress."""
MOST = 7000
"""Bytes of one ring; Postgres takes 8,000."""


@dataclass(frozen=True, slots=True)
class Underway:
    """How far the job of a message was, `at` seconds since 1970."""

    key: str
    progress: Progress
    at: float

    def by(self, now: float) -> Progress:
        """How far it is by now, as it was not told otherwise."""
        if isinstance(self.progress, Generating):
            return replace(self.progress, elapsed=max(0.0, self.progress.elapsed + now - self.at))
        return self.progress


@dataclass(frozen=True, slots=True)
class Changed:
    """The row of a message's job reads otherwise now: it was accepted, has ended, is covered, is cancelled."""

    key: str


@dataclass(frozen=True, slots=True)
class Removed:
    key: str


@dataclass(frozen=True, slots=True)
class Note:
    """A card for one person's windows, as JSON."""

    person: str
    id: str
    card: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Renamed:
    person: str
    name: str


Word = Underway | Changed | Removed | Note | Renamed
_WORDS = {kind.__name__.lower(): kind for kind in (Underway, Changed, Removed, Note, Renamed)}
_PHASES = {kind.__name__.lower(): kind for kind in (Waiting, Generating, Checking)}


def written(word: Word, by: str) -> str:
    """As one line; `by` names the process that says it."""
    told = {"by": by, "is": type(word).__name__.lower(), **asdict(word)}
    if isinstance(word, Underway):
        told["progress"] = {"is": type(word.progress).__name__.lower(), **asdict(word.progress)}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def read(text: str, by: str) -> Word | None:
    """None for one's own word, and for one that only another version of Easel understands."""
    told = json.loads(text)
    kind = _WORDS.get(told.pop("is"))
    if told.pop("by") == by or kind is None:
        return None
    if kind is Underway:
        phase = _PHASES.get(told["progress"].pop("is"))
        if phase is None:
            return None
        told["progress"] = phase(**told["progress"])
    word: Word = kind(**told)
    return word


class News:
    """`hear` is called with what other processes say, `missed` once some of it may have been lost."""

    def __init__(self, bell: Bell, hear: Callable[[Word], None], missed: Callable[[], None]) -> None:
        self._bell = bell
        self._hear = hear
        self._by = secrets.token_hex(4)
        self._progress: dict[str, Underway] = {}
        self._ringing: asyncio.Task[None] | None = None
        bell.on(KIND, self._heard)
        bell.on_missed(missed)

    def progress(self, key: str, progress: Progress) -> None:
        """Tell it soon; only the newest of each message is told."""
        if not self._bell.shared:
            return
        self._progress[key] = Underway(key, progress, time.time())
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.create_task(self._ring_progress())

    def over(self, key: str) -> None:
        """What was not told yet of its progress is no news any more."""
        self._progress.pop(key, None)

    async def tell(self, word: Word) -> None:
        """Tell it now. Never raises for a lost word: a database that is away has cut off everyone, who start over."""
        if not self._bell.shared:
            return
        text = written(word, self._by)
        if len(text.encode()) > MOST:
            log.warning("too long for the other processes' windows", what=type(word).__name__)
            return
        await self._ring(text)

    async def close(self) -> None:
        await cancelled([self._ringing])

    async def _ring_progress(self) -> None:
        while self._progress:
            words, self._progress = self._progress, {}
            await self._ring(*(written(word, self._by) for word in words.values()))
            await asyncio.sleep(EVERY)

    async def _ring(self, *texts: str) -> None:
        try:
            await self._bell.ring(KIND, *texts)
        except SQLAlchemyError as error:
            log.warning("other processes' windows were not told", error=type(error).__name__)

    def _heard(self, text: str) -> None:
        word = read(text, self._by)
        if word is not None:
            self._hear(word)
