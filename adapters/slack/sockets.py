"""Socket Mode: some connections of the SDK's, so that one that breaks loses no command while it comes back."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp

from adapters.slack.api import Api, Down, Refused
from adapters.slack.quiet import sdk_logger
from bot.errors import KeyRefused, Unreachable

log = structlog.get_logger(__name__)

PING = 2.0
"""Seconds between pings: after four without an answer the connection counts as dead."""
LOOK = 1.0
"""Seconds between looks whether the connections stand, for readiness and the log."""
TRY_AGAIN = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between tries to connect while Slack is down as we start."""


async def try_token(api: Api, token: str) -> None:
    """Raises KeyRefused for an app-level token that opens no connection, Unreachable when nobody answers."""
    try:
        await api.call("apps.connections.open", token)
    except Refused:
        raise KeyRefused(
            "Slack refuses SLACK_APP_TOKEN. It begins with xapp-, has connections:write, and Socket Mode is on."
        ) from None
    except Down as down:
        raise Unreachable("Slack does not answer.", detail=down.reason) from None


class Sockets:
    def __init__(self, app: AsyncApp, api: Api, token: str, count: int) -> None:
        self._app, self._api, self._token, self._count = app, api, token, count
        self._handlers: list[AsyncSocketModeHandler] = []
        self._up = 0

    @property
    def ready(self) -> bool:
        """Whether commands arrive: one connection is enough."""
        return any(_stands(handler) for handler in self._handlers)

    async def serve(self) -> None:
        """Keep them open until cancelled."""
        self._handlers = [self._made() for _ in range(self._count)]
        connecting = [asyncio.create_task(self._connect(handler)) for handler in self._handlers]
        try:
            while True:
                self._tell(sum(_stands(handler) for handler in self._handlers))
                await asyncio.sleep(LOOK)
        finally:
            for task in connecting:
                task.cancel()
            await asyncio.gather(*connecting, return_exceptions=True)

    def _made(self) -> AsyncSocketModeHandler:
        return AsyncSocketModeHandler(
            self._app,
            self._token,
            logger=sdk_logger(),
            web_client=self._api.client(retrying=True),
            ping_interval=PING,
        )

    async def _connect(self, handler: AsyncSocketModeHandler) -> None:
        """The SDK tries again by itself once it has an address; getting one is tried here."""
        tries = 0
        while True:
            try:
                await handler.connect_async()  # type: ignore[no-untyped-call]
                return
            except Exception as error:  # the SDK raises what it likes, bare strings of Slack's in it
                wait = TRY_AGAIN[min(tries, len(TRY_AGAIN) - 1)]
                tries += 1
                log.warning("no slack connection", error=type(error).__name__, retry_in=wait)
                await asyncio.sleep(wait)

    def _tell(self, up: int) -> None:
        if up != self._up:
            (log.info if up > self._up else log.warning)("slack connections", up=up, of=self._count)
            self._up = up

    async def close(self) -> None:
        for handler in self._handlers:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                await handler.close_async()  # type: ignore[no-untyped-call]
        self._handlers = []


def _stands(handler: AsyncSocketModeHandler) -> bool:
    session = handler.client.current_session
    return session is not None and not session.closed and not handler.client.stale
