"""What a picture costs, from the API, known without waiting."""

from __future__ import annotations

import structlog

from bot.errors import EaselError
from bot.images import ImageRequest, Size
from bot.ports import Backend
from bot.store import Store

log = structlog.get_logger()

DOCUMENTED = 0.015
"""US$ a picture, as the documentation said in late 2025: the guess before the API was ever asked."""
_FACT = "price per picture"


class Pricing:
    def __init__(self, backend: Backend, store: Store) -> None:
        self._backend = backend
        self._store = store
        self._unit = DOCUMENTED

    def plain(self) -> float:
        """US$ for one picture."""
        return self._unit

    def price(self, request: ImageRequest) -> float:
        """US$ for the whole request."""
        return self._unit * request.count

    async def remember(self) -> None:
        """Take the last known price, so that a start without the API knows it."""
        known = await self._store.fact(_FACT)
        self._unit = float(known) if known else self._unit

    async def refresh(self) -> None:
        """Ask the API. Keeps the last known price when it does not answer."""
        plain = ImageRequest(prompt="a picture", size=Size(1024, 1024), seed=0)
        try:
            unit = await self._backend.price(plain)
        except EaselError as error:
            log.warning("price not known, using the last one", error=type(error).__name__, price=self._unit)
            return
        if unit != self._unit:
            self._unit = unit
            await self._store.set_fact(_FACT, str(unit))
