"""Stops all paid work while only the operator can help: the key is refused, or the account is empty."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from bot.alerts import Alerts
from bot.errors import EaselError, OperatorMustAct
from bot.ports import Backend

log = structlog.get_logger()

LOOK_EVERY = 60.0
"""Seconds between two looks whether the account works again."""


class Brake:
    def __init__(
        self, backend: Backend, alerts: Alerts, price: Callable[[], float], look_every: float = LOOK_EVERY
    ) -> None:
        """`price` tells what a plain picture costs (US$): an account that has less left is still empty."""
        self._price = price
        self._look_every = look_every
        self._backend = backend
        self._alerts = alerts
        self._reason: OperatorMustAct | None = None
        self._free = asyncio.Event()
        self._free.set()

    @property
    def reason(self) -> OperatorMustAct | None:
        return self._reason

    def pull(self, reason: OperatorMustAct) -> None:
        self._alerts.raise_(type(reason).__name__, str(reason))
        self._reason = reason
        self._free.clear()

    def check(self) -> None:
        """Raise what stopped us, if anything did."""
        if self._reason is not None:
            raise self._reason

    async def wait(self) -> None:
        await self._free.wait()

    async def watch(self) -> None:
        """Look whether the account works again, for ever."""
        while True:
            await asyncio.sleep(self._look_every)
            if self._reason is not None and await self._works():
                log.info("account works again")
                self._reason = None
                self._free.set()

    async def _works(self) -> bool:
        try:
            return await self._backend.balance() >= self._price()
        except EaselError:
            return False
        except Exception:  # whatever it is, it must not end the only one who looks
            log.exception("balance not readable")
            return False
