"""What the bot's own database says of its jobs, read from outside."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from bot.store.tables import jobs, ledger
from tests.chaos.people import prompt_of

_LINES = sa.select(
    jobs.c.id, jobs.c.state, jobs.c.request, jobs.c.outcome, ledger.c.state.label("money"), ledger.c.prediction_id
).select_from(jobs.outerjoin(ledger, ledger.c.job_id == jobs.c.id))


@dataclass(frozen=True, slots=True)
class Line:
    """One accepted job. `end` is its outcome, empty while it has none, and `why` what failed; `money` its ledger's state."""

    job_id: str
    prompt: str
    closed: bool
    end: str
    why: str
    money: str
    prediction: str


class Books:
    """`url` is SQLAlchemy's."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url, poolclass=sa.NullPool)

    def lines(self) -> list[Line]:
        with self._engine.connect() as connection:
            return [_line(row) for row in connection.execute(_LINES).mappings()]

    def accepted(self) -> int:
        return self._count(sa.select(sa.func.count()).select_from(jobs))

    def still_open(self, owner: str | None = None) -> int:
        """Jobs that are not closed; of one process, where it is named."""
        question = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.state != "closed")
        return self._count(question.where(jobs.c.owner == owner) if owner else question)

    def _count(self, question: sa.Select[int]) -> int:
        with self._engine.connect() as connection:
            return connection.execute(question).scalar_one()


def by_number(lines: Iterable[Line], numbers: Iterable[int]) -> dict[int, list[Line]]:
    """The jobs that were accepted for what each number asked."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.prompt, []).append(line)
    return {number: found[prompt_of(number)] for number in numbers if prompt_of(number) in found}


def _line(row: sa.RowMapping) -> Line:
    outcome = row["outcome"] or {}
    return Line(
        job_id=row["id"],
        prompt=row["request"]["prompt"],
        closed=row["state"] == "closed",
        end=outcome.get("is", ""),
        why=outcome.get("kind") or outcome.get("message") or "",
        money=row["money"] or "",
        prediction=row["prediction_id"] or "",
    )
