"""How long to wait: pure functions and values; the time is passed in, the dice too."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import quantiles

from bot.images import ImageRequest

MINUTE = 61.0
"""Seconds in which an account's pictures per minute are counted: the API counts by its own minute, and one more keeps us
clear of its edges."""
LEARNT_FROM = 20
"""Finished jobs of a kind after which its usual time is trusted."""
REMEMBERED = 60
"""Finished jobs of a kind that are looked at, so that a change at the API is learnt within that many."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What jobs of a kind took lately, in seconds from the submit to the end: nearly all end in `low`..`high`."""

    low: float
    mid: float
    high: float
    count: int

    @property
    def learnt(self) -> bool:
        return self.count >= LEARNT_FROM


def kind(request: ImageRequest) -> str:
    """What decides how long a job takes: megapixels, steps, pictures, whether it has LoRAs or a source."""
    tenths = round(request.size.pixels / 100_000)
    return f"{tenths}.{request.steps}.{request.count}.{len(request.loras)}.{'i' if request.image else 't'}"


class Durations:
    """The last durations of each kind of job, in memory; the store refills it at the start."""

    def __init__(self) -> None:
        self._seen: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._all: deque[float] = deque(maxlen=REMEMBERED)
        self._usual: dict[str, Usual] = {}

    def learn(self, kind: str, seconds: float) -> None:
        if seconds > 0:
            self._seen[kind].append(seconds)
            self._all.append(seconds)
            self._usual.pop(kind, None)

    def usual(self, kind: str) -> Usual | None:
        """None while nothing of this kind has finished."""
        if kind not in self._usual:
            seen = self._seen.get(kind)
            if not seen:
                return None
            self._usual[kind] = summary(list(seen))
        return self._usual[kind]

    def typical(self) -> float | None:
        """Seconds that a job of any kind takes, None while none has finished."""
        return sorted(self._all)[len(self._all) // 2] if self._all else None


def summary(seconds: list[float]) -> Usual:
    if len(seconds) < 2:
        return Usual(seconds[0], seconds[0], seconds[0], len(seconds))
    cuts = quantiles(seconds, n=20, method="inclusive")
    return Usual(cuts[0], cuts[9], cuts[18], len(seconds))


def polls(usual: Usual | None, dice: random.Random) -> Iterator[float]:
    """Seconds after the submit at which to look, without end.

    Unlearnt: the documentation's pace, never less than 2 s apart, growing to 8 s. Learnt: first when the quickest such
    jobs have ended, three more looks until the slowest end, then growing. A job of 6 s ± 20 % costs four looks at the
    most and is seen within two fifths of its spread.
    """
    if usual is None or not usual.learnt:
        at = 2.0 * dice.uniform(1.0, 1.1)
        yield at
        step = 2.0
    else:
        # A little wider than the spread: the fourth look then sees nearly all of the slowest end too.
        step = min(4.0, max(0.3, (usual.high - usual.low) / 2.4))
        # A look at the very quickest end would mostly find nothing.
        at = max(0.2, usual.low + 0.05 + 0.4 * step)
        while at < usual.high + step:
            yield at
            at += step * dice.uniform(0.95, 1.0)
        step = max(step, 1.0)
    while True:
        at += step * dice.uniform(1.0, 1.25)
        yield at
        step = min(8.0, step * 1.5)


def backoff(attempt: int, dice: random.Random, *, first: float = 0.5, most: float = 30.0) -> float:
    """Seconds before try number `attempt` (from 1) of something that may be repeated: full jitter above a half."""
    return float(min(most, first * 2 ** (attempt - 1)) * dice.uniform(0.5, 1.0))


def next_tick(age: float, *, waiting: bool, open_jobs: int) -> float:
    """Seconds until a message's next progress edit: every 5 s, slowing to 15; a waiting one from 15 to 60.

    With many open messages all slow down together, so that ticks stay near ten a second in all.
    """
    slow = min(60.0, 15.0 + age / 8) if waiting else (5.0 if age < 30 else min(15.0, age / 6))
    return max(slow, open_jobs / 10)


def usual_wait(place: int, typical: float | None, at_once: int) -> float | None:
    """Seconds until the job at `place` (from 1) in the queue is likely done, None while nothing is known."""
    if typical is None:
        return None
    return typical * (1 + (place - 1) // max(1, at_once)) + typical
