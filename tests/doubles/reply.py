"""A Reply without a wire: what was shown is kept in a list."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from bot.cards import Card
from bot.ports import DeliveryFailed, Keep

Notes = list[tuple[str, object]]
"""What happened, in order, shared by the doubles of one story."""


@dataclass(eq=False)
class NotingReply:
    """Keeps the guarantees of `Reply`: nothing is shown after the end, and one card stands in the end.

    `fails` is raised by every `close` while it is set, as a lost message would.
    """

    notes: Notes = field(default_factory=list)
    message: str = "1"
    private: bool = False
    fails: DeliveryFailed | None = None
    expires_at: datetime | None = None
    shown: list[Card] = field(default_factory=list)
    closed: Card | None = None
    whispers: list[Card] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"double:{self.message}" + ("" if self.closed else "?token")

    @property
    def key(self) -> str:
        return f"double:{self.message}"

    @property
    def public(self) -> bool:
        return not self.private

    @property
    def visible(self) -> Card | None:
        """What a person sees now."""
        return self.closed or (self.shown[-1] if self.shown else None)

    async def show(self, card: Card) -> bool:
        if self.closed is None:
            self.notes.append(("show", card))
            self.shown.append(card)
        return True

    async def close(self, card: Card, keep: Keep | None = None) -> str:
        self.notes.append(("close", card))
        if self.fails is not None:
            raise self.fails
        self.closed = card
        return self.address

    async def whisper(self, card: Card) -> None:
        self.notes.append(("whisper", card))
        self.whispers.append(card)
