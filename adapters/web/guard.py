"""Whether a request may be what it says: against pages of other sites, and against names that turn to this machine.

A page of another site can make a browser send requests here. It can't read the `X-Easel` header past the browser's
preflight, nor forge `Origin` and `Sec-Fetch-Site`. A name that its owner points to 127.0.0.1 (DNS rebinding) makes that
site one origin with this one; then the `Host` is a name that isn't ours.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from adapters.web.wire import Refusal
from bot.ports import Handler
from bot.settings import Settings

log = structlog.get_logger(__name__)

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not bound to
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    def __init__(self, settings: Settings) -> None:
        host = settings.http_host.lower().strip("[]")
        self._public = settings.public_url.lower()
        public = urlsplit(self._public).hostname
        self._names = LOOPBACK | ({host} - WILDCARDS) | ({public} if public else set())
        self._any_address = host in WILDCARDS

    def over(self, handler: Handler, *, navigable: bool = False) -> Handler:
        """The handler behind every check, its answers under the page's policy.

        `navigable`: what people open by a link from elsewhere, too.
        """

        async def guarded(request: web.Request) -> web.StreamResponse:
            return await _answered(request, lambda: self._checked(request, handler, navigable=navigable))

        return guarded

    async def _checked(self, request: web.Request, handler: Handler, *, navigable: bool) -> web.StreamResponse:
        self.check(request, navigable=navigable)
        return await handler(request)

    def check(self, request: web.Request, *, navigable: bool = False) -> None:
        """Raises Refusal."""
        if not self._is_ours(request.headers.get("Host", "")):
            raise Refusal(421, "Easel isn't reached by that name. Its operator can set EASEL_PUBLIC_URL to it.")
        if navigable:
            return
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise Refusal(403, "That came from another site.")
        origin = request.headers.get("Origin")
        if origin is not None and not self._is_here(origin.lower(), request.headers["Host"].lower()):
            raise Refusal(403, "That came from another site.")
        if request.method == "POST" and request.headers.get("X-Easel") != "1":
            raise Refusal(403, "That didn't come from Easel's page.")

    def _is_ours(self, host: str) -> bool:
        name = _name(host)
        return name in self._names or (self._any_address and _is_address(name))

    def _is_here(self, origin: str, host: str) -> bool:
        return origin in (f"http://{host}", f"https://{host}") or (bool(self._public) and origin == self._public)


def _name(host: str) -> str:
    """The name or address in a Host header, without its port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    """An address can't be pointed elsewhere, as a name can."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _answered(request: web.Request, handle: Callable[[], Awaitable[web.StreamResponse]]) -> web.StreamResponse:
    try:
        response = await handle()
    except Refusal as refusal:
        response = refusal.response()
    if not response.prepared:
        response.headers.update(HEADERS)
    return response
