"""A proxy that sends each connection to the next of several servers, and past those that are away."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Proxy:
    """`servers` gives their addresses as they are by now; `sent` counts connections by server."""

    def __init__(self, servers: Callable[[], Sequence[str]]) -> None:
        self._servers = servers
        self._turns = itertools.count()
        self.sent: Counter[str] = Counter()
        self.url = ""

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await self._next()
        if there is not None:
            with contextlib.suppress(ConnectionError):
                await asyncio.gather(_carry(reader, there[1]), _carry(there[0], writer))
        writer.close()

    async def _next(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        servers = self._servers()
        for _ in servers:
            url = servers[next(self._turns) % len(servers)]
            at = urlsplit(url)
            with contextlib.suppress(ConnectionError):
                found = await asyncio.open_connection(at.hostname, at.port)
                self.sent[url] += 1
                return found
        return None


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@asynccontextmanager
async def proxy(servers: Callable[[], Sequence[str]]) -> AsyncIterator[Proxy]:
    made = Proxy(servers)
    server = await asyncio.start_server(made.connect, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
