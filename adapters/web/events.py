"""What happens, to every open window: server-sent events, with a queue for each that never holds up who speaks.

An event's id is `VERSION.START.NUMBER`: the page's files, this process, and its count. A window that comes back with
the last one it saw gets what it missed; from another process or too long ago it is told to start over, and from other
files to load itself again. https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.tasks import within

if TYPE_CHECKING:
    from collections.abc import Iterator

REMEMBERED = 500
MOST_QUEUED = 200
"""Different things that one window may still have to hear; beyond them it starts over."""
MOST_WINDOWS = 1000
MOST_EACH = 50
"""Of one person; beyond them the oldest closes, which most likely is gone without our having heard of it yet."""
HEARTBEAT = 15.0
"""Seconds without a word, after which a beat keeps proxies from closing the line, and tells the page that it is whole:
a page sees no comments."""
RETRY = b"retry: 1000\n\n"
BEAT = b"event: beat\ndata: 1\n\n"


@dataclass(frozen=True, slots=True)
class Event:
    """`about` names what it replaces: a newer one about the same is all that a slow window has to hear.

    `owner` hears `own`; everybody else `other`, or nothing where it is None.
    """

    number: int
    about: str
    owner: str
    own: bytes
    other: bytes | None

    def heard_by(self, person: str) -> bytes | None:
        return self.own if person == self.owner else self.other


class Window:
    """One open page. `ended` once it shall close."""

    def __init__(self, person: str, start_over: Callable[[], bytes]) -> None:
        self.person = person
        self._start_over = start_over
        self._waiting: OrderedDict[str, bytes] = OrderedDict()
        self._something = asyncio.Event()
        self.ended = False

    def put(self, about: str, text: bytes) -> None:
        """Never waits."""
        if len(self._waiting) >= MOST_QUEUED and about not in self._waiting:
            self._waiting.clear()
            about, text = "start", self._start_over()
        self._waiting[about] = text
        self._waiting.move_to_end(about)
        self._something.set()

    def end(self) -> None:
        self.ended = True
        self._something.set()

    async def heard(self) -> AsyncIterator[bytes]:
        """All that is to be sent, until it ends."""
        while not self.ended:
            if not self._waiting:
                self._something.clear()
                if not await within(HEARTBEAT, self._something):
                    yield BEAT
                continue
            yield self._waiting.popitem(last=False)[1]


class Hub:
    """`version` is that of the page's files."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._begun = secrets.token_hex(4)
        self._number = 0
        self._past: deque[Event] = deque(maxlen=REMEMBERED)
        self._windows: dict[Window, None] = {}  # in the order in which they opened
        self._open = True

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def cursor(self) -> str:
        """The id of the newest event."""
        return f"{self._version}.{self._begun}.{self._number}"

    @property
    def full(self) -> bool:
        return len(self._windows) >= MOST_WINDOWS

    @contextmanager
    def window(self, person: str, last: str) -> Iterator[Window]:
        """A new window; `last` is the id of the last event that it saw, or "" for none."""
        window = Window(person, lambda: self._text("start", {}))
        self._catch_up(window, last)
        own = [one for one in self._windows if one.person == person and not one.ended]
        for one in own[: max(0, len(own) + 1 - MOST_EACH)]:
            one.end()
        self._windows[window] = None
        try:
            if not self._open:
                window.end()
            yield window
        finally:
            del self._windows[window]

    def _catch_up(self, window: Window, last: str) -> None:
        if not last:
            return
        version, begun, number = [*last.split("."), "", ""][:3]
        if version != self._version:
            window.put("reload", self._text("reload", {}))
        elif begun != self._begun or not number.isdecimal() or not self._remembers(int(number)):
            window.put("start", self._text("start", {}))
        else:
            self._tell_again(window, int(number))

    def _remembers(self, number: int) -> bool:
        """Whether all that came after it is still known."""
        return self._number - len(self._past) <= number <= self._number

    def _tell_again(self, window: Window, number: int) -> None:
        for event in self._past:
            text = event.heard_by(window.person) if event.number > number else None
            if text is not None:
                window.put(event.about, text)

    def tell(self, name: str, about: str, owner: str, own: dict[str, Any], other: dict[str, Any] | None) -> None:
        """To the owner's windows one thing, to everybody else's another, or nothing where it is None."""
        self._number += 1
        others = None if other is None else self._text(name, other)
        event = Event(self._number, about, owner, self._text(name, own), others)
        self._past.append(event)
        for window in self._windows:
            text = event.heard_by(window.person)
            if text is not None:
                window.put(event.about, text)

    def start_over(self) -> None:
        """Something may have happened that nobody here was told: nothing can be made up for by what is remembered."""
        self._number += 1
        self._past.clear()
        for window in self._windows:
            window.put("start", self._text("start", {}))

    def close(self) -> None:
        """End every window, and take in no more."""
        self._open = False
        for window in self._windows:
            window.end()

    def _text(self, name: str, data: dict[str, Any]) -> bytes:
        """JSON has no bare line break, which would end the event."""
        told = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        return f"id: {self.cursor}\nevent: {name}\ndata: {told}\n\n".encode()
