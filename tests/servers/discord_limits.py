"""How the local Discord slows, refuses and fails: rate limits as the real one counts them, and faults on request."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

Clock = Callable[[], float]


@dataclass(slots=True)
class Window:
    """At most `most` in any `seconds`, counted from the first of a round, as Discord's buckets are."""

    most: int
    seconds: float
    used: int = 0
    ends: float = 0.0

    def take(self, now: float) -> bool:
        if now >= self.ends:
            self.used, self.ends = 0, now + self.seconds
        if self.used >= self.most:
            return False
        self.used += 1
        return True

    def headers(self, name: str, now: float) -> dict[str, str]:
        left = max(self.ends - now, 0.0)
        return {
            "X-RateLimit-Limit": str(self.most),
            "X-RateLimit-Remaining": str(max(self.most - self.used, 0)),
            "X-RateLimit-Reset-After": f"{left:.3f}",
            "X-RateLimit-Reset": f"{time.time() + left:.3f}",
            "X-RateLimit-Bucket": name,
        }


class Buckets:
    """One window per route and major parameter. `routes` says which routes have one, and how wide."""

    def __init__(self, routes: dict[str, tuple[int, float]]) -> None:
        self.routes = routes
        self._windows: dict[tuple[str, str], Window] = {}

    def window(self, route: str, major: str) -> Window | None:
        if route not in self.routes:
            return None
        key = route, major
        if key not in self._windows:
            if len(self._windows) > 20_000:
                self._windows.clear()
            self._windows[key] = Window(*self.routes[route])
        return self._windows[key]


@dataclass(slots=True)
class Sliding:
    """At most `most` in any second whatever: the global limit."""

    most: int | None
    _taken: deque[float] = field(default_factory=deque)

    def wait(self, now: float) -> float:
        """Take one; returns 0.0, or the seconds until there is one."""
        if self.most is None:
            return 0.0
        while self._taken and self._taken[0] <= now - 1.0:
            self._taken.popleft()
        if len(self._taken) >= self.most:
            return max(self._taken[0] + 1.0 - now, 0.001)
        self._taken.append(now)
        return 0.0


@dataclass(slots=True)
class Fault:
    """What happens to the next `times` requests that match. `hits` counts those it met.

    `after` carries the request out first: the answer is what gets lost. `drop` cuts the connection in place of an
    answer. `delay` in seconds comes before either; a fault without `status` and `drop` only delays.
    """

    method: str
    path: re.Pattern[str]
    status: int | None = None
    code: int = 0
    message: str = ""
    times: int | None = 1
    retry_after: float | None = None
    is_global: bool = False
    via: bool = True
    after: bool = False
    drop: bool = False
    delay: float = 0.0
    hits: int = 0

    def meets(self, method: str, path: str) -> bool:
        if self.times is not None and self.hits >= self.times:
            return False
        return self.method in (method, "*") and self.path.search(path) is not None
