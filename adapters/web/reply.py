"""One message of the page that grows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from adapters.web.address import Address
from adapters.web.board import Board
from bot.cards import Card
from bot.ports import Keep


class WebReply:
    """A `bot.ports.Reply`. `left_over` gets the end of a message that no job came of."""

    expires_at: datetime | None = None

    def __init__(
        self, board: Board, address: Address, left_over: Callable[[Card], Awaitable[None]] | None = None
    ) -> None:
        self._board = board
        self._address = address
        self._left_over = left_over
        self._closed = False

    @property
    def address(self) -> str:
        return str(self._address)

    @property
    def key(self) -> str:
        return self._address.key

    @property
    def public(self) -> bool:
        return not self._address.private

    async def show(self, card: Card) -> bool:
        return self._closed or await self._board.show(self._address, card)

    async def close(self, card: Card, keep: Keep | None = None) -> str:
        self._closed = True
        if not await self._board.end(self._address, card):
            await (self._left_over(card) if self._left_over else self._board.whisper(self._address, card))
        self._address = self._address.cleared()
        return str(self._address)

    async def whisper(self, card: Card) -> None:
        await self._board.whisper(self._address, card)
