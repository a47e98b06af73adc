"""A small local REST server that keeps what it was sent and answers as a test says: for one adapter file at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

MESSAGE = "900"
CHANNEL = "500"
DIRECT = "700"


@dataclass(frozen=True, slots=True)
class Got:
    method: str
    path: str
    body: dict[str, Any]
    files: dict[str, bytes]
    authorization: str | None


Answer = Callable[[Got], "web.Response | Awaitable[web.Response] | None"]


@dataclass
class Desk:
    got: list[Got] = field(default_factory=list)
    rules: list[tuple[str, str, Answer]] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    url: str = ""
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    identified: list[dict[str, Any]] = field(default_factory=list)
    shards: int = 1

    def on(self, method: str, part: str, answer: Answer | web.Response) -> None:
        """Newest rule first; a rule that returns None lets the next one answer."""
        self.rules.insert(0, (method, part, answer if callable(answer) else lambda _: copy(answer)))

    def of(self, method: str, part: str = "") -> list[Got]:
        return [got for got in self.got if got.method == method and part in got.path]

    async def until(self, enough: Callable[[], bool]) -> None:
        async with self.arrived:
            await asyncio.wait_for(self.arrived.wait_for(enough), 5)

    # ---- the gateway, as far as one adapter needs it ----

    async def gateway(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await _event(socket, {"op": 10, "d": {"heartbeat_interval": 45_000}})
        async for frame in socket:
            message = json.loads(frame.data)
            if message["op"] == 1:
                await _event(socket, {"op": 11})
            elif message["op"] == 2:
                await self._identify(socket, message["d"])
        return socket

    async def _identify(self, socket: web.WebSocketResponse, said: dict[str, Any]) -> None:
        self.identified.append(said)
        self.sockets.append(socket)
        ready = {
            "v": 10,
            "user": {"id": "100", "username": "easel", "discriminator": "0", "avatar": None},
            "guilds": [],
            "session_id": "s",
            "resume_gateway_url": self.url.replace("http", "ws") + "/gateway-socket",
            "application": {"id": "100", "flags": 0},
            "shard": said["shard"],
        }
        await _event(socket, {"op": 0, "s": 1, "t": "READY", "d": ready})

    async def dispatch(self, event: str, data: dict[str, Any]) -> None:
        for socket in self.sockets:
            await _event(socket, {"op": 0, "s": 2, "t": event, "d": data})

    # ---- REST ----

    async def handle(self, request: web.Request) -> web.Response:
        got = await _read(request)
        self.got.append(got)
        async with self.arrived:
            self.arrived.notify_all()
        for method, part, answer in self.rules:
            if method == got.method and part in got.path:
                made = answer(got)
                response = await made if made is not None and not isinstance(made, web.Response) else made
                if response is not None:
                    return _as_discord(response)
        return _as_discord(_usual(got))


def _as_discord(response: web.Response) -> web.Response:
    """discord.py takes an answer for JSON only if its type is exactly that, without a charset."""
    if response.content_type == "application/json":
        response.headers["Content-Type"] = "application/json"
    return response


async def _event(socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
    await socket.send_str(json.dumps(message))


def _usual(got: Got) -> web.Response:
    if got.path.endswith("/callback?with_response=true"):
        return web.json_response({"interaction": {"id": "1", "type": 2, "response_message_id": MESSAGE}})
    if got.path.endswith("/users/@me/channels"):
        return web.json_response({"id": DIRECT})
    if got.method == "DELETE":
        return web.Response(status=204)
    return web.json_response({"id": "901" if got.method == "POST" else MESSAGE})


async def _read(request: web.Request) -> Got:
    body: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    if request.content_type == "multipart/form-data":
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            if part.name == "payload_json":
                body = json.loads(await part.text())
            else:
                assert part.filename
                files[part.filename] = bytes(await part.read())
    elif request.can_read_body:
        assert request.headers["Content-Type"] == "application/json"
        body = await request.json()
    return Got(request.method, request.path_qs, body, files, request.headers.get("Authorization"))


def copy(response: web.Response) -> web.Response:
    """A response object can be sent only once."""
    assert isinstance(response.body, (bytes, type(None)))
    return web.Response(status=response.status, body=response.body, headers=response.headers)


def error(status: int, code: int = 0) -> web.Response:
    return web.json_response({"message": "upstream words", "code": code}, status=status)


def limited(seconds: float, *, everywhere: bool = False) -> web.Response:
    told = {"message": "slow down", "retry_after": seconds, "global": everywhere}
    return web.json_response(told, status=429, headers={"Via": "1.1 google"})


@asynccontextmanager
async def opened() -> AsyncIterator[Desk]:
    desk = Desk()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_get("/gateway-socket/", desk.gateway)
    app.router.add_get("/gateway-socket", desk.gateway)
    app.router.add_route("*", "/{tail:.*}", desk.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        desk.url = f"http://{host}:{port}"
        yield desk
    finally:
        await runner.cleanup()
