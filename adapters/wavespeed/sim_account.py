"""The simulated account: its money, its pictures per minute and its places for running work."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from types import MappingProxyType

from adapters.wavespeed.sim_rules import Refused

MINUTE = 60.0


class Account:
    """`balance` and `price` (per picture) in US$. The two limits count pictures; None is no limit."""

    def __init__(self, *, balance: float, price: float, per_minute: int | None, concurrency: int | None) -> None:
        self.balance = balance
        self.price = price
        self._per_minute = per_minute
        self._window = (-math.inf, 0)
        self._places = [-math.inf] * concurrency if concurrency else []
        self._charged: dict[str, float] = {}

    @property
    def charged(self) -> Mapping[str, float]:
        """US$ by prediction id."""
        return MappingProxyType(self._charged)

    def cost(self, pictures: int) -> float:
        return round(self.price * pictures, 6)

    def admit(self, pictures: int, now: float) -> None:
        """Count the pictures against the running minute. Raises Refused: 400 without credit, 429 when too fast."""
        if self.cost(pictures) > self.balance + 1e-9:
            raise Refused(400, "Insufficient credits. Please top up your account to continue.")
        opened, used = self._window
        if now - opened >= MINUTE:
            opened, used = now, 0
        if self._per_minute is not None and used + pictures > self._per_minute:
            raise Refused(429, "Rate limit exceeded: too many requests. Please try again later.")
        self._window = (opened, used + pictures)

    def charge(self, prediction: str, pictures: int) -> None:
        self.book(prediction, self.cost(pictures))

    def book(self, prediction: str, dollars: float) -> None:
        """Charge what was charged before, to an account that begins anew."""
        self._charged[prediction] = dollars
        self.balance = round(self.balance - dollars, 6)

    def give_back(self, prediction: str) -> None:
        self.balance = round(self.balance + self._charged.pop(prediction, 0.0), 6)

    def begin(self, now: float, pictures: int, seconds: float) -> float:
        """When this work starts: at once, or when enough earlier pictures have ended to make room for it."""
        if not self._places:
            return now
        needed = min(pictures, len(self._places))
        start = max(now, *(heapq.heappop(self._places) for _ in range(needed)))
        for _ in range(needed):
            heapq.heappush(self._places, start + seconds)
        return start

    def hold(self, pictures: int, until: float) -> None:
        """Keep places for work that began in an earlier life."""
        free = [heapq.heappop(self._places) for _ in range(min(pictures, len(self._places)))]
        for earlier in free:
            heapq.heappush(self._places, max(earlier, until))
