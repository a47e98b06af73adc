"""A Platform without a wire: its messages are the replies that it opened."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from tests.doubles.reply import Notes, NotingReply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.easel import Easel
    from bot.ports import Route
    from bot.vault import Vault


@dataclass(eq=False)
class NotingPlatform:
    """`messages` outlive a restart when the next platform is made with the same ones."""

    name: str = "double"
    notes: Notes = field(default_factory=list)
    messages: dict[str, NotingReply] = field(default_factory=dict)
    ready: bool = False
    taking: bool = True
    _closed: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self, *, private: bool = False) -> NotingReply:
        """The message that answers somebody."""
        number = next(number for number in count(1) if f"double:{number}" not in self.messages)
        reply = NotingReply(self.notes, str(number), private)
        self.messages[reply.key] = reply
        return reply

    def routes(self) -> Sequence[Route]:
        return ()

    async def login(self, vault: Vault) -> None: ...

    async def serve(self, easel: Easel) -> None:
        self.ready = True
        await self._closed.wait()

    def reopen(self, address: str) -> NotingReply:
        """Raises ValueError for a text that is no address of ours."""
        try:
            return self.messages[address.removesuffix("?token")]
        except KeyError:
            raise ValueError("not the address of a message here") from None

    async def stop_taking(self) -> None:
        self.taking = False

    async def close(self) -> None:
        self.taking = self.ready = False
        self._closed.set()
