"""Socket Mode: some connections of the SDK's, so that one that ends loses no command.

Slack ends each of them every few hours, and asks to connect anew before it does. The SDK would then close the old one
before it opens the next, and go on trying an address that is good for one try: so that is done here, with a new client
for each connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from time import time

import aiohttp
import structlog
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app, send_async_response
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from adapters.slack.api import Api, Down, Refused
from adapters.slack.quiet import sdk_logger
from bot.errors import KeyRefused, Unreachable
from bot.tasks import cancelled, within

log = structlog.get_logger(__name__)

PING = 2.0
"""Seconds between pings: after four without an answer the connection counts as dead."""
LOOK = 0.5
"""Seconds between looks whether a connection stands."""
CONNECT_WITHIN = 5.0
"""Seconds for one try to connect."""
TRY_AGAIN = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between tries while Slack is down."""
ACKNOWLEDGED_WITHIN = 1.0
"""Seconds for what came before a connection is closed."""
LEAVE_WITHIN = 10.0
"""Seconds in which Slack closes a connection that it asked to leave, and may still say something on it."""


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


class _Connection(SocketModeClient):
    """The SDK's client for one connection; when Slack asks to connect anew, it only says so."""

    def __init__(self, app: AsyncApp, api: Api, token: str) -> None:
        super().__init__(
            app_token=token,
            logger=sdk_logger(),
            web_client=api.client(retrying=True),
            ping_interval=PING,
            auto_reconnect_enabled=False,
        )
        self._app = app
        self.asked_to_leave = asyncio.Event()
        self._handling = 0
        self.socket_mode_request_listeners.append(self._handle)

    async def connect_to_new_endpoint(self, force: bool = False) -> None:
        """Called by the SDK when Slack says `disconnect`."""
        self.asked_to_leave.set()

    async def _handle(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        started = time()
        self._handling += 1
        try:
            answer = await run_async_bolt_app(self._app, request)
            await send_async_response(client, request, answer, started)
        finally:
            self._handling -= 1

    async def until_over(self) -> None:
        """Until it is lost, or Slack asks to leave it."""
        while await self.is_connected() and not self.asked_to_leave.is_set():
            await within(LOOK, self.asked_to_leave)

    async def until_closed(self) -> None:
        """Until Slack closes it, as it said."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_WITHIN):
                while await self.is_connected():  # noqa: ASYNC110 - a reset connection tells nobody
                    await asyncio.sleep(LOOK)

    async def fall_silent(self) -> None:
        """Close it at a moment at which nothing that came on it waits for its acknowledgement."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ACKNOWLEDGED_WITHIN):
                while self._handling or not self.message_queue.empty():  # noqa: ASYNC110 - the SDK tells nobody
                    await asyncio.sleep(0.005)
        await self.end()

    async def end(self) -> None:
        with contextlib.suppress(aiohttp.ClientError, OSError):
            await self.close()  # type: ignore[no-untyped-call]


class Sockets:
    def __init__(self, app: AsyncApp, api: Api, token: str, count: int) -> None:
        self._app, self._api, self._token, self._count = app, api, token, count
        self._standing: set[_Connection] = set()
        self._leaving: dict[asyncio.Task[None], _Connection] = {}
        self._told = 0
        self._over = False

    @property
    def ready(self) -> bool:
        """Whether commands arrive: one connection is enough."""
        return bool(self._standing)

    async def serve(self) -> None:
        """Keep them open until cancelled; what stands then is closed by `close`."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._count):
                group.create_task(self._keep_one())

    async def _keep_one(self) -> None:
        """One connection after the other. The next one stands before the old one is left."""
        standing = await self._connected()
        while True:
            await standing.until_over()
            if self._over:
                return
            if not standing.asked_to_leave.is_set():
                self._stands_no_more(standing)
            following = await self._connected()
            self._leave(standing)
            standing = following

    async def _connected(self) -> _Connection:
        tries = 0
        while (made := await self._tried()) is None:
            wait = TRY_AGAIN[min(tries, len(TRY_AGAIN) - 1)]
            tries += 1
            log.warning("no slack connection", retry_in=wait)
            await asyncio.sleep(wait)
        self._standing.add(made)
        self._tell()
        return made

    async def _tried(self) -> _Connection | None:
        made = _Connection(self._app, self._api, self._token)
        connected = False
        try:
            async with asyncio.timeout(CONNECT_WITHIN):
                made.wss_uri = await made.issue_new_wss_url()
                await made.connect()  # type: ignore[no-untyped-call]
            connected = True
        except Exception as error:  # the SDK raises what it likes, bare strings of Slack's in it
            log.info("slack connection not opened", error=type(error).__name__)
        finally:
            if not connected:
                await made.end()
        return made if connected else None

    def _leave(self, connection: _Connection) -> None:
        """In a task of its own: what Slack still says on it is answered on it."""
        self._stands_no_more(connection)
        task = asyncio.create_task(self._left(connection))
        self._leaving[task] = connection
        task.add_done_callback(lambda done: self._leaving.pop(done, None))

    async def _left(self, connection: _Connection) -> None:
        await connection.until_closed()
        await connection.end()

    def _stands_no_more(self, connection: _Connection) -> None:
        self._standing.discard(connection)
        self._tell()

    def _tell(self) -> None:
        up = min(len(self._standing), self._count)
        if up != self._told:
            (log.info if up > self._told else log.warning)("slack connections", up=up, of=self._count)
            self._told = up

    async def leave(self) -> None:
        """Let other processes' connections hear everything from now on."""
        self._over = True
        await asyncio.gather(*(connection.fall_silent() for connection in self._standing))

    async def close(self) -> None:
        self._over = True
        tasks, leaving = list(self._leaving), list(self._leaving.values())
        await cancelled(tasks)
        for connection in (*self._standing, *leaving):
            await connection.end()
        self._standing.clear()
