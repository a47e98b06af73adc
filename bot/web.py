"""Easel's one HTTP port: health, metrics, and what the platforms serve on it."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence

from aiohttp import web

from bot.errors import BadSettings
from bot.health import Check, Health
from bot.ports import Handler, Route

CLOSED_WITHIN = 2.0
"""Seconds that requests under way have when we stop."""
CHALLENGE = {"WWW-Authenticate": 'Basic realm="Easel", charset="UTF-8"'}


class Web:
    """An HTTP server on `host`:`port`. `checks` are what readiness needs, by name.

    `token` is asked for by guarded routes, as a bearer token or as the password of a sign-in; None where only this
    machine can reach the port. An empty one lets nobody in.
    """

    def __init__(
        self, host: str, port: int, checks: dict[str, Check], routes: Sequence[Route] = (), *, token: str | None = None
    ) -> None:
        self._host, self._port, self._token = host, port, token
        self._routes = (*Health(checks).routes(), *routes)
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Web:
        app = web.Application()
        for route in self._routes:
            app.router.add_route(route.method, route.path, self._guarded(route) if route.guarded else route.handler)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSED_WITHIN)
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

    @property
    def address(self) -> str:
        host = "127.0.0.1" if self._host == "0.0.0.0" else self._host  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def _guarded(self, route: Route) -> Handler:
        if self._token is None:
            return route.handler

        async def handler(request: web.Request) -> web.StreamResponse:
            if not self._token:
                return web.Response(status=403, text="Closed: its operator has to set EASEL_WEB_TOKEN.")
            given = _given(request).encode(errors="surrogateescape")  # a header may hold any bytes
            if not hmac.compare_digest(given, self._token.encode()):
                return web.Response(status=401, headers=CHALLENGE, text="This needs the operator's EASEL_WEB_TOKEN.")
            return await route.handler(request)

        return handler


def _given(request: web.Request) -> str:
    """The token in a request: `Authorization: Bearer …`, or the password of `Basic …`; empty if there is none."""
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            return rest.strip()
        case "basic":
            try:
                return base64.b64decode(rest, validate=True).decode().partition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                return ""
        case _:
            return ""
