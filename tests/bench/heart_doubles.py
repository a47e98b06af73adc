"""A backend and a platform that cost next to nothing, so that only the heart, its engine and its database are measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from bot.cards import Card
from bot.images import Flag, ImageRequest, Picture
from bot.pacing import Usual
from bot.ports import Keep, Prepared, Rendered, Sighting, Step, Ticket
from tests.doubles.backend import CAPABILITIES

if TYPE_CHECKING:
    from bot.easel import Easel
    from bot.ports import Route
    from bot.vault import Vault

POST = 0.1
"""Seconds until a submit is answered."""
LANES = 32
"""POSTs in flight, as at the tier ultra."""


class QuietBackend:
    """Accepts everything and draws no bytes: a job takes `seconds` after its submit, and `at_once` are drawn together."""

    capabilities = CAPABILITIES
    exclusive_key = False
    pictures_per_minute = 1_000_000

    def __init__(self, *, seconds: float, at_once: int) -> None:
        self.pictures_at_once = at_once
        self.pictures_per_minute = 1_000_000
        self.submitted: dict[int, float] = {}
        """When each request's submit began (`time.monotonic`), by its seed."""
        self._seconds = seconds
        self._lanes = asyncio.Semaphore(LANES)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None: ...

    async def price(self, request: ImageRequest) -> float:
        return 0.01 * request.count

    async def balance(self) -> float:
        return 1e9

    async def prepare(self, request: ImageRequest, sources: Mapping[str, bytes]) -> Prepared:
        return Prepared(request)

    @asynccontextmanager
    async def turn(self, pictures: int) -> AsyncIterator[None]:
        async with self._lanes:
            yield

    async def submit(self, prepared: Prepared) -> Ticket:
        self.submitted[prepared.request.seed] = time.monotonic()
        await asyncio.sleep(POST)
        return Ticket(uuid4().hex, datetime.now(UTC))

    async def watch(
        self, ticket: Ticket, request: ImageRequest, into: Path, usual: Usual | None
    ) -> AsyncIterator[Step | Rendered]:
        yield Step("processing")
        await asyncio.sleep(self._seconds)
        picture = Picture(1, Path(f"{into}-1.jpg"), "image/jpeg", request.size, Flag.NO)
        yield Rendered((picture,), (), self._seconds, self._seconds)

    async def sightings(self, prepared: Prepared, since: datetime) -> list[Sighting]:
        return []

    async def cancel(self, ticket: Ticket) -> bool:
        return False


@dataclass(slots=True, eq=False)
class QuietReply:
    """Forgets what it is shown, and knows when it was closed."""

    address: str
    public: bool = True
    expires_at: datetime | None = None
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def key(self) -> str:
        return self.address

    async def show(self, card: Card) -> bool:
        return True

    async def close(self, card: Card, keep: Keep | None = None) -> str:
        self.closed.set()
        return self.address

    async def whisper(self, card: Card) -> None: ...


class QuietPlatform:
    name = "quiet"
    ready = True

    def __init__(self) -> None:
        self._numbers = count(1)

    def open(self) -> QuietReply:
        return QuietReply(f"quiet:{next(self._numbers)}")

    def routes(self) -> Sequence[Route]:
        return ()

    async def login(self, vault: Vault) -> None: ...

    async def serve(self, easel: Easel) -> None: ...

    def reopen(self, address: str) -> QuietReply:
        return QuietReply(address)

    async def stop_taking(self) -> None: ...

    async def close(self) -> None: ...
