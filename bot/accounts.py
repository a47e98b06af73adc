"""What the last 24 hours cost, in memory: limits are decided before anything that waits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bot.ledger import DAY, Entry, State


@dataclass(slots=True)
class _Line:
    person: str
    pictures: int
    price: float
    at: float


class Accounts:
    """Charges by job. A job is reserved when it is accepted, and given back when no picture comes of it.

    The ledger is the truth; this is its shadow, refilled from it at the start.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` tells seconds since 1970."""
        self._clock = clock
        self._lines: dict[str, _Line] = {}
        self._pictures: defaultdict[str, int] = defaultdict(int)
        self._by_platform: defaultdict[str, int] = defaultdict(int)
        self._dollars = 0.0

    def refill(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.mirror(entry)

    def mirror(self, entry: Entry) -> None:
        """Hold against a job what the ledger does."""
        if entry.state is State.RETURNED:
            self.give_back(entry.job_id)
            return
        pictures = 0 if entry.state is State.UNCERTAIN else entry.pictures
        self.charge(entry.job_id, entry.person, pictures, entry.price, at=entry.charged_at)

    def charge(self, job_id: str, person: str, pictures: int, price: float, *, at: float | None = None) -> None:
        """A repeated charge of one job replaces the first: it happens once."""
        self.give_back(job_id)
        self._lines[job_id] = _Line(person, pictures, price, self._clock() if at is None else at)
        self._count(person, pictures)
        self._dollars += price

    def give_back(self, job_id: str) -> None:
        line = self._lines.pop(job_id, None)
        if line is not None:
            self._count(line.person, -line.pictures)
            self._dollars -= line.price

    def knows(self, job_id: str) -> bool:
        return job_id in self._lines

    def forgive(self, job_id: str) -> None:
        """It was paid, or nobody knows, and no picture came: the person is not charged, the budget is."""
        line = self._lines.get(job_id)
        if line is not None:
            self._count(line.person, -line.pictures)
            line.pictures = 0

    def pictures(self, person: str) -> int:
        """Charged to this person in the last 24 hours."""
        self._forget()
        return self._pictures.get(person, 0)

    def pictures_of(self, platform: str) -> int:
        """Charged to all of one platform's people in the last 24 hours."""
        self._forget()
        return self._by_platform.get(platform, 0)

    @property
    def dollars(self) -> float:
        """Charged to everyone in the last 24 hours."""
        self._forget()
        return max(0.0, self._dollars)

    def _count(self, person: str, pictures: int) -> None:
        self._by_platform[person.partition(":")[0]] += pictures
        self._pictures[person] += pictures
        if not self._pictures[person]:
            del self._pictures[person]

    def _forget(self) -> None:
        oldest = self._clock() - DAY
        while self._lines:
            job_id, line = next(iter(self._lines.items()))
            if line.at > oldest:
                return
            self.give_back(job_id)
