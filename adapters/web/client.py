"""The page as a chat platform: what it serves on Easel's port, and the one channel behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from aiohttp import web

from adapters.web.address import Address
from adapters.web.api import Api, Known
from adapters.web.events import RETRY, Hub, Window
from adapters.web.guard import HEADERS, Guard
from adapters.web.home import Home, settle
from adapters.web.looking import Looking
from adapters.web.pages import Pages
from adapters.web.people import Person
from adapters.web.reply import WebReply
from adapters.web.settings import WebSettings, check_open
from adapters.web.wire import Refusal
from bot.easel import Easel
from bot.ports import Handler, Route
from bot.settings import Settings
from bot.vault import Vault
from commands.spec import Command

log = structlog.get_logger(__name__)

LAST_WORDS = 1.5
"""Seconds that commands have to end when the platform closes."""
READ_WITHIN = 60.0
"""Seconds in which a window has to read what it is sent; then it is taken for gone."""


class Web:
    """A Platform (bot.ports). Raises BadSettings where it would be open to all the world."""

    name = "web"

    def __init__(
        self,
        settings: WebSettings,
        easel: Settings,
        catalogue: Sequence[Command] | None = None,
        pages: Pages | None = None,
    ) -> None:
        check_open(easel)
        self._settings = settings
        self._catalogue = catalogue
        self._guard = Guard(easel)
        self._pages = pages or Pages()
        self._hub = Hub(self._pages.version)
        self._home: Home | None = None
        self._serving = False
        self._taking = True
        self._closed = asyncio.Event()

    # ---- Platform ----

    def routes(self) -> Sequence[Route]:
        api, looking = Api(self._taking_home), Looking(self._any_home)
        return (
            Route("GET", "/", self._guard.over(self._shell, navigable=True)),
            Route("GET", "/gallery", self._guard.over(self._shell, navigable=True)),
            Route("GET", "/static/{version}/{name}", self._guard.over(self._pages.file)),
            Route("GET", "/static/{name}", self._guard.over(self._pages.file)),
            Route("GET", "/api/events", self._known(self._events)),
            Route("GET", "/api/gallery", self._known(looking.gallery)),
            Route("GET", "/pictures/{job}/{index}", self._known(looking.picture, navigable=True)),
            *api.routes(self._known),
        )

    async def login(self, vault: Vault) -> None:
        """It needs no account anywhere."""

    async def serve(self, easel: Easel) -> None:
        self._serving = True
        await self._closed.wait()

    async def move_in(self, easel: Easel) -> None:
        """Make ready what answers requests, and what tells other processes of the jobs that run here."""
        if self._settings.limit_per_day:
            easel.intake.cap(self.name, self._settings.limit_per_day)
        catalogue = self._catalogue if self._catalogue is not None else _catalogue()
        self._home = await settle(easel, catalogue, self._hub)

    def reopen(self, address: str) -> WebReply:
        """Raises ValueError for a text that is no address of ours."""
        return WebReply(self._any_home().board, Address.parse(address))

    @property
    def ready(self) -> bool:
        return self._serving and self._taking

    async def sweep(self) -> int:
        return await self._home.uploads.sweep() if self._home else 0

    async def stop_taking(self) -> None:
        """The windows close, too: they find the next start by themselves."""
        self._taking = False
        self._hub.close()

    async def close(self) -> None:
        await self.stop_taking()
        self._closed.set()
        if self._home is not None:
            await self._home.dispatch.ended(LAST_WORDS)
            await self._home.board.close()

    # ---- who asks ----

    def _any_home(self) -> Home:
        if self._home is None:
            raise Refusal(503, "Easel is starting. Please try again in a moment.", retry_after=1)
        return self._home

    def _taking_home(self) -> Home:
        if not self._taking:
            raise Refusal(503, "Easel is restarting. Please try again in a moment.", retry_after=2)
        return self._any_home()

    def _known(self, handler: Known, *, navigable: bool = False) -> Handler:
        """Behind the guard, and with who asks: by their cookie, which a newcomer gets with the answer."""

        async def known(request: web.Request) -> web.StreamResponse:
            people = self._any_home().people
            person = people.of(request)
            response = await handler(request, person)
            if person.new and not response.prepared and not response.cookies:
                people.remember(response, person)
            return response

        return self._guard.over(known, navigable=navigable)

    # ---- the page ----

    async def _shell(self, request: web.Request) -> web.StreamResponse:
        if self._home is None:
            return web.Response(status=503, text="Easel is starting…", headers={"Refresh": "1"})
        can, people = self._home.easel.capabilities, self._home.people
        response = self._pages.shell(simulated=can.simulated, model=can.model)
        people.remember(response, people.of(request))  # each visit makes it last for another year
        return response

    async def _events(self, request: web.Request, person: Person) -> web.StreamResponse:
        home = self._taking_home()
        if self._hub.full:
            raise Refusal(429, "Easel is open in too many windows. Close some of them.", retry_after=30)
        last = request.query.get("last", "") or request.headers.get("Last-Event-ID", "")
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        response.headers.update(HEADERS)
        if person.new:
            home.people.remember(response, person)
        with self._hub.window(person.id, last[:100]) as window:
            await response.prepare(request)
            await _heard(response, window)
        return response


async def _heard(response: web.StreamResponse, window: Window) -> None:
    """Send until the window closes, or reads no more."""
    try:
        await response.write(RETRY)
        async for text in window.heard():
            async with asyncio.timeout(READ_WITHIN):
                await response.write(text)
    except (ConnectionError, TimeoutError):
        return


def _catalogue() -> Sequence[Command]:
    from commands import CATALOGUE

    return CATALOGUE
