"""Socket Mode of the local Slack: its connections, their envelopes, and how they are lost.

docs.slack.dev/apis/events-api/using-socket-mode: an app has up to 10 connections, each envelope goes to one of them at
random and wants an acknowledgement with its `envelope_id`. Events come again when there is none; commands and
interactions do not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import secrets
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.servers.slack_asked import EVENT, Asked
from tests.servers.slack_seen import Payload
from tests.servers.slack_state import APP_ID, State

MOST = 10
APPROXIMATE_LIFE = 18060


@dataclass(eq=False, slots=True)
class Connection:
    id: str
    request: web.Request
    socket: web.WebSocketResponse
    open: bool = True
    envelopes: dict[str, Asked] = field(default_factory=dict)
    """Not acknowledged yet."""

    def cut(self) -> None:
        """Reset the TCP connection: no close frame, no goodbye."""
        self.open = False
        transport = self.request.transport
        if transport is None:
            return
        raw = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


class Socket:
    def __init__(
        self, state: State, acked: Callable[[Asked, Any], object], lost: Callable[[Asked, str], object]
    ) -> None:
        self.state = state
        self.connections: list[Connection] = []
        self.tickets: set[str] = set()
        self.opened = 0
        """Connections ever made."""
        self._acked, self._lost = acked, lost

    @property
    def live(self) -> list[Connection]:
        return [each for each in self.connections if each.open and not each.socket.closed]

    def ticket(self) -> str:
        """The address for one new connection (apps.connections.open)."""
        made = secrets.token_urlsafe(12)
        self.tickets.add(made)
        return f"{self.state.url.replace('http', 'ws')}/link/?ticket={made}&app_id={APP_ID}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self.tickets or self.state.refusing:
            return web.Response(status=403, text="the ticket was used or never given out")
        self.tickets.discard(ticket)
        ws = web.WebSocketResponse(autoping=True)
        await ws.prepare(request)
        connection = Connection(secrets.token_hex(4), request, ws)
        if len(self.live) >= MOST:
            await ws.send_json({"type": "disconnect", "reason": "too_many_websockets", "debug_info": {}})
            await ws.close()
            return ws
        self.connections.append(connection)
        try:
            await ws.send_json(self._hello())
            self.opened += 1
            self.state.tell()
            async for message in ws:
                if message.type == WSMsgType.TEXT:
                    self._read(connection, message.data)
        except ConnectionError:
            pass
        finally:
            self._gone(connection)
        return ws

    def _hello(self) -> Payload:
        return {
            "type": "hello",
            "num_connections": len(self.live),
            "debug_info": {"host": "local", "approximate_connection_time": APPROXIMATE_LIFE},
            "connection_info": {"app_id": APP_ID},
        }

    def _read(self, connection: Connection, data: str) -> None:
        try:
            answer = json.loads(data)
            envelope = answer["envelope_id"]
        except (ValueError, KeyError, TypeError):
            self.state.violate("socket", [f"no acknowledgement: {data[:100]!r}"])
            return
        for each in [connection, *self.connections]:
            asked = each.envelopes.pop(envelope, None)
            if asked is not None:
                self._acked(asked, answer.get("payload"))
                return

    def _gone(self, connection: Connection) -> None:
        """Whatever waited on it is lost; events come again on another connection."""
        connection.open = False
        if connection in self.connections:
            self.connections.remove(connection)
        for asked in list(connection.envelopes.values()):
            self._lost(asked, "connection_failed")
        connection.envelopes.clear()
        self.state.tell()

    async def send(self, asked: Asked, *, retry: int = 0, reason: str = "") -> bool:
        """One delivery; False when there is no connection to send it on."""
        live = self.live
        if not live:
            return False
        connection = random.choice(live)
        envelope = secrets.token_hex(16)
        connection.envelopes[envelope] = asked
        payload: Payload = {
            "type": asked.kind,
            "envelope_id": envelope,
            "payload": asked.payload,
            "accepts_response_payload": asked.kind != EVENT,
        }
        if asked.kind == EVENT:
            payload |= {"retry_attempt": retry, "retry_reason": reason}
        try:
            await connection.socket.send_json(payload)
        except ConnectionError:
            self._gone(connection)
        return True

    def cut(self, how_many: int | None = None) -> int:
        """Reset so many connections at random, or all. Returns how many it were."""
        chosen = random.sample(self.live, min(how_many, len(self.live))) if how_many is not None else self.live
        for each in chosen:
            each.cut()
        return len(chosen)

    async def refresh(self) -> None:
        """Ask every connection to reconnect, as Slack does now and then: a warning, then the end."""
        for each in self.live:
            await each.socket.send_json({"type": "disconnect", "reason": "refresh_requested", "debug_info": {}})

    async def close(self) -> None:
        for each in list(self.connections):
            each.cut()
        await asyncio.sleep(0)
