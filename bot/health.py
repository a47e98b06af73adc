"""`/healthz` says that the process lives, `/readyz` that it can work: database, engine, platforms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from bot.errors import BadSettings

Check = Callable[[], Awaitable[bool]]


class Health:
    """An HTTP server on `host`:`port`. `checks` are what readiness needs, by name."""

    def __init__(self, host: str, port: int, checks: dict[str, Check]) -> None:
        self._host, self._port, self._checks = host, port, checks
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Health:
        app = web.Application()
        app.router.add_get("/healthz", _alive)
        app.router.add_get("/readyz", self._ready)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError:
            await self._runner.cleanup()
            raise BadSettings(
                f"EASEL_HTTP_PORT: {self._port} at {self._host} is taken or not allowed. "
                "Choose another one; 0 takes any that is free."
            ) from None
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def port(self) -> int:
        """The real port, also when 0 was asked for."""
        assert self._runner is not None
        return int(self._runner.addresses[0][1])

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
