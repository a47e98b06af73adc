"""What the page asks of Easel, request by request. Every handler is behind the guard, and knows whose request it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from adapters.web import parameters, views, wire
from adapters.web.dispatch import SOURCES, Found
from adapters.web.home import Home
from adapters.web.pace import Pace, Rate
from adapters.web.people import Person, clean_name
from adapters.web.shelf import Upload
from adapters.web.turn import Question
from adapters.web.wire import Refusal, answer, number_of, object_of, refused, slow_down, sound, text_of
from bot.errors import BadRequest, DiskFull
from bot.pictures import parameters_of
from bot.ports import Handler, Route

Known = Callable[[web.Request, Person], Awaitable[web.StreamResponse]]
"""Answers a request of somebody's."""
Asking = Callable[[Home, Person, dict[str, Any]], Callable[[], Found]]
"""From the body of a request to what finds the command that it means."""


class Api:
    """`home` raises Refusal while there is none."""

    def __init__(self, home: Callable[[], Home]) -> None:
        self._home = home
        self._writes = Pace(each=Rate(30, 2), everyone=Rate(300, 60))
        self._uploads = Pace(each=Rate(20, 0.5), everyone=Rate(100, 10))
        self._reads = Pace(each=Rate(100, 20), everyone=Rate(1000, 300))

    def routes(self, known: Callable[[Known], Handler]) -> list[Route]:
        """`known` finds out whose request it is, behind the guard."""
        return [
            Route("GET", "/api/start", known(self.start)),
            Route("POST", "/api/say", known(self.say)),
            Route("POST", "/api/run", known(self.run)),
            Route("POST", "/api/press", known(self.press)),
            Route("POST", "/api/submit", known(self.submit)),
            Route("POST", "/api/use", known(self.use)),
            Route("GET", "/api/suggest", known(self.suggest)),
            Route("GET", "/api/older", known(self.older)),
            Route("POST", "/api/uploads", known(self.upload)),
            Route("GET", "/api/uploads/{id}", known(self.uploaded)),
            Route("POST", "/api/parameters", known(self.parameters)),
            Route("POST", "/api/me", known(self.rename)),
        ]

    # ---- what is asked for ----

    async def say(self, request: web.Request, person: Person) -> web.Response:
        return await self._ask(request, person, _said)

    async def run(self, request: web.Request, person: Person) -> web.Response:
        return await self._ask(request, person, _run)

    async def press(self, request: web.Request, person: Person) -> web.Response:
        return await self._ask(request, person, _pressed)

    async def submit(self, request: web.Request, person: Person) -> web.Response:
        return await self._ask(request, person, _submitted)

    async def use(self, request: web.Request, person: Person) -> web.Response:
        return await self._ask(request, person, _used)

    async def _ask(self, request: web.Request, person: Person, asking: Asking) -> web.Response:
        home = self._home()
        slow_down(self._writes, person.id)
        data = await wire.body(request)
        question = Question(person, wire.request_id(data), number_of(data, "picture"))
        return answer(await home.dispatch.answer(question, asking(home, person, data)))

    # ---- what is looked at ----

    async def start(self, request: web.Request, person: Person) -> web.Response:
        home = self._home()
        slow_down(self._reads, person.id)
        cursor = home.hub.cursor  # before the messages are read: what comes meanwhile is told again
        messages, older = await home.board.messages(person)
        easel = home.easel
        response = answer(
            {
                "me": {"id": person.id, "name": person.name},
                "simulated": easel.capabilities.simulated,
                "model": easel.capabilities.model,
                "notice": str(easel.intake.paused or ""),
                "capabilities": views.capabilities_json(easel.capabilities),
                "commands": views.commands_json(home.catalogue, easel),
                "on_message": views.on_message_json(home.catalogue),
                "flags": views.flags_json(),
                "messages": messages,
                "older": older,
                "cursor": cursor,
                "now": datetime.now(UTC).isoformat(),
            }
        )
        response.enable_compression()
        return response

    async def older(self, request: web.Request, person: Person) -> web.Response:
        home = self._home()
        slow_down(self._reads, person.id)
        record = await home.easel.store.by_message(request.query.get("before", ""))
        if record is None:
            raise Refusal(404, "That message isn't there any more.")
        messages, older = await home.board.messages(person, record.job.id)
        return answer({"messages": messages, "older": older})

    async def suggest(self, request: web.Request, person: Person) -> web.Response:
        home = self._home()
        slow_down(self._reads, person.id)
        asked = [request.query.get(name, "")[:200] for name in ("command", "option", "text")]
        return answer(views.choices_json(home.dispatch.suggest(*asked)))

    # ---- what is handed in ----

    async def upload(self, request: web.Request, person: Person) -> web.Response:
        home = self._home()
        slow_down(self._uploads, person.id)
        try:
            home.easel.gallery.check_room()
            kept = await home.uploads.take(request, person.id, _name(request))
        except (BadRequest, DiskFull) as error:
            return answer(refused(error))
        size = {"width": kept.size.width, "height": kept.size.height}
        return answer({"id": kept.id, "name": kept.name, **size, "bytes": kept.bytes})

    async def uploaded(self, request: web.Request, person: Person) -> web.StreamResponse:
        found = self._home().uploads.get(request.match_info["id"], person.id)
        if found is None:
            raise Refusal(404, "That picture is not kept any more.")
        headers = {"Content-Type": found.media_type, "Cache-Control": "private, no-cache"}
        return web.FileResponse(found.path, headers=headers)

    async def parameters(self, request: web.Request, person: Person) -> web.Response:
        """Of a PNG that Easel, or another image tool, wrote them into."""
        home = self._home()
        slow_down(self._uploads, person.id)
        try:
            async with home.uploads.passing(request, person.id) as kept, home.easel.gallery.handing_in:
                text = await asyncio.to_thread(_parameters, kept)
        except BadRequest as error:
            return answer(refused(error))
        line = parameters.command_line(text, home.easel.capabilities)
        return answer({"parameters": text[: parameters.MOST], "line": line})

    async def rename(self, request: web.Request, person: Person) -> web.Response:
        home = self._home()
        slow_down(self._writes, person.id)
        try:
            renamed = Person(person.id, clean_name(text_of(await wire.body(request), "name", 1000)))
        except BadRequest as error:
            return answer(refused(error))
        response = answer({"name": renamed.name})
        home.people.remember(response, renamed)
        await home.board.renamed(renamed)
        return response


