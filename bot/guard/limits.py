"""How much a person, and the whole bot, may ask for."""

from __future__ import annotations

from dataclasses import dataclass

from bot.errors import BudgetReached, LimitReached


@dataclass(frozen=True, slots=True)
class Usage:
    """What counts against the limits now. Pictures and dollars are those of the last 24 hours, waiting ones included."""

    running: int
    waiting: int
    pictures: int
    dollars: float


@dataclass(frozen=True, slots=True)
class Limits:
    per_person: int
    queue_per_person: int
    per_day: int
    budget: float

    def check(self, usage: Usage, *, pictures: int, price: float) -> None:
        """Raise LimitReached for what the person used up, BudgetReached for what the whole bot did."""
        if usage.running + usage.waiting >= self.per_person + self.queue_per_person:
            raise LimitReached(
                f"You already have {usage.running + usage.waiting} jobs under way. "
                "Wait for one to finish, or stop one with /cancel."
            )
        if usage.pictures + pictures > self.per_day:
            left = max(0, self.per_day - usage.pictures)
            raise LimitReached(
                f"That would be more than {self.per_day} pictures in 24 hours; you have {left} left. "
                "They come back one by one, a day after each was asked for."
            )
        self.check_budget(usage.dollars, price)

    def check_budget(self, dollars: float, price: float) -> None:
        # A cent's millionth of slack: sums of 0.015 are not exact.
        if dollars + price > self.budget + 1e-9:
            raise BudgetReached(
                "Easel has spent its budget for today, so nothing is drawn for now. "
                "It goes on by itself within 24 hours; the operator has been told."
            )
