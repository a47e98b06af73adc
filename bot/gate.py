"""Who goes next: a fair queue in front of the account's limits.

People take turns, so one person's fifty jobs don't hold up another's first. What waits here costs nothing but its row
in the store; only what may run is handed to the engine.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entrant:
    """A job at the gate. `pictures` counts against the account's cap."""

    job_id: str
    person: str
    pictures: int


class Gate:
    """`per_person` jobs of one person and `pictures_at_once` pictures in all pass at the same time."""

    def __init__(self, per_person: int, pictures_at_once: int) -> None:
        self._per_person = per_person
        self._cap = pictures_at_once
        self._lines: OrderedDict[str, deque[Entrant]] = OrderedDict()
        self._inside: dict[str, Entrant] = {}
        self._running: dict[str, int] = {}
        self._pictures = 0

    def join(self, entrant: Entrant) -> None:
        self._lines.setdefault(entrant.person, deque()).append(entrant)

    def enter(self, entrant: Entrant) -> None:
        """Let one in past the queue: it was inside before a restart."""
        self._inside[entrant.job_id] = entrant
        self._running[entrant.person] = self._running.get(entrant.person, 0) + 1
        self._pictures += entrant.pictures

    def next(self) -> Entrant | None:
        """The next that may pass, now inside; None when nobody may."""
        for person in list(self._lines):
            line = self._lines[person]
            if self._running.get(person, 0) >= self._per_person:
                continue
            # One that is larger than the whole cap passes alone.
            if self._pictures and self._pictures + line[0].pictures > self._cap:
                return None  # smaller jobs don't overtake: a large one would never get in
            entrant = line.popleft()
            if line:
                self._lines.move_to_end(person)
            else:
                del self._lines[person]
            self.enter(entrant)
            return entrant
        return None

    def admit(self, job_id: str) -> Entrant | None:
        """Let this one in, whoever is next here: it was decided over all processes. None if it does not wait here."""
        for line in self._lines.values():
            for entrant in line:
                if entrant.job_id == job_id:
                    self.leave(job_id)
                    self.enter(entrant)
                    return entrant
        return None

    def leave(self, job_id: str) -> bool:
        """A job is over, or left the queue. False if it was not here."""
        entrant = self._inside.pop(job_id, None)
        if entrant is not None:
            self._pictures -= entrant.pictures
            self._running[entrant.person] -= 1
            if not self._running[entrant.person]:
                del self._running[entrant.person]
            return True
        for person, line in self._lines.items():
            for waiting in line:
                if waiting.job_id == job_id:
                    line.remove(waiting)
                    if not line:
                        del self._lines[person]
                    return True
        return False

    def knows(self, job_id: str) -> bool:
        """Whether it is inside or waits here."""
        return job_id in self._inside or self.is_waiting(job_id)

    def is_waiting(self, job_id: str) -> bool:
        return any(entrant.job_id == job_id for line in self._lines.values() for entrant in line)

    def ids(self) -> tuple[set[str], set[str]]:
        """(waiting, inside): who is where."""
        return {entrant.job_id for line in self._lines.values() for entrant in line}, set(self._inside)

    def order(self) -> Iterator[Entrant]:
        """Those who wait, in about the order in which they will pass: one of each person by turns."""
        lines = [list(line) for line in self._lines.values()]
        for turn in range(max(map(len, lines), default=0)):
            for line in lines:
                if turn < len(line):
                    yield line[turn]

    def places(self) -> dict[str, int]:
        """Job id → place from 1."""
        return {entrant.job_id: place for place, entrant in enumerate(self.order(), 1)}

    def of(self, person: str) -> tuple[int, int]:
        """(running, waiting) of one person."""
        return self._running.get(person, 0), len(self._lines.get(person, ()))

    @property
    def running(self) -> int:
        return len(self._inside)

    @property
    def waiting(self) -> int:
        return sum(map(len, self._lines.values()))