def _name(request: web.Request) -> str:
    """Of the file, as the page says it."""
    return sound(unquote(request.headers.get("X-Name", "")))[:100]


# ---- bodies ----


def _said(home: Home, person: Person, data: dict[str, Any]) -> Callable[[], Found]:
    text, sources = text_of(data, "text"), _sources(data)
    return lambda: home.dispatch.say(person, text, sources)


def _run(home: Home, person: Person, data: dict[str, Any]) -> Callable[[], Found]:
    name, options, sources = text_of(data, "command"), object_of(data, "options"), _sources(data)
    return lambda: home.dispatch.fill(person, name, options, sources)


def _pressed(home: Home, person: Person, data: dict[str, Any]) -> Callable[[], Found]:
    verb, job, argument = text_of(data, "verb"), text_of(data, "job", 40), number_of(data, "argument")
    return lambda: home.dispatch.press(verb, job, argument)


def _submitted(home: Home, person: Person, data: dict[str, Any]) -> Callable[[], Found]:
    verb, job, fields = text_of(data, "verb"), text_of(data, "job", 100), object_of(data, "fields")
    return lambda: home.dispatch.submit(verb, job, fields)


def _used(home: Home, person: Person, data: dict[str, Any]) -> Callable[[], Found]:
    name, message = text_of(data, "name"), text_of(data, "message", 100)
    return lambda: home.dispatch.use(name, message)


def _sources(data: dict[str, Any]) -> dict[str, str]:
    return {name: text_of(data, name, 100) for name in SOURCES}


def _parameters(kept: Upload) -> str:
    """Raises BadRequest where there are none."""
    try:
        text = parameters_of(kept.path.read_bytes()) if kept.media_type == "image/png" else None
    except (OSError, SyntaxError, ValueError):
        raise BadRequest("That picture seems to be damaged.") from None
    if not text:
        raise BadRequest("That picture carries no parameters. PNGs that Easel draws do, unless they were private.")
    return text
