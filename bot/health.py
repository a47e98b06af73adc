"""`/healthz` says that the process lives, `/readyz` that it can work: database, engine, platforms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from bot.ports import Route

Check = Callable[[], Awaitable[bool]]


class Health:
    """`checks` are what readiness needs, by name."""

    def __init__(self, checks: dict[str, Check]) -> None:
        self._checks = checks

    def routes(self) -> Sequence[Route]:
        return (
            Route("GET", "/healthz", _alive, guarded=False),
            Route("GET", "/readyz", self._ready, guarded=False),
        )

    async def _ready(self, _request: web.Request) -> web.Response:
        answers = {name: await _safely(check) for name, check in self._checks.items()}
        ready = all(answers.values())
        return web.json_response({"ready": ready, **answers}, status=200 if ready else 503)


async def _alive(_request: web.Request) -> web.Response:
    return web.json_response({"alive": True})


async def _safely(check: Check) -> bool:
    try:
        return await check()
    except Exception:  # whatever it is, it is not ready
        return False
