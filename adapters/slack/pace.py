"""How fast we may speak to Slack: values that are told the time, so their tests need no clock."""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from bot.cards import Card

POSTS = 1.0
"""Messages a second and channel (Slack: rate limits, chat.postMessage)."""
POSTS_AT_ONCE = 3.0
"""Short bursts beyond that are tolerated."""
HELD_FOR = 60.0
"""Seconds; Slack's tiers count by the minute."""
PER_MINUTE = {
    "chat.delete": 50,
    "chat.update": 50,
    "conversations.open": 50,
    "files.delete": 50,
}
"""Tier 3 of Slack's rate limits; what is not here has Tier 4."""
TIER_4 = 100
MOST_REMEMBERED = 2048


@dataclass(slots=True)
class Window:
    """At most `most` in any `seconds`, counted exactly; whatever is counted as `ours` may go beyond it."""

    most: int
    seconds: float = 60.0
    _times: deque[float] = field(default_factory=deque, init=False)
    _closed_until: float = field(default=0.0, init=False)

    def take(self, now: float) -> bool:
        """Whether one more fits; it is counted then."""
        while self._times and self._times[0] <= now - self.seconds:
            self._times.popleft()
        if now < self._closed_until or len(self._times) >= self.most:
            return False
        self._times.append(now)
        return True

    def pause(self, now: float, seconds: float) -> None:
        """Slack said to wait."""
        self._closed_until = max(self._closed_until, now + seconds)


@dataclass(slots=True)
class Lane:
    """Posts in one channel: a moment at which each may start, and what Slack said to wait."""

    rate: float = POSTS
    burst: float = POSTS_AT_ONCE
    _next: float = field(default=0.0, init=False)

    def wait(self, now: float) -> float:
        """Seconds that a post asked for now would have to wait."""
        return max(0.0, self._next - now)

    def enter(self, now: float) -> None:
        self._next = max(now - (self.burst - 1) / self.rate, self._next) + 1 / self.rate

    def pause(self, now: float, seconds: float) -> None:
        self._next = max(self._next, now + seconds)


@dataclass(slots=True)
class Held:
    """One method in one workspace. Once Slack has said to slow down, calls go one after another for a minute.

    `interval`: seconds between two, by the method's tier. Without it every call that waits would come back at the same
    moment, and be refused again.
    """

    interval: float
    _next: float = field(default=0.0, init=False)
    _until: float = field(default=0.0, init=False)

    def wait(self, now: float) -> float:
        """Seconds that a call asked for now has to wait."""
        return max(0.0, self._next - now) if now < self._until else 0.0

    def enter(self, now: float) -> None:
        if now < self._until:
            self._next = max(self._next, now) + self.interval

    def pause(self, now: float, seconds: float) -> None:
        """Slack said to wait. It says so to each of many calls that were on their way: the same pause, not a new one."""
        if now >= self._until or now + seconds > self._next:
            self._next = max(self._next, now + seconds)
        self._until = max(self._until, now + seconds + HELD_FOR)


Made = TypeVar("Made")


class Each(Generic[Made]):
    """One value for each key, made when it is first asked for; the oldest of very many are forgotten."""

    def __init__(self, make: Callable[[], Made], most: int = MOST_REMEMBERED) -> None:
        self._make, self._most = make, most
        self._kept: OrderedDict[str, Made] = OrderedDict()

    def __getitem__(self, key: str) -> Made:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        while len(self._kept) >= self._most:
            self._kept.popitem(last=False)
        made = self._kept[key] = self._make()
        return made


class Seen:
    """What came before, for so long: Slack delivers some things twice, and others may repeat a request of its."""

    def __init__(self, seconds: float, most: int = 20_000) -> None:
        self._seconds, self._most = seconds, most
        self._times: OrderedDict[str, float] = OrderedDict()

    def again(self, key: str, now: float) -> bool:
        """Whether it was seen; from now on it is."""
        while self._times and (
            len(self._times) >= self._most or next(iter(self._times.values())) < now - self._seconds
        ):
            self._times.popitem(last=False)
        if key in self._times:
            return True
        self._times[key] = now
        return False


class Rush:
    """Whether very many ask at once: then acknowledgements, which have three seconds, come before all work."""

    def __init__(self, many: int = 10, within: float = 0.1) -> None:
        self._within = within
        self._times: deque[float] = deque(maxlen=many)

    def note(self, now: float) -> None:
        """Somebody asked."""
        self._times.append(now)

    def wait(self, now: float) -> float:
        """Seconds that work should stand back before it asks again; 0 where few ask."""
        if len(self._times) < (self._times.maxlen or 0):
            return 0.0
        return max(0.0, self._times[0] + self._within - now)


class Lateness:
    """How late something arrives, whatever our own clock says: the least delay among the last ones counts as none."""

    def __init__(self, remember: int = 16) -> None:
        self._seen: deque[float] = deque(maxlen=remember)

    def of(self, born: float, now: float) -> float:
        """Seconds. The first one is never late: our clock may be wrong by minutes."""
        delay = now - born
        self._seen.append(delay)
        return delay - min(self._seen)


_TICKING = re.compile(r"[,·]?\s*(?:about )?\d+ (?:s|min)\b|#\d+")


def state(card: Card) -> tuple[object, ...]:
    """What has to change before a message is edited: all but the seconds and places that change by themselves."""
    return (" ".join(_TICKING.sub(" ", card.title).split()), card.tone, card.lines, card.actions)


def part_of(whole: int, processes: int) -> int:
    """What one of several processes takes of what all of them have together: one at the least, if there is any."""
    return min(whole, max(1, whole // processes))


def held(method: str) -> Held:
    return Held(60.0 / PER_MINUTE.get(method, TIER_4))
