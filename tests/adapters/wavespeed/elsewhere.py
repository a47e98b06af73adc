"""A plain server on this machine that answers as a test says, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Elsewhere:
    """`answers` by path, each one's in turn, the last for good. `asked` is every request's path, method and headers."""

    origin: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def on(self, path: str, *answers: Answer | bytes | int | str) -> str:
        """Answer so: bytes are a good body, a number is a status, a text is where it redirects to."""
        self.answers[path] = [_answer(answer) for answer in answers]
        return self.origin + path

    async def handle(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.asked.append((request.path, request.method, dict(request.headers)))
        answers = self.answers.get(request.path) or [_answer(404)]
        return await (answers.pop(0) if len(answers) > 1 else answers[0])(request)

    @property
    def keys(self) -> list[str]:
        """Every Authorization header that arrived."""
        return [headers["Authorization"] for _, _, headers in self.asked if "Authorization" in headers]


def _answer(given: Answer | bytes | int | str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        if isinstance(given, bytes):
            return web.Response(body=given)
        if isinstance(given, int):
            return web.Response(status=given, text="<html>no</html>", content_type="text/html")
        assert isinstance(given, str)
        return web.Response(status=307, headers={"Location": given})

    return given if callable(given) else answer


@asynccontextmanager
async def elsewhere() -> AsyncIterator[Elsewhere]:
    found = Elsewhere()
    application = web.Application(client_max_size=64_000_000)
    application.router.add_route("*", "/{tail:.*}", found.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield found
    finally:
        await runner.cleanup()
