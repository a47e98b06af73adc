"""How fast we may speak to Discord: values that are told the time, so their tests need no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

GLOBAL_RATE = 45.0
"""Requests a second with the bot's token; Discord's limit is 50."""
CAREFUL_FOR = 10.0
"""Seconds after a global 429 in which everything keeps to the rate."""


@dataclass(slots=True)
class Budget:
    """Progress edits a second in the whole process: a token bucket that may be empty, never late."""

    rate: float = 20.0
    burst: float = 30.0
    _left: float = field(default=30.0, init=False)
    _at: float = field(default=0.0, init=False)

    def take(self, now: float) -> bool:
        self._left = min(self.burst, self._left + max(0.0, now - self._at) * self.rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


@dataclass(slots=True)
class Lane:
    """Gives every request a moment at which it may start, at most `rate` a second; `pause` moves all of them on."""

    rate: float = GLOBAL_RATE
    burst: float = 50.0 - GLOBAL_RATE
    _next: float = field(default=0.0, init=False)

    @classmethod
    def shared(cls, processes: int) -> Lane:
        """One process's part: Discord counts the requests of all of them together."""
        return cls(GLOBAL_RATE / processes, (50.0 - GLOBAL_RATE) / processes)

    def wait(self, now: float) -> float:
        """Seconds that a request asked for now would have to wait."""
        return max(0.0, self._next - now)

    def enter(self, now: float) -> None:
        self._next = max(now - self.burst / self.rate, self._next) + 1 / self.rate

    def pause(self, now: float, seconds: float) -> None:
        self._next = max(self._next, now + seconds)


class Buckets:
    """What Discord's headers say of its rate limits, kept only while a bucket is nearly empty."""

    def __init__(self) -> None:
        self._low: dict[str, tuple[int, float]] = {}

    def note(self, bucket: str, headers: Mapping[str, str], now: float) -> None:
        """Learn from an answer's headers."""
        remaining = headers.get("X-RateLimit-Remaining")
        reset = headers.get("X-RateLimit-Reset-After")
        if remaining is None or reset is None:
            return
        if int(remaining) <= 1:
            self._low[bucket] = (int(remaining), now + float(reset))
            self._sweep(now)
        else:
            self._low.pop(bucket, None)

    def refuse(self, bucket: str, now: float, seconds: float) -> None:
        self._low[bucket] = (0, now + seconds)

    def wait(self, bucket: str, now: float, *, spare: int = 0) -> float:
        """Seconds until the bucket holds more than `spare` requests."""
        remaining, reset = self._low.get(bucket, (2, now))
        if remaining > spare or reset <= now:
            return 0.0
        return reset - now

    def _sweep(self, now: float) -> None:
        if len(self._low) > 512:
            self._low = {bucket: low for bucket, low in self._low.items() if low[1] > now}
