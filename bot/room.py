"""Pictures on their way to a chat, within a bound of memory for all messages together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from bot.cards import Card

ROOM = 48 * 1024 * 1024
"""Bytes of pictures that all uploads together hold in memory; one message may have them alone."""


class Room:
    """Lets uploads in while their bytes fit together; one that is larger than all room goes alone."""

    def __init__(self, most: int = ROOM) -> None:
        self._most = most
        self._used = 0
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[None]:
        if size == 0:
            yield
            return
        async with self._freed:
            await self._freed.wait_for(lambda: self._used == 0 or self._used + size <= self._most)
            self._used += size
        try:
            yield
        finally:
            self._used -= size
            async with self._freed:
                self._freed.notify_all()


def on_disk(card: Card, most: int) -> Card:
    """The card with at most so many pictures, and without those that were swept meanwhile."""
    there = tuple(shown for shown in card.pictures[:most] if shown.path.is_file())
    return card if len(there) == len(card.pictures) else replace(card, pictures=there)


def weight(card: Card) -> int:
    """Bytes of its pictures on disk."""
    return sum(shown.path.stat().st_size for shown in card.pictures)
