"""How the local Slack slows, refuses and fails: rate tiers per workspace and method, and faults on request.

Tiers and methods as on docs.slack.dev/apis/web-api/rate-limits and each method's own page. Slack lets short bursts pass
and promises no figure for them; `Limits.burst` is ours.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

PER_MINUTE = {1: 1, 2: 20, 3: 50, 4: 100}
SPECIAL = 600
"""A minute, for the methods whose pages only say "special" or "hundreds"."""

TIERS: dict[str, int] = {
    "auth.revoke": 3,
    "bots.info": 3,
    "chat.delete": 3,
    "chat.postEphemeral": 4,
    "chat.update": 3,
    "conversations.history": 3,
    "conversations.info": 3,
    "conversations.join": 3,
    "conversations.list": 2,
    "conversations.members": 4,
    "conversations.open": 3,
    "conversations.replies": 3,
    "files.completeUploadExternal": 4,
    "files.delete": 3,
    "files.getUploadURLExternal": 4,
    "files.info": 4,
    "oauth.v2.access": 4,
    "team.info": 3,
    "users.conversations": 3,
    "users.info": 4,
    "views.open": 4,
    "views.publish": 4,
    "views.push": 4,
    "views.update": 4,
}
POSTS_PER_CHANNEL = 60
"""chat.postMessage: one a second and channel."""
POSTS_PER_TEAM = 300
"""Over all channels of a workspace: "several hundred messages per minute"."""


@dataclass(slots=True)
class Bucket:
    """`per_minute` flow in steadily, at most `burst` are kept."""

    per_minute: float
    burst: float
    left: float
    at: float

    def wait(self, now: float) -> float:
        """Take one; returns 0.0, or the seconds until there is one."""
        self.left = min(self.burst, self.left + (now - self.at) * self.per_minute / 60)
        self.at = now
        if self.left >= 1.0:
            self.left -= 1.0
            return 0.0
        return (1.0 - self.left) * 60 / self.per_minute


@dataclass(slots=True)
class Limits:
    """`on=False` lets everything pass. `burst` is how much of a minute's worth may come at once (1.0: all of it);
    a channel takes `post_burst` messages at once. `rates` overrides a method's requests a minute.
    """

    on: bool = True
    burst: float = 1.0
    post_burst: float = 10.0
    rates: dict[str, float] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    """The 429s given, by method."""
    _buckets: dict[tuple[str, ...], Bucket] = field(default_factory=dict)

    def strict(self) -> None:
        """No bursts at all."""
        self.burst, self.post_burst = 0.0, 1.0
        self._buckets.clear()

    def reset(self) -> None:
        """As if nothing had been asked yet; after a change of `burst` or `rates`."""
        self._buckets.clear()

    def wait(self, team: str, method: str, channel: str, now: float) -> float:
        """Count one request; returns 0.0, or the seconds to wait (the request is then refused)."""
        if not self.on:
            return 0.0
        waits = [
            self._bucket(key, rate, burst, now).wait(now) for key, rate, burst in self._keys(team, method, channel)
        ]
        if max(waits) > 0:
            self.refused[method] += 1
        return max(waits)

    def _keys(self, team: str, method: str, channel: str) -> list[tuple[tuple[str, ...], float, float]]:
        if method == "chat.postMessage":
            each = self.rates.get(method, POSTS_PER_CHANNEL)
            return [
                ((team, method, channel), each, self.post_burst),
                ((team, method), POSTS_PER_TEAM, max(1.0, POSTS_PER_TEAM * self.burst)),
            ]
        rate = self.rates.get(method) or (PER_MINUTE[TIERS[method]] if method in TIERS else SPECIAL)
        return [((team, method), rate, max(1.0, rate * self.burst))]

    def _bucket(self, key: tuple[str, ...], rate: float, burst: float, now: float) -> Bucket:
        if key not in self._buckets:
            self._buckets[key] = Bucket(rate, burst, burst, now)
        return self._buckets[key]


@dataclass(slots=True)
class Fault:
    """What happens to the next `times` requests whose method matches. `hits` counts those it met.

    With `status` the answer is a plain HTTP error of that code, with `error` Slack's `{"ok": false}`; `drop` resets the
    connection. `after` carries the request out first: the answer is what gets lost. `delay` in seconds comes before
    the rest; a fault with nothing else only delays. `retry_after` in seconds goes with a 429.
    """

    method: re.Pattern[str]
    status: int | None = None
    error: str | None = None
    times: int | None = 1
    delay: float = 0.0
    after: bool = False
    drop: bool = False
    retry_after: int | None = None
    hits: int = 0

    def meets(self, method: str) -> bool:
        if self.times is not None and self.hits >= self.times:
            return False
        return self.method.search(method) is not None

    @property
    def breaks(self) -> bool:
        return self.drop or self.status is not None or self.error is not None
