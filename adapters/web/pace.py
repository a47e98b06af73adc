"""How often one person may ask for something, and everybody together: from memory, and of bounded size."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MOST_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` at once, then `a_second` more."""

    burst: float
    a_second: float


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Pace:
    """A bucket for each person, and one for all."""

    def __init__(self, each: Rate, everyone: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._each, self._everyone, self._clock = each, everyone, clock
        self._all = _Bucket(everyone.burst, clock())
        self._people: OrderedDict[str, _Bucket] = OrderedDict()

    def wait(self, person: str) -> float:
        """Take one; 0, or the seconds after which it may be tried again."""
        now = self._clock()
        bucket = self._people.setdefault(person, _Bucket(self._each.burst, now))
        self._people.move_to_end(person)
        if len(self._people) > MOST_KNOWN:
            self._people.popitem(last=False)
        _fill(bucket, self._each, now)
        _fill(self._all, self._everyone, now)
        if bucket.left < 1:
            return (1 - bucket.left) / self._each.a_second
        if self._all.left < 1:
            return (1 - self._all.left) / self._everyone.a_second
        bucket.left -= 1
        self._all.left -= 1
        return 0.0


def _fill(bucket: _Bucket, rate: Rate, now: float) -> None:
    bucket.left = min(rate.burst, bucket.left + (now - bucket.at) * rate.a_second)
    bucket.at = now
